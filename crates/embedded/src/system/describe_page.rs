//! One page of what DESCRIBE answers.
//!
//! A page state is `[schema version, 16 bytes][rows given, u64 BE]`, sealed for its statement: a page follows only under
//! the schema that the one before showed.

use std::sync::Arc;

use bytes::Bytes;
use ilium_cql::ast::Describe;
use ilium_cql::schema::UuidBytes;
use ilium_store::{Context, Error, ErrorKind, PageState, Result, Rows, RowsMetadata, SealKey};

use super::describe::{Description, description};
use super::live::Live;
use super::node::Node;
use crate::catalog::{Catalog, Snapshot};
use crate::select::metadata_id;

/// Answers a DESCRIBE statement; `keyspace` is the connection's current one.
pub fn describe(
    statement: &Describe,
    keyspace: Option<&str>,
    snapshot: &Snapshot,
    catalog: &Catalog,
    live: &dyn Live,
    context: &Context,
    seal: &SealKey,
) -> Result<Rows> {
    let whole = description(statement, keyspace, &snapshot.schema, &Node::of(catalog, live))?;
    let pages =
        Pages { version: snapshot.schema.version, bound_to: format!("{statement:?} {keyspace:?}"), seal };
    let first = context.page_state.as_ref().map_or(Ok(0), |state| pages.open(state))?;
    page(&whole, &pages, first, context.page_size)
}

/// What the page states of one statement are made with.
struct Pages<'a> {
    version: UuidBytes,
    bound_to: String,
    seal: &'a SealKey,
}

impl Pages<'_> {
    /// The number of rows given so far.
    fn open(&self, state: &PageState) -> Result<usize> {
        let invalid = || Error::new(ErrorKind::Protocol, "Invalid value for the paging state");
        let text = self.seal.open(self.bound_to.as_bytes(), &state.0).map_err(|_| invalid())?;
        let (version, given) = text.split_first_chunk::<16>().ok_or_else(invalid)?;
        if *version != self.version {
            return Err(Error::invalid(
                "The schema has changed since the previous page of the DESCRIBE statement result. Please retry the \
                 DESCRIBE statement.",
            ));
        }
        let given = given.try_into().map(u64::from_be_bytes).map_err(|_| invalid())?;
        usize::try_from(given).map_err(|_| invalid())
    }

    fn after(&self, given: usize) -> Result<PageState> {
        let text = [self.version.as_slice(), &(given as u64).to_be_bytes()].concat();
        let sealed = self.seal.seal(self.bound_to.as_bytes(), &text);
        Ok(PageState(sealed.map_err(|error| Error::internal(error.to_string()))?.into()))
    }
}

fn page(whole: &Description, pages: &Pages<'_>, first: usize, size: Option<u32>) -> Result<Rows> {
    let limit = size.filter(|size| *size > 0).map_or(usize::MAX, |size| size as usize);
    let mut data = Vec::new();
    let mut count = 0;
    for value in whole.rows.iter().skip(first).take(limit).inspect(|_| count += 1).flatten() {
        let length = i32::try_from(value.len()).map_err(|_| Error::internal("a description over 2 GiB"))?;
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(value);
    }
    let next = first + count as usize;
    let next = if next < whole.rows.len() { Some(pages.after(next)?) } else { None };
    let columns = whole.columns.clone();
    let metadata = Arc::new(RowsMetadata { id: metadata_id(&columns), columns });
    Ok(Rows { metadata, count, data: Bytes::from(data), next })
}
