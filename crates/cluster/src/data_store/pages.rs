//! Reads by pages that are bounded in bytes.
//!
//! A cluster counts a page in rows alone. So a page is gathered in parts: the first is small, and smaller yet where rows of
//! the statement were large before; it shows how large they are, and the next has as many as the page may still hold. What
//! was learned travels in the page state, so that every page but the first comes in one part.
//!
//! A state is `[u32 rows that fit][the cluster's own state]`, sealed, and bound to the statement, its values and the
//! principal: it can neither be read nor altered, and opens nowhere else.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use ilium_store::{
    Bind, Binds, Context, Error, ErrorKind, Outcome, PageState, Principal, Result, ResultKind, Rows, Seals,
};

use super::answer;
use super::ask::{Asked, Message};
use super::plan::Planned;

/// Rows of a first part: what REST gives as a page unless asked for more, so that most pages come in one.
const FIRST: u32 = 100;

const PURPOSE: &[u8] = b"ilium page of a cluster 1";

/// What a page holds so far.
struct Gathered {
    rows: Rows,
    warnings: Vec<String>,
    /// Who gave the last part.
    node: Option<SocketAddr>,
    /// More parts, whose cells follow those of the first.
    more: Option<BytesMut>,
}

pub(super) async fn read(
    mut asked: Asked<'_>,
    statement: &Planned,
    binds: &Binds,
    seals: &dyn Seals,
) -> Result<Outcome> {
    let context = asked.context;
    let bound_to = || bound_to(statement, binds, &context.principal);
    let (mut state, fitting) = match &context.page_state {
        None => (None, FIRST.min(rows_in(context.page_bytes.unwrap_or(usize::MAX), statement.row_bytes()))),
        Some(sealed) => open(sealed, &bound_to(), seals)?,
    };
    let Some(wanted) = context.page_size else {
        set_page(&mut asked.message, None, state.as_deref());
        return sealed(part(&asked, statement).await?, FIRST, bound_to, seals);
    };
    let budget = context.page_bytes.unwrap_or(usize::MAX);
    let mut size = if context.page_bytes.is_some() { wanted.min(fitting) } else { wanted };
    let mut gathered: Option<Gathered> = None;
    loop {
        set_page(&mut asked.message, Some(size), state.as_deref());
        let outcome = part(&asked, statement).await?;
        let ResultKind::Rows(rows) = outcome.result else { return Ok(outcome) };
        statement.saw_rows(rows.count, rows.data.len());
        let so_far = match gathered.take() {
            None => Gathered { rows, warnings: outcome.warnings, node: outcome.node, more: None },
            // Its columns changed under it: what there is is a page, and the next begins with the new columns.
            Some(before) if before.rows.metadata != rows.metadata => {
                return finish(before, context, bound_to, seals);
            }
            Some(mut before) => {
                let known = &before.warnings;
                let new: Vec<String> =
                    outcome.warnings.into_iter().filter(|warning| !known.contains(warning)).collect();
                before.warnings.extend(new);
                joined(Gathered { node: outcome.node, ..before }, rows)
            }
        };
        let bytes = so_far.more.as_ref().map_or(so_far.rows.data.len(), BytesMut::len);
        let count = so_far.rows.count;
        // The rest of a page that is nearly full is not worth a request.
        if so_far.rows.next.is_none() || count >= wanted || bytes >= budget - budget / 4 {
            return finish(so_far, context, bound_to, seals);
        }
        size = fit(count, bytes, budget.saturating_sub(bytes)).min(wanted - count);
        state = so_far.rows.next.as_ref().map(|next| next.0.clone());
        gathered = Some(so_far);
    }
}

async fn part(asked: &Asked<'_>, statement: &Planned) -> Result<Outcome> {
    answer::outcome(&asked.reply().await?, Some(statement))
}

fn set_page(message: &mut Message<'_>, size: Option<u32>, state: Option<&[u8]>) {
    if let Message::Statement { parameters, page, .. } = message {
        parameters.page_size = size.map(|size| i32::try_from(size).unwrap_or(i32::MAX));
        *page = state.map(Bytes::copy_from_slice);
    }
}

/// As many rows as `room` bytes hold, one at least.
fn fit(count: u32, bytes: usize, room: usize) -> u32 {
    rows_in(room, bytes.div_ceil(count.max(1) as usize))
}

fn rows_in(room: usize, each: usize) -> u32 {
    u32::try_from(room / each.max(1)).unwrap_or(u32::MAX).max(1)
}

fn joined(before: Gathered, rows: Rows) -> Gathered {
    let mut data = before.more.unwrap_or_else(|| BytesMut::from(&*before.rows.data));
    data.extend_from_slice(&rows.data);
    let count = before.rows.count.saturating_add(rows.count);
    let rows = Rows { count, data: Bytes::new(), ..rows };
    Gathered { rows, warnings: before.warnings, node: before.node, more: Some(data) }
}

fn finish(
    gathered: Gathered,
    context: &Context,
    bound_to: impl Fn() -> Vec<u8>,
    seals: &dyn Seals,
) -> Result<Outcome> {
    let Gathered { mut rows, warnings, node, more } = gathered;
    if let Some(more) = more {
        rows.data = more.freeze();
    }
    let fitting = context.page_bytes.map_or(u32::MAX, |budget| fit(rows.count, rows.data.len(), budget));
    sealed(Outcome { result: ResultKind::Rows(rows), warnings, node }, fitting, bound_to, seals)
}

/// Seals the state of an outcome.
fn sealed(
    mut outcome: Outcome,
    fitting: u32,
    bound_to: impl Fn() -> Vec<u8>,
    seals: &dyn Seals,
) -> Result<Outcome> {
    if let ResultKind::Rows(rows) = &mut outcome.result
        && let Some(next) = &mut rows.next
    {
        let text = [&fitting.to_be_bytes()[..], &next.0].concat();
        let sealed = seals.seal(&bound_to(), &text).map_err(|error| Error::internal(error.to_string()))?;
        *next = PageState(sealed.into());
    }
    Ok(outcome)
}

fn open(sealed: &PageState, bound_to: &[u8], seals: &dyn Seals) -> Result<(Option<Bytes>, u32)> {
    let invalid = || Error::new(ErrorKind::Protocol, "Invalid value for the paging state");
    let text = Bytes::from(seals.open(bound_to, &sealed.0).map_err(|_| invalid())?);
    let (fitting, state) = text.split_first_chunk::<4>().ok_or_else(invalid)?;
    Ok((Some(text.slice_ref(state)), u32::from_be_bytes(*fitting).max(1)))
}

/// What a state is good for.
fn bound_to(statement: &Planned, binds: &Binds, principal: &Principal) -> Vec<u8> {
    let mut bound = PURPOSE.to_vec();
    let mut push = |part: &[u8]| {
        bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part);
    };
    push(principal.role_name().map_or(&[], |name| name.as_bytes()));
    push(statement.keyspace.as_deref().unwrap_or_default().as_bytes());
    push(statement.text.as_bytes());
    for bind in (0..binds.len()).filter_map(|index| binds.get(index)) {
        match bind {
            Bind::Value(value) => push(value),
            Bind::Null => push(b"null"),
            Bind::Unset => push(b"unset"),
        }
    }
    bound
}
