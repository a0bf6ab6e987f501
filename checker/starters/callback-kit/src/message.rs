//! HTTP messages, read as their bytes arrive.

use std::io::{self, Read};

use httparse::{EMPTY_HEADER, Header, Status};
use mio::net::TcpStream;

use crate::body::{Body, Chunk};

/// The most that is read of one message, head and body.
pub(crate) const LIMIT: usize = 16 * 1024 * 1024;
const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 64 * 1024;

/// What is wrong with a message.
pub(crate) type Malformed = &'static str;

/// A request that has arrived whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `GET`
    pub method: String,
    /// Path and query, as sent: `/today?unit=C`.
    pub target: String,
    /// Names and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// Empty where there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// An answer that has arrived whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// 200, 404 and so on.
    pub status: u16,
    /// Names and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// Empty where there is none.
    pub body: Vec<u8>,
}

/// A message's first part, and how its body is to be read.
pub(crate) trait Head: Sized {
    /// `None`: the head is not complete. Else the head, its length and its body's framing.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize, Body)>, Malformed>;
    fn set_body(&mut self, body: Vec<u8>);
}

impl Head for Request {
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize, Body)>, Malformed> {
        let mut headers = [EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Status::Complete(length) = request.parse(bytes).or(Err("a request head"))? else {
            return Ok(None);
        };
        let body = framing(request.headers)?.unwrap_or(Body::Length(0));
        let head = Request {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            headers: owned(request.headers),
            body: Vec::new(),
        };
        Ok(Some((head, length, body)))
    }

    fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }
}

impl Head for Response {
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize, Body)>, Malformed> {
        let mut start = 0;
        loop {
            let mut headers = [EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&bytes[start..]).or(Err("a response head"))?;
            let Status::Complete(length) = parsed else {
                return Ok(None);
            };
            start += length;
            let status = response.code.unwrap_or_default();
            // 100 and its like announce that the real answer comes next.
            if (100..200).contains(&status) {
                continue;
            }
            let body = match status {
                204 | 304 => Body::Length(0),
                _ => framing(response.headers)?.unwrap_or(Body::UntilClosed),
            };
            let head = Response {
                status,
                headers: owned(response.headers),
                body: Vec::new(),
            };
            return Ok(Some((head, start, body)));
        }
    }

    fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }
}

fn framing(headers: &[Header<'_>]) -> Result<Option<Body>, Malformed> {
    let value = |name: &str| {
        let header = headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
        Some(
            String::from_utf8_lossy(header.value)
                .trim()
                .to_ascii_lowercase(),
        )
    };
    match (value("transfer-encoding"), value("content-length")) {
        (Some(coding), _) if coding == "chunked" => Ok(Some(Body::Chunked(Chunk::Size))),
        (Some(_), _) => Err("an unknown transfer coding"),
        (None, Some(length)) => match length.parse() {
            Ok(length) if length <= LIMIT => Ok(Some(Body::Length(length))),
            Ok(_) => Err("a body too large"),
            Err(_) => Err("a length that is not a number"),
        },
        (None, None) => Ok(None),
    }
}

fn owned(headers: &[Header<'_>]) -> Vec<(String, String)> {
    let owned = |h: &Header<'_>| (h.name.to_owned(), String::from_utf8_lossy(h.value).into());
    headers.iter().map(owned).collect()
}

/// Reads one message from a socket, as far as it has arrived.
pub(crate) struct Inbox<H> {
    input: Vec<u8>,
    seen: usize,
    head: Option<(H, Body)>,
    body: Vec<u8>,
}

/// How far a message is.
#[derive(Debug, PartialEq)]
pub(crate) enum Progress<H> {
    Complete(H),
    /// Nothing more to read for now.
    Partial,
    /// The other side closed before the message was complete.
    Closed,
    Malformed(Malformed),
}

impl<H: Head> Inbox<H> {
    pub(crate) fn new() -> Inbox<H> {
        Inbox {
            input: Vec::new(),
            seen: 0,
            head: None,
            body: Vec::new(),
        }
    }

    pub(crate) fn read(&mut self, mut socket: &TcpStream) -> Progress<H> {
        let mut bytes = [0; 16 * 1024];
        loop {
            let arrived = match socket.read(&mut bytes) {
                Ok(count) => &bytes[..count],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Partial;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Closed,
            };
            match self.feed(arrived) {
                Ok(Some(message)) => return Progress::Complete(message),
                Ok(None) if arrived.is_empty() => return Progress::Closed,
                Ok(None) => {}
                Err(malformed) => return Progress::Malformed(malformed),
            }
        }
    }

    /// Takes bytes as they arrive; no bytes means the end. The message, once complete.
    fn feed(&mut self, arrived: &[u8]) -> Result<Option<H>, Malformed> {
        self.seen += arrived.len();
        if self.seen > LIMIT {
            return Err("a message too large");
        }
        self.input.extend_from_slice(arrived);
        if self.head.is_none() {
            match H::parse(&self.input)? {
                Some((head, length, body)) => {
                    self.input.drain(..length);
                    self.head = Some((head, body));
                }
                None if self.input.len() > LARGEST_HEAD => return Err("a head too large"),
                None => return Ok(None),
            }
        }
        let Some((head, mut framing)) = self.head.take() else {
            return Ok(None);
        };
        let complete = framing.feed(&mut self.input, &mut self.body)?;
        if complete || (arrived.is_empty() && framing == Body::UntilClosed) {
            let mut head = head;
            head.set_body(std::mem::take(&mut self.body));
            return Ok(Some(head));
        }
        self.head = Some((head, framing));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(parts: &[&str]) -> Result<Option<Response>, Malformed> {
        let mut inbox = Inbox::new();
        let mut result = Ok(None);
        for part in parts {
            result = inbox.feed(part.as_bytes());
        }
        result
    }

    #[test]
    fn a_response_may_come_in_pieces() {
        let parts = ["HTTP/1.1 20", "0 OK\r\ncontent-LENGTH: 2\r\n", "\r\no", "k"];
        let response = response(&parts).unwrap().unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]));
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(response(&[text]).unwrap().unwrap().status, 204);
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection() {
        let parts = ["HTTP/1.0 200 OK\r\n\r\n", "all", " of it"];
        assert_eq!(response(&parts), Ok(None));
        let parts = ["HTTP/1.0 200 OK\r\n\r\n", "all", " of it", ""];
        assert_eq!(response(&parts).unwrap().unwrap().body, b"all of it");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "SSH-2.0-OpenSSH_9.9\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        ] {
            assert!(response(&[text]).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_head_has_an_end() {
        let line = format!("X: {}\r\n", "x".repeat(LARGEST_HEAD));
        assert_eq!(
            response(&["HTTP/1.1 200 OK\r\n", &line]),
            Err("a head too large")
        );
    }
}
