//! ETags for documents that are made whole: a caller that has the same bytes gets no body (RFC 9110, section 13.1.2).

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::digest;

/// Answers with the document, or 304 where the caller's `If-None-Match` names it. Callers ask again each time
/// (`no-cache`): what is behind it, such as a schema, changes at any moment.
pub fn with_etag(headers: &HeaderMap, content_type: &'static str, document: Bytes) -> Response {
    let digest = digest::digest(&digest::SHA256, &document);
    // 16 bytes tell documents apart; the rest would only make headers longer.
    let tag =
        format!("\"{}\"", HEXLOWER.encode(digest.as_ref().first_chunk::<16>().map_or(&[][..], |half| half)));
    let matches = |given: &HeaderValue| {
        given.to_str().is_ok_and(|given| {
            given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
        })
    };
    let mut response = if headers.get_all(IF_NONE_MATCH).iter().any(matches) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        document.into_response()
    };
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_with_the_same_document_gets_no_body() {
        let document = Bytes::from_static(b"{}");
        let first = with_etag(&HeaderMap::new(), "application/json", document.clone());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].clone();
        let knows = |tag: HeaderValue| HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
        let again = with_etag(&knows(tag.clone()), "application/json", document);
        assert_eq!((again.status(), &again.headers()[ETAG]), (StatusCode::NOT_MODIFIED, &tag));
        let other = with_etag(&knows(tag), "application/json", Bytes::from_static(b"[]"));
        assert_eq!(other.status(), StatusCode::OK);
    }
}
