//! A whole result as lines of JSON or as CSV: page by page, one page in memory, until the last or until the caller is
//! gone.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use ilium_cql::json::Style;
use ilium_http::Refusal;
use ilium_store::{Binds, Context, DataStore, EngineTrace, Error, Rows};
use std::io;
use std::time::{Duration, Instant};

use super::read::rows;
use crate::api::Api;
use crate::call::{Call, StopWhenDropped};
use crate::output::{self, Columns};
use crate::shape::Planned;

/// Bytes of a page that is read for a stream: enough that its parts weigh little, and small beside what a process has.
const PAGE_BYTES: usize = 256 << 10;

/// Rows of such a page, unless the request says otherwise.
const PAGE_ROWS: u32 = 5000;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Page,
    Lines,
    Csv,
}

/// What `Accept` may name.
const FORMS: [(&str, Form); 6] = [
    ("application/json", Form::Page),
    ("*/*", Form::Page),
    ("application/*", Form::Page),
    ("application/x-ndjson", Form::Lines),
    ("application/jsonl", Form::Lines),
    ("text/csv", Form::Csv),
];

impl Form {
    /// The first form that the caller takes; weights are not looked at.
    pub fn wanted(headers: &HeaderMap) -> Result<Form, Refusal> {
        let known = |media: &[u8]| {
            let is_it = |(known, _): &&(&str, Form)| known.as_bytes().eq_ignore_ascii_case(media);
            FORMS.iter().find(is_it).map(|(_, form)| *form)
        };
        let mut asked = false;
        for value in headers.get_all(header::ACCEPT) {
            // Most callers name one, and no weight.
            if let Some(form) = known(value.as_bytes()) {
                return Ok(form);
            }
            for one in value.to_str().unwrap_or_default().split(',') {
                let media = one.split(';').next().unwrap_or_default().trim();
                asked |= !media.is_empty();
                if let Some(form) = known(media.as_bytes()) {
                    return Ok(form);
                }
            }
        }
        if !asked {
            return Ok(Form::Page);
        }
        Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "rows are given as application/json, application/x-ndjson or text/csv; the header Accept names none of them",
        ))
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::Page => "application/json",
            Form::Lines => "application/x-ndjson",
            Form::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// What remains of a stream.
struct Rest {
    form: Form,
    style: Style,
    store: Arc<dyn DataStore>,
    planned: Arc<Planned>,
    binds: Binds,
    context: Context,
    /// For each page anew.
    timeout: Duration,
    /// The page to write next.
    page: Option<Rows>,
    /// Of the first page, once it is written.
    head: Option<Arc<Columns>>,
    /// A caller that goes away drops the stream: what its page still reads is of no use.
    _stop: StopWhenDropped,
}

/// Reads the first page, so that what is wrong with the request is told by the status, and streams the rest.
pub async fn answer(
    api: &Api,
    form: Form,
    planned: Arc<Planned>,
    binds: Binds,
    mut context: Context,
    call: &Call<'_>,
) -> Result<Response, Refusal> {
    context.page_bytes = Some(PAGE_BYTES);
    context.page_size = Some(call.parameters.page_size.unwrap_or(PAGE_ROWS));
    // The stream outlives the call.
    let stop = StopWhenDropped::default();
    context.cancellation = stop.cancellation();
    let first = rows(api, call, &planned.prepared, binds.clone(), &context).await?;
    // Nobody would hear of the traces of later pages, and there may be thousands.
    context.engine_trace = EngineTrace::default();
    let rest = Rest {
        form,
        style: call.style(),
        store: Arc::clone(&api.store),
        planned,
        binds,
        context,
        timeout: call.parameters.timeout,
        page: Some(first),
        head: None,
        _stop: stop,
    };
    let parts = stream::unfold(rest, |mut rest| async {
        let part = rest.part().await?;
        Some((part, rest))
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    Ok(response)
}

impl Rest {
    /// The text of the next page. An error cuts the connection: a body that ends in order is whole.
    async fn part(&mut self) -> Option<Result<Bytes, io::Error>> {
        let page = self.page.take()?;
        let text = match self.write(&page) {
            Ok(text) => text,
            Err(refusal) => return Some(Err(io::Error::other(refusal.description))),
        };
        if page.next.is_some() {
            drop(page.data);
            self.context.page_state = page.next;
            self.context.deadline = Instant::now().checked_add(self.timeout);
            let answer = self.store.execute(&self.planned.prepared, self.binds.clone(), &self.context);
            match answer.wait().await {
                Ok(ilium_store::Outcome { result: ilium_store::ResultKind::Rows(rows), .. }) => {
                    self.page = Some(rows);
                }
                Ok(_) => return Some(Err(io::Error::other("a SELECT gave no rows"))),
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
        Some(Ok(Bytes::from(text)))
    }

    fn write(&mut self, page: &Rows) -> Result<String, Refusal> {
        let columns = self.planned.columns(page);
        if self.form != Form::Csv {
            return output::lines(page, &columns, self.style);
        }
        let body = output::csv(page, &columns, self.style)?;
        match &self.head {
            None => {
                let text = output::csv_head(&columns) + &body;
                self.head = Some(columns);
                Ok(text)
            }
            Some(head) if head.is_of(&page.metadata) => Ok(body),
            // What follows would stand under names that are not its own. (A line of JSON has its names with it.)
            Some(_) => Err(Error::invalid("the table's columns changed while it was read").into()),
        }
    }
}
