//! What all calls share, and a call from its head to its answer.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use ilium_cql::schema::{Schema, Table};
use ilium_http::{Access, BodyLimits, Refusal};
use ilium_store::DataStore;

use crate::call::{self, Call};
use crate::endpoints::{self, Operation};
use crate::parameters::Parameters;
use crate::shape::Shapes;
use crate::value::shown;
use crate::{cql, openapi, path, rows, schema};

pub struct Api {
    pub store: Arc<dyn DataStore>,
    pub access: Arc<Access>,
    pub body: BodyLimits,
    pub shapes: Shapes,
}

impl Api {
    pub fn new(store: Arc<dyn DataStore>, access: Arc<Access>, body: BodyLimits) -> Api {
        Api { store, access, body, shapes: Shapes::default() }
    }

    pub async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        let segments = path::split(head.uri.path());
        let found = endpoints::find(&head.method, &segments);
        // The same for everyone, and a browser that opens the page has nothing to present yet.
        match found.as_ref().map(|(endpoint, _)| endpoint.operation) {
            Ok(Operation::Document) => return Ok(openapi::document(&head.headers)),
            Ok(Operation::Page) => return Ok(openapi::page()),
            _ => {}
        }
        let principal = self.access.caller(&head.headers).await?;
        let (endpoint, places) = match found {
            Ok(found) => found,
            Err(refusal) => return Ok(endpoints::refused(refusal, &segments)),
        };
        let parameters = Parameters::read(head.uri.query(), endpoint)?;
        if endpoint.body.is_some() {
            call::check_content_type(&head.headers, endpoint.operation == Operation::RunCql)?;
        }
        let call = Call { principal, places, parameters, headers: &head.headers, stop: Default::default() };
        match endpoint.operation {
            Operation::RowsByKey => rows::by_key(self, &call).await,
            Operation::AddRow => rows::add(self, &call, body).await,
            Operation::ReplaceRow | Operation::PatchRow => rows::change(self, &call, body).await,
            Operation::FindRows => rows::find(self, &call).await,
            Operation::AllRows => rows::all(self, &call).await,
            Operation::DeleteRows => rows::delete(self, &call).await,
            // What comes seldom has a future of its own, so that the others need not be as large as the largest.
            Operation::RunCql => Box::pin(cql::run(self, &call, body)).await,
            Operation::ListKeyspaces => schema::keyspaces::list(self, &call),
            Operation::GetKeyspace => schema::keyspaces::get(self, &call),
            Operation::CreateKeyspace => Box::pin(schema::keyspaces::create(self, &call, body)).await,
            Operation::AlterKeyspace => Box::pin(schema::keyspaces::alter(self, &call, body)).await,
            Operation::DropKeyspace => Box::pin(schema::keyspaces::drop(self, &call)).await,
            Operation::ListTables => schema::tables::list(self, &call),
            Operation::GetTable => schema::tables::get(self, &call),
            Operation::CreateTable => Box::pin(schema::tables::create(self, &call, body)).await,
            Operation::AlterTable => Box::pin(schema::tables::alter(self, &call, body)).await,
            Operation::DropTable => Box::pin(schema::tables::drop(self, &call)).await,
            Operation::ListColumns => schema::columns::list(self, &call),
            Operation::GetColumn => schema::columns::get(self, &call),
            Operation::AddColumn => Box::pin(schema::columns::add(self, &call, body)).await,
            Operation::RenameColumn => Box::pin(schema::columns::rename(self, &call, body)).await,
            Operation::DropColumn => Box::pin(schema::columns::drop(self, &call)).await,
            Operation::ListIndexes => Box::pin(schema::indexes::list(self, &call)).await,
            Operation::CreateIndex => Box::pin(schema::indexes::create(self, &call, body)).await,
            Operation::DropIndex => Box::pin(schema::indexes::drop(self, &call)).await,
            Operation::ListTypes => schema::types::list(self, &call),
            Operation::GetType => schema::types::get(self, &call),
            Operation::CreateType => Box::pin(schema::types::create(self, &call, body)).await,
            Operation::AlterType => Box::pin(schema::types::alter(self, &call, body)).await,
            Operation::DropType => Box::pin(schema::types::drop(self, &call)).await,
            Operation::Document => Ok(openapi::document(call.headers)),
            Operation::LiveDocument => openapi::live(self, &call),
            Operation::Page => Ok(openapi::page()),
        }
    }
}

/// Finds a table, or says which of its names is wrong. Stargate answers 400 for both.
pub fn table<'s>(schema: &'s Schema, keyspace: &str, name: &str) -> Result<&'s Arc<Table>, Refusal> {
    let found = schema.keyspace(keyspace).ok_or_else(|| no_keyspace(keyspace))?;
    found.tables.get(name).ok_or_else(|| {
        let names = found.tables.keys().map(|known| &**known);
        Refusal::bad_request(format!(
            "Table '{}' not found (in keyspace '{keyspace}'){}",
            shown(name),
            nearest(name, names)
        ))
    })
}

pub fn no_keyspace(name: &str) -> Refusal {
    Refusal::bad_request(format!("Keyspace '{}' not found", shown(name)))
}

/// Bytes of a name that a likeness is looked for, at most: comparing takes the product of both lengths, for each name
/// there is, and names of tables have 48 or so.
const MAX_LIKENED: usize = 64;

/// `; did you mean '...'?` where one of the names is much like it.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    if name.len() > MAX_LIKENED {
        return String::new();
    }
    let likeness = names.map(|known| (strsim::jaro_winkler(known, name), known));
    match likeness.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((likeness, nearest)) if likeness > 0.85 => format!("; did you mean '{nearest}'?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_likeness_is_looked_for_a_name_of_ordinary_length_only() {
        let known = "t".repeat(MAX_LIKENED);
        assert!(nearest(&known, [&*known].into_iter()).contains("did you mean"));
        let longer = format!("{known}t");
        assert_eq!(nearest(&longer, [&*longer].into_iter()), "");
    }
}
