//! Another HTTP stack: hyper for the server, hyper's client with its cache of connections.

use std::{env, error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value;
use tokio::net::TcpListener;

type Fault = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Weather {
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
    limit: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let weather = Weather {
        client: Client::builder(TokioExecutor::new()).build_http(),
        url: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        limit: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let weather = weather.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, weather.clone()));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    weather: Weather,
) -> Result<Response<Full<Bytes>>, Fault> {
    let (status, body) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, "ok".to_owned()),
        "/today" => match tokio::time::timeout(weather.limit, weather.today()).await {
            Ok(Ok(body)) => (StatusCode::OK, body),
            Ok(Err(fault)) => (StatusCode::BAD_GATEWAY, fault.to_string()),
            Err(late) => (StatusCode::GATEWAY_TIMEOUT, late.to_string()),
        },
        _ => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    Ok(response)
}

impl Weather {
    async fn ask(&self, day: &str) -> Result<Value, Fault> {
        let url = format!("{}/{day}", self.url).parse()?;
        let response = self.client.get(url).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the weather said {}", response.status()).into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }

    async fn today(&self) -> Result<String, Fault> {
        let weather = self.ask("today").await?;
        let text = |name: &str| weather[name].as_str().unwrap_or_default().to_owned();
        Ok(format!(
            "Today it's {} in {}",
            text("temperature"),
            text("city")
        ))
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
