//! A call that takes half of its time is given up and made once more, in what is left of it.

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
use tokio::net::TcpListener;

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
    let Weather { city, temperature } = match weather.today().await {
        Err(error) if error.is_timeout() => weather.today().await?,
        other => other?,
    };
    Ok(format!("Today it's {temperature} in {city}"))
}

/// A clone shares the client, and with it the open connections.
#[derive(Clone)]
struct WeatherService {
    client: Client,
    url: String,
}

#[derive(Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

impl WeatherService {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let timeout = env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?;
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_millis(timeout) / 2) // of each try, the body included
            .build()?;
        let url = env_or("WEATHER_URL", "http://127.0.0.1:7001/weather");
        Ok(Self { client, url })
    }

    async fn today(&self) -> reqwest::Result<Weather> {
        let url = format!("{}/today", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        response.json().await
    }
}

/// Why the weather service did not help: too late is 504, anything else 502.
struct Fault(reqwest::Error);

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = match self.0.is_timeout() {
            true => StatusCode::GATEWAY_TIMEOUT,
            false => StatusCode::BAD_GATEWAY,
        };
        (status, self.0.to_string()).into_response()
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
