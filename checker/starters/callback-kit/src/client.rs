//! Calls to services: connect, send, read the answer, call back.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use mio::{Token, net::TcpStream};

use crate::{
    Error, EventLoop, Response, Timer,
    message::{Inbox, Progress},
    outbox::Outbox,
    url::Url,
};

type OnAnswer = Box<dyn FnOnce(&EventLoop, Result<Response, Error>)>;

/// A call under way. To drop it changes nothing; to cancel it takes [`Call::cancel`].
pub struct Call {
    events: EventLoop,
    exchange: Rc<RefCell<Exchange>>,
}

impl Call {
    /// Closes the connection. The callback is dropped and will not be called.
    ///
    /// Does nothing where the callback was already called.
    pub fn cancel(&self) {
        drop(end(&self.events, &self.exchange));
    }
}

/// All that a call needs until it ends; then everything is `None`.
struct Exchange {
    on_answer: Option<OnAnswer>,
    connection: Option<Connection>,
    timeout: Option<Timer>,
}

struct Connection {
    socket: TcpStream,
    token: Token,
    connected: bool,
    request: Outbox,
    answer: Inbox<Response>,
}

pub(crate) fn get(events: &EventLoop, url: &str, timeout: Duration, on_answer: OnAnswer) -> Call {
    let exchange = Rc::new(RefCell::new(Exchange {
        on_answer: Some(on_answer),
        connection: None,
        timeout: None,
    }));
    let opened = match Url::parse(url) {
        Some(url) => open(events, &url, &exchange).map_err(Error::Connect),
        None => Err(Error::BadUrl(url.to_owned())),
    };
    let ends = exchange.clone();
    let timer = match opened {
        Ok(connection) => {
            exchange.borrow_mut().connection = Some(connection);
            events.after(timeout, move |events| {
                finish(events, &ends, Err(Error::Timeout));
            })
        }
        // Even bad news waits until this function has returned.
        Err(error) => events.after(Duration::ZERO, move |events| {
            finish(events, &ends, Err(error));
        }),
    };
    exchange.borrow_mut().timeout = Some(timer);
    Call {
        events: events.clone(),
        exchange,
    }
}

fn open(events: &EventLoop, url: &Url, exchange: &Rc<RefCell<Exchange>>) -> io::Result<Connection> {
    let mut socket = TcpStream::connect(url.address)?;
    let ready = exchange.clone();
    let token = events.watch(&mut socket, move |events| {
        let outcome = proceed(&mut ready.borrow_mut());
        if let Some(outcome) = outcome {
            finish(events, &ready, outcome);
        }
    })?;
    let Url { target, host, .. } = url;
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    Ok(Connection {
        socket,
        token,
        connected: false,
        request: Outbox::new(request.into_bytes()),
        answer: Inbox::new(),
    })
}

/// Does what can be done now. The outcome, once there is one.
fn proceed(exchange: &mut Exchange) -> Option<Result<Response, Error>> {
    let connection = exchange.connection.as_mut()?;
    if !connection.connected {
        match connected(&connection.socket) {
            Ok(true) => connection.connected = true,
            Ok(false) => return None,
            Err(error) => return Some(Err(Error::Connect(error))),
        }
    }
    // A service may answer and close before it has read all we say, so a failed
    // send alone decides nothing: what can be read does.
    let _ = connection.request.flush(&connection.socket);
    match connection.answer.read(&connection.socket) {
        Progress::Complete(response) => Some(Ok(response)),
        Progress::Partial => None,
        Progress::Closed => Some(Err(Error::Closed)),
        Progress::Malformed(what) => Some(Err(Error::Malformed(what))),
    }
}

/// A socket that connects is ready once it has either an error or a peer.
fn connected(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => {
            // Small messages go out at once. Without it the answer comes later, no less right.
            let _ = socket.set_nodelay(true);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

fn finish(events: &EventLoop, exchange: &Rc<RefCell<Exchange>>, outcome: Result<Response, Error>) {
    if let Some(on_answer) = end(events, exchange) {
        on_answer(events, outcome);
    }
}

/// Closes the connection and stops the clock. The callback, if nobody had it before.
fn end(events: &EventLoop, exchange: &Rc<RefCell<Exchange>>) -> Option<OnAnswer> {
    let (on_answer, connection, timeout) = {
        let mut exchange = exchange.borrow_mut();
        (
            exchange.on_answer.take(),
            exchange.connection.take(),
            exchange.timeout.take(),
        )
    };
    if let Some(connection) = connection {
        events.forget(connection.token);
    }
    if let Some(timer) = timeout {
        events.cancel(timer);
    }
    on_answer
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
        time::Instant,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(50);

    /// A service that says `answer` to one client, then waits until the client closes, if `holds`.
    fn service(answer: &'static str, holds: bool) -> (String, thread::JoinHandle<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/weather", listener.local_addr().unwrap());
        let closed = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = client.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /weather HTTP/1.1\r\n"));
            client.write_all(answer.as_bytes()).unwrap();
            client.set_read_timeout(Some(LONG)).unwrap();
            !holds || client.read(&mut request).unwrap() == 0
        });
        (url, closed)
    }

    fn call(url: &str, timeout: Duration) -> Result<Response, Error> {
        let events = EventLoop::new().unwrap();
        let outcome = Rc::new(RefCell::new(None));
        let slot = outcome.clone();
        events.get(url, timeout, move |_, result| {
            *slot.borrow_mut() = Some(result);
        });
        assert!(outcome.borrow().is_none(), "called before get() returned");
        events.run().unwrap();
        outcome.take().expect("the callback was never called")
    }

    #[test]
    fn bodies_are_read_however_they_end() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n10.1 and more",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n10.\r\n2\r\n1 \r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n10.1 ",
        ] {
            let (url, _) = service(answer, false);
            assert_eq!(call(&url, LONG).unwrap().body, b"10.1 ", "{answer}");
        }
    }

    #[test]
    fn a_bad_status_is_an_answer() {
        let (url, _) = service("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false);
        assert_eq!(call(&url, LONG).unwrap().status, 500);
    }

    #[test]
    fn faults_have_names() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n10";
        assert!(matches!(
            call(&service(cut, false).0, LONG),
            Err(Error::Closed)
        ));
        assert!(matches!(
            call(&service("", false).0, LONG),
            Err(Error::Closed)
        ));
        let garbage = call(&service("hello\r\n", true).0, LONG);
        assert!(matches!(garbage, Err(Error::Malformed(_))));
        assert!(matches!(call("gopher://x", LONG), Err(Error::BadUrl(_))));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(call(&url, LONG), Err(Error::Connect(_))));
    }

    #[test]
    fn a_hang_times_out_before_the_head_and_within_the_body() {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n10"] {
            let (url, closed) = service(answer, true);
            assert!(matches!(call(&url, SHORT), Err(Error::Timeout)));
            assert!(closed.join().unwrap());
        }
    }

    #[test]
    fn to_cancel_closes_the_connection_and_calls_nobody() {
        let (url, closed) = service("HTTP/1.1 200 OK\r\n", true);
        let events = EventLoop::new().unwrap();
        let call = events.get(&url, LONG, |_, _| panic!("was cancelled"));
        events.after(SHORT, move |_| {
            call.cancel();
            call.cancel();
        });
        let start = Instant::now();
        events.run().unwrap();
        assert!(closed.join().unwrap());
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn calls_wait_together() {
        let events = EventLoop::new().unwrap();
        let failed = Rc::new(RefCell::new(0));
        let services: Vec<_> = (0..20).map(|_| service("", true)).collect();
        for (url, _) in &services {
            let failed = failed.clone();
            events.get(url, 4 * SHORT, move |_, _| *failed.borrow_mut() += 1);
        }
        let start = Instant::now();
        events.run().unwrap();
        assert_eq!(*failed.borrow(), 20);
        assert!(start.elapsed() < 20 * SHORT);
    }
}
