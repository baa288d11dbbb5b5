//! The exponential function and logarithms of decimals, to as many digits as asked for.
//!
//! Vocabulary: a *fixed* number is an integer that counts units of two to the power of minus its *bits*.

use num_bigint::{BigInt, Sign};

use super::decimal::{Decimal, MAX_PRECISION, NoResult, Rounding, power_of_ten};

/// Digits computed beyond those wanted, so that the last one is rounded right.
const GUARD_DIGITS: u64 = 15;

/// No more digits of an operand count than this: twice what a result may have, for some may cancel.
const MAX_OPERAND_DIGITS: u64 = 2 * MAX_PRECISION;

/// Bits that hold so many decimal digits, and some to spare.
fn bits_for(digits: u64) -> u64 {
    digits.saturating_mul(3322) / 1000 + 64
}

fn one(bits: u64) -> BigInt {
    BigInt::from(1) << bits
}

/// A decimal as a fixed number.
fn fixed(decimal: &Decimal, bits: u64) -> Result<BigInt, NoResult> {
    let power = power_of_ten(u64::from(decimal.scale.unsigned_abs()))?;
    let unscaled = &decimal.unscaled << bits;
    Ok(if decimal.scale > 0 { unscaled / power } else { unscaled * power })
}

/// A fixed number times ten to `exponent`, with so many digits.
fn decimal_of(number: &BigInt, bits: u64, exponent: i64, precision: u64) -> Result<Decimal, NoResult> {
    // Its highest digit may lie far below the point, where it is the logarithm of a number close to 1.
    let magnitude_bits = number.bits() as i64 - bits as i64;
    let zeros = (-magnitude_bits).max(0) as u64 * 302 / 1000;
    let digits = precision + GUARD_DIGITS + zeros;
    let unscaled = (number * power_of_ten(digits)?) >> bits;
    let scale = i32::try_from(digits as i64 - exponent).map_err(|_| NoResult("Overflow"))?;
    Decimal::new(unscaled, scale).round(precision, Rounding::HalfEven)
}

/// e to a fixed power between -4 and 4.
fn exp_fixed(power: &BigInt, bits: u64) -> BigInt {
    // Halved so often that few terms of the series are left, then squared back.
    let halvings = bits.isqrt() + 8;
    let work = bits + 2 * halvings + 16;
    let x = (power << (work - bits)) >> halvings;
    let mut sum = one(work);
    let mut term = one(work);
    let mut n = 1u32;
    loop {
        term = ((term * &x) >> work) / n;
        if term.sign() == Sign::NoSign || term == BigInt::from(-1) {
            break;
        }
        sum += &term;
        n += 1;
    }
    for _ in 0..halvings {
        sum = (&sum * &sum) >> work;
    }
    sum >> (work - bits)
}

/// The natural logarithm of a fixed number from 1 to 10. `start` is a double close to the result.
fn ln_fixed(number: &BigInt, bits: u64, start: f64) -> BigInt {
    // A double is right in about 50 bits, and each step of Halley's method triples that.
    let mut y = BigInt::from((start * 2f64.powi(60)) as i64) << (bits - 60);
    let mut right = 45;
    while right < bits {
        let e = exp_fixed(&y, bits);
        let step = ((number - &e) << (bits + 1)) / (number + &e);
        y += step;
        right *= 3;
    }
    y
}

fn ln_ten(bits: u64) -> BigInt {
    ln_fixed(&(BigInt::from(10) << bits), bits, std::f64::consts::LN_10)
}

/// e to the power of a decimal, with so many digits. Fails where the whole part exceeds a Java int.
pub(super) fn exp(power: &Decimal, precision: u64) -> Result<Decimal, NoResult> {
    if power.is_zero() {
        return Ok(Decimal::new(BigInt::from(1), 0));
    }
    let top = power.precision() as i64 - i64::from(power.scale);
    if top > 10 {
        return Err(NoResult("Overflow"));
    }
    if top < -((precision + GUARD_DIGITS) as i64) {
        // Too close to 1 to tell; written with all its digits all the same.
        let digits = precision.saturating_sub(1);
        let scale = i32::try_from(digits).map_err(|_| NoResult("Overflow"))?;
        return Ok(Decimal::new(power_of_ten(digits)?, scale));
    }
    let power = &power.clone().round(MAX_OPERAND_DIGITS, Rounding::HalfEven)?;
    if i32::try_from(power.to_integer()?).is_err() {
        return Err(NoResult("Overflow"));
    }
    let bits = bits_for(precision + GUARD_DIGITS) + 64;
    let x = fixed(power, bits)?;
    // e^x = 10^k * e^(x - k ln 10)
    let ln_ten = ln_ten(bits);
    let mut k = &x / &ln_ten;
    if x.sign() == Sign::Minus {
        k -= 1;
    }
    let rest = exp_fixed(&(x - &k * ln_ten), bits);
    let exponent = i64::try_from(k).map_err(|_| NoResult("Overflow"))?;
    decimal_of(&rest, bits, exponent, precision)
}

/// The natural logarithm of a decimal greater than zero, with so many digits.
pub(super) fn ln(number: &Decimal, precision: u64) -> Result<Decimal, NoResult> {
    let number = &number.clone().round(MAX_OPERAND_DIGITS, Rounding::HalfEven)?;
    if number.clone().strip_trailing_zeros() == Decimal::new(BigInt::from(1), 0) {
        return Ok(Decimal::zero());
    }
    let digits = number.precision();
    // Close to 1 the leading digits of the number cancel, so they are needed on top.
    let bits = bits_for(precision + digits + GUARD_DIGITS) + 64;
    let exponent = digits as i64 - 1 - i64::from(number.scale);
    let scale = i32::try_from(digits - 1).map_err(|_| NoResult("Overflow"))?;
    let mantissa = Decimal::new(number.unscaled.clone(), scale);
    let start = mantissa.to_double().ln();
    let mut result = ln_fixed(&fixed(&mantissa, bits)?, bits, start);
    if exponent != 0 {
        result += ln_ten(bits) * exponent;
    }
    decimal_of(&result, bits, 0, precision)
}

/// The logarithm to base 10, rounded as the quotient of two rounded logarithms is: whole results show it.
pub(super) fn log10(number: &Decimal, precision: u64) -> Result<Decimal, NoResult> {
    let inner = precision + 2;
    let quotient = ln(number, inner)?.divide_to(&ln(&Decimal::new(BigInt::from(10), 0), inner)?, inner)?;
    quotient.round(precision, Rounding::HalfEven)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_logarithm_undoes_the_exponential(unscaled in -100_000i64..100_000, scale in 0i32..8) {
            let x = Decimal::new(unscaled.into(), scale.max(2));
            prop_assume!(!x.is_zero());
            let back = ln(&exp(&x, 60).unwrap(), 40).unwrap();
            // The digits that the exponential of a number close to zero loses to the 1 in front.
            let difference = back.subtract(x).unwrap().abs();
            prop_assert!(difference.is_zero() || difference.to_double() < 1e-35, "{difference:?}");
        }

        #[test]
        fn doubles_agree_in_their_fifteen_digits(x in 1e-300f64..1e300) {
            let decimal = Decimal::from_double(x).unwrap();
            let logarithm = ln(&decimal, 20).unwrap().to_double();
            prop_assert!((logarithm - x.ln()).abs() <= x.ln().abs() * 1e-14 + 1e-15);
        }
    }

    #[test]
    fn what_is_too_large_to_write_down_is_refused_and_not_tried() {
        assert!(exp(&Decimal::from_text("1E+20"), 32).is_err());
        assert!(exp(&Decimal::from_text("3000000000"), 32).is_err());
        assert_eq!(exp(&Decimal::from_text("1E-2000000000"), 3).unwrap(), Decimal::new(100.into(), 2));
        assert!(ln(&Decimal::from_text("1E-2000000000"), 32).is_ok());
    }
}
