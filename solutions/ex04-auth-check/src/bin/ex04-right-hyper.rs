//! Right, without axum and reqwest: hyper for the server, hyper's client with its cache of connections.

use std::{convert::Infallible, env, error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value;
use tokio::{net::TcpListener, time};
use url::form_urlencoded::{byte_serialize, parse};

/// A status and what to say with it.
type Fault = (StatusCode, String);

#[derive(Clone)]
struct Services {
    client: Client<HttpConnector, Empty<Bytes>>,
    auth: String,
    weather: String,
    discovery: Option<String>,
    timeout: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let services = Services {
        client: Client::builder(TokioExecutor::new()).build_http(),
        auth: env_or("AUTH_URL", "http://127.0.0.1:7002/auth"),
        weather: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        discovery: env::var("DISCOVERY_URL").ok(),
        timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let services = services.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &services));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
            if let Err(error) = connection.await {
                eprintln!("lost a client: {error}");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    services: &Services,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, "ok".to_owned()),
        "/weather/today" => match services.today(request.uri().query()).await {
            Ok(sentence) => (StatusCode::OK, sentence),
            Err(fault) => fault,
        },
        _ => (StatusCode::NOT_FOUND, "ask for /weather/today".to_owned()),
    };
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    Ok(answer)
}

impl Services {
    async fn today(&self, query: Option<&str>) -> Result<String, Fault> {
        let mut pairs = parse(query.unwrap_or_default().as_bytes());
        let key = pairs.find_map(|(name, value)| (name == "key").then_some(value));
        let key = key.filter(|key| !key.is_empty());
        let key = key.ok_or((StatusCode::UNAUTHORIZED, "which key?".to_owned()))?;

        let (auth, weather) = self.find().await?;
        let key = String::from_iter(byte_serialize(key.as_bytes()));
        let verdict = self.get(format!("{auth}?key={key}")).await?;
        match verdict.trim_ascii() {
            b"1" => {}
            b"0" => return Err((StatusCode::FORBIDDEN, "not with this key".to_owned())),
            _ => return Err(broken("auth mumbles")),
        }

        let weather = self
            .get(format!("{}/today", weather.trim_end_matches('/')))
            .await?;
        let weather: Value = serde_json::from_slice(&weather).map_err(broken)?;
        match (weather["temperature"].as_str(), weather["city"].as_str()) {
            (Some(temperature), Some(city)) => Ok(format!("Today it's {temperature} in {city}")),
            _ => Err(broken("the weather is not whole")),
        }
    }

    async fn find(&self) -> Result<(String, String), Fault> {
        let Some(discovery) = &self.discovery else {
            return Ok((self.auth.clone(), self.weather.clone()));
        };
        let known = self
            .get(format!("{}/services", discovery.trim_end_matches('/')))
            .await?;
        let known: Value = serde_json::from_slice(&known).map_err(broken)?;
        let url = |name| known[name].as_str().map(str::to_owned);
        url("auth")
            .zip(url("weather"))
            .ok_or_else(|| broken("discovery does not know them"))
    }

    /// A whole body with status 200 in time, or a fault.
    async fn get(&self, url: String) -> Result<Bytes, Fault> {
        let url = url.parse().map_err(broken)?;
        let call = async {
            let answer = self.client.get(url).await.map_err(broken)?;
            match answer.status() {
                StatusCode::OK => Ok(answer
                    .into_body()
                    .collect()
                    .await
                    .map_err(broken)?
                    .to_bytes()),
                status => Err(broken(status)),
            }
        };
        let late = |_| (StatusCode::GATEWAY_TIMEOUT, "that took too long".to_owned());
        time::timeout(self.timeout, call).await.map_err(late)?
    }
}

fn broken(why: impl ToString) -> Fault {
    (StatusCode::BAD_GATEWAY, why.to_string())
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
