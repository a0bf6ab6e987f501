//! A service that takes any request: it keeps what came, byte for byte, and
//! answers piece by piece, as its script says. What is behind ex03's proxy.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::exchange::Ending;
use crate::journal::{Entry, Journal};
use crate::script::Hold;

/// Headers in the order in which they stand in a message.
pub type Headers = Vec<(String, String)>;

/// Socket buffers of this many bytes, so that a peer's back-pressure is felt soon.
pub const NARROW: u32 = 64 * 1024;

/// Of a request's body, this much is kept.
const KEPT: usize = 64 * 1024;

/// A request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The exchange's id in the journal.
    pub exchange: u32,
    /// `GET`
    pub method: String,
    /// Path and query, as they stood in the request.
    pub target: String,
    /// Its headers; what is no UTF-8 in a value is replaced.
    pub headers: Headers,
    /// The beginning of its body.
    pub body: Vec<u8>,
    /// How many bytes of its body have come.
    pub length: u64,
    /// Whether all of its body has come.
    pub whole: bool,
    /// How many bytes of the answer's body have been handed to the connection.
    pub sent: u64,
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// After the first piece of the request's body, the rest is read only once
    /// this is released.
    pub read_on: Option<Hold>,
    /// The answer's head is withheld behind this.
    pub hold: Option<Hold>,
    /// What goes wrong instead of an answer.
    pub fault: Option<Fault>,
    /// The answer's status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub parts: Vec<Part>,
    /// Whether its length is said beforehand (else it is chunked).
    pub length: Option<u64>,
    /// Whether the body's parts are all that is said, head and all; then the
    /// connection is closed.
    pub raw: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            read_on: None,
            hold: None,
            fault: None,
            status: 200,
            headers: Headers::new(),
            parts: Vec::new(),
            length: None,
            raw: false,
        }
    }
}

impl Reply {
    /// That body, its length said beforehand.
    pub fn whole(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            length: Some(body.len() as u64),
            parts: vec![Part::Data(body)],
            ..Self::default()
        }
    }

    /// That body, withheld from the head on.
    pub fn held(body: impl Into<Bytes>, hold: &Hold) -> Self {
        Self {
            hold: Some(hold.clone()),
            ..Self::whole(body)
        }
    }

    /// No answer.
    pub fn fault(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }
}

/// What goes wrong instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset.
    Reset,
    /// Nothing is said, ever.
    Hang,
}

/// A piece of an answer's body.
#[derive(Clone, Debug)]
pub enum Part {
    /// These bytes.
    Data(Bytes),
    /// These bytes, so many times.
    Repeat(Bytes, u32),
    /// Nothing until this is released.
    Wait(Hold),
    /// The connection is broken off.
    Break,
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// A running service. It ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Aborts every task with it.
    _tasks: JoinSet<()>,
}

struct Shared {
    service: String,
    journal: Journal,
    connections: AtomicU32,
    script: Mutex<Arc<Script>>,
    received: Mutex<Vec<Received>>,
    caller: Mutex<Option<SocketAddr>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn caller(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn amend(&self, exchange: u32, change: impl FnOnce(&mut Received)) {
        if let Some(received) = self
            .received()
            .iter_mut()
            .rev()
            .find(|received| received.exchange == exchange)
        {
            change(received);
        }
        self.journal.touch();
    }
}

impl Upstream {
    /// Opens a service of that name on a free port of the loopback interface.
    /// Until it is told otherwise it answers every request with its own name.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn open(service: &str, journal: Journal) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Connections inherit these.
        socket.set_recv_buffer_size(NARROW as usize)?;
        socket.set_send_buffer_size(NARROW as usize)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        let name = service.to_owned();
        let shared = Arc::new(Shared {
            service: service.to_owned(),
            journal,
            connections: AtomicU32::new(0),
            script: Mutex::new(Arc::new(move |_: &Received| Reply::whole(name.clone()))),
            received: Mutex::default(),
            caller: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            _tasks: tasks,
        })
    }

    /// `http://127.0.0.1:40001`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it is open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the newest request came from.
    pub fn caller(&self) -> Option<SocketAddr> {
        *self.shared.caller()
    }

    /// From now on, requests are answered as `script` says. It is asked when a
    /// request's head has been read.
    pub fn play(&self, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        *self
            .shared
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Every request so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received().clone()
    }

    /// The newest request.
    pub fn newest(&self) -> Option<Received> {
        self.shared.received().last().cloned()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, shared.clone()));
                }
                // Out of descriptors, most likely: let some of ours end first.
                Err(_) => { let _ = connections.join_next().await; }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    // A second handle on the same socket, so that an exchange can reset it.
    let Ok((stream, handle)) = stream
        .into_std()
        .and_then(|s| Ok((s.try_clone()?, s)))
        .and_then(|(ours, s)| Ok((TcpStream::from_std(s)?, Arc::new(ours))))
    else {
        return;
    };
    let number = Arc::new(AtomicU32::new(0));
    let service = service_fn(move |request| {
        if number.load(Ordering::Relaxed) == 0 {
            let next = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
            number.store(next, Ordering::Relaxed);
        }
        let number = number.load(Ordering::Relaxed);
        exchange(request, shared.clone(), number, handle.clone())
    });
    // An error here is a peer that left or sent no HTTP; the journal has it.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Outgoing = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Broken>> + Send>>>;

async fn exchange(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: u32,
    handle: Arc<std::net::TcpStream>,
) -> Result<Response<Outgoing>, Broken> {
    let (head, mut body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |t| t.as_str());
    let shown = format!("{} {}", head.method, crate::tap::shorten(target));
    let mut entry = shared.journal.arrived(&shared.service, connection, shown);
    let received = Received {
        exchange: entry.id(),
        method: head.method.to_string(),
        target: target.to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.to_string(), value.into_owned())
            })
            .collect(),
        ..Received::default()
    };
    let id = entry.id();
    let script = shared
        .script
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let reply = script(&received);
    *shared.caller() = handle.peer_addr().ok();
    shared.received().push(received);
    shared.journal.touch();

    match reply.fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => {
            let _ = SockRef::from(&*handle).set_linger(Some(Duration::ZERO));
            entry.end(Ending::Cut);
            return Err(Broken);
        }
        None => {}
    }
    let mut first = true;
    while let Some(frame) = body.frame().await {
        let Ok(Ok(data)) = frame.map(Frame::into_data) else {
            entry.end(Ending::Left);
            return Err(Broken);
        };
        shared.amend(id, |received| {
            received.length += data.len() as u64;
            let room = KEPT.saturating_sub(received.body.len()).min(data.len());
            received.body.extend_from_slice(&data[..room]);
        });
        if std::mem::take(&mut first)
            && let Some(hold) = &reply.read_on
        {
            hold.released().await;
        }
    }
    shared.amend(id, |received| received.whole = true);
    if let Some(hold) = &reply.hold {
        hold.released().await;
    }
    if reply.raw {
        return say(reply, &handle, entry).await;
    }
    let mut response = Response::builder()
        .status(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if let Some(headers) = response.headers_mut() {
        for (name, value) in &reply.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::try_from(value.as_str()),
            ) {
                headers.append(name, value);
            }
        }
        if let Some(length) = reply.length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }
    entry.answered(reply.status);
    let sending = Sending {
        parts: reply.parts.into(),
        entry,
        shared,
    };
    let bodyless = head.method == hyper::Method::HEAD || matches!(reply.status, 204 | 304);
    let parts: Pin<Box<dyn Stream<Item = _> + Send>> = if bodyless {
        let mut sending = sending;
        sending.entry.end(Ending::Answered);
        Box::pin(futures_util::stream::empty())
    } else {
        Box::pin(unfold(sending, Sending::next))
    };
    response.body(StreamBody::new(parts)).map_err(|_| Broken)
}

/// Says the parts as they stand, and nothing else. To break off is to reset.
async fn say(
    reply: Reply,
    handle: &std::net::TcpStream,
    mut entry: Entry,
) -> Result<Response<Outgoing>, Broken> {
    let mut ending = Ending::Answered;
    entry.answered(reply.status);
    for part in reply.parts {
        match part {
            Part::Data(data) => {
                // It is little, and there is room for it.
                (&*handle).write_all(&data).map_err(|_| Broken)?;
            }
            Part::Wait(hold) => hold.released().await,
            Part::Break => {
                // What was written before goes out first.
                tokio::time::sleep(Duration::from_millis(1)).await;
                let _ = SockRef::from(handle).set_linger(Some(Duration::ZERO));
                ending = Ending::Cut;
            }
            Part::Repeat(..) => {}
        }
    }
    entry.end(ending);
    // The connection ends with this error.
    Err(Broken)
}

/// An answer's body on its way out.
struct Sending {
    parts: std::collections::VecDeque<Part>,
    entry: Entry,
    shared: Arc<Shared>,
}

impl Sending {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Broken>, Self)> {
        loop {
            let data = match self.parts.pop_front() {
                None => {
                    self.entry.end(Ending::Answered);
                    return None;
                }
                Some(Part::Data(data)) => data,
                Some(Part::Repeat(_, 0)) => continue,
                Some(Part::Repeat(data, times)) => {
                    self.parts.push_front(Part::Repeat(data.clone(), times - 1));
                    data
                }
                Some(Part::Wait(hold)) => {
                    hold.released().await;
                    continue;
                }
                Some(Part::Break) => {
                    // What was written before goes out first.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    self.entry.end(Ending::Cut);
                    return Some((Err(Broken), self));
                }
            };
            let length = data.len() as u64;
            self.shared
                .amend(self.entry.id(), |received| received.sent += length);
            if self.parts.is_empty() {
                self.entry.end(Ending::Answered);
            }
            return Some((Ok(Frame::data(data)), self));
        }
    }
}

/// The connection is broken off on purpose, or was by the other side.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken off")
    }
}

impl std::error::Error for Broken {}
