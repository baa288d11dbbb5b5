//! LIMIT and PER PARTITION LIMIT.

use ilium_cql::CqlType;
use ilium_cql::ast::Expr;
use ilium_store::{Error, Result};

use super::page_state::UNLIMITED;
use crate::term::{Compiler, Env, Receiver, Term, Value};

/// `None`: there is no such clause.
#[derive(Debug, Clone)]
pub(super) struct RowLimit(Option<Term>);

impl RowLimit {
    /// `name` is what a marker in it is called.
    pub fn compile(limit: Option<&Expr>, name: &str, compiler: &mut Compiler<'_>) -> Result<RowLimit> {
        let receiver = Receiver::named(compiler.table(), name, CqlType::Int);
        Ok(RowLimit(limit.map(|expr| compiler.term(expr, &receiver)).transpose()?))
    }

    pub fn evaluate(&self, env: &Env<'_>) -> Result<u32> {
        let Some(term) = &self.0 else { return Ok(UNLIMITED) };
        match term.evaluate(env)? {
            Value::Null => Err(Error::invalid("Invalid null value of limit")),
            Value::Unset => Ok(UNLIMITED),
            Value::Bytes(bytes) => {
                let limit = bytes.first_chunk::<4>().map(|limit| i32::from_be_bytes(*limit));
                match limit {
                    Some(limit) if limit > 0 => Ok(limit as u32),
                    Some(_) => Err(Error::invalid("LIMIT must be strictly positive")),
                    None => Err(Error::invalid("Invalid limit value")),
                }
            }
        }
    }
}
