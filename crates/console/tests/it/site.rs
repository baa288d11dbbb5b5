//! A console over an engine in memory.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use ilium_console::Options;
use ilium_embedded::{Engine, EngineOptions};
use ilium_http::Access;
use ilium_store::{DataStore, Login, NoLogin, Tokens};
use tower_service::Service as _;

pub const HOST: &str = "localhost:8080";

pub struct Site {
    routes: Router,
    cookie: String,
    /// Why the store cannot be used, by what the server around says.
    pub troubles: Arc<Mutex<Vec<String>>>,
}

pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Site {
    pub fn new() -> Site {
        Site::with(|store| store, Arc::new(NoLogin), false)
    }

    /// With something between console and engine.
    pub fn with(
        around: impl FnOnce(Arc<dyn DataStore>) -> Arc<dyn DataStore>,
        login: Arc<dyn Login>,
        speaks_tls: bool,
    ) -> Site {
        let options = EngineOptions::new(None, Box::new(()), tokio::runtime::Handle::current());
        let store = around(Arc::new(Engine::open(options).unwrap()));
        let tokens = Tokens::new(&[[7; 32]], Duration::from_secs(600)).unwrap();
        let access = Arc::new(Access::new(login, tokens, || 1000));
        let facts = vec![("Data centre", "north <1>".to_owned())];
        let options = Options { started: Instant::now(), facts, speaks_tls };
        let troubles = Arc::<Mutex<Vec<String>>>::default();
        let told = Arc::clone(&troubles);
        let told = Box::new(move || told.lock().unwrap().clone());
        let routes = ilium_console::routes(store, access, options, told);
        Site { routes, cookie: String::new(), troubles }
    }

    /// Sends this cookie from now on; what a server says of it beside its value stays here.
    pub fn keep(&mut self, cookie: &str) {
        self.cookie = cookie.split(';').next().unwrap().to_owned();
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Sends a form as a page of the site does.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from(Some("http://localhost:8080"), path, fields).await
    }

    pub async fn post_from(&self, origin: Option<&str>, path: &str, fields: &[(&str, &str)]) -> Page {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        self.send(request, Body::from(form)).await
    }

    /// Runs a statement that must go well.
    pub async fn run(&self, statement: &str) -> Page {
        let page = self.statement(statement).await;
        assert_eq!(page.status, StatusCode::OK, "{statement}: {}", page.html);
        page
    }

    pub async fn statement(&self, statement: &str) -> Page {
        self.post("/console/statement", &[("statement", statement)]).await
    }

    async fn send(&self, request: axum::http::request::Builder, body: Body) -> Page {
        let request = request.header(header::HOST, HOST).header(header::COOKIE, &self.cookie);
        let response = self.routes.clone().call(request.body(body).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let html = String::from_utf8(bytes.to_vec()).unwrap();
        let policy = head.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(head.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(head.headers[header::REFERRER_POLICY], "same-origin");
        Page { status: head.status, headers: head.headers, html }
    }
}

impl Page {
    /// The address that the first link of this kind leads to, such as `rel="next"`.
    pub fn link(&self, mark: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(mark)?;
        let (_, rest) = rest.split_once("href=\"")?;
        Some(unescaped(rest.split_once('"')?.0))
    }

    /// The value of the hidden field in the form whose button has this label.
    pub fn hidden(&self, button: &str, name: &str) -> Option<String> {
        let (before, _) = self.html.split_once(&format!("<button>{button}</button>"))?;
        let (_, form) = before.rsplit_once("<form")?;
        let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(unescaped(rest.split_once('"')?.0))
    }

    /// The texts of the grid's cells, row after row.
    pub fn cells(&self) -> Vec<String> {
        let Some((_, body)) = self.html.split_once("<tbody>") else { return Vec::new() };
        let body = body.split_once("</tbody>").unwrap().0;
        let cells = body.split("<td").skip(1).map(|cell| {
            let inner = cell.split_once('>').unwrap().1;
            let mut parts = inner.split('<');
            let first = parts.next().unwrap_or_default().to_owned();
            let text =
                parts.filter_map(|part| part.split_once('>')).fold(first, |text, (_, more)| text + more);
            unescaped(text.trim())
        });
        cells.collect()
    }
}

/// The text that the template engine wrote with its five escapes.
fn unescaped(html: &str) -> String {
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .into_iter()
        .fold(html.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}
