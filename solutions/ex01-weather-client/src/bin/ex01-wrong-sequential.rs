//! The weather client, sequential: it serves one client at a time.
//!
//! Correct, and slow as soon as two clients come at once. Your task is in README.md.

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use serde::Deserialize;
use ureq::Agent;

/// A client that says nothing, or does not listen, is given up after this.
const PATIENCE: Duration = Duration::from_secs(1);
const LARGEST_HEAD: u64 = 16 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let weather = WeatherService::from_env()?;

    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("ex01 listens on http://{}", listener.local_addr()?);
    // ANCHOR: accept
    for client in listener.incoming() {
        if let Err(error) = client.and_then(|client| serve(client, &weather)) {
            eprintln!("lost a client: {error}");
        }
    }
    // ANCHOR_END: accept
    Ok(())
}

/// Reads one request, answers it and hangs up. Everybody else waits meanwhile.
fn serve(mut client: TcpStream, weather: &WeatherService) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    client.set_nodelay(true)?;

    let mut head = BufReader::new(&client).take(LARGEST_HEAD).lines();
    let request = head.next().transpose()?.unwrap_or_default();
    for line in head {
        if line?.is_empty() {
            break;
        }
    }

    // ANCHOR: handler
    let mut words = request.split([' ', '?']);
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/healthz")) => ("200 OK", "ok".to_owned()),
        (Some("GET"), Some("/today")) => match weather.today() {
            Ok(Weather { city, temperature }) => {
                ("200 OK", format!("Today it's {temperature} in {city}"))
            }
            Err(late @ ureq::Error::Timeout(_)) => ("504 Gateway Timeout", late.to_string()),
            Err(fault) => ("502 Bad Gateway", fault.to_string()),
        },
        _ => ("404 Not Found", "ask for /today".to_owned()),
    };
    // ANCHOR_END: handler

    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes())
}

struct WeatherService {
    agent: Agent,
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
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(timeout)))
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.into(),
            url: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        })
    }

    // ANCHOR: call
    /// Asks, and stands still until the answer is there.
    fn today(&self) -> Result<Weather, ureq::Error> {
        let url = format!("{}/today", self.url);
        let body = self.agent.get(url).call()?.body_mut().read_to_string()?;
        serde_json::from_str(&body).map_err(|error| ureq::Error::Other(error.into()))
    }
    // ANCHOR_END: call
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
