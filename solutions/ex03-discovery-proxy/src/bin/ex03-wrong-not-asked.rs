//! Mistake: the client is sent to the service with a redirect, where the proxy was meant to go.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    sync::{Arc, RwLock},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{
        StatusCode, Uri, header,
        uri::{PathAndQuery, Scheme},
    },
    response::{IntoResponse, Response},
    routing::{any, get, put},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/services", get(list))
        .route("/services/{name}", put(register).delete(forget))
        .route("/proxy/{name}/", any(forward))
        .route("/proxy/{name}/{*path}", any(forward))
        .with_state(Proxy::default());

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex03 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

/// A clone shares everything.
#[derive(Clone, Default)]
struct Proxy {
    services: Arc<RwLock<BTreeMap<String, String>>>,
}

impl Proxy {
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
    let (head, _body) = request.into_parts();
    let url = proxy.url(name(&head.uri)).ok_or_else(Fault::unknown)?;

    let target = target(&url, &head.uri);
    Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target)]).into_response())
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

/// What the client is told where there is no answer to pass on.
struct Fault(StatusCode, String);

impl Fault {
    fn bad_request(why: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn unknown() -> Self {
        Self(StatusCode::NOT_FOUND, "no such service".to_owned())
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
