//! Right, without async: a thread for each client, and a blocking client within it.

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use serde::Deserialize;
use ureq::Agent;
use url::form_urlencoded;

const PATIENCE: Duration = Duration::from_secs(10);
const LARGEST: u64 = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let services = Arc::new(Services::from_env()?);
    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("ex04 listens on http://{}", listener.local_addr()?);
    for client in listener.incoming() {
        let services = services.clone();
        thread::spawn(move || {
            if let Err(error) = client.and_then(|client| serve(client, &services)) {
                eprintln!("lost a client: {error}");
            }
        });
    }
    Ok(())
}

fn serve(mut client: TcpStream, services: &Services) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    client.set_nodelay(true)?;

    let mut head = BufReader::new(&client).take(LARGEST).lines();
    let request = head.next().transpose()?.unwrap_or_default();
    for line in head {
        if line?.is_empty() {
            break;
        }
    }

    let target = request.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (status, body) = match path {
        "/healthz" => ("200 OK", "ok".to_owned()),
        "/weather/today" => match services.today(query) {
            Ok(sentence) => ("200 OK", sentence),
            Err(refusal) => refusal.told(),
        },
        _ => ("404 Not Found", "ask for /weather/today".to_owned()),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes())
}

struct Services {
    agent: Agent,
    known: Urls,
    discovery: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Urls {
    auth: String,
    weather: String,
}

#[derive(Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

impl Services {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let timeout = env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?;
        let agent = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(timeout)))
            .build();
        Ok(Self {
            agent: agent.into(),
            known: Urls {
                auth: env_or("AUTH_URL", "http://127.0.0.1:7002/auth"),
                weather: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
            },
            discovery: env::var("DISCOVERY_URL").ok(),
        })
    }

    fn today(&self, query: &str) -> Result<String, Refusal> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let key = pairs.find(|(name, value)| name == "key" && !value.is_empty());
        let (_name, key) = key.ok_or(Refusal::NoKey)?;
        let urls = match &self.discovery {
            None => self.known.clone(),
            Some(url) => {
                let known = self.get(&format!("{}/services", url.trim_end_matches('/')))?;
                serde_json::from_str(&known).map_err(Refusal::fault)?
            }
        };
        let key = String::from_iter(form_urlencoded::byte_serialize(key.as_bytes()));
        match self.get(&format!("{}?key={key}", urls.auth))?.trim() {
            "1" => {}
            "0" => return Err(Refusal::Denied),
            other => return Err(Refusal::fault(format!("auth said {other:?}"))),
        }
        let weather = self.get(&format!("{}/today", urls.weather.trim_end_matches('/')))?;
        let Weather { city, temperature } =
            serde_json::from_str(&weather).map_err(Refusal::fault)?;
        Ok(format!("Today it's {temperature} in {city}"))
    }

    fn get(&self, url: &str) -> Result<String, Refusal> {
        let mut answer = self.agent.get(url).call()?;
        match answer.status().as_u16() {
            200 => Ok(answer.body_mut().read_to_string()?),
            other => Err(Refusal::fault(format!("{url} said {other}"))),
        }
    }
}

enum Refusal {
    NoKey,
    Denied,
    Late,
    Fault(String),
}

impl Refusal {
    fn fault(why: impl ToString) -> Self {
        Self::Fault(why.to_string())
    }

    fn told(self) -> (&'static str, String) {
        match self {
            Self::NoKey => ("401 Unauthorized", "which key?".to_owned()),
            Self::Denied => ("403 Forbidden", "not with this key".to_owned()),
            Self::Late => ("504 Gateway Timeout", "that took too long".to_owned()),
            Self::Fault(why) => ("502 Bad Gateway", why),
        }
    }
}

impl From<ureq::Error> for Refusal {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Late,
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Self::Late,
            other => Self::Fault(other.to_string()),
        }
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
