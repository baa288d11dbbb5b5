//! What stands between one API and its store: limits, metrics, audit.

use std::sync::Arc;

use crate::Limits;
use crate::metrics::Requests;

/// One API's.
#[derive(Clone)]
pub struct Oversight {
    /// The API's name, as metrics and the audit log have it.
    pub api: &'static str,
    pub requests: Arc<Requests>,
    /// Of all APIs together.
    pub limits: Option<Arc<Limits>>,
}
