//! Decimals of any size, with the arithmetic of Java's `BigDecimal`: the scale of a result is part of it.
//!
//! Vocabulary: a decimal is its *unscaled* integer times ten to the power of minus its *scale*; its *precision* is the
//! number of digits of the unscaled integer.

use std::cmp::Ordering;

use ilium_cql::value::text::{double_to_text, parse_decimal};
use num_bigint::{BigInt, Sign};

/// How many zeros an operation may write out: shifting a number further means that its exponent was no serious one,
/// and would take memory and time without bound.
const MAX_SHIFT: u64 = 100_000;

/// The digits that addition and multiplication keep (Cassandra's `DecimalType.MAX_PRECISION`).
pub(in crate::term) const MAX_PRECISION: u64 = 10_000;

/// An operation that has no result, in Java's words where it has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::term) struct NoResult(pub &'static str);

const OVERFLOW: NoResult = NoResult("Overflow");
const TOO_FAR: NoResult = NoResult("The exponents are too large to compute with");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::term) enum Rounding {
    /// Ties away from zero.
    HalfUp,
    /// Ties to the even neighbour.
    HalfEven,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::term) struct Decimal {
    pub unscaled: BigInt,
    pub scale: i32,
}

/// Ten to a power.
pub(super) fn power_of_ten(exponent: u64) -> Result<BigInt, NoResult> {
    match u32::try_from(exponent) {
        Ok(small) if exponent <= MAX_SHIFT => Ok(BigInt::from(10).pow(small)),
        _ => Err(TOO_FAR),
    }
}

fn checked_scale(scale: i64) -> Result<i32, NoResult> {
    i32::try_from(scale).map_err(|_| OVERFLOW)
}

/// A scale pushed to the nearest one there is, as for zeros, which it does not change.
fn saturated_scale(scale: i64) -> i32 {
    i32::try_from(scale).unwrap_or(if scale < 0 { i32::MIN } else { i32::MAX })
}

fn is_zero(number: &BigInt) -> bool {
    number.sign() == Sign::NoSign
}

fn digits(number: &BigInt) -> u64 {
    if is_zero(number) {
        return 1;
    }
    number.magnitude().to_string().len() as u64
}

/// The quotient rounded; the divisor is not zero.
fn divide_rounded(dividend: &BigInt, divisor: &BigInt, rounding: Rounding) -> BigInt {
    let quotient = dividend / divisor;
    let remainder = dividend % divisor;
    let twice: BigInt = remainder * 2;
    let up = match twice.magnitude().cmp(divisor.magnitude()) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => rounding == Rounding::HalfUp || quotient.bit(0),
    };
    if !up {
        quotient
    } else if (dividend.sign() == Sign::Minus) == (divisor.sign() == Sign::Minus) {
        quotient + 1
    } else {
        quotient - 1
    }
}

impl Decimal {
    pub fn new(unscaled: BigInt, scale: i32) -> Decimal {
        Decimal { unscaled, scale }
    }

    pub fn zero() -> Decimal {
        Decimal::new(BigInt::ZERO, 0)
    }

    /// `None`: an empty value, which counts as null.
    pub fn from_wire(bytes: &[u8]) -> Option<Decimal> {
        let (scale, unscaled) = bytes.split_first_chunk::<4>()?;
        Some(Decimal::new(BigInt::from_signed_bytes_be(unscaled), i32::from_be_bytes(*scale)))
    }

    pub fn to_wire(&self) -> Vec<u8> {
        let mut out = self.scale.to_be_bytes().to_vec();
        out.extend_from_slice(&self.unscaled.to_signed_bytes_be());
        out
    }

    /// `BigDecimal.valueOf(double)`: the digits that Java prints.
    pub fn from_double(double: f64) -> Result<Decimal, NoResult> {
        if double.is_nan() {
            return Err(NoResult("A NaN cannot be converted into a decimal"));
        }
        if double.is_infinite() {
            return Err(NoResult("An infinite number cannot be converted into a decimal"));
        }
        Ok(Decimal::from_text(&double_to_text(double)))
    }

    /// Of a text that Java's number types print.
    pub fn from_text(text: &str) -> Decimal {
        parse_decimal(text).ok().and_then(|bytes| Decimal::from_wire(&bytes)).unwrap_or_else(Decimal::zero)
    }

    pub fn is_zero(&self) -> bool {
        is_zero(&self.unscaled)
    }

    pub fn is_negative(&self) -> bool {
        self.unscaled.sign() == Sign::Minus
    }

    pub fn precision(&self) -> u64 {
        digits(&self.unscaled)
    }

    /// Rounded to so many digits, if there are more.
    pub fn round(mut self, precision: u64, rounding: Rounding) -> Result<Decimal, NoResult> {
        // Rounding 99.9 up makes one digit more, to be rounded away again.
        while let Some(drop) = self.precision().checked_sub(precision).filter(|drop| *drop > 0) {
            let unscaled = divide_rounded(&self.unscaled, &power_of_ten(drop)?, rounding);
            self = Decimal::new(unscaled, checked_scale(i64::from(self.scale) - drop as i64)?);
        }
        Ok(self)
    }

    /// The same number with a scale that is no smaller.
    fn widen(self, scale: i64) -> Result<Decimal, NoResult> {
        let more = scale - i64::from(self.scale);
        if more <= 0 {
            return Ok(self);
        }
        let new_scale = checked_scale(scale)?;
        if self.is_zero() {
            return Ok(Decimal::new(self.unscaled, new_scale));
        }
        Ok(Decimal::new(self.unscaled * power_of_ten(more as u64)?, new_scale))
    }

    /// Without zeros at its end, as long as the scale is greater than `least`.
    fn strip(mut self, least: i64) -> Decimal {
        if self.is_zero() {
            return self;
        }
        // In steps of a power of two of zeros, for a number may end in thousands.
        let mut zeros = self.precision().next_power_of_two().min(MAX_SHIFT.next_power_of_two() / 2);
        let mut room = i64::from(self.scale) - least;
        while zeros > 0 && room > 0 {
            if zeros as i64 <= room
                && let Ok(power) = power_of_ten(zeros)
            {
                let rest: BigInt = &self.unscaled % &power;
                if is_zero(&rest) {
                    self.unscaled /= power;
                    self.scale -= zeros as i32;
                    room -= zeros as i64;
                    continue;
                }
            }
            zeros /= 2;
        }
        self
    }

    /// Without any zeros at its end; zero has the scale 0.
    pub fn strip_trailing_zeros(self) -> Decimal {
        if self.is_zero() { Decimal::zero() } else { self.strip(i64::from(i32::MIN)) }
    }

    /// The sum, at most [`MAX_PRECISION`] digits of it.
    pub fn add(self, other: Decimal) -> Result<Decimal, NoResult> {
        let precision = MAX_PRECISION;
        let rounding = Rounding::HalfUp;
        let wanted = i64::from(self.scale.max(other.scale));
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ok(Decimal::new(BigInt::ZERO, checked_scale(wanted)?)),
            (false, false) => {}
            (left_zero, _) => {
                let rounded = if left_zero { other } else { self }.round(precision, rounding)?;
                let room = precision as i64 - rounded.precision() as i64;
                let scale = i64::from(rounded.scale);
                return if scale > wanted {
                    Ok(rounded.strip(wanted))
                } else {
                    rounded.widen(wanted.min(scale.saturating_add(room)))
                };
            }
        }
        let (big, small) = if self.scale <= other.scale { (self, other) } else { (other, self) };
        let small = small.at_most_visible_beside(&big, precision)?;
        let scale = i64::from(big.scale.max(small.scale));
        let (big, small) = (big.widen(scale)?, small.widen(scale)?);
        Decimal::new(big.unscaled + small.unscaled, big.scale).round(precision, rounding)
    }

    /// Itself, or a number just as good where it is too small to change more than the rounding of the sum.
    fn at_most_visible_beside(self, big: &Decimal, precision: u64) -> Result<Decimal, NoResult> {
        let last_digit = i64::from(big.scale) - big.precision() as i64 + precision as i64;
        let highest_digit = i64::from(self.scale) - self.precision() as i64 + 1;
        let big_scale = i64::from(big.scale);
        if highest_digit > big_scale + 2 && highest_digit > last_digit + 2 {
            let sign = if self.is_negative() { -1 } else { 1 };
            return Ok(Decimal::new(BigInt::from(sign), checked_scale(big_scale.max(last_digit) + 3)?));
        }
        Ok(self)
    }

    pub fn subtract(self, other: Decimal) -> Result<Decimal, NoResult> {
        self.add(other.negate())
    }

    /// The sum, every digit of it.
    pub fn add_exact(self, other: Decimal) -> Result<Decimal, NoResult> {
        let scale = i64::from(self.scale.max(other.scale));
        let (left, right) = (self.widen(scale)?, other.widen(scale)?);
        Ok(Decimal::new(left.unscaled + right.unscaled, left.scale))
    }

    /// The product, at most [`MAX_PRECISION`] digits of it.
    pub fn multiply(self, other: Decimal) -> Result<Decimal, NoResult> {
        let scale = i64::from(self.scale) + i64::from(other.scale);
        let unscaled = self.unscaled * other.unscaled;
        if is_zero(&unscaled) {
            return Ok(Decimal::new(unscaled, saturated_scale(scale)));
        }
        Decimal::new(unscaled, checked_scale(scale)?).round(MAX_PRECISION, Rounding::HalfUp)
    }

    /// The quotient with that scale.
    pub fn divide(&self, divisor: &Decimal, scale: i32, rounding: Rounding) -> Result<Decimal, NoResult> {
        if divisor.is_zero() {
            return Err(NoResult("BigInteger divide by zero"));
        }
        if self.is_zero() {
            return Ok(Decimal::new(BigInt::ZERO, scale));
        }
        let shift = i64::from(scale) + i64::from(divisor.scale) - i64::from(self.scale);
        let power = power_of_ten(shift.unsigned_abs())?;
        let unscaled = if shift >= 0 {
            divide_rounded(&(&self.unscaled * power), &divisor.unscaled, rounding)
        } else {
            divide_rounded(&self.unscaled, &(&divisor.unscaled * power), rounding)
        };
        Ok(Decimal::new(unscaled, scale))
    }

    /// The quotient with so many digits; one that is exact has no more zeros than its operands' scales ask for.
    pub fn divide_to(&self, divisor: &Decimal, precision: u64) -> Result<Decimal, NoResult> {
        let preferred = i64::from(self.scale) - i64::from(divisor.scale);
        if divisor.is_zero() {
            return Err(NoResult("Division by zero"));
        }
        if self.is_zero() {
            return Ok(Decimal::new(BigInt::ZERO, saturated_scale(preferred)));
        }
        // At least that many digits: the quotient of the unscaled numbers has their difference, or one less.
        let shift = precision as i64 + 1 + divisor.precision() as i64 - self.precision() as i64;
        let power = power_of_ten(shift.unsigned_abs())?;
        let (dividend, divisor) = if shift >= 0 {
            (&self.unscaled * power, divisor.unscaled.clone())
        } else {
            (self.unscaled.clone(), &divisor.unscaled * power)
        };
        let scale = checked_scale(preferred + shift)?;
        let (quotient, remainder) = (&dividend / &divisor, &dividend % &divisor);
        if is_zero(&remainder) {
            let exact = Decimal::new(quotient, scale);
            let stripped = exact.clone().strip(preferred);
            return if stripped.precision() <= precision {
                Ok(stripped)
            } else {
                exact.round(precision, Rounding::HalfEven)
            };
        }
        // A digit below the quotient's last that says whether the rest is there, so that a tie is none.
        let sticky = if (dividend.sign() == Sign::Minus) == (divisor.sign() == Sign::Minus) { 1 } else { -1 };
        Decimal::new(quotient * 10 + sticky, checked_scale(i64::from(scale) + 1)?)
            .round(precision, Rounding::HalfEven)
    }

    /// What is left after dividing by `divisor` a whole number of times; it has this number's sign.
    pub fn remainder(self, divisor: &Decimal) -> Result<Decimal, NoResult> {
        if divisor.is_zero() {
            return Err(NoResult("Division by zero"));
        }
        let preferred = i64::from(self.scale) - i64::from(divisor.scale);
        // A dividend that is smaller is what is left of it; both need not be written out to see that.
        let left_top = self.precision() as i64 - i64::from(self.scale);
        let right_top = divisor.precision() as i64 - i64::from(divisor.scale);
        if self.is_zero() || left_top < right_top {
            return Ok(self);
        }
        let scale = i64::from(self.scale.max(divisor.scale));
        let (left, right) = (self.clone().widen(scale)?, divisor.clone().widen(scale)?);
        let quotient = &left.unscaled / &right.unscaled;
        if is_zero(&quotient) {
            return Ok(self);
        }
        // The whole quotient's scale decides the product's, and that the result's.
        let stripped = Decimal::new(quotient, 0).strip(preferred.min(0));
        let product_scale = i64::from(stripped.scale).max(preferred) + i64::from(divisor.scale);
        let result_scale = product_scale.max(i64::from(self.scale));
        let rest = Decimal::new(&left.unscaled % &right.unscaled, left.scale);
        rest.strip_to(result_scale)
    }

    /// The same number with that scale, which it can have.
    fn strip_to(self, scale: i64) -> Result<Decimal, NoResult> {
        if self.is_zero() {
            return Ok(Decimal::new(BigInt::ZERO, checked_scale(scale)?));
        }
        self.strip(scale).widen(scale)
    }

    pub fn negate(self) -> Decimal {
        Decimal::new(-self.unscaled, self.scale)
    }

    pub fn abs(self) -> Decimal {
        if self.is_negative() { self.negate() } else { self }
    }

    /// Rounded to a whole number, ties away from zero.
    pub fn round_whole(self) -> Result<Decimal, NoResult> {
        if self.scale <= 0 {
            return self.widen(0);
        }
        self.divide(&Decimal::new(BigInt::from(1), 0), 0, Rounding::HalfUp)
    }

    /// The whole part.
    pub fn to_integer(&self) -> Result<BigInt, NoResult> {
        let shift = i64::from(self.scale);
        if self.is_zero() || self.precision() as i64 <= shift {
            return Ok(BigInt::ZERO);
        }
        let power = power_of_ten(shift.unsigned_abs())?;
        Ok(if shift > 0 { &self.unscaled / power } else { &self.unscaled * power })
    }

    /// The low 64 bits of the whole part, as `BigDecimal.longValue` gives them.
    pub fn to_long(&self) -> i64 {
        // Ten to the 64th and beyond is a multiple of two to the 64th.
        if self.scale <= -64 {
            return 0;
        }
        self.to_integer().map_or(0, |whole| low_bits(&whole))
    }

    pub fn to_double(&self) -> f64 {
        format!("{}e{}", self.unscaled, -i64::from(self.scale)).parse().unwrap_or(0.0)
    }

    pub fn to_float(&self) -> f32 {
        format!("{}e{}", self.unscaled, -i64::from(self.scale)).parse().unwrap_or(0.0)
    }
}

/// The low 64 bits in two's complement (`BigInteger.longValue`).
pub(super) fn low_bits(number: &BigInt) -> i64 {
    let low = number.magnitude().iter_u64_digits().next().unwrap_or(0) as i64;
    if number.sign() == Sign::Minus { low.wrapping_neg() } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_cql::value::text::decimal_to_text;

    fn d(text: &str) -> Decimal {
        Decimal::from_text(text)
    }

    fn text(decimal: Result<Decimal, NoResult>) -> String {
        decimal.map_or_else(|e| e.0.to_owned(), |decimal| decimal_to_text(&decimal.to_wire()))
    }

    // The expected texts of these tests are what Java 17's BigDecimal gives.

    #[test]
    fn a_sum_has_the_greater_scale_and_zero_only_its_scale_to_give() {
        assert_eq!(text(d("0").add(d("1E+5"))), "100000");
        assert_eq!(text(d("0.00").add(d("1E+5"))), "100000.00");
        assert_eq!(text(d("1E+5").add(d("1"))), "100001");
        assert_eq!(text(d("1.10").subtract(d("1.1"))), "0.00");
    }

    #[test]
    fn a_sum_of_numbers_far_apart_is_rounded_and_not_written_out() {
        let sum = d("1E+2000000000").add(d("1")).unwrap();
        assert_eq!(sum.precision(), MAX_PRECISION);
        assert_eq!(sum.scale, -2_000_000_000 + 9_999);
    }

    #[test]
    fn a_remainder_takes_its_scale_from_the_whole_quotient() {
        assert_eq!(text(d("10.50").remainder(&d("0.3"))), "0.00");
        assert_eq!(text(d("10.50").remainder(&d("0.33"))), "0.27");
        assert_eq!(text(d("10").remainder(&d("0.33"))), "0.1");
        assert_eq!(text(d("1E+10").remainder(&d("7"))), "4");
        assert_eq!(text(d("-7").remainder(&d("2"))), "-1");
        assert_eq!(text(d("1").remainder(&d("0.0"))), "Division by zero");
    }

    #[test]
    fn an_exact_quotient_keeps_no_zeros_beyond_its_preferred_scale() {
        assert_eq!(text(d("6").divide_to(&d("2"), 34)), "3");
        assert_eq!(text(d("60").divide_to(&d("2.0"), 34)), "3E+1");
        assert_eq!(text(d("1").divide_to(&d("8"), 34)), "0.125");
        assert_eq!(text(d("2").divide_to(&d("3"), 5)), "0.66667");
        assert_eq!(text(d("0").divide_to(&d("3.00"), 5)), "0E+2");
    }

    #[test]
    fn a_huge_exponent_is_refused_where_it_would_have_to_be_written_out() {
        assert_eq!(text(d("1E+2000000000").remainder(&d("3"))), TOO_FAR.0);
        assert_eq!(d("1E+2000000000").to_long(), 0);
        assert_eq!(d("1E-2000000000").to_long(), 0);
    }
}
