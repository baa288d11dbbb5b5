//! What pages load beside themselves: a style sheet, a script, an icon. All are part of the binary.

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use ilium_http::with_etag;

pub async fn style(headers: HeaderMap) -> Response {
    let style = include_bytes!("../assets/console.css");
    with_etag(&headers, "text/css; charset=utf-8", Bytes::from_static(style))
}

pub async fn script(headers: HeaderMap) -> Response {
    let script = include_bytes!("../assets/console.js");
    with_etag(&headers, "text/javascript; charset=utf-8", Bytes::from_static(script))
}

pub async fn icon(headers: HeaderMap) -> Response {
    with_etag(&headers, "image/svg+xml", Bytes::from_static(include_bytes!("../assets/icon.svg")))
}
