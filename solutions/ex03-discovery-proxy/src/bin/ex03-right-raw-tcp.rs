//! Right, without any library for HTTP: heads are read and written by hand, bodies are copied piece by piece.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    future, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time,
};
use url::Url;

const LONGEST_HEAD: u64 = 64 * 1024;
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proxy = Arc::new(Proxy {
        services: Mutex::default(),
        timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
    });
    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex03 listens on http://{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let proxy = proxy.clone();
        tokio::spawn(async move {
            if let Err(error) = proxy.serve(client).await {
                eprintln!("lost a client: {error}");
            }
        });
    }
}

struct Proxy {
    /// URLs as they were put: a `Url` would be shown with a `/` more.
    services: Mutex<BTreeMap<String, String>>,
    timeout: Duration,
}

/// What can no longer be told, or what is told instead of an answer.
enum Fault {
    BrokenOff(io::Error),
    Told(&'static str, String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::BrokenOff(error)
    }
}

fn bad_gateway(why: impl ToString) -> Fault {
    Fault::Told("502 Bad Gateway", why.to_string())
}

impl Proxy {
    /// One request for each connection.
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let (from, mut to) = client.split();
        let mut from = BufReader::new(from);
        let head = Head::read(&mut from).await?;
        match self.answer(&head, &mut from, &mut to).await {
            Ok(()) => to.shutdown().await,
            Err(Fault::BrokenOff(error)) => Err(error),
            Err(Fault::Told(status, why)) => say(&mut to, status, &why).await,
        }
    }

    async fn answer(
        &self,
        head: &Head,
        from: &mut (impl AsyncBufRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Fault> {
        let mut line = head.start.split(' ');
        let (method, target) = (line.next().unwrap_or(""), line.next().unwrap_or(""));
        let path = target.split('?').next().unwrap_or("");
        let parts = Vec::from_iter(path.splitn(4, '/').skip(1));
        match (method, &parts[..]) {
            (_, ["healthz"]) => say(to, "200 OK", "ok").await?,
            (_, ["proxy", name, _path]) => {
                let rest = target.splitn(4, '/').nth(3).unwrap_or("");
                self.forward(method, name, rest, head, from, to).await?;
            }
            ("GET", ["services"]) => {
                let services = self.services.lock().unwrap().clone();
                let list = serde_json::to_string(&services).map_err(io::Error::from)?;
                say(to, "200 OK", &list).await?;
            }
            ("PUT", ["services", name]) => {
                let mut url = Vec::new();
                let body = pass_on(from, head.framing(Framing::Length(0)), &mut url, || ());
                body.await.map_err(Broken::into_inner)?;
                let no_url = || Fault::Told("400 Bad Request", "that is no http URL".to_owned());
                let url = service_url(&url).ok_or_else(no_url)?;
                self.services
                    .lock()
                    .unwrap()
                    .insert((*name).to_owned(), url);
                say(to, "204 No Content", "").await?;
            }
            ("DELETE", ["services", name]) => {
                self.services.lock().unwrap().remove(*name);
                say(to, "204 No Content", "").await?;
            }
            _ => say(to, "404 Not Found", "ask for something else").await?,
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<Url> {
        let url = self.services.lock().unwrap().get(name).cloned();
        url?.parse().ok()
    }

    async fn forward(
        &self,
        method: &str,
        name: &str,
        rest: &str,
        head: &Head,
        from: &mut (impl AsyncBufRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Fault> {
        let unknown = || Fault::Told("404 Not Found", "no such service".to_owned());
        let late = || {
            Fault::Told(
                "504 Gateway Timeout",
                "the service took too long".to_owned(),
            )
        };
        let url = self.find(name).ok_or_else(unknown)?;
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(80);

        let connect = time::timeout(self.timeout, TcpStream::connect((host, port)));
        let connected = connect.await.map_err(|_| late())?;
        let mut service = connected.map_err(bad_gateway)?;
        service.set_nodelay(true)?;
        let (answers, mut requests) = service.split();
        let mut answers = BufReader::new(answers);
        if head.list("expect").contains(&"100-continue".to_owned()) {
            to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }

        let moved = Notify::new();
        // Ends where the client has gone. A service that stops reading may still answer.
        let upload = async {
            let framing = head.framing(Framing::Length(0));
            let path = url.path().trim_end_matches('/');
            let start = format!("{method} {path}/{rest} HTTP/1.1\r\nHost: ");
            let mut text = start.into_bytes();
            let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
            text.extend_from_slice(authority.as_bytes());
            text.extend_from_slice(b"\r\n");
            head.write_end_to_end(&mut text, "host", framing);
            let body = async {
                requests.write_all(&text).await.map_err(Broken::To)?;
                pass_on(from, framing, &mut requests, || moved.notify_one()).await
            };
            match body.await {
                Ok(()) => {}
                Err(Broken::From(_)) => return,
                Err(Broken::To(_)) => future::pending().await,
            }
            let mut more = [0; 1024];
            while from.read(&mut more).await.is_ok_and(|length| length > 0) {}
        };

        let download = async {
            let (status, answer) = tokio::select! {
                answer = Head::read_answer(&mut answers) => answer.map_err(bad_gateway)?,
                () = async {
                    while time::timeout(self.timeout, moved.notified()).await.is_ok() {}
                } => return Err(late()),
            };
            let mut text = format!("HTTP/1.1 {}\r\n", &answer.start[9..]).into_bytes();
            let bodiless = method == "HEAD" || matches!(status, 204 | 304);
            let framing = match bodiless {
                true => Framing::Length(0),
                false => answer.framing(Framing::UntilClosed),
            };
            answer.write_end_to_end(&mut text, "", framing);
            to.write_all(&text).await?;
            let body = pass_on(&mut answers, framing, to, || ());
            body.await.map_err(Broken::into_inner)?;
            Ok(())
        };

        tokio::select! {
            done = download => done,
            () = upload => Ok(()),
        }
    }
}

/// A start line and its headers, as they came.
struct Head {
    start: String,
    headers: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClosed,
}

impl Head {
    async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let mut from = from.take(LONGEST_HEAD);
        let start = String::from_utf8(line(&mut from).await?).map_err(io::Error::other)?;
        let mut headers = Vec::new();
        loop {
            let line = line(&mut from).await?;
            if line.is_empty() {
                return Ok(Self { start, headers });
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.ok_or(io::ErrorKind::InvalidData)?);
            let name = str::from_utf8(name).map_err(io::Error::other)?;
            let name = name.trim().to_ascii_lowercase();
            headers.push((name, value[1..].trim_ascii().to_owned()));
        }
    }

    /// The final one, not 100 Continue or the like.
    async fn read_answer(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<(u16, Self)> {
        loop {
            let head = Self::read(from).await?;
            let (version, status) = (head.start.get(..9), head.start.get(9..12));
            let known = matches!(version, Some("HTTP/1.1 " | "HTTP/1.0 "));
            match status.and_then(|status| status.parse().ok()) {
                Some(100..200) if known => {}
                Some(status @ 200..1000) if known => return Ok((status, head)),
                _ => return Err(io::Error::other("that is no HTTP")),
            }
        }
    }

    /// All values of a header that holds a list, in lower case.
    fn list(&self, wanted: &str) -> Vec<String> {
        let same = self.headers.iter().filter(|(name, _)| name == wanted);
        let lists = same.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase());
        let names = lists.flat_map(|list| Vec::from_iter(list.split(',').map(str::to_owned)));
        names.map(|name| name.trim().to_owned()).collect()
    }

    fn framing(&self, otherwise: Framing) -> Framing {
        if self
            .list("transfer-encoding")
            .contains(&"chunked".to_owned())
        {
            return Framing::Chunked;
        }
        let lengths = self.list("content-length");
        let length = lengths.first().and_then(|length| length.parse().ok());
        length.map_or(otherwise, Framing::Length)
    }

    /// Without what is of one connection only, and with a framing of our own.
    fn write_end_to_end(&self, text: &mut Vec<u8>, other: &str, framing: Framing) {
        let named = self.list("connection");
        let streams = !matches!(framing, Framing::Length(_));
        for (name, value) in &self.headers {
            let ours = streams && name == "content-length";
            let near = HOP_BY_HOP.contains(&name.as_str()) || named.contains(name);
            if !ours && !near && name != other {
                text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
        }
        if streams {
            text.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        text.extend_from_slice(b"connection: close\r\n\r\n");
    }
}

/// Which of the two ends of a body failed.
enum Broken {
    From(io::Error),
    To(io::Error),
}

impl Broken {
    fn into_inner(self) -> io::Error {
        match self {
            Self::From(error) | Self::To(error) => error,
        }
    }
}

/// Each piece is written before the next one is read.
async fn pass_on(
    from: &mut (impl AsyncBufRead + Unpin),
    framing: Framing,
    to: &mut (impl AsyncWrite + Unpin),
    moved: impl Fn(),
) -> Result<(), Broken> {
    let streams = !matches!(framing, Framing::Length(_));
    let mut left = match framing {
        Framing::Length(length) => length,
        Framing::Chunked => chunk_size(from).await.map_err(Broken::From)?,
        Framing::UntilClosed => u64::MAX,
    };
    while left > 0 {
        let piece = from.fill_buf().await.map_err(Broken::From)?;
        let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match (length, framing) {
            (0, Framing::UntilClosed) => break,
            (0, _) => return Err(Broken::From(io::ErrorKind::UnexpectedEof.into())),
            _ => {}
        }
        let mut bytes = piece[..length].to_owned();
        if streams {
            bytes = [format!("{length:x}\r\n").as_bytes(), &bytes, b"\r\n"].concat();
        }
        from.consume(length);
        moved();
        to.write_all(&bytes).await.map_err(Broken::To)?;
        moved();
        left -= length as u64;
        if left == 0 && matches!(framing, Framing::Chunked) {
            line(from).await.map_err(Broken::From)?;
            left = chunk_size(from).await.map_err(Broken::From)?;
        }
    }
    if matches!(framing, Framing::Chunked) {
        while !line(from).await.map_err(Broken::From)?.is_empty() {}
    }
    if streams {
        to.write_all(b"0\r\n\r\n").await.map_err(Broken::To)?;
    }
    Ok(())
}

async fn chunk_size(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<u64> {
    let line = String::from_utf8(line(from).await?).map_err(io::Error::other)?;
    let size = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(size, 16).map_err(io::Error::other)
}

async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LONGEST_HEAD).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(line.strip_suffix(b"\r").unwrap_or(&line).to_owned()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

async fn say(to: &mut (impl AsyncWrite + Unpin), status: &str, body: &str) -> io::Result<()> {
    let length = match status.starts_with("204") {
        true => String::new(),
        false => format!("content-length: {}\r\n", body.len()),
    };
    let answer = format!("HTTP/1.1 {status}\r\n{length}connection: close\r\n\r\n{body}");
    to.write_all(answer.as_bytes()).await
}

fn service_url(text: &[u8]) -> Option<String> {
    let text = str::from_utf8(text).ok()?.trim();
    let uri: http::Uri = text.parse().ok()?;
    let url = Url::parse(text).ok()?;
    let plain = uri.scheme_str() == Some("http") && url.query().is_none();
    (plain && url.fragment().is_none()).then(|| text.to_owned())
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
