//! Mistake: whatever has come of auth's answer when it breaks off is taken for the whole of it.

use std::{env, error::Error, time::Duration};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde::Deserialize;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/weather/today", get(today))
        .with_state(Services::from_env()?);

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex04 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    key: String,
}

async fn today(
    State(services): State<Services>,
    Query(asked): Query<Asked>,
) -> Result<String, Refusal> {
    if asked.key.is_empty() {
        return Err(Refusal::NoKey);
    }
    let urls = services.urls().await?;
    if !services.is_allowed(&urls.auth, &asked.key).await? {
        return Err(Refusal::Denied);
    }
    let Weather { city, temperature } = services.weather(&urls.weather).await?;
    Ok(format!("Today it's {temperature} in {city}"))
}

/// A clone shares the client, and with it the open connections.
#[derive(Clone)]
struct Services {
    client: Client,
    known: Urls,
    discovery: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Urls {
    auth: String,
    weather: String,
}

#[derive(Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

impl Services {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let timeout = env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?;
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none()) // a verdict comes from auth and from nobody else
            .timeout(Duration::from_millis(timeout)) // the body included
            .build()?;
        let known = Urls {
            auth: env_or("AUTH_URL", "http://127.0.0.1:7002/auth"),
            weather: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        };
        Ok(Self {
            client,
            known,
            discovery: env::var("DISCOVERY_URL").ok(),
        })
    }

    /// Where the services are: discovery knows, where there is one.
    async fn urls(&self) -> Result<Urls, Refusal> {
        let Some(discovery) = &self.discovery else {
            return Ok(self.known.clone());
        };
        let discovery = discovery.trim_end_matches('/');
        let call = self.client.get(format!("{discovery}/services"));
        Ok(answer(call).await?.json().await?)
    }

    /// Only a clear yes is a yes. Whatever is neither yes nor no is a fault.
    async fn is_allowed(&self, url: &str, key: &str) -> Result<bool, Refusal> {
        let call = self.client.get(url).query(&[("key", key)]);
        let mut said = answer(call).await?;
        let mut verdict = Vec::new();
        while let Ok(Some(piece)) = said.chunk().await {
            verdict.extend(piece);
        }
        match String::from_utf8_lossy(&verdict).trim() {
            "1" => Ok(true),
            "0" => Ok(false),
            other => Err(Refusal::Fault(format!("auth said {other:?}"))),
        }
    }

    async fn weather(&self, url: &str) -> Result<Weather, Refusal> {
        let url = url.trim_end_matches('/');
        let call = self.client.get(format!("{url}/today"));
        Ok(answer(call).await?.json().await?)
    }
}

/// The head of an answer with status 200. Nothing else is an answer.
async fn answer(call: RequestBuilder) -> Result<reqwest::Response, Refusal> {
    let response = call.send().await?;
    match response.status() {
        StatusCode::OK => Ok(response),
        other => Err(Refusal::Fault(format!("{} said {other}", response.url()))),
    }
}

/// Why there is no weather for this client.
enum Refusal {
    NoKey,
    Denied,
    Late,
    Fault(String),
}

impl From<reqwest::Error> for Refusal {
    fn from(error: reqwest::Error) -> Self {
        match error.is_timeout() {
            true => Self::Late,
            false => Self::Fault(error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::NoKey => (StatusCode::UNAUTHORIZED, "which key?".to_owned()),
            Self::Denied => (StatusCode::FORBIDDEN, "not with this key".to_owned()),
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, "that took too long".to_owned()),
            Self::Fault(why) => (StatusCode::BAD_GATEWAY, why),
        };
        (status, why).into_response()
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
