//! Mistake: a blocking call in an async handler, on the only thread there is.

use std::{env, error::Error, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
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
    let (today, tomorrow) = tokio::try_join!(
        weather.temperature("today"),
        weather.temperature("tomorrow"),
    )?;
    Ok(Json(Temperatures { today, tomorrow }))
}

#[derive(Serialize)]
struct Temperatures {
    today: String,
    tomorrow: String,
}

#[derive(Clone)]
struct WeatherService {
    agent: ureq::Agent,
    url: String,
}

#[derive(Deserialize)]
struct Weather {
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

    async fn temperature(&self, day: &str) -> Result<String, ureq::Error> {
        let url = format!("{}/{day}", self.url);
        let body = self.agent.get(url).call()?.body_mut().read_to_string()?;
        match serde_json::from_str(&body) {
            Ok(Weather { temperature }) => Ok(temperature),
            Err(error) => Err(ureq::Error::Other(error.into())),
        }
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
