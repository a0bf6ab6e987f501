//! Mistake: one task asks for everybody, one question after the other.

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
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/today", get(today))
        .with_state(worker(WeatherService::from_env()?));

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex01 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn today(State(worker): State<Worker>) -> Result<String, Fault> {
    let (sender, receiver) = oneshot::channel();
    worker
        .send(sender)
        .await
        .map_err(|_| Fault::bad("no worker"))?;
    let Weather { city, temperature } = receiver.await.map_err(|_| Fault::bad("no answer"))??;
    Ok(format!("Today it's {temperature} in {city}"))
}

type Worker = mpsc::Sender<oneshot::Sender<reqwest::Result<Weather>>>;

/// Takes one question at a time, and asks the weather service.
fn worker(weather: WeatherService) -> Worker {
    let (worker, mut questions) = mpsc::channel::<oneshot::Sender<_>>(100);
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            let answer = weather.today().await;
            _ = question.send(answer);
        }
    });
    worker
}

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
            .timeout(Duration::from_millis(timeout)) // the body included
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
struct Fault(StatusCode, String);

impl Fault {
    fn bad(why: impl ToString) -> Self {
        Self(StatusCode::BAD_GATEWAY, why.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        match error.is_timeout() {
            true => Self(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            false => Self::bad(error),
        }
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
