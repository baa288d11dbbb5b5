//! Numbers of every CQL type, with Java's conversions and arithmetic.

mod decimal;
mod transcendental;

pub(in crate::term) use decimal::{Decimal, NoResult, Rounding};

use ilium_cql::CqlType;
use ilium_cql::ast::Arithmetic;
use num_bigint::{BigInt, Sign};

use decimal::low_bits;

/// The least digits of a decimal quotient, and of functions of decimals (`DecimalType.MIN_SCALE`).
const MIN_DIGITS: u64 = 32;
/// The largest scale of a decimal quotient (`DecimalType.MAX_SCALE`).
const MAX_SCALE: i64 = 1000;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::term) enum Number {
    Tinyint(i8),
    Smallint(i16),
    Int(i32),
    /// Counters too.
    Bigint(i64),
    Float(f32),
    Double(f64),
    Varint(BigInt),
    Decimal(Decimal),
}

impl Number {
    /// A value of a number type; `None` where it is empty, which counts as null.
    pub fn read(ty: &CqlType, bytes: &[u8]) -> Option<Number> {
        Some(match ty {
            CqlType::Tinyint => Number::Tinyint(i8::from_be_bytes(bytes.try_into().ok()?)),
            CqlType::Smallint => Number::Smallint(i16::from_be_bytes(bytes.try_into().ok()?)),
            CqlType::Int => Number::Int(i32::from_be_bytes(bytes.try_into().ok()?)),
            CqlType::Bigint | CqlType::Counter | CqlType::Timestamp => {
                Number::Bigint(i64::from_be_bytes(bytes.try_into().ok()?))
            }
            CqlType::Float => Number::Float(f32::from_be_bytes(bytes.try_into().ok()?)),
            CqlType::Double => Number::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
            CqlType::Varint if bytes.is_empty() => return None,
            CqlType::Varint => Number::Varint(BigInt::from_signed_bytes_be(bytes)),
            CqlType::Decimal => Number::Decimal(Decimal::from_wire(bytes)?),
            _ => return None,
        })
    }

    pub fn write(&self) -> Vec<u8> {
        match self {
            Number::Tinyint(n) => n.to_be_bytes().to_vec(),
            Number::Smallint(n) => n.to_be_bytes().to_vec(),
            Number::Int(n) => n.to_be_bytes().to_vec(),
            Number::Bigint(n) => n.to_be_bytes().to_vec(),
            Number::Float(n) => n.to_be_bytes().to_vec(),
            Number::Double(n) => n.to_be_bytes().to_vec(),
            Number::Varint(n) => n.to_signed_bytes_be(),
            Number::Decimal(n) => n.to_wire(),
        }
    }

    /// Java's `intValue`, `longValue` and so on, for the type of the result.
    pub fn convert(&self, to: &CqlType) -> Result<Number, NoResult> {
        Ok(match to {
            CqlType::Tinyint => Number::Tinyint(self.int() as i8),
            CqlType::Smallint => Number::Smallint(self.int() as i16),
            CqlType::Int => Number::Int(self.int()),
            CqlType::Float => Number::Float(self.float()),
            CqlType::Double => Number::Double(self.double()),
            CqlType::Varint => Number::Varint(self.whole()),
            CqlType::Decimal => Number::Decimal(self.decimal()?),
            _ => Number::Bigint(self.long()),
        })
    }

    fn int(&self) -> i32 {
        match self {
            Number::Float(n) => *n as i32,
            Number::Double(n) => *n as i32,
            other => other.long() as i32,
        }
    }

    pub fn long(&self) -> i64 {
        match self {
            Number::Tinyint(n) => i64::from(*n),
            Number::Smallint(n) => i64::from(*n),
            Number::Int(n) => i64::from(*n),
            Number::Bigint(n) => *n,
            Number::Float(n) => *n as i64,
            Number::Double(n) => *n as i64,
            Number::Varint(n) => low_bits(n),
            Number::Decimal(n) => n.to_long(),
        }
    }

    fn float(&self) -> f32 {
        match self {
            Number::Float(n) => *n,
            Number::Double(n) => *n as f32,
            Number::Varint(n) => n.to_string().parse().unwrap_or(f32::INFINITY),
            Number::Decimal(n) => n.to_float(),
            other => other.long() as f32,
        }
    }

    pub fn double(&self) -> f64 {
        match self {
            Number::Float(n) => f64::from(*n),
            Number::Double(n) => *n,
            Number::Varint(n) => n.to_string().parse().unwrap_or(f64::INFINITY),
            Number::Decimal(n) => n.to_double(),
            other => other.long() as f64,
        }
    }

    /// As an operand of varints.
    fn whole(&self) -> BigInt {
        match self {
            Number::Varint(n) => n.clone(),
            other => BigInt::from(other.long()),
        }
    }

    /// As an operand of decimals: what is not exact already goes through a double, as in Cassandra.
    fn decimal(&self) -> Result<Decimal, NoResult> {
        match self {
            Number::Decimal(n) => Ok(n.clone()),
            Number::Varint(n) => Ok(Decimal::new(n.clone(), 0)),
            other => Decimal::from_double(other.double()),
        }
    }

    /// `left operator right` computed in the type of the result.
    pub fn compute(
        operator: Arithmetic,
        left: &Number,
        right: &Number,
        result: &CqlType,
    ) -> Result<Number, NoResult> {
        let (left, right) = (left.convert(result)?, right.convert(result)?);
        Ok(match (left, right) {
            (Number::Float(a), Number::Float(b)) => Number::Float(match operator {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
                Arithmetic::Modulo => a % b,
            }),
            (Number::Double(a), Number::Double(b)) => Number::Double(match operator {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
                Arithmetic::Modulo => a % b,
            }),
            (Number::Varint(a), Number::Varint(b)) => Number::Varint(match operator {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide | Arithmetic::Modulo if b.sign() == Sign::NoSign => {
                    return Err(NoResult("BigInteger divide by zero"));
                }
                Arithmetic::Divide => a / b,
                Arithmetic::Modulo => a % b,
            }),
            (Number::Decimal(a), Number::Decimal(b)) => Number::Decimal(match operator {
                Arithmetic::Add => a.add(b)?,
                Arithmetic::Subtract => a.subtract(b)?,
                Arithmetic::Multiply => a.multiply(b)?,
                Arithmetic::Divide => divide_decimals(&a, &b)?,
                Arithmetic::Modulo => a.remainder(&b)?,
            }),
            (a, b) => {
                let (a, b) = (a.long(), b.long());
                if b == 0 && matches!(operator, Arithmetic::Divide | Arithmetic::Modulo) {
                    return Err(NoResult("/ by zero"));
                }
                // Narrower results wrap when they are cut down, as Java's do.
                let wide = match operator {
                    Arithmetic::Add => a.wrapping_add(b),
                    Arithmetic::Subtract => a.wrapping_sub(b),
                    Arithmetic::Multiply => a.wrapping_mul(b),
                    Arithmetic::Divide => a.wrapping_div(b),
                    Arithmetic::Modulo => a.wrapping_rem(b),
                };
                Number::Bigint(wide).convert(result)?
            }
        })
    }

    pub fn negate(self) -> Number {
        match self {
            Number::Tinyint(n) => Number::Tinyint(n.wrapping_neg()),
            Number::Smallint(n) => Number::Smallint(n.wrapping_neg()),
            Number::Int(n) => Number::Int(n.wrapping_neg()),
            Number::Bigint(n) => Number::Bigint(n.wrapping_neg()),
            Number::Float(n) => Number::Float(-n),
            Number::Double(n) => Number::Double(-n),
            Number::Varint(n) => Number::Varint(-n),
            Number::Decimal(n) => Number::Decimal(n.negate()),
        }
    }

    pub fn abs(self) -> Number {
        match self {
            Number::Tinyint(n) => Number::Tinyint(n.wrapping_abs()),
            Number::Smallint(n) => Number::Smallint(n.wrapping_abs()),
            Number::Int(n) => Number::Int(n.wrapping_abs()),
            Number::Bigint(n) => Number::Bigint(n.wrapping_abs()),
            // Not `abs`, which takes a NaN's sign away: Java leaves it.
            Number::Float(n) => Number::Float(if n <= 0.0 { 0.0 - n } else { n }),
            Number::Double(n) => Number::Double(if n <= 0.0 { 0.0 - n } else { n }),
            Number::Varint(n) => Number::Varint(if n.sign() == Sign::Minus { -n } else { n }),
            Number::Decimal(n) => Number::Decimal(n.abs()),
        }
    }

    /// To the nearest whole number, ties up (decimals: ties away from zero); floats no further than Java's int and
    /// doubles no further than its long go.
    pub fn round(self) -> Result<Number, NoResult> {
        Ok(match self {
            Number::Float(n) => Number::Float(nearest(f64::from(n)) as i32 as f32),
            Number::Double(n) => Number::Double(nearest(n) as i64 as f64),
            Number::Decimal(n) => Number::Decimal(n.round_whole()?),
            whole => whole,
        })
    }

    pub fn exp(self) -> Result<Number, NoResult> {
        self.through(f64::exp, transcendental::exp)
    }

    pub fn ln(self) -> Result<Number, NoResult> {
        let message = "Natural log of number zero or less";
        self.positive(message)?.through(f64::ln, transcendental::ln)
    }

    pub fn log10(self) -> Result<Number, NoResult> {
        // Java's NaN there has the sign that the processor gives it.
        let of_double = |x: f64| if x < 0.0 { f64::from_bits(0xfff8_0000_0000_0000) } else { x.log10() };
        self.positive("Log10 of number zero or less")?.through(of_double, transcendental::log10)
    }

    /// Only varints and decimals have no value for what has no logarithm.
    fn positive(self, message: &'static str) -> Result<Number, NoResult> {
        match &self {
            Number::Varint(n) if n.sign() != Sign::Plus => Err(NoResult(message)),
            Number::Decimal(n) if n.is_zero() || n.is_negative() => Err(NoResult(message)),
            _ => Ok(self),
        }
    }

    /// A function applied in doubles, or for varints and decimals in as many digits as they have, at least 32.
    fn through(
        self,
        of_double: fn(f64) -> f64,
        of_decimal: fn(&Decimal, u64) -> Result<Decimal, NoResult>,
    ) -> Result<Number, NoResult> {
        let exact = |n: &Decimal| of_decimal(n, n.precision().clamp(MIN_DIGITS, decimal::MAX_PRECISION));
        Ok(match self {
            Number::Decimal(n) => Number::Decimal(exact(&n)?),
            Number::Varint(n) => Number::Varint(exact(&Decimal::new(n, 0))?.to_integer()?),
            Number::Double(n) => Number::Double(of_double(n)),
            Number::Float(n) => Number::Float(of_double(f64::from(n)) as f32),
            Number::Bigint(n) => Number::Bigint(of_double(n as f64) as i64),
            Number::Int(n) => Number::Int(of_double(f64::from(n)) as i32),
            Number::Smallint(n) => Number::Smallint(of_double(f64::from(n)) as i32 as i16),
            Number::Tinyint(n) => Number::Tinyint(of_double(f64::from(n)) as i32 as i8),
        })
    }
}

/// Java's `Math.round`, before it is cut to an integer type.
fn nearest(number: f64) -> f64 {
    let floor = number.floor();
    if number - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// As many digits as the operands have, 32 at least and 1000 after the point at most.
fn divide_decimals(left: &Decimal, right: &Decimal) -> Result<Decimal, NoResult> {
    let top = |n: &Decimal| n.precision() as i64 - i64::from(n.scale);
    let min = MIN_DIGITS as i64;
    let scale = (min - (top(left) - top(right)))
        .max(i64::from(left.scale))
        .max(i64::from(right.scale))
        .max(min)
        .min(MAX_SCALE);
    let scale = i32::try_from(scale).map_err(|_| NoResult("Overflow"))?;
    Ok(left.divide(right, scale, Rounding::HalfUp)?.strip_trailing_zeros())
}
