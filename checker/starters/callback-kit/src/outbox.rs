//! Bytes on their way out, sent as fast as the other side takes them.

use std::io::{self, Write};

use mio::net::TcpStream;

/// Bytes to send, and how far we are.
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(crate) fn new(bytes: Vec<u8>) -> Outbox {
        Outbox { bytes, sent: 0 }
    }

    /// Sends what the socket takes now. True once all is sent.
    pub(crate) fn flush(&mut self, mut socket: &TcpStream) -> io::Result<bool> {
        while self.sent < self.bytes.len() {
            match socket.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
