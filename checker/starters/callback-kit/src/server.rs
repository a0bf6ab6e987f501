//! The server: read a request, call back, send the answer, close.

use std::{
    cell::RefCell,
    io::{self, Read},
    net::{Shutdown, SocketAddr},
    rc::Rc,
    time::Duration,
};

use mio::{
    Token,
    net::{TcpListener, TcpStream},
};

use crate::{
    EventLoop, Request, Timer,
    message::{Inbox, LIMIT, Progress},
    outbox::Outbox,
};

/// How long a client may take to send its request, and again to fetch its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after its answer a client may still talk.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long to wait where nobody can be let in, for lack of descriptors most often.
const RECOVERY: Duration = Duration::from_millis(50);

type OnRequest = Rc<dyn Fn(&EventLoop, Request, Responder)>;

pub(crate) fn listen(
    events: &EventLoop,
    address: SocketAddr,
    on_request: OnRequest,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    let listener = Rc::new(RefCell::new(listener));
    let ready = listener.clone();
    events.watch(&mut *listener.borrow_mut(), move |events| {
        accept(events, &ready, &on_request);
    })?;
    Ok(address)
}

fn accept(events: &EventLoop, listener: &Rc<RefCell<TcpListener>>, on_request: &OnRequest) {
    loop {
        let accepted = listener.borrow().accept();
        match accepted {
            // A client that cannot be watched is gone already: there is nobody to tell.
            Ok((socket, _)) => drop(welcome(events, socket, on_request)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => {
                let (listener, on_request) = (listener.clone(), on_request.clone());
                events.after(RECOVERY, move |events| {
                    accept(events, &listener, &on_request)
                });
                return;
            }
        }
    }
}

/// One client.
struct Client {
    on_request: OnRequest,
    socket: TcpStream,
    token: Option<Token>,
    deadline: Option<Timer>,
    phase: Phase,
}

/// What a client and the server are busy with, in this order.
enum Phase {
    Reading(Inbox<Request>),
    /// The callback has the request, and somebody has the responder.
    Waiting,
    Writing(Outbox),
    /// The answer is out. To close while the client still talks would reset the
    /// connection, and the answer could be lost on its way: hear it out first.
    Parting {
        heard: usize,
    },
}

/// What comes next, and has to be done while the client is not borrowed.
enum Next {
    Wait,
    Ask(Request),
    Refuse(&'static str),
    Part,
    Close,
}

type Shared = Rc<RefCell<Client>>;

fn welcome(events: &EventLoop, socket: TcpStream, on_request: &OnRequest) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let client = Rc::new(RefCell::new(Client {
        on_request: on_request.clone(),
        socket,
        token: None,
        deadline: None,
        phase: Phase::Reading(Inbox::new()),
    }));
    let ready = client.clone();
    let token = events.watch(&mut client.borrow_mut().socket, move |events| {
        proceed(events, &ready);
    })?;
    client.borrow_mut().token = Some(token);
    set_deadline(events, &client, Some(PATIENCE));
    Ok(())
}

/// Does what can be done now.
fn proceed(events: &EventLoop, client: &Shared) {
    let next = client.borrow_mut().next();
    match next {
        Next::Wait => {}
        Next::Ask(request) => {
            // From here on the service's time counts, not the client's.
            set_deadline(events, client, None);
            let on_request = client.borrow().on_request.clone();
            on_request(events, request, Responder::new(events, client));
        }
        Next::Refuse(why) => Responder::new(events, client).send(400, why),
        Next::Part => {
            set_deadline(events, client, Some(FAREWELL));
            proceed(events, client);
        }
        Next::Close => close(events, client),
    }
}

impl Client {
    fn next(&mut self) -> Next {
        match &mut self.phase {
            Phase::Reading(inbox) => {
                let progress = inbox.read(&self.socket);
                if !matches!(progress, Progress::Partial) {
                    self.phase = Phase::Waiting;
                }
                match progress {
                    Progress::Partial => Next::Wait,
                    Progress::Complete(request) => Next::Ask(request),
                    Progress::Malformed(why) => Next::Refuse(why),
                    Progress::Closed => Next::Close,
                }
            }
            Phase::Waiting => Next::Wait,
            Phase::Writing(outbox) => match outbox.flush(&self.socket) {
                Ok(false) => Next::Wait,
                Ok(true) if self.socket.shutdown(Shutdown::Write).is_ok() => {
                    self.phase = Phase::Parting { heard: 0 };
                    Next::Part
                }
                Ok(true) | Err(_) => Next::Close,
            },
            Phase::Parting { heard } => match hear_out(&self.socket, heard) {
                true => Next::Close,
                false => Next::Wait,
            },
        }
    }
}

/// Reads and forgets. True once the client has closed too, or talks too much.
fn hear_out(mut socket: &TcpStream, heard: &mut usize) -> bool {
    let mut bytes = [0; 16 * 1024];
    while *heard < LIMIT {
        match socket.read(&mut bytes) {
            Ok(0) => return true,
            Ok(count) => *heard += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
    true
}

fn set_deadline(events: &EventLoop, client: &Shared, patience: Option<Duration>) {
    let next = patience.map(|patience| {
        let client = client.clone();
        events.after(patience, move |events| close(events, &client))
    });
    let last = std::mem::replace(&mut client.borrow_mut().deadline, next);
    if let Some(timer) = last {
        events.cancel(timer);
    }
}

/// Forgets the client; its connection closes with the last handle to it.
fn close(events: &EventLoop, client: &Shared) {
    set_deadline(events, client, None);
    let token = client.borrow_mut().token.take();
    if let Some(token) = token {
        events.forget(token);
    }
}

/// The right, and the duty, to answer one request, now or later.
///
/// Where it is dropped unused, the client is told so with a 500.
pub struct Responder {
    events: EventLoop,
    client: Shared,
    answered: bool,
}

impl Responder {
    fn new(events: &EventLoop, client: &Shared) -> Responder {
        Responder {
            events: events.clone(),
            client: client.clone(),
            answered: false,
        }
    }

    /// Answers with a plain text.
    pub fn send(self, status: u16, body: impl Into<Vec<u8>>) {
        self.send_as("text/plain; charset=utf-8", status, body);
    }

    /// Answers with JSON.
    pub fn send_json(self, status: u16, body: impl Into<Vec<u8>>) {
        self.send_as("application/json", status, body);
    }

    fn send_as(mut self, kind: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.answer(kind, status, body.into());
    }

    fn answer(&mut self, kind: &str, status: u16, body: Vec<u8>) {
        self.answered = true;
        let head = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            reason(status),
            body.len(),
        );
        let mut bytes = head.into_bytes();
        bytes.extend(body);
        self.client.borrow_mut().phase = Phase::Writing(Outbox::new(bytes));
        set_deadline(&self.events, &self.client, Some(PATIENCE));
        proceed(&self.events, &self.client);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            self.answer("text/plain", 500, b"nobody answered this request".into());
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpStream, sync::mpsc, thread};

    use super::*;

    /// A server that answers `/late` late, `/never` by dropping the responder, else with the path.
    fn server() -> SocketAddr {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let events = EventLoop::new().unwrap();
            let answer =
                |events: &EventLoop, request: Request, responder: Responder| match request.path() {
                    "/late" => {
                        events.after(Duration::from_millis(200), move |_| {
                            responder.send(200, "late");
                        });
                    }
                    "/never" => {}
                    "/large" => responder.send(200, vec![b'x'; 8 * 1024 * 1024]),
                    "/echo" => responder.send(200, request.body),
                    path => responder.send(200, path),
                };
            let address = events.listen("127.0.0.1:0".parse().unwrap(), answer);
            sender.send(address.unwrap()).unwrap();
            events.run().unwrap();
        });
        receiver.recv().unwrap()
    }

    fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(request).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_now_or_later() {
        let address = server();
        let slow = thread::spawn(move || ask(address, b"GET /late HTTP/1.1\r\n\r\n"));
        let start = std::time::Instant::now();
        let quick = ask(address, b"GET /quick?q HTTP/1.1\r\n\r\n");
        assert!(quick.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(quick.ends_with("\r\n\r\n/quick"));
        assert!(start.elapsed() < Duration::from_millis(200));
        assert!(slow.join().unwrap().ends_with("\r\n\r\nlate"));
    }

    #[test]
    fn a_forgotten_request_is_answered_with_500() {
        let answer = ask(server(), b"GET /never HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 500 "));
    }

    #[test]
    fn request_bodies_are_read() {
        let request = b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        assert!(ask(server(), request).ends_with("\r\n\r\nabc"));
    }

    #[test]
    fn large_answers_go_out_as_fast_as_they_are_taken() {
        let answer = ask(server(), b"GET /large HTTP/1.1\r\n\r\n");
        assert!(answer.len() > 8 * 1024 * 1024);
    }

    #[test]
    fn bad_and_silent_clients_stop_nobody() {
        let address = server();
        let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address)).collect();
        let hasty = TcpStream::connect(address).unwrap();
        (&hasty).write_all(b"GET /late HTTP/1.1\r\n\r\n").unwrap();
        drop(hasty);
        assert!(ask(address, b"\0\xff nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(ask(address, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
        drop(silent);
        thread::sleep(Duration::from_millis(300));
        assert!(ask(address, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }
}
