//! A reverse proxy between the learner's program and one wiremock server. It
//! records every exchange, and its script decides when and how answers go out.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, LOCATION, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

use crate::exchange::Ending;
use crate::journal::{Entry, Journal};
use crate::lain::since_data_came;
use crate::scene;
use crate::script::{Asked, Delivery, Treatment, Trickling};

/// More connections than this are not held at a time: whoever opens them without
/// end is not to take the descriptors of everybody else.
const MOST_CONNECTIONS: usize = 128;

/// More exchanges than this are not recorded.
const MOST_EXCHANGES: u32 = 20_000;

/// A request's body may be this long; no contract knows of any. Whoever holds every
/// connection with one takes 2 MiB of us.
const LONGEST: usize = 16 * 1024;

/// So many spaces go out one by one before a body that trickles hangs for good. With 5 ms
/// between them that is longer than anybody waits; as a length it puts nobody off.
const DRIPS: usize = 8 * 1024;

/// A request's head may be this long.
const LONGEST_HEAD: usize = 64 * 1024;

type Script = dyn Fn(&Asked) -> Treatment + Send + Sync;

/// A tap. It listens until it is dropped; then its connections are closed.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Aborts every task with it.
    _tasks: JoinSet<()>,
}

/// What a tap stands in front of.
#[derive(Clone, Debug)]
pub struct Behind {
    /// The service's name in the journal.
    pub service: String,
    /// The path that all of its routes begin with: `/weather`.
    pub mount: String,
    /// Where its wiremock server listens.
    pub address: SocketAddr,
    /// What one round trip to it costs: charged once for an exchange, and once
    /// more for the handshake of a new connection.
    pub round_trip: Duration,
}

struct Shared {
    behind: Behind,
    /// What every path begins with that a program of this tap asks for: `/k3f9`.
    key: String,
    journal: Journal,
    script: Mutex<Arc<Script>>,
    asked: Mutex<HashMap<String, u32>>,
    connections: AtomicU32,
    exchanges: AtomicU32,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

impl Tap {
    /// Opens a tap on a free port of the loopback interface. Its URL holds a key
    /// that cannot be guessed: whoever finds the port and has not been told the
    /// URL gets no answer from the service.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn open(behind: Behind, journal: Journal) -> io::Result<Self> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Its keys are the system's own randomness, and no seed's.
        let key = format!("/{:016x}", RandomState::new().hash_one(()));
        Self::open_with(at, key, behind, journal).await
    }

    /// Opens a tap at that address, for everybody.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub async fn open_at(at: SocketAddr, behind: Behind, journal: Journal) -> io::Result<Self> {
        Self::open_with(at, String::new(), behind, journal).await
    }

    async fn open_with(
        at: SocketAddr,
        key: String,
        behind: Behind,
        journal: Journal,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let shared = Arc::new(Shared {
            behind,
            key,
            journal,
            script: Mutex::new(Arc::new(|_: &Asked| Treatment::default())),
            asked: Mutex::default(),
            connections: AtomicU32::new(0),
            exchanges: AtomicU32::new(0),
            client: Client::builder(TokioExecutor::new()).build(connector),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that a program is given for this service.
    pub fn url(&self) -> String {
        format!(
            "http://{}{}{}",
            self.address, self.shared.key, self.shared.behind.mount
        )
    }

    /// The path of [`Tap::url`].
    pub fn path(&self) -> String {
        format!("{}{}", self.shared.key, self.shared.behind.mount)
    }

    /// From now on, requests are treated as `script` says.
    pub fn play(&self, script: impl Fn(&Asked) -> Treatment + Send + Sync + 'static) {
        *self
            .shared
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }
}

/// An address that refuses every connection, and that nobody else can take.
#[derive(Debug)]
pub struct Refusal {
    socket: TcpSocket,
}

impl Refusal {
    /// Reserves a port on the loopback interface without listening on it.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self { socket })
    }

    /// The URL of a service that is down.
    ///
    /// # Errors
    /// Where the system cannot say which port it gave.
    pub fn url(&self, mount: &str) -> io::Result<String> {
        Ok(format!("http://{}{mount}", self.socket.local_addr()?))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // Dropped, it is closed.
                Ok(_) if connections.len() >= MOST_CONNECTIONS => {}
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

/// What belongs to one connection.
struct Line {
    number: AtomicU32,
    first: std::sync::atomic::AtomicBool,
    stream: std::net::TcpStream,
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    // A second handle on the same socket, so that an exchange can reset it.
    let Ok((stream, handle)) = stream
        .into_std()
        .and_then(|s| Ok((s.try_clone()?, s)))
        .and_then(|(ours, s)| Ok((TcpStream::from_std(s)?, ours)))
    else {
        return;
    };
    let line = Arc::new(Line {
        number: AtomicU32::new(0),
        first: true.into(),
        stream: handle,
    });
    let service = service_fn(move |request| exchange(request, shared.clone(), line.clone()));
    // An error here is a peer that left or sent no HTTP; the journal has it.
    let _ = hyper::server::conn::http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn exchange(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    line: Arc<Line>,
) -> Result<Response<Outgoing>, Broken> {
    if shared.exchanges.fetch_add(1, Ordering::Relaxed) >= MOST_EXCHANGES {
        return Err(Broken);
    }
    let first = line.first.swap(false, Ordering::Relaxed);
    if first {
        // Counted when a request is read, not when a connection is accepted.
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        line.number.store(number, Ordering::Relaxed);
    }
    let behind = &shared.behind;
    let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
    let told = target.strip_prefix(&shared.key);
    let below = match told {
        Some(told) => below(told, &behind.mount).unwrap_or(told),
        None => target,
    };
    let shown = format!("{} {}", request.method(), shorten(below));
    let path = below.split('?').next().unwrap_or(below).to_owned();
    let mut entry = shared.journal.was_read(
        &behind.service,
        line.number.load(Ordering::Relaxed),
        shown,
        since_data_came(&line.stream).unwrap_or_default(),
    );
    let Some(told) = told.map(str::to_owned) else {
        return Ok(said(entry, StatusCode::NOT_FOUND, STRANGER));
    };
    let treatment = {
        let nth = {
            let mut asked = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let count = asked.entry(path.clone()).or_default();
            *count += 1;
            *count
        };
        let script = shared
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        script(&Asked { path, nth })
    };

    match treatment.delivery {
        Delivery::Hang => std::future::pending().await,
        Delivery::Reset => {
            let _ = SockRef::from(&line.stream).set_linger(Some(Duration::ZERO));
            entry.end(Ending::Cut);
            return Err(Broken);
        }
        Delivery::Whole | Delivery::Dribble(_) | Delivery::Cut | Delivery::HangInBody => {}
    }

    // Whole, or the service never hears of it: wiremock panics at a body that ends
    // too soon.
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(why) if why.is::<LengthLimitError>() => {
            return Ok(said(entry, StatusCode::PAYLOAD_TOO_LARGE, TOO_LONG));
        }
        Err(_) => return Err(Broken),
    };
    let request = Request::from_parts(head, Full::new(body));
    let due = Instant::now() + treatment.latency + behind.round_trip * if first { 2 } else { 1 };
    let (mut head, mut body) = pass_on(request, &told, &shared, &treatment, entry.id())
        .await
        .into_parts();
    let trickling = treatment.trickle.map(|trickle| {
        let at_once = body.len().saturating_sub(1);
        body = [&body[..at_once], &[b' '; DRIPS], &body[at_once..]]
            .concat()
            .into();
        Trickling::of(trickle, at_once)
    });
    if body.len() == 1 && matches!(treatment.delivery, Delivery::Cut | Delivery::HangInBody) {
        // So that half of it is something that can be taken for the whole of it.
        body = [&body[..], b" "].concat().into();
    }
    if due > Instant::now() {
        tokio::time::sleep_until(due).await;
    }
    if let Some(hold) = &treatment.hold {
        hold.released().await;
    }
    if let Some(cork) = &treatment.cork {
        cork.put_on(&line.stream);
    }

    head.headers.remove(TRANSFER_ENCODING);
    head.headers.remove(CONNECTION);
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    // The service knows nothing of keys: whoever is sent elsewhere on it still
    // comes in by the door.
    if let Some(elsewhere) = head.headers.get(LOCATION).and_then(|to| to.to_str().ok())
        && elsewhere.starts_with('/')
        && let Ok(elsewhere) = HeaderValue::try_from(format!("{}{elsewhere}", shared.key))
    {
        head.headers.insert(LOCATION, elsewhere);
    }
    if treatment.close {
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    entry.answered(head.status.as_u16());
    let outgoing = Outgoing {
        rest: body.clone(),
        length: body.len(),
        delivery: treatment.delivery,
        trickling,
        halved: false,
        pause: None,
        entry: Some(entry),
    };
    Ok(Response::from_parts(head, outgoing))
}

/// What of a target lies below a service's mount point: `/today`.
fn below<'a>(target: &'a str, mount: &str) -> Option<&'a str> {
    target
        .strip_prefix(mount)
        .filter(|below| below.starts_with('/'))
}

/// What somebody gets who found the port, and not the URL.
const STRANGER: &str = "this is not the address that the program was told\n";

/// What somebody gets whose body is too long to be kept.
const TOO_LONG: &str = "no service here has a use for so long a body\n";

/// What the tap says itself, instead of its service.
fn said(mut entry: Entry, status: StatusCode, why: &'static str) -> Response<Outgoing> {
    let why = Bytes::from_static(why.as_bytes());
    entry.answered(status.as_u16());
    let mut response = Response::new(Outgoing {
        length: why.len(),
        rest: why,
        delivery: Delivery::Whole,
        trickling: None,
        halved: false,
        pause: None,
        entry: Some(entry),
    });
    *response.status_mut() = status;
    response
}

/// Asks wiremock. A failure of ours becomes a 599, which no contract knows.
async fn pass_on(
    request: Request<Full<Bytes>>,
    target: &str,
    shared: &Shared,
    treatment: &Treatment,
    id: u32,
) -> Response<Bytes> {
    let failed = |why: String| {
        let mut response = Response::new(Bytes::from(why));
        *response.status_mut() = StatusCode::from_u16(599).unwrap_or(StatusCode::BAD_GATEWAY);
        response
    };
    let (mut head, body) = request.into_parts();
    match Uri::try_from(format!("http://{}{target}", shared.behind.address)) {
        Ok(uri) => head.uri = uri,
        Err(error) => return failed(format!("the tap cannot pass this target on: {error}")),
    }
    head.version = hyper::Version::HTTP_11;
    head.headers.remove(CONNECTION);
    head.headers.insert(scene::EXCHANGE, id.into());
    head.headers.insert(
        scene::SCENE,
        HeaderValue::try_from(treatment.scene.name()).unwrap_or(HeaderValue::from_static("well")),
    );
    let request = Request::from_parts(head, body);
    let response = match shared.client.request(request).await {
        Ok(response) => response,
        Err(error) => return failed(format!("the tap cannot reach its service: {error}")),
    };
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(head, body.to_bytes()),
        Err(error) => failed(format!("the tap lost its service: {error}")),
    }
}

/// Targets in the journal are cut here: a learner may send anything.
pub(crate) fn shorten(target: &str) -> String {
    const MOST: usize = 200;
    if target.len() <= MOST {
        return target.to_owned();
    }
    let cut = (0..=MOST)
        .rev()
        .find(|&i| target.is_char_boundary(i))
        .unwrap_or(0);
    format!("{}…", &target[..cut])
}

/// The connection is broken off on purpose.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken off on purpose")
    }
}

impl std::error::Error for Broken {}

/// An answer's body on its way out.
struct Outgoing {
    rest: Bytes,
    length: usize,
    delivery: Delivery,
    trickling: Option<Trickling>,
    /// Whether half of it has gone out, where that is all that will.
    halved: bool,
    pause: Option<Pin<Box<Sleep>>>,
    entry: Option<Entry>,
}

impl Outgoing {
    fn end(&mut self, ending: Ending) {
        if let Some(mut entry) = self.entry.take() {
            entry.end(ending);
        }
    }

    /// A pause during which hyper flushes what it has.
    fn breathe(&mut self, pause: Duration) {
        self.pause = Some(Box::pin(tokio::time::sleep(pause)));
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let has_more = self.rest.len() > 1;
        if let Some(trickling) = &mut self.trickling {
            if !has_more {
                return Poll::Pending;
            }
            let (bytes, pause) = trickling.drips();
            self.breathe(pause);
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))));
        }
        // Never the whole body.
        let half = self.length / 2;
        let chunk = match self.delivery {
            Delivery::Cut | Delivery::HangInBody if !self.halved => {
                self.halved = true;
                self.breathe(Duration::from_millis(1));
                if half == 0 {
                    // The head goes out while it is awaited.
                    return self.poll_frame(context);
                }
                self.rest.split_to(half)
            }
            Delivery::Cut => {
                self.end(Ending::Cut);
                return Poll::Ready(Some(Err(Broken)));
            }
            Delivery::HangInBody => return Poll::Pending,
            Delivery::Dribble(pause) if !self.rest.is_empty() => {
                self.breathe(pause);
                self.rest.split_to(1)
            }
            _ => self.rest.split_off(0),
        };
        if self.rest.is_empty() {
            self.end(Ending::Answered);
        }
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_target_is_placed_and_cut(target: String, mount in "(/[a-z]{1,5}){0,2}") {
            proptest::prop_assert!(shorten(&target).len() <= target.len().min(203));
            let under = format!("{mount}/{target}");
            proptest::prop_assert_eq!(below(&under, &mount), Some(&under[mount.len()..]));
            below(&target, &mount);
        }
    }
}
