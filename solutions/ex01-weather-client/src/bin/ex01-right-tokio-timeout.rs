//! Right: the time limit by `tokio::time::timeout`, around head and body.

use std::{env, error::Error, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use reqwest::Client;
use serde::Deserialize;
use tokio::{net::TcpListener, time};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/today", get(today))
        .with_state(WeatherService::from_env()?);

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex01 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn today(State(weather): State<WeatherService>) -> Result<String, Fault> {
    let Weather { city, temperature } = time::timeout(weather.timeout, weather.today()).await??;
    Ok(format!("Today it's {temperature} in {city}"))
}

/// A clone shares the client, and with it the open connections.
#[derive(Clone)]
struct WeatherService {
    client: Client,
    url: String,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

impl WeatherService {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let timeout = env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?;
        let client = Client::builder().no_proxy().build()?;
        let url = env_or("WEATHER_URL", "http://127.0.0.1:7001/weather");
        Ok(Self {
            client,
            url,
            timeout: Duration::from_millis(timeout),
        })
    }

    async fn today(&self) -> reqwest::Result<Weather> {
        let url = format!("{}/today", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        response.json().await
    }
}

/// Why the weather service did not help: too late is 504, anything else 502.
struct Fault(StatusCode, String);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self(StatusCode::BAD_GATEWAY, error.to_string())
    }
}

impl From<time::error::Elapsed> for Fault {
    fn from(late: time::error::Elapsed) -> Self {
        Self(StatusCode::GATEWAY_TIMEOUT, late.to_string())
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
