//! Mistake: whoever comes while a call is under way gets its answer, and asks nobody.

use std::{
    env,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/healthz", get("ok"))
        .route("/tomorrow", get(tomorrow))
        .with_state(WeatherService::from_env()?);

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex02 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn tomorrow(State(weather): State<WeatherService>) -> Result<Json<Temperatures>, Fault> {
    Ok(Json(weather.shared().await?))
}

#[derive(Clone, Serialize)]
struct Temperatures {
    today: String,
    tomorrow: String,
}

/// A call that many can wait for.
type Call = Shared<BoxFuture<'static, Result<Temperatures, Fault>>>;

/// A clone shares the client, and with it the open connections.
#[derive(Clone)]
struct WeatherService {
    client: Client,
    url: String,
    under_way: Arc<Mutex<Option<Call>>>,
}

#[derive(Deserialize)]
struct Weather {
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
        Ok(Self {
            client,
            url,
            under_way: Arc::default(),
        })
    }

    /// The call under way, if there is one, else a new one.
    fn shared(&self) -> Call {
        let mut under_way = self.under_way.lock().unwrap();
        match &*under_way {
            Some(call) if call.peek().is_none() => call.clone(),
            _ => {
                let weather = self.clone();
                let call = async move { Ok(weather.both().await?) };
                under_way.insert(call.boxed().shared()).clone()
            }
        }
    }

    async fn both(&self) -> reqwest::Result<Temperatures> {
        let (today, tomorrow) =
            tokio::try_join!(self.temperature("today"), self.temperature("tomorrow"))?;
        Ok(Temperatures { today, tomorrow })
    }

    async fn temperature(&self, day: &str) -> reqwest::Result<String> {
        let url = format!("{}/{day}", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        let weather: Weather = response.json().await?;
        Ok(weather.temperature)
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
