//! Right, though each call costs a thread: ureq, announced by `block_in_place`.

use std::{env, error::Error, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use serde::Deserialize;
use tokio::{net::TcpListener, task};

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
    let Weather { city, temperature } = task::block_in_place(|| weather.today())?;
    Ok(format!("Today it's {temperature} in {city}"))
}

#[derive(Clone)]
struct WeatherService {
    agent: ureq::Agent,
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
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(timeout)))
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.into(),
            url: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        })
    }

    fn today(&self) -> Result<Weather, ureq::Error> {
        let url = format!("{}/today", self.url);
        let body = self.agent.get(url).call()?.body_mut().read_to_string()?;
        serde_json::from_str(&body).map_err(|error| ureq::Error::Other(error.into()))
    }
}

/// Why the weather service did not help: too late is 504, anything else 502.
struct Fault(ureq::Error);

impl From<ureq::Error> for Fault {
    fn from(error: ureq::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = match matches!(self.0, ureq::Error::Timeout(_)) {
            true => StatusCode::GATEWAY_TIMEOUT,
            false => StatusCode::BAD_GATEWAY,
        };
        (status, self.0.to_string()).into_response()
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
