//! Mistake: each connection is a task of its own, and that task is waited for before the next
//! connection is accepted.

use std::{env, error::Error, io, sync::Arc, time::Duration};

use reqwest::Client;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const LARGEST_HEAD: u64 = 16 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let weather = Arc::new(WeatherService::from_env()?);

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex01 listens on http://{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        if let Err(error) = tokio::spawn(serve(client, weather.clone())).await? {
            eprintln!("lost a client: {error}");
        }
    }
}

async fn serve(mut client: TcpStream, weather: Arc<WeatherService>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (reading, mut writing) = client.split();
    let mut head = BufReader::new(reading).take(LARGEST_HEAD).lines();
    let request = head.next_line().await?.unwrap_or_default();
    while let Some(line) = head.next_line().await? {
        if line.is_empty() {
            break;
        }
    }

    let mut words = request.split([' ', '?']);
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/healthz")) => ("200 OK", "ok".to_owned()),
        (Some("GET"), Some("/today")) => match weather.today().await {
            Ok(Weather { city, temperature }) => {
                ("200 OK", format!("Today it's {temperature} in {city}"))
            }
            Err(late) if late.is_timeout() => ("504 Gateway Timeout", late.to_string()),
            Err(fault) => ("502 Bad Gateway", fault.to_string()),
        },
        _ => ("404 Not Found", "ask for /today".to_owned()),
    };

    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    writing.write_all(answer.as_bytes()).await
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
        Ok(Self {
            client,
            url: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        })
    }

    async fn today(&self) -> reqwest::Result<Weather> {
        let url = format!("{}/today", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        response.json().await
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
