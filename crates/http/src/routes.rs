//! Who answers a request: the API that has all paths under a prefix, or the router that has single ones.

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use tower_service::Service as _;

/// An answer being made.
pub type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Answers all requests under a prefix, and takes their paths apart itself. A router would match a wildcard for it, and
/// decode and keep parameters that nobody looks at: an eighth of what a small request costs.
pub trait Api: Send + Sync + 'static {
    fn answer(self: Arc<Self>, request: Request<Body>) -> Answering;
}

/// All that a server answers to.
#[derive(Clone)]
pub struct Routes {
    apis: Vec<(&'static str, Arc<dyn Api>)>,
    router: Router,
}

impl From<Router> for Routes {
    fn from(router: Router) -> Routes {
        Routes { apis: Vec::new(), router }
    }
}

impl Routes {
    /// Adds an API for the paths that begin so: `/v2/`.
    pub fn under(mut self, prefix: &'static str, api: Arc<dyn Api>) -> Routes {
        self.apis.push((prefix, api));
        self
    }

    /// The same with another router for single paths.
    pub(crate) fn with(self, change: impl FnOnce(Router) -> Router) -> Routes {
        Routes { router: change(self.router), ..self }
    }

    /// The same behind a layer, which a router takes.
    pub(crate) fn behind(self, layer: impl FnOnce(Router) -> Router) -> Routes {
        // Axum copies what it calls for each request.
        let all = Arc::new(self);
        Routes::from(layer(Router::new().fallback(move |request| all.answer(request))))
    }

    pub fn answer(&self, request: Request<Body>) -> Answering {
        let path = request.uri().path();
        if let Some((_, api)) = self.apis.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            return Arc::clone(api).answer(request);
        }
        let mut router = self.router.clone();
        Box::pin(async move {
            match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use axum::http::Method;
    use axum::routing::get;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{Front, FrontOptions, Observer, Peer, Seen};

    struct Nobody;

    impl Observer for Nobody {
        fn begins(&self) {}
        fn ends(&self, _: &Seen) {}
        fn abandoned(&self) {}
    }

    /// Answers the path that it was asked for.
    struct Echo;

    impl Api for Echo {
        fn answer(self: Arc<Self>, request: Request<Body>) -> Answering {
            Box::pin(async move { Response::new(Body::from(request.uri().path().repeat(100))) })
        }
    }

    /// Status, `Content-Length`, `Content-Encoding` and the body of the answer.
    async fn ask(
        method: Method,
        path: &str,
        encoding: Option<&str>,
    ) -> (u16, Option<String>, Option<String>, Vec<u8>) {
        let routes =
            Routes::from(Router::new().route("/one", get(async || "one"))).under("/echo/", Arc::new(Echo));
        let front = Front::new(routes, FrontOptions::new(true, Arc::new(Nobody)));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(encoding) = encoding {
            request = request.header("accept-encoding", encoding);
        }
        let (response, _) = front.answer(Peer::default(), request.body(Body::empty()).unwrap()).await;
        let (head, body) = response.into_parts();
        let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        (head.status.as_u16(), header("content-length"), header("content-encoding"), body)
    }

    #[tokio::test]
    async fn an_api_has_all_that_is_under_its_prefix_and_the_router_the_rest() {
        for path in ["/echo/", "/echo/a%2Fb/c"] {
            let (status, _, _, body) = ask(Method::GET, path, None).await;
            assert_eq!((status, body), (200, path.repeat(100).into_bytes()));
        }
        assert_eq!(ask(Method::GET, "/one", None).await.3, b"one");
        for path in ["/echo", "/one/two", "/"] {
            assert_eq!(ask(Method::GET, path, None).await.0, 404, "{path}");
        }
        assert_eq!(ask(Method::POST, "/one", None).await.0, 405);
    }

    #[tokio::test]
    async fn an_api_is_compressed_for_who_asks() {
        let (_, _, encoding, body) = ask(Method::GET, "/echo/x", Some("gzip")).await;
        assert_eq!(encoding.as_deref(), Some("gzip"));
        assert!(body.len() < 200, "{}", body.len());
    }

    #[tokio::test]
    async fn head_gives_the_head_of_get_alone() {
        for (path, length) in [("/echo/x", "700"), ("/one", "3")] {
            let (status, said, _, body) = ask(Method::HEAD, path, None).await;
            assert_eq!((status, said.as_deref(), body.len()), (200, Some(length), 0), "{path}");
        }
    }
}
