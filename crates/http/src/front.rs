//! What every request passes before an API's routes, and every response after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ORIGIN};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use http_body::Body as _;
use ilium_store::Trace;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer, ExposeHeaders};

use crate::request_id::{REQUEST_ID, RequestIds};
use crate::{Peer, Refusal, Routes, asides, guard};

pub struct FrontOptions {
    /// Requests under way at a time. Past it: 429, and nothing was done. 4,096: each may hold a body of 16 MiB, but few
    /// do; most hold some KiB.
    pub max_in_flight: usize,
    /// Bytes of bodies of requests under way, over all of them; those of 64 KiB and less do not count. A body whose length is not
    /// told counts as 16 MiB. Past it: 429, and nothing was done. 256 MiB, as the CQL API has for what is arriving.
    pub max_body_bytes: usize,
    /// Whether callers log in. Where they do not, the defence against browsers stands in (see `guard`).
    pub authenticated: bool,
    /// The origins whose pages may call, as `https://app.example`, or `*`. Only where callers log in.
    pub cors_origins: Vec<HeaderValue>,
    /// Told of every request.
    pub observer: Arc<dyn Observer>,
    /// `None`: nothing is traced.
    pub tracer: Option<Arc<dyn RequestTracer>>,
}

impl FrontOptions {
    pub fn new(authenticated: bool, observer: Arc<dyn Observer>) -> FrontOptions {
        FrontOptions {
            max_in_flight: 4096,
            max_body_bytes: 256 << 20,
            authenticated,
            cors_origins: Vec::new(),
            observer,
            tracer: None,
        }
    }
}

/// What came of a request, for metrics. The path is left out: it holds names and keys.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub status: StatusCode,
    /// Until the response's head was made; a stream goes on after it.
    pub took: Duration,
    /// Bytes of the request's body, where its head says.
    pub request_bytes: u64,
    /// Bytes of the response's body, where they are known beforehand.
    pub response_bytes: u64,
}

/// Counts requests.
pub trait Observer: Send + Sync + 'static {
    fn begins(&self);
    fn ends(&self, seen: &Seen);
    /// The client left before its answer began.
    fn abandoned(&self);
}

/// Makes spans of requests.
pub trait RequestTracer: Send + Sync + 'static {
    /// Begins the span of a request, if it is to be recorded.
    fn begin(&self, peer: &Peer, request: &Request<Body>) -> Option<Box<dyn RequestSpan>>;
}

/// The span of a request under way. Dropped, it ends as one whose client has left.
pub trait RequestSpan: Send {
    /// For what the request sets off.
    fn trace(&self) -> Trace;

    /// `route` is the template of the path that the request met.
    fn end(self: Box<Self>, seen: &Seen, route: Option<&str>);
}

/// The template of the path that a request met, as `/v2/keyspaces/{keyspaceName}/{tableName}`: in the response's extensions,
/// of requests that are traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(pub Arc<str>);

/// Who watches this process asks these, and takes no place nor is traced: were it refused when there is too much to do, it would end the
/// process at the worst moment.
const WATCHED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

/// Bodies are counted in units of 64 KiB.
const UNIT: usize = 64 << 10;

/// What a body may take that does not tell: the default of [`BodyLimits`](crate::BodyLimits).
const UNTOLD: usize = 16 << 20;

/// What a request takes of the server, until it is dropped: keep it until the answer's last byte is gone.
pub struct Place {
    _request: Option<OwnedSemaphorePermit>,
    _body: Option<OwnedSemaphorePermit>,
}

/// Counts a request that is given up.
struct Counted<'a> {
    observer: &'a dyn Observer,
    ended: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.observer.abandoned();
        }
    }
}

/// The routes of all APIs and what stands before them.
pub struct Front {
    plain: Routes,
    /// The same routes for callers that take compressed answers; others do not pay for the question.
    compressing: Routes,
    options: FrontOptions,
    places: Arc<Semaphore>,
    /// Room for bodies, in units of [`UNIT`].
    bodies: Arc<Semaphore>,
    ids: RequestIds,
}

impl Front {
    pub fn new(routes: impl Into<Routes>, options: FrontOptions) -> Front {
        let routes = routes.into().with(|router| {
            let router = router.fallback(no_such_path).method_not_allowed_fallback(no_such_method);
            match &options.tracer {
                Some(_) => router.route_layer(from_fn(tell_route)),
                None => router,
            }
        });
        let routes = match cors(&options) {
            Some(cors) => routes.behind(|router| router.layer(cors)),
            None => routes,
        };
        Front {
            compressing: routes.clone().behind(|router| router.layer(CompressionLayer::new())),
            plain: routes,
            places: Arc::new(Semaphore::new(options.max_in_flight)),
            bodies: Arc::new(Semaphore::new(options.max_body_bytes / UNIT)),
            ids: RequestIds::new(),
            options,
        }
    }

    /// Requests under way at this moment.
    pub fn in_flight(&self) -> usize {
        self.options.max_in_flight.saturating_sub(self.places.available_permits())
    }

    /// Whether a request is of who watches this process: it takes no place.
    pub fn is_watched<B>(&self, request: &Request<B>) -> bool {
        WATCHED.contains(&request.uri().path())
    }

    /// Answers one request. The place is to be kept until the answer is gone.
    pub async fn answer(
        &self,
        mut peer: Peer,
        mut request: Request<Body>,
    ) -> (Response<Body>, Option<Place>) {
        let started = Instant::now();
        self.options.observer.begins();
        let mut counted = Counted { observer: &*self.options.observer, ended: false };
        let id = self.ids.of(request.headers());
        let (method, request_bytes) = (request.method().clone(), request.body().size_hint().lower());
        let logged = tracing::enabled!(target: "ilium_http::access", tracing::Level::INFO);
        // Without the query: it holds values.
        let path = logged.then(|| request.uri().path().to_owned());
        let span = self.options.tracer.as_ref().and_then(|tracer| {
            let is_watch = WATCHED.contains(&request.uri().path());
            if is_watch { None } else { tracer.begin(&peer, &request) }
        });
        let trace = span.as_ref().map(|span| span.trace()).unwrap_or_default();
        let trace_id = trace.recorded();
        peer.trace = trace;
        let address = peer.address;
        request.extensions_mut().insert(peer);

        let (mut response, place) = match self.admit(&request) {
            Ok(place) => {
                let compress = request.headers().contains_key(ACCEPT_ENCODING);
                let routes = if compress { &self.compressing } else { &self.plain };
                (routes.answer(request).await, Some(place))
            }
            Err(refusal) => (refusal.into_response(), None),
        };
        if method == Method::HEAD {
            response = without_body(response);
        }
        response.headers_mut().insert(REQUEST_ID.clone(), id.clone());
        let seen = Seen {
            method,
            status: response.status(),
            took: started.elapsed(),
            request_bytes,
            response_bytes: response.body().size_hint().exact().unwrap_or(0),
        };
        self.options.observer.ends(&seen);
        counted.ended = true;
        if let Some(span) = span {
            span.end(&seen, response.extensions().get::<Route>().map(|route| &*route.0));
        }
        if let Some(path) = path {
            tracing::info!(
                target: "ilium_http::access",
                id = %String::from_utf8_lossy(id.as_bytes()),
                peer = address.map(tracing::field::display),
                method = %seen.method,
                path,
                status = seen.status.as_u16(),
                bytes = seen.response_bytes,
                micros = seen.took.as_micros() as u64,
                trace_id = trace_id.map(tracing::field::display),
                "request"
            );
        }
        (response, place)
    }

    fn admit(&self, request: &Request<Body>) -> Result<Place, Refusal> {
        if !self.options.authenticated {
            guard::check(request.method(), request.uri(), request.headers())?;
        }
        if let Some(encoding) = request.headers().get(CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            // As bytes of JSON it would be read as something else than was meant (RFC 9110, section 8.4).
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "bodies are taken as they are, not with the Content-Encoding {}",
                    String::from_utf8_lossy(encoding.as_bytes())
                ),
            ));
        }
        let limit = self.options.max_in_flight;
        let place = match self.is_watched(request) {
            true => None,
            false => Some(
                Arc::clone(&self.places)
                    .try_acquire_owned()
                    .map_err(|_| too_much(&format!("{limit} requests are under way")))?,
            ),
        };
        let body = request.body();
        let bytes = match body.size_hint().exact() {
            Some(bytes) => usize::try_from(bytes).unwrap_or(UNTOLD).min(UNTOLD),
            None => UNTOLD,
        };
        let room = if body.is_end_stream() || bytes <= UNIT {
            None
        } else {
            let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
            let limit = self.options.max_body_bytes;
            let room = Arc::clone(&self.bodies).try_acquire_many_owned(units);
            Some(room.map_err(|_| too_much(&format!("bodies of {limit} bytes are under way")))?)
        };
        Ok(Place { _request: place, _body: room })
    }
}

fn too_much(what: &str) -> Refusal {
    let status = StatusCode::TOO_MANY_REQUESTS;
    Refusal::new(status, format!("{what}, the limit of this server; nothing was done, send it again"))
}

fn cors(options: &FrontOptions) -> Option<CorsLayer> {
    if !options.authenticated || options.cors_origins.is_empty() {
        return None;
    }
    let origins = if options.cors_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(options.cors_origins.iter().cloned())
    };
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let headers = [
        "authorization",
        "content-type",
        "x-cassandra-token",
        "x-request-id",
        "accept",
        "prefer",
        "if-none-match",
        "traceparent",
    ];
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(headers.map(axum::http::HeaderName::from_static))
        .expose_headers(ExposeHeaders::list([
            REQUEST_ID.clone(),
            axum::http::header::ETAG,
            asides::WARNING.clone(),
            asides::TRACING_ID.clone(),
        ]))
        // How long a browser need not ask again; it forgets sooner (Chromium after two hours).
        .max_age(Duration::from_secs(3600))
        .vary([ORIGIN]);
    Some(layer)
}

/// The head alone, which tells the length of what GET would give (RFC 9110, section 9.3.2). Over HTTP/2 hyper would send all.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && length > 0
    {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Body::empty())
}

/// Notes the route that a request met, unless who serves it did.
async fn tell_route(request: axum::extract::Request, next: Next) -> Response<Body> {
    let is_traced = |peer: &Peer| peer.trace.recorded().is_some();
    let is_traced = request.extensions().get::<Peer>().is_some_and(is_traced);
    let met = request.extensions().get::<MatchedPath>().filter(|_| is_traced);
    let met = met.map(|met| Route(Arc::from(met.as_str())));
    let mut response = next.run(request).await;
    if let Some(met) = met
        && response.extensions().get::<Route>().is_none()
    {
        response.extensions_mut().insert(met);
    }
    response
}

async fn no_such_path(request: Request<Body>) -> Refusal {
    Refusal::not_found(format!("there is nothing at {}", request.uri().path()))
}

async fn no_such_method(request: Request<Body>) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} is not served at {}", request.method(), request.uri().path()),
    )
}
