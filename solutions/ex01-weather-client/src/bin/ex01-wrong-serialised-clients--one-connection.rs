//! Mistake: one connection for all. It carries one call at a time, so clients wait for each other.

use std::{convert::Infallible, env, error::Error, sync::Arc, time::Duration};

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
    sync::Mutex,
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
    /// The only one.
    connection: Mutex<Option<Connection>>,
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
            connection: Mutex::default(),
            timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
        })
    }

    async fn today(&self) -> Result<String, Fault> {
        let Weather { city, temperature } = self.ask("today").await?;
        Ok(format!("Today it's {temperature} in {city}"))
    }

    async fn ask(&self, day: &str) -> Result<Weather, Fault> {
        let mut connection = self.connection.lock().await;
        let call = self.call(&mut connection, day);
        time::timeout(self.timeout, call)
            .await
            .unwrap_or(Err(Fault::Late))
    }

    async fn call(&self, connection: &mut Option<Connection>, day: &str) -> Result<Weather, Fault> {
        let uri: Uri = format!("{}/{day}", self.url).parse().map_err(Fault::bad)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let request = Request::get(target)
            .header(header::HOST, &self.authority)
            .body(Empty::new())
            .map_err(Fault::bad)?;

        // Taken out, so that a connection with a fault is not used again.
        let mut open = match connection.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await.map_err(Fault::bad)?,
        };
        let response = open.send_request(request).await.map_err(Fault::bad)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(Fault::bad)?;
        // The service may have closed it with its answer: then the next call connects anew.
        if open.ready().await.is_ok() {
            *connection = Some(open);
        }
        if !status.is_success() {
            return Err(Fault::bad(status));
        }
        serde_json::from_slice(&body.to_bytes()).map_err(Fault::bad)
    }

    async fn connect(&self) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let socket = TcpStream::connect(&self.authority).await?;
        socket.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(driver);
        Ok(connection)
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
