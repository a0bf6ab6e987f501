//! Right, and old-fashioned: HTTP/1.0, header names in capitals, a line feed after the body.

use std::{env, error::Error, io, time::Duration};

use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time,
};

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);
const LARGEST_HEAD: u64 = 16 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let weather = WeatherService::from_env()?;
    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex02 listens on http://{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let weather = weather.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(client, &weather).await {
                eprintln!("lost a client: {error}");
            }
        });
    }
}

async fn serve(mut client: TcpStream, weather: &WeatherService) -> io::Result<()> {
    client.set_nodelay(true)?;
    let request = time::timeout(PATIENCE, read_request(&mut client)).await??;
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/healthz" => ("200 OK", "ok".to_owned()),
        "/tomorrow" => match tomorrow(weather).await {
            Ok(body) => ("200 OK", body),
            Err(late) if late.is_timeout() => ("504 GATEWAY TIMEOUT", late.to_string()),
            Err(fault) => ("502 BAD GATEWAY", fault.to_string()),
        },
        _ => ("404 NOT FOUND", "ask for /tomorrow".to_owned()),
    };
    let body = body + "\n";
    let length = body.len();
    let answer = format!(
        "HTTP/1.0 {status}\r\nCONTENT-TYPE: application/json\r\nCONTENT-LENGTH: {length}\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

/// The request line. The rest of the head is read and forgotten.
async fn read_request(client: &mut TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(client).take(LARGEST_HEAD).lines();
    let request = lines.next_line().await?.unwrap_or_default();
    while let Some(line) = lines.next_line().await? {
        if line.is_empty() {
            break;
        }
    }
    Ok(request)
}

async fn tomorrow(weather: &WeatherService) -> reqwest::Result<String> {
    let (today, tomorrow) = tokio::try_join!(
        weather.temperature("today"),
        weather.temperature("tomorrow"),
    )?;
    Ok(json!({ "today": today, "tomorrow": tomorrow }).to_string())
}

/// A clone shares the client, and with it the open connections.
#[derive(Clone)]
struct WeatherService {
    client: Client,
    url: String,
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
        Ok(Self { client, url })
    }

    async fn temperature(&self, day: &str) -> reqwest::Result<String> {
        let url = format!("{}/{day}", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        let weather: Weather = response.json().await?;
        Ok(weather.temperature)
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
