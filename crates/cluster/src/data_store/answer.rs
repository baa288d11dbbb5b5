//! What a node answered, as the seam has it.

use std::sync::Arc;

use ilium_protocol::{QueryResult, Response};
use ilium_store::{Error, Outcome, PageState, Result, ResultKind, Rows, RowsMetadata};

use super::ask::Reply;
use super::plan::{Handle, Planned, rows_metadata};
use crate::control::of_wire;
use crate::error::{nonsense, unexpected};

/// The outcome of a reply that is no error. `planned` learns of columns that are others than it knew. A page state is
/// still the cluster's own.
pub(super) fn outcome(reply: &Reply, planned: Option<&Planned>) -> Result<Outcome> {
    let (extras, response) = Response::decode(&reply.envelope).map_err(nonsense)?;
    let Response::Result(result) = response else { return Err(unexpected(&response, "a result")) };
    let result = match result {
        QueryResult::Void => ResultKind::Void,
        QueryResult::SetKeyspace(keyspace) => ResultKind::SetKeyspace(keyspace.into()),
        QueryResult::SchemaChange(change) => ResultKind::SchemaChange(of_wire(&change)),
        QueryResult::Prepared(_) => {
            return Err(Error::internal("a node answers a prepared statement where a result was due"));
        }
        QueryResult::Rows(rows) => {
            let new_id = rows.metadata.new_metadata_id;
            let metadata = match (rows_metadata(&rows.metadata, new_id), &reply.handle) {
                (Some(told), Some(handle)) => known_or_new(told, handle, new_id, planned),
                (Some(told), None) => told,
                (None, handle) => {
                    let known = handle.as_ref().and_then(|handle| handle.rows.clone());
                    known.ok_or_else(|| Error::internal("a node sent rows without their columns"))?
                }
            };
            ResultKind::Rows(Rows {
                metadata,
                count: rows.row_count,
                data: reply.envelope.body.slice_ref(rows.cells),
                next: rows.metadata.paging_state.map(|state| PageState(bytes::Bytes::copy_from_slice(state))),
            })
        }
    };
    let warnings = extras.warnings.into_iter().map(str::to_owned).collect();
    Ok(Outcome { result, warnings, node: Some(reply.link.address) })
}

/// The columns that were planned, where those told are the same, so that callers know them again.
fn known_or_new(
    told: Arc<RowsMetadata>,
    handle: &Handle,
    new_id: Option<&[u8]>,
    planned: Option<&Planned>,
) -> Arc<RowsMetadata> {
    match &handle.rows {
        Some(known) if known.columns == told.columns => Arc::clone(known),
        _ => {
            if let Some(planned) = planned {
                planned.set_handle(Handle {
                    id: handle.id.clone(),
                    metadata_id: new_id.map(Box::from).or_else(|| handle.metadata_id.clone()),
                    rows: Some(Arc::clone(&told)),
                });
            }
            told
        }
    }
}
