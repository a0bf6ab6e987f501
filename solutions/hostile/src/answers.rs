//! Answers that are no answers: endless, dribbled, cut, or something else than HTTP.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::Program;
use crate::server::{answer, listen, serve, today};

pub(crate) const PROGRAMS: &[Program] = &[
    ("never-accepts", never_accepts),
    ("never-reads", never_reads),
    ("endless-headers", || {
        serve(|_, stream| endless(stream, "HTTP/1.1 200 -\r\n", b"x-more: and more\r\n"));
    }),
    ("dribbled-headers", || {
        serve(|_, stream| dribbled(stream, "HTTP/1.1 200 -\r\nx-slow: "));
    }),
    ("endless-body", || {
        serve(|_, stream| {
            endless(
                stream,
                "HTTP/1.1 200 -\r\nconnection: close\r\n\r\n",
                &[b'x'; 4096],
            )
        });
    }),
    ("dribbled-body", || {
        serve(|_, stream| dribbled(stream, "HTTP/1.1 200 -\r\ncontent-length: 1000000\r\n\r\n"));
    }),
    ("content-length-too-long", || {
        serve(|_, stream| wrong_length(stream, |length| length + 10));
    }),
    ("content-length-too-short", || {
        serve(|_, stream| wrong_length(stream, |length| length - 3));
    }),
    ("content-length-twice", || {
        serve(|_, stream| {
            let body = today().1;
            let length = body.len();
            say(
                stream,
                format!(
                    "HTTP/1.1 200 -\r\ncontent-length: {length}\r\ncontent-length: 7\r\n\r\n{body}"
                )
                .as_bytes(),
            );
        });
    }),
    ("content-length-nonsense", || {
        serve(|_, stream| {
            if is_ill(stream) {
                return;
            }
            say(
                stream,
                b"HTTP/1.1 200 -\r\ncontent-length: 99999999999999999999999\r\n\r\n",
            );
        });
    }),
    ("invalid-utf8", || {
        serve(|_, stream| {
            if is_ill(stream) {
                return;
            }
            say(
                stream,
                b"HTTP/1.1 200 -\r\nconnection: close\r\n\r\n\xff\xfe\xc0\x80\xed\xa0\x80",
            );
        });
    }),
    ("chunk-of-exabytes", || {
        serve(|_, stream| {
            endless(
                stream,
                "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n",
                &[b'x'; 4096],
            );
        });
    }),
    ("chunks-of-one-byte", || {
        serve(|_, stream| {
            // Each with an extension that is longer than what it carries.
            endless(
                stream,
                "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n",
                b"1;and=more\r\nx\r\n",
            );
        });
    }),
    ("chunk-extension-without-end", || {
        serve(|_, stream| {
            endless(
                stream,
                "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n1;",
                b"extension;",
            );
        });
    }),
    ("trailers-without-end", || {
        serve(|_, stream| {
            endless(
                stream,
                "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
                b"x-more: and more\r\n",
            );
        });
    }),
    ("compressed-bomb", compressed_bomb),
    ("http-0.9", || {
        serve(|_, stream| say(stream, today().1.as_bytes()))
    }),
    ("continue-without-end", || {
        serve(|_, stream| {
            while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
    }),
    ("continue-in-a-flood", || {
        serve(|_, stream| {
            endless(stream, "", b"HTTP/1.1 100 Continue\r\n\r\n");
        });
    }),
    ("upgrade-never-asked-for", || {
        serve(|_, stream| {
            if is_ill(stream) {
                return;
            }
            say(
                stream,
                b"HTTP/1.1 101 -\r\nconnection: upgrade\r\nupgrade: nothing\r\n\r\n",
            );
            thread::sleep(Duration::from_secs(30));
        });
    }),
    ("upgrade-never-completed", || {
        serve(|_, _| thread::sleep(Duration::from_secs(55)))
    }),
    ("upgrade-then-garbage", || {
        serve(|_, stream| {
            say(stream, b"HTTP/1.1 101 -\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: no\r\n\r\n\xff\xff\xff\xff");
        });
    }),
    ("closes-in-mid-body", || {
        serve(|_, stream| {
            let body = today().1;
            let length = body.len();
            say(
                stream,
                format!(
                    "HTTP/1.1 200 -\r\ncontent-length: {length}\r\n\r\n{}",
                    &body[..5]
                )
                .as_bytes(),
            );
        });
    }),
    ("answers-twice", || {
        serve(|_, stream| {
            let (status, body) = today();
            let length = body.len();
            let one = format!(
                "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            say(
                stream,
                (one + "HTTP/1.1 200 -\r\ncontent-length: 4\r\n\r\nPASS").as_bytes(),
            );
        });
    }),
];

/// Asks the weather. Where that does not answer, the contract is kept.
fn is_ill(stream: &mut TcpStream) -> bool {
    let said = today();
    if said.0 != 200 {
        answer(stream, &said);
    }
    said.0 != 200
}

fn say(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

fn endless(stream: &mut TcpStream, head: &str, more: &[u8]) {
    if is_ill(stream) {
        return;
    }
    say(stream, head.as_bytes());
    // In large pieces, so that it is the reader who works.
    let many = more.repeat(65_536 / more.len());
    while stream.write_all(&many).is_ok() {}
}

fn dribbled(stream: &mut TcpStream, head: &str) {
    say(stream, head.as_bytes());
    while stream.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
}

fn wrong_length(stream: &mut TcpStream, wrong: fn(usize) -> usize) {
    let (status, body) = today();
    let length = wrong(body.len());
    say(
        stream,
        format!(
            "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    );
}

fn never_accepts() {
    let _listener = listen();
    thread::sleep(Duration::from_secs(55));
}

fn never_reads() {
    let listener = listen();
    let _kept: Vec<_> = listener.incoming().collect();
}

/// A body of one stored block after another, said to be gzip: whoever unpacks it
/// never ends.
fn compressed_bomb() {
    serve(|_, stream| {
        if is_ill(stream) {
            return;
        }
        let head = "HTTP/1.1 200 -\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
        say(stream, head.as_bytes());
        say(stream, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
        // A fixed block of 258 bytes per three bits, as far as one cares to read.
        say(stream, &[0xed_u8, 0xc1, 0x01, 0x01].repeat(1000));
    });
}
