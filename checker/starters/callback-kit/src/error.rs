//! Why a call has no answer.

use std::{fmt, io};

/// Why a call has no answer.
#[derive(Debug)]
pub enum Error {
    /// The URL is not `http://`, an IP address or `localhost`, a port and a path.
    BadUrl(String),
    /// No connection: refused, most often.
    Connect(io::Error),
    /// The answer was not complete in time.
    Timeout,
    /// The service hung up before its answer was complete.
    Closed,
    /// What the service sent is not HTTP, or too much of it.
    Malformed(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadUrl(url) => write!(f, "cannot call {url:?}"),
            Error::Connect(error) => write!(f, "cannot connect: {error}"),
            Error::Timeout => f.write_str("no complete answer in time"),
            Error::Closed => f.write_str("hung up before the answer was complete"),
            Error::Malformed(what) => write!(f, "answered nonsense: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Connect(error) => Some(error),
            _ => None,
        }
    }
}
