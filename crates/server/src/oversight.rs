//! What stands between one API and its store: limits, metrics, audit, traces.

use std::sync::Arc;

use crate::metrics::Requests;
use crate::{Limits, StatementSpans};

/// One API's.
#[derive(Clone)]
pub struct Oversight {
    /// The API's name, as metrics and the audit log have it.
    pub api: &'static str,
    pub requests: Arc<Requests>,
    /// Of all APIs together.
    pub limits: Option<Arc<Limits>>,
    /// `None`: nothing is traced.
    pub spans: Option<StatementSpans>,
}
