//! Right, without async: a thread per client and one per call. The first fault shuts the other call's socket.

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(10);
const LARGEST: u64 = 1024 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let weather = Arc::new(WeatherService::from_env()?);
    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("ex02 listens on http://{}", listener.local_addr()?);
    for client in listener.incoming() {
        let weather = weather.clone();
        thread::spawn(move || {
            if let Err(error) = client.and_then(|client| serve(client, &weather)) {
                eprintln!("lost a client: {error}");
            }
        });
    }
    Ok(())
}

fn serve(mut client: TcpStream, weather: &WeatherService) -> io::Result<()> {
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

    let (status, body) = match request.split([' ', '?']).nth(1) {
        Some("/healthz") => ("200 OK", "ok".to_owned()),
        Some("/tomorrow") => match tomorrow(weather) {
            Ok(body) => ("200 OK", body),
            Err(late) if is_timeout(&late) => ("504 Gateway Timeout", late.to_string()),
            Err(fault) => ("502 Bad Gateway", fault.to_string()),
        },
        _ => ("404 Not Found", "ask for /tomorrow".to_owned()),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes())
}

fn tomorrow(weather: &WeatherService) -> io::Result<String> {
    let deadline = Instant::now() + weather.timeout;
    let (sender, answers) = mpsc::channel();
    let mut sockets = Vec::new();
    for day in ["today", "tomorrow"] {
        let socket = TcpStream::connect_timeout(&weather.address, weather.timeout)?;
        sockets.push(socket.try_clone()?);
        let (sender, request) = (sender.clone(), weather.request(day));
        thread::spawn(move || {
            let temperature = temperature(socket, &request, deadline);
            _ = sender.send((day, temperature));
        });
    }

    let (mut today, mut tomorrow) = (String::new(), String::new());
    for (day, temperature) in answers.iter().take(2) {
        match (day, temperature) {
            ("today", Ok(temperature)) => today = temperature,
            (_, Ok(temperature)) => tomorrow = temperature,
            (_, Err(fault)) => {
                for socket in sockets {
                    _ = socket.shutdown(Shutdown::Both);
                }
                return Err(fault);
            }
        }
    }
    Ok(json!({ "today": today, "tomorrow": tomorrow }).to_string())
}

struct WeatherService {
    address: SocketAddr,
    authority: String,
    path: String,
    timeout: Duration,
}

impl WeatherService {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let url = env_or("WEATHER_URL", "http://127.0.0.1:7001/weather");
        let rest = url.strip_prefix("http://").ok_or("http only")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut addresses = authority.to_socket_addrs()?;
        Ok(Self {
            address: addresses.next().ok_or("WEATHER_URL names no host")?,
            authority: authority.to_owned(),
            path: path.to_owned(),
            timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
        })
    }

    fn request(&self, day: &str) -> String {
        let Self {
            path, authority, ..
        } = self;
        format!("GET /{path}/{day} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
    }
}

#[derive(Deserialize)]
struct Weather {
    temperature: String,
}

fn temperature(mut socket: TcpStream, request: &str, deadline: Instant) -> io::Result<String> {
    socket.set_nodelay(true)?;
    socket.write_all(request.as_bytes())?;
    let mut answer = BufReader::new(Until { socket, deadline }.take(LARGEST));

    let status = line(&mut answer)?;
    if status.split(' ').nth(1) != Some("200") {
        return Err(bad("weather did not say 200"));
    }
    let (mut length, mut chunked) = (None, false);
    loop {
        let header = line(&mut answer)?.to_ascii_lowercase();
        match header.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().ok(),
            Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
            Some(_) => {}
            None => break,
        }
    }

    let mut body = Vec::new();
    match length {
        _ if chunked => loop {
            let size = line(&mut answer)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(bad)?;
            read_exactly(&mut answer, size, &mut body)?;
            line(&mut answer)?;
            if size == 0 {
                break;
            }
        },
        Some(length) => read_exactly(&mut answer, length, &mut body)?,
        None => _ = answer.read_to_end(&mut body)?,
    }
    let weather: Weather = serde_json::from_slice(&body)?;
    Ok(weather.temperature)
}

fn line(answer: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    answer.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn read_exactly(answer: &mut impl Read, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    match answer.take(length).read_to_end(body)? as u64 == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn bad(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

/// A socket's time-out covers one read; this covers all of them.
struct Until {
    socket: TcpStream,
    deadline: Instant,
}

impl Read for Until {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => {
                self.socket.set_read_timeout(Some(left))?;
                self.socket.read(bytes)
            }
        }
    }
}

/// Unix says `WouldBlock` where a time-out has passed, Windows `TimedOut`.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
