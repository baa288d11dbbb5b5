//! Functions over the rows of a group.

use std::cmp::Ordering;

use ilium_cql::CqlType;
use ilium_cql::value;
use ilium_store::Result;

use super::Function;
use super::factory::{Factory, Make, Parameter};
use super::registry::Registry;

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
}

pub(super) fn add_to(registry: &mut Registry) {
    let rows = Function::aggregate("count_rows", Vec::new(), CqlType::Bigint, AggregateKind::CountRows);
    registry.add_with_legacy(rows, "countRows");
    registry.add(Function::aggregate("count", vec![CqlType::Blob], CqlType::Bigint, AggregateKind::Count));
    let any = &[Parameter::Any { infer_from_receiver: true }];
    registry.add_factory(Factory {
        name: "min",
        parameters: any,
        make: Make::Types(|name, types, _| Ok(extreme(name, types, AggregateKind::Min))),
    });
    registry.add_factory(Factory {
        name: "max",
        parameters: any,
        make: Make::Types(|name, types, _| Ok(extreme(name, types, AggregateKind::Max))),
    });
}

fn extreme(name: &'static str, types: Vec<CqlType>, kind: AggregateKind) -> Function {
    let returns = types.first().cloned().unwrap_or(CqlType::Blob);
    Function::aggregate(name, types, returns, kind)
}

pub(super) fn accumulator(kind: AggregateKind, argument: Option<&CqlType>) -> Box<dyn Accumulator> {
    let ty = argument.cloned().unwrap_or(CqlType::Blob);
    match kind {
        AggregateKind::CountRows => Box::new(Count { rows: 0, nulls: true }),
        AggregateKind::Count => Box::new(Count { rows: 0, nulls: false }),
        AggregateKind::Min => Box::new(Extreme { ty, keep: Ordering::Less, found: None }),
        AggregateKind::Max => Box::new(Extreme { ty, keep: Ordering::Greater, found: None }),
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
