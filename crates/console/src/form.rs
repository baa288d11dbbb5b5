//! What a query or a form carries.

use axum::body::Body;
use axum::http::Uri;
use ilium_http::{BodyLimits, read_body};

use crate::page::Failure;

/// Names with their values, in the order they came in.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn of_query(uri: &Uri) -> Fields {
        Fields::parse(uri.query().unwrap_or_default().as_bytes())
    }

    pub async fn of_body(body: Body, limits: &BodyLimits) -> Result<Fields, Failure> {
        Ok(Fields::parse(&read_body(body, limits).await?))
    }

    fn parse(bytes: &[u8]) -> Fields {
        Fields(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first value of this name; what is not filled in is empty, as in a form.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}
