//! Which address does what.
//!
//! | | |
//! |---|---|
//! | `GET /…` | a page or file of the book |
//! | `GET /-/live.js`, `/-/live.css` | what each page gets on top |
//! | `GET /-/workshop` | the exercises, their pages, and where the reader stands |
//! | `GET /-/saved` | which pages are others now, as it happens |
//! | `POST /-/verify/ex02` | runs it; the answer tells how it goes, one JSON object per line |

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::build::Builder;
use super::door::{Door, Refused, Token};
use super::pages::{Pages, with_nonce};
use super::runs::{self, Runs};
use super::watch::Saves;
use crate::workshop::Workshop;

/// The book's server. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pages: RwLock<Arc<Pages>>,
    door: Door,
    runs: Arc<Runs>,
    /// Id, title and page of each exercise.
    exercises: Vec<(String, String, String)>,
    saved: broadcast::Sender<Vec<String>>,
}

impl Server {
    /// A server of these pages.
    pub fn new(workshop: &Workshop, pages: Pages, door: Door, runs: Arc<Runs>) -> Self {
        let exercises = workshop.exercises.iter().map(|exercise| {
            let page = exercise.chapter.strip_suffix(".md");
            let page = format!("{}.html", page.unwrap_or(&exercise.chapter));
            (exercise.id.clone(), exercise.title.clone(), page)
        });
        Self(Arc::new(Inner {
            pages: RwLock::new(Arc::new(pages)),
            door,
            runs,
            exercises: exercises.collect(),
            saved: broadcast::channel(16).0,
        }))
    }

    /// Serves for ever.
    ///
    /// # Errors
    /// Where nobody can be accepted any more.
    pub async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        let router = Router::new()
            .route("/-/live.js", get(script))
            .route("/-/live.css", get(style))
            .route("/-/workshop", get(workshop))
            .route("/-/saved", get(saved))
            // `any`, so that the door is the only one that judges the method.
            .route("/-/verify/{exercise}", any(verify))
            .fallback(get(page))
            .layer(middleware::from_fn_with_state(self.clone(), admit))
            .with_state(self);
        axum::serve(listener, router)
            .await
            .context("the book's server has stopped")
    }

    /// Builds the book anew on each save, and tells the pages.
    ///
    /// # Errors
    /// Where saves are not told any more.
    pub async fn rebuild(&self, builder: &Builder, mut saves: Saves) -> anyhow::Result<()> {
        while saves.next().await.is_some() {
            match builder.build().await {
                Ok(pages) => self.replace(pages),
                // The last good book stays, and the next save may mend it.
                Err(error) => {
                    use std::io::Write as _;
                    let _ = writeln!(std::io::stderr(), "{error:#}");
                }
            }
        }
        anyhow::bail!("the system tells of no more saves")
    }

    /// Serves other pages from now on.
    pub fn replace(&self, pages: Pages) {
        let mut current = self.0.pages.write().unwrap_or_else(PoisonError::into_inner);
        let changed = current.changed(&pages);
        *current = Arc::new(pages);
        drop(current);
        if !changed.is_empty() {
            // Nobody may be looking.
            let _ = self.0.saved.send(changed);
        }
    }

    fn pages(&self) -> Arc<Pages> {
        let pages = self.0.pages.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&pages)
    }
}

/// Every request passes here, and every answer gets the headers that hold for all.
async fn admit(State(server): State<Server>, request: Request, next: Next) -> Response {
    let reads = server.0.door.may_read(request.headers());
    let mut response = match reads {
        Ok(()) => next.run(request).await,
        Err(refused) => refuse(refused),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'"));
    response
}

fn refuse(refused: Refused) -> Response {
    (refused.status(), refused.words()).into_response()
}

async fn page(State(server): State<Server>, request: Request) -> Response {
    let pages = server.pages();
    let (status, found) = match pages.get(request.uri().path()) {
        Some(found) => (StatusCode::OK, Some(found)),
        None => (StatusCode::NOT_FOUND, pages.get("/404.html")),
    };
    let Some((kind, content)) = found else {
        return (status, "There is no such page.").into_response();
    };
    if !kind.starts_with("text/html") {
        return (status, [(header::CONTENT_TYPE, kind)], content).into_response();
    }
    let nonce = match Token::draw() {
        Ok(nonce) => nonce.as_hex(),
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response();
        }
    };
    let content = with_nonce(&content, &nonce);
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy(&nonce)),
    ];
    (status, headers, content).into_response()
}

/// Only what comes from here, and of the scripts in a page only ours. mdBook's
/// search makes style elements as it goes; styles run nothing.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; \
         frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
}

async fn script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("live.js")).into_response()
}

async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("live.css")).into_response()
}

async fn workshop(State(server): State<Server>) -> Response {
    let progress = server.0.runs.progress();
    let told = server.0.exercises.iter().map(|(id, title, page)| {
        let state = progress.iter().find(|(known, _)| known == id);
        let state = state.map(|(_, state)| *state).unwrap_or_default();
        json!({"id": id, "title": title, "page": page, "state": state})
    });
    axum::Json(told.collect::<Vec<_>>()).into_response()
}

async fn saved(
    State(server): State<Server>,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>> + use<>> {
    let events = server.0.saved.subscribe();
    let stream = stream::unfold(events, |mut events| async move {
        let changed = match events.recv().await {
            Ok(changed) => json!(changed),
            // So much was saved meanwhile that it is no matter what.
            Err(RecvError::Lagged(_)) => json!(null),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(Sent::default().data(changed.to_string())), events))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

async fn verify(
    State(server): State<Server>,
    Path(exercise): Path<String>,
    method: Method,
    headers: axum::http::HeaderMap,
) -> Response {
    if let Err(refused) = server.0.door.may_run(&method, &headers) {
        return refuse(refused);
    }
    let Some(events) = server.0.runs.begin(&exercise) else {
        return (StatusCode::NOT_FOUND, "There is no such exercise.").into_response();
    };
    let lines = stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        Some((Ok::<_, Infallible>(line(&event)), events))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}

fn line(event: &runs::Event) -> Bytes {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
