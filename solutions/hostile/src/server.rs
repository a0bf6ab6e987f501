//! A plain server with a thread per connection, which keeps the contract of ex01
//! and ex02 wherever its program does not want it otherwise.

use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What a program does with a request other than `/healthz`: it may write its
/// answer itself.
pub(crate) type Handler = fn(&str, &mut TcpStream);

/// An answer: status and body.
pub(crate) type Answer = (u16, String);

pub(crate) fn listen() -> TcpListener {
    TcpListener::bind(("127.0.0.1", port())).expect("the port that it was told")
}

pub(crate) fn port() -> u16 {
    env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8080)
}

/// Serves as the contract says.
pub(crate) fn serve_honestly() {
    serve(honestly);
}

/// Answers `/healthz` itself, and leaves the rest to the handler.
pub(crate) fn serve(handler: Handler) {
    serve_on(&listen(), handler);
}

pub(crate) fn serve_on(listener: &TcpListener, handler: Handler) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let served = thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(move || connection(stream, handler));
        drop(served);
    }
}

fn connection(mut stream: TcpStream, handler: Handler) {
    let _ = stream.set_nodelay(true);
    let Some(path) = request(&mut stream) else {
        return;
    };
    match path.split('?').next().unwrap_or_default() {
        "/healthz" => answer(&mut stream, &(200, "ok".to_owned())),
        "/today" | "/tomorrow" | "/ws" => handler(&path, &mut stream),
        // Its own siblings look for others, too.
        _ => answer(&mut stream, &(404, String::new())),
    }
}

/// The path that is asked for.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => head.extend_from_slice(&chunk[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    Some(head.split(' ').nth(1)?.to_owned())
}

pub(crate) fn answer(stream: &mut TcpStream, (status, body): &Answer) {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(text.as_bytes());
}

/// Answers as the contract says.
pub(crate) fn honestly(path: &str, stream: &mut TcpStream) {
    let said = match path {
        "/tomorrow" => tomorrow(),
        _ => today(),
    };
    answer(stream, &said);
}

/// ex01's answer.
pub(crate) fn today() -> Answer {
    match call("today") {
        Ok(body) => match (field(&body, "temperature"), field(&body, "city")) {
            (Some(temperature), Some(city)) => (200, format!("Today it's {temperature} in {city}")),
            _ => (502, "no weather".to_owned()),
        },
        Err(fault) => fault,
    }
}

/// ex02's answer.
fn tomorrow() -> Answer {
    let tomorrow = thread::spawn(|| call("tomorrow"));
    both(call("today"), tomorrow.join().unwrap_or(Err(bad())))
}

/// ex02's answer, from what both calls said.
pub(crate) fn both(today: Result<String, Answer>, tomorrow: Result<String, Answer>) -> Answer {
    let temperature = |body: Result<String, Answer>| field(&body?, "temperature").ok_or(bad());
    match (temperature(today), temperature(tomorrow)) {
        (Ok(today), Ok(tomorrow)) => (
            200,
            format!("{{\"today\":\"{today}\",\"tomorrow\":\"{tomorrow}\"}}"),
        ),
        (Err(fault), _) | (_, Err(fault)) => fault,
    }
}

fn bad() -> Answer {
    (502, "bad gateway".to_owned())
}

/// Host with port, and path, of the weather.
pub(crate) fn weather() -> (String, String) {
    let url = env::var("WEATHER_URL").unwrap_or_default();
    let rest = url.strip_prefix("http://").unwrap_or(&url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host.to_owned(), format!("/{path}"))
}

/// A call to the weather: its body, or what to answer instead.
pub(crate) fn call(day: &str) -> Result<String, Answer> {
    let (host, mount) = weather();
    let limit = env::var("UPSTREAM_TIMEOUT_MS")
        .ok()
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(2000);
    let limit = Duration::from_millis(limit);
    fetch(&host, &format!("{mount}/{day}"), "", limit)
}

/// `GET path` from that host, with headers of one's own.
pub(crate) fn fetch(
    host: &str,
    path: &str,
    headers: &str,
    limit: Duration,
) -> Result<String, Answer> {
    let until = Instant::now() + limit;
    let whole = exchange(host, path, headers, until).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => (504, "too late".to_owned()),
        _ => bad(),
    })?;
    let (head, body) = whole.split_once("\r\n\r\n").ok_or(bad())?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let is_whole = length.is_none_or(|length| body.len() >= length);
    (head.split(' ').nth(1) == Some("200") && is_whole)
        .then(|| body.to_owned())
        .ok_or(bad())
}

fn exchange(host: &str, path: &str, headers: &str, until: Instant) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut whole = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => return Ok(String::from_utf8_lossy(&whole).into_owned()),
            read => whole.extend_from_slice(&chunk[..read]),
        }
    }
}

/// The text in a field of a JSON object, as far as the weather's go.
pub(crate) fn field(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("\"{name}\":\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
