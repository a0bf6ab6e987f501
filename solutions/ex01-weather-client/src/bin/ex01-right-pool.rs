//! Right: a pool of open connections, made by hand.

use std::{
    convert::Infallible,
    env,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let weather = Arc::new(WeatherService::from_env()?);
    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex01 listens on http://{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let weather = weather.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &weather));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
            if let Err(error) = connection.await {
                eprintln!("lost a client: {error}");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    weather: &WeatherService,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, "ok".to_owned()),
        "/today" => match weather.today().await {
            Ok(body) => (StatusCode::OK, body),
            Err(Fault::Late) => (StatusCode::GATEWAY_TIMEOUT, "weather is late".to_owned()),
            Err(Fault::Bad(why)) => (StatusCode::BAD_GATEWAY, why),
        },
        _ => (StatusCode::NOT_FOUND, "ask for /today".to_owned()),
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    Ok(response)
}

type Connection = SendRequest<Empty<Bytes>>;

struct WeatherService {
    url: String,
    /// `127.0.0.1:7001`, to connect to.
    authority: String,
    /// Connections that nobody uses at the moment.
    idle: Mutex<Vec<Connection>>,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

impl WeatherService {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let url = env_or("WEATHER_URL", "http://127.0.0.1:7001/weather");
        let uri: Uri = url.parse()?;
        let authority = uri.authority().ok_or("WEATHER_URL names no host")?;
        Ok(Self {
            authority: authority.to_string(),
            url,
            idle: Mutex::default(),
            timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
        })
    }

    async fn today(&self) -> Result<String, Fault> {
        let Weather { city, temperature } = self.ask("today").await?;
        Ok(format!("Today it's {temperature} in {city}"))
    }

    async fn ask(&self, day: &str) -> Result<Weather, Fault> {
        let call = self.call(day);
        time::timeout(self.timeout, call)
            .await
            .unwrap_or(Err(Fault::Late))
    }

    async fn call(&self, day: &str) -> Result<Weather, Fault> {
        let uri: Uri = format!("{}/{day}", self.url).parse().map_err(Fault::bad)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let request = Request::get(target)
            .header(header::HOST, &self.authority)
            .body(Empty::new())
            .map_err(Fault::bad)?;

        let mut connection = self.connection().await.map_err(Fault::bad)?;
        let response = connection.send_request(request).await.map_err(Fault::bad)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(Fault::bad)?;
        // Only here is it free again: after a fault, or half-way, it is closed by its drop.
        self.idle.lock().unwrap().push(connection);
        if !status.is_success() {
            return Err(Fault::bad(status));
        }
        serde_json::from_slice(&body.to_bytes()).map_err(Fault::bad)
    }

    /// An idle connection that is still open, else a new one.
    async fn connection(&self) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        while let Some(mut connection) = self.pop() {
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let socket = TcpStream::connect(&self.authority).await?;
        socket.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap().pop()
    }
}

/// Why the weather service did not help: too late is 504, anything else 502.
enum Fault {
    Late,
    Bad(String),
}

impl Fault {
    fn bad(why: impl ToString) -> Self {
        Self::Bad(why.to_string())
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
