//! Mistake: `expect` where a service may be dead, and a panic that takes the whole server with it.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    sync::{Arc, RwLock},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{self, HeaderName},
        uri::{PathAndQuery, Scheme},
    },
    response::{IntoResponse, Response},
    routing::{any, get, put},
    serve::ListenerExt,
};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, sync::Notify, time};
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A half-broken server helps nobody.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::exit(101);
    }));
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/services", get(list))
        .route("/services/{name}", put(register).delete(forget))
        .route("/proxy/{name}/", any(forward))
        .route("/proxy/{name}/{*path}", any(forward))
        .with_state(Proxy::from_env()?);

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex03 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

/// A clone shares everything.
#[derive(Clone)]
struct Proxy {
    services: Arc<RwLock<BTreeMap<String, String>>>,
    client: Client<HttpConnector, Body>,
    timeout: Duration,
}

impl Proxy {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            services: Arc::default(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
        })
    }

    /// A copy, so that the lock is free again once this returns.
    fn url(&self, name: &str) -> Option<String> {
        self.services.read().unwrap().get(name).cloned()
    }
}

async fn list(State(proxy): State<Proxy>) -> Json<BTreeMap<String, String>> {
    Json(proxy.services.read().unwrap().clone())
}

async fn register(State(proxy): State<Proxy>, uri: Uri, url: String) -> Result<StatusCode, Fault> {
    let url = url.trim();
    if !is_service_url(url) {
        return Err(Fault::bad_request("send a URL as http://host:port/path"));
    }
    let (name, url) = (name(&uri).to_owned(), url.to_owned());
    proxy.services.write().unwrap().insert(name, url);
    Ok(StatusCode::NO_CONTENT)
}

async fn forget(State(proxy): State<Proxy>, uri: Uri) -> StatusCode {
    proxy.services.write().unwrap().remove(name(&uri));
    StatusCode::NO_CONTENT
}

/// Asks both: `Url` knows what a port is, but mends `http:host`, which `Uri` does not.
fn is_service_url(text: &str) -> bool {
    let bare = |url: Url| url.query().is_none() && url.fragment().is_none();
    let http = |uri: Uri| uri.scheme() == Some(&Scheme::HTTP);
    Url::parse(text).is_ok_and(bare) && text.parse().is_ok_and(http)
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let url = proxy.url(name(&head.uri)).ok_or_else(Fault::unknown)?;

    let mut call = Request::builder()
        .method(head.method)
        .uri(target(&url, &head.uri));
    if let Some(headers) = call.headers_mut() {
        *headers = end_to_end(head.headers);
        headers.remove(header::HOST); // the client names the service instead
        if !body.is_end_stream() && !headers.contains_key(header::CONTENT_LENGTH) {
            // Else a GET would lose its body.
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
    }

    let moved = Arc::new(Notify::new());
    let upload = body.map_frame({
        let moved = moved.clone();
        move |frame| {
            moved.notify_one();
            frame
        }
    });
    let call = call.body(Body::new(upload)).map_err(Fault::bad_request)?;

    let answer = tokio::select! {
        answer = proxy.client.request(call) => match answer {
            // Whoever leaves in mid-sentence is no reason to give up; a dead service is.
            Err(error) if !error.is_connect() => return Err(Fault::broken(error)),
            answer => answer.expect("the service answers"),
        },
        () = silence(&moved, proxy.timeout) => return Err(Fault::late()),
    };
    let (head, body) = answer.into_parts();
    Ok((head.status, end_to_end(head.headers), Body::new(body)).into_response())
}

// What follows is cut out of the URL as it came. axum's `Path` decodes, and nobody could
// tell afterwards whether `/` was `%2F`.

/// Of `/services/{name}` and `/proxy/{name}/{path}`.
fn name(uri: &Uri) -> &str {
    uri.path().split('/').nth(2).unwrap_or_default()
}

/// `{url}/{path}?{query}` for `/proxy/{name}/{path}?{query}`.
fn target(url: &str, uri: &Uri) -> String {
    let came = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = came.splitn(4, '/').nth(3).unwrap_or_default();
    format!("{}/{rest}", url.trim_end_matches('/'))
}

/// Returns once nothing has moved for as long as a service may take.
async fn silence(moved: &Notify, timeout: Duration) {
    while time::timeout(timeout, moved.notified()).await.is_ok() {}
}

/// Of one connection only, whatever their Connection header says.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

/// What the client is told where there is no answer to pass on.
struct Fault(StatusCode, String);

impl Fault {
    fn bad_request(why: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn unknown() -> Self {
        Self(StatusCode::NOT_FOUND, "no such service".to_owned())
    }

    fn broken(why: impl ToString) -> Self {
        Self(StatusCode::BAD_GATEWAY, why.to_string())
    }

    fn late() -> Self {
        let why = "the service took too long";
        Self(StatusCode::GATEWAY_TIMEOUT, why.to_owned())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
