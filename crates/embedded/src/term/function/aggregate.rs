//! Functions over the rows of a group.

use std::cmp::Ordering;

use ilium_cql::{CqlType, value};
use ilium_store::{Error, ErrorKind, Result};
use num_bigint::BigInt;

use super::factory::{Factory, Make, Parameter};
use super::math::NUMBERS;
use super::registry::Registry;
use super::{Function, NATIVE_KEYSPACE};
use crate::term::number::{Decimal, NoResult, Number, Rounding};

/// The state of one aggregate in one group.
pub trait Accumulator: Send {
    /// Takes the argument's value on one more row; `None` is null. `count(*)` takes any.
    fn add(&mut self, value: Option<&[u8]>) -> Result<()>;

    /// The result over the rows so far, in wire form.
    fn finish(&self) -> Result<Option<Vec<u8>>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateKind {
    CountRows,
    Count,
    Min,
    Max,
    Sum,
    Average,
}

pub(super) fn add_to(registry: &mut Registry) {
    let rows = Function::aggregate("count_rows", Vec::new(), CqlType::Bigint, AggregateKind::CountRows);
    registry.add_with_legacy(rows, "countRows");
    registry.add(Function::aggregate("count", vec![CqlType::Blob], CqlType::Bigint, AggregateKind::Count));
    for ty in NUMBERS {
        registry.add(Function::aggregate("sum", vec![ty.clone()], ty.clone(), AggregateKind::Sum));
        registry.add(Function::aggregate("avg", vec![ty.clone()], ty, AggregateKind::Average));
    }
    let any = &[Parameter::Any { infer_from_receiver: true }];
    let mut add = |name, make| {
        registry.add_factory(Factory { name, parameters: any, make: Make::Types(make) });
    };
    add("min", |name, types, _| Ok(extreme(name, types, AggregateKind::Min)));
    add("max", |name, types, _| Ok(extreme(name, types, AggregateKind::Max)));
}

fn extreme(name: &'static str, types: Vec<CqlType>, kind: AggregateKind) -> Function {
    let returns = types.first().cloned().unwrap_or(CqlType::Blob);
    Function::aggregate(name, types, returns, kind)
}

/// The state of the aggregate over values of the type `argument`.
pub(super) fn accumulator(kind: AggregateKind, argument: Option<&CqlType>) -> Box<dyn Accumulator> {
    let ty = argument.cloned().unwrap_or(CqlType::Blob);
    match (kind, &ty) {
        (AggregateKind::CountRows, _) => Box::new(Count { rows: 0, nulls: true }),
        (AggregateKind::Count, _) => Box::new(Count { rows: 0, nulls: false }),
        (AggregateKind::Min, _) => Box::new(Extreme { ty, keep: Ordering::Less, found: None }),
        (AggregateKind::Max, _) => Box::new(Extreme { ty, keep: Ordering::Greater, found: None }),
        (AggregateKind::Sum, CqlType::Float | CqlType::Double) => {
            Box::new(FloatSum { ty, sum: Compensated::default() })
        }
        (AggregateKind::Average, CqlType::Float | CqlType::Double) => {
            Box::new(FloatAverage { ty, sum: Compensated::default(), count: 0, exact: None })
        }
        (AggregateKind::Sum, CqlType::Decimal) => Box::new(DecimalSum(Decimal::zero())),
        (AggregateKind::Average, CqlType::Decimal) => {
            Box::new(DecimalAverage { average: Decimal::zero(), count: 0 })
        }
        (AggregateKind::Sum | AggregateKind::Average, CqlType::Varint) => {
            Box::new(VarintSum { sum: BigInt::ZERO, count: 0, average: kind == AggregateKind::Average })
        }
        (AggregateKind::Sum | AggregateKind::Average, _) => {
            Box::new(WholeSum { ty, sum: 0, count: 0, average: kind == AggregateKind::Average })
        }
    }
}

struct Count {
    rows: i64,
    /// Whether nulls count.
    nulls: bool,
}

impl Accumulator for Count {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        if self.nulls || value.is_some() {
            self.rows += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.rows.to_be_bytes().to_vec()))
    }
}

/// The least or the greatest; of equals the first.
struct Extreme {
    ty: CqlType,
    keep: Ordering,
    found: Option<Vec<u8>>,
}

impl Accumulator for Extreme {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        match &mut self.found {
            None => self.found = Some(value.to_vec()),
            Some(found) if value::compare(&self.ty, value, found) == self.keep => {
                found.clear();
                found.extend_from_slice(value);
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.found.clone())
    }
}

/// Of whole numbers of up to 64 bits. A sum that exceeds its type wraps, as Java's does; an average never does.
struct WholeSum {
    ty: CqlType,
    sum: i128,
    count: i64,
    average: bool,
}

impl Accumulator for WholeSum {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        if let Some(number) = value.and_then(|bytes| Number::read(&self.ty, bytes)) {
            self.sum = self.sum.wrapping_add(i128::from(number.long()));
            self.count += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        let result =
            if self.average { self.sum.checked_div(i128::from(self.count)).unwrap_or(0) } else { self.sum };
        write(Number::Bigint(result as i64).convert(&self.ty))
    }
}

struct VarintSum {
    sum: BigInt,
    count: u64,
    average: bool,
}

impl Accumulator for VarintSum {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        if let Some(Number::Varint(number)) = value.and_then(|bytes| Number::read(&CqlType::Varint, bytes)) {
            self.sum += number;
            self.count += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        let divisor = if self.average { self.count.max(1) } else { 1 };
        write(Ok(Number::Varint(&self.sum / divisor)))
    }
}

struct DecimalSum(Decimal);

impl Accumulator for DecimalSum {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        if let Some(number) = value.and_then(Decimal::from_wire) {
            let sum = std::mem::replace(&mut self.0, Decimal::zero());
            self.0 = sum.add_exact(number).map_err(no_sum)?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.0.to_wire()))
    }
}

/// Moved towards each value in turn, which is what decides how many digits it has.
struct DecimalAverage {
    average: Decimal,
    count: u64,
}

impl Accumulator for DecimalAverage {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        let Some(number) = value.and_then(Decimal::from_wire) else { return Ok(()) };
        self.count += 1;
        let count = Decimal::new(self.count.into(), 0);
        let average = std::mem::replace(&mut self.average, Decimal::zero());
        let distance = number.add_exact(average.clone().negate()).map_err(no_sum)?;
        let step = distance.divide(&count, distance.scale, Rounding::HalfEven).map_err(no_sum)?;
        self.average = average.add_exact(step).map_err(no_sum)?;
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.average.to_wire()))
    }
}

/// A sum of doubles with the rounding errors kept apart (Kahan's), to the digit that Cassandra's gives.
#[derive(Default)]
struct Compensated {
    sum: f64,
    compensation: f64,
    plain: f64,
}

impl Compensated {
    fn add(&mut self, number: f64) {
        self.plain += number;
        let corrected = number - self.compensation;
        let rounded = self.sum + corrected;
        self.compensation = (rounded - self.sum) - corrected;
        self.sum = rounded;
    }

    fn total(&self) -> f64 {
        let total = self.sum + self.compensation;
        // Adding infinities of one sign makes the compensation NaN.
        if total.is_nan() && self.plain.is_infinite() { self.plain } else { total }
    }
}

struct FloatSum {
    ty: CqlType,
    sum: Compensated,
}

impl Accumulator for FloatSum {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        if let Some(number) = value.and_then(|bytes| Number::read(&self.ty, bytes)) {
            self.sum.add(number.double());
        }
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        write(Number::Double(self.sum.total()).convert(&self.ty))
    }
}

struct FloatAverage {
    ty: CqlType,
    sum: Compensated,
    count: u64,
    /// The sum, once it has left the range of doubles.
    exact: Option<Decimal>,
}

impl Accumulator for FloatAverage {
    fn add(&mut self, value: Option<&[u8]>) -> Result<()> {
        let Some(number) = value.and_then(|bytes| Number::read(&self.ty, bytes)) else { return Ok(()) };
        let number = number.double();
        self.count += 1;
        let before = match self.exact.take() {
            Some(exact) => exact,
            None => {
                let before = self.sum.sum;
                self.sum.add(number);
                if !self.sum.sum.is_infinite() || number.is_infinite() {
                    return Ok(());
                }
                Decimal::from_double(before).map_err(no_sum)?
            }
        };
        let number = Decimal::from_double(number).map_err(no_sum)?;
        self.exact = Some(before.add_exact(number).map_err(no_sum)?);
        Ok(())
    }

    fn finish(&self) -> Result<Option<Vec<u8>>> {
        let average = match &self.exact {
            _ if self.count == 0 => 0.0,
            Some(sum) => sum
                .divide(&Decimal::new(self.count.into(), 0), sum.scale, Rounding::HalfEven)
                .map_err(no_sum)?
                .to_double(),
            None => self.sum.total() / self.count as f64,
        };
        write(Number::Double(average).convert(&self.ty))
    }
}

fn write(result: std::result::Result<Number, NoResult>) -> Result<Option<Vec<u8>>> {
    result.map(|number| Some(number.write())).map_err(no_sum)
}

fn no_sum(error: NoResult) -> Error {
    let kind = ErrorKind::FunctionFailure {
        keyspace: NATIVE_KEYSPACE.into(),
        name: "sum".into(),
        arguments: Vec::new(),
    };
    Error::new(kind, format!("the aggregate of these values cannot be computed: {}", error.0))
}
