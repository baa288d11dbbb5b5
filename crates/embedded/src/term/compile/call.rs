//! Calls in expressions without columns: functions, operators and CAST are all functions to be chosen.

use std::borrow::Cow;
use std::sync::Arc;

use ilium_cql::CqlType;
use ilium_cql::ast::{Expr, ExprKind, TypeName};
use ilium_store::Result;

use super::assign::ValueArgument;
use super::{Argument, Compiler, text};
use crate::term::function::{self, Function, Lookup};

/// A call taken apart.
pub(super) struct CallParts<'e> {
    pub keyspace: Option<&'e str>,
    pub function: Cow<'e, str>,
    /// The name as messages show it.
    pub name: String,
    pub arguments: Vec<&'e Expr>,
}

/// `cast_as_int` and its like. (There is none of `varchar`, only of `text`.)
pub(super) fn cast_name(to: &TypeName, keyspace: &str) -> String {
    format!("cast_as_{}", text::type_text(to, keyspace).to_ascii_lowercase())
}

impl Compiler<'_> {
    pub(super) fn call_parts<'e>(&self, expr: &'e Expr) -> CallParts<'e> {
        let native = |function: Cow<'e, str>, arguments| CallParts {
            keyspace: Some(function::NATIVE_KEYSPACE),
            name: format!("{}.{function}", function::NATIVE_KEYSPACE),
            function,
            arguments,
        };
        match &expr.kind {
            ExprKind::Call { function, arguments } => CallParts {
                keyspace: function.keyspace.as_ref().map(|keyspace| keyspace.text.as_str()),
                function: Cow::Borrowed(&function.name.text),
                name: text::qualified(function),
                arguments: arguments.iter().collect(),
            },
            ExprKind::Binary { operator, left, right } => {
                native(Cow::Borrowed(function::operation_name(*operator)), vec![&**left, &**right])
            }
            ExprKind::Negate(value) => native(Cow::Borrowed(function::NEGATION), vec![&**value]),
            ExprKind::Cast { value, to } => {
                native(Cow::Owned(cast_name(to, &self.table.keyspace)), vec![&**value])
            }
            _ => native(Cow::Borrowed(""), Vec::new()),
        }
    }

    /// The overload to call. `None`: there is no function of the name.
    pub(super) fn choose(&self, expr: &Expr, receiver: Option<&CqlType>) -> Result<Option<Arc<Function>>> {
        let key = (std::ptr::from_ref(expr).addr(), receiver.cloned());
        if let Some(known) = self.chosen.borrow().get(&key) {
            return known.clone();
        }
        let call = self.call_parts(expr);
        let arguments: Vec<ValueArgument<'_>> =
            call.arguments.iter().map(|expr| ValueArgument { compiler: self, expr }).collect();
        let arguments: Vec<&dyn Argument> = arguments.iter().map(|argument| argument as _).collect();
        let chosen = function::resolve(&Lookup {
            keyspace: call.keyspace,
            name: &call.function,
            shown: &call.name,
            arguments: &arguments,
            receiver,
            // Only what takes a value has a table to speak of.
            table: receiver.map(|_| self.table),
        });
        self.chosen.borrow_mut().insert(key, chosen.clone());
        chosen
    }
}
