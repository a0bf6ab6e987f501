//! Mistake: asks on its own account all the time, and lets each client wait for the news after
//! the next. While a client waits two calls are made, and neither is made for it.

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
use tokio::{net::TcpListener, sync::watch, time};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/today", get(today))
        .with_state(poll(WeatherService::from_env()?).await);

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex01 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

type Latest = watch::Receiver<Result<Weather, Fault>>;

async fn today(State(mut latest): State<Latest>) -> Result<String, Fault> {
    latest.mark_unchanged();
    for _ in 0..2 {
        _ = latest.changed().await;
    }
    let Weather { city, temperature } = latest.borrow().clone()?;
    Ok(format!("Today it's {temperature} in {city}"))
}

/// Asks again and again, so that there is always an answer at hand.
async fn poll(weather: WeatherService) -> Latest {
    let (sender, latest) = watch::channel(weather.ask().await);
    tokio::spawn(async move {
        loop {
            time::sleep(Duration::from_millis(5)).await;
            _ = sender.send(weather.ask().await);
        }
    });
    latest
}

struct WeatherService {
    client: Client,
    url: String,
}

#[derive(Clone, Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

impl WeatherService {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let timeout = env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?;
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_millis(timeout)) // the body included
            .build()?;
        let url = env_or("WEATHER_URL", "http://127.0.0.1:7001/weather");
        Ok(Self { client, url })
    }

    async fn ask(&self) -> Result<Weather, Fault> {
        Ok(self.today().await?)
    }

    async fn today(&self) -> reqwest::Result<Weather> {
        let url = format!("{}/today", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        response.json().await
    }
}

#[derive(Clone)]
struct Fault(StatusCode, String);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        let status = match error.is_timeout() {
            true => StatusCode::GATEWAY_TIMEOUT,
            false => StatusCode::BAD_GATEWAY,
        };
        Self(status, error.to_string())
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
