//! Bodies, as their bytes arrive: by length, in chunks, or up to the end.

use crate::message::{LIMIT, Malformed};

/// What is left to read of a body.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    Length(usize),
    Chunked(Chunk),
    UntilClosed,
}

/// Where in a chunked body the next byte belongs.
#[derive(Debug, PartialEq)]
pub(crate) enum Chunk {
    Size,
    Data(usize),
    DataEnd,
    /// After the last chunk: header lines until an empty one.
    Trailers,
}

impl Body {
    /// Moves what belongs to the body from `input` to `body`. True once it is complete.
    pub(crate) fn feed(
        &mut self,
        input: &mut Vec<u8>,
        body: &mut Vec<u8>,
    ) -> Result<bool, Malformed> {
        let mut at = 0;
        let complete = loop {
            let rest = &input[at..];
            match self {
                Body::UntilClosed => {
                    at += take(rest, usize::MAX, body);
                    break false;
                }
                Body::Length(left) => {
                    let taken = take(rest, *left, body);
                    at += taken;
                    *left -= taken;
                    break *left == 0;
                }
                Body::Chunked(chunk) => match chunk {
                    Chunk::Size => match httparse::parse_chunk_size(rest) {
                        Ok(httparse::Status::Complete((used, size))) => {
                            at += used;
                            *chunk = match usize::try_from(size) {
                                Ok(0) => Chunk::Trailers,
                                Ok(size) if size <= LIMIT => Chunk::Data(size),
                                _ => return Err("a chunk too large"),
                            };
                        }
                        // A size is a short line: a long one is no size.
                        Ok(httparse::Status::Partial) if rest.len() < 1024 => break false,
                        _ => return Err("a chunk without its size"),
                    },
                    Chunk::Data(left) => {
                        let taken = take(rest, *left, body);
                        at += taken;
                        *left -= taken;
                        if *left > 0 {
                            break false;
                        }
                        *chunk = Chunk::DataEnd;
                    }
                    Chunk::DataEnd => match rest {
                        [b'\r', b'\n', ..] => {
                            at += 2;
                            *chunk = Chunk::Size;
                        }
                        [] | [b'\r'] => break false,
                        _ => return Err("a chunk longer than its size"),
                    },
                    Chunk::Trailers => match rest.iter().position(|&byte| byte == b'\n') {
                        Some(end) => {
                            at += end + 1;
                            if matches!(&rest[..end], [] | [b'\r']) {
                                break true;
                            }
                        }
                        None => break false,
                    },
                },
            }
        };
        input.drain(..at);
        Ok(complete)
    }
}

fn take(from: &[u8], most: usize, into: &mut Vec<u8>) -> usize {
    let taken = from.len().min(most);
    into.extend_from_slice(&from[..taken]);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one byte at a time: where the network cuts must not matter.
    fn dribble(mut body: Body, bytes: &[u8]) -> Result<(bool, Vec<u8>), Malformed> {
        let (mut input, mut output, mut complete) = (Vec::new(), Vec::new(), false);
        for &byte in bytes {
            input.push(byte);
            complete = body.feed(&mut input, &mut output)?;
        }
        Ok((complete, output))
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = b"4\r\nToda\r\nb;note=x\r\ny it's hot!\r\n0\r\nX-Trailer: 1\r\n\r\n";
        let read = dribble(Body::Chunked(Chunk::Size), bytes);
        assert_eq!(read, Ok((true, b"Today it's hot!".to_vec())));
    }

    #[test]
    fn a_length_is_kept() {
        assert_eq!(dribble(Body::Length(3), b"ab"), Ok((false, b"ab".to_vec())));
        assert_eq!(
            dribble(Body::Length(3), b"abc"),
            Ok((true, b"abc".to_vec()))
        );
    }

    #[test]
    fn without_a_length_only_the_end_ends_it() {
        let read = dribble(Body::UntilClosed, b"abc");
        assert_eq!(read, Ok((false, b"abc".to_vec())));
    }

    #[test]
    fn bad_chunks_are_refused() {
        for bytes in [&b"zz\r\n"[..], b"2\r\nabc\r\n", b"ffffffffffffffff\r\n"] {
            assert!(
                dribble(Body::Chunked(Chunk::Size), bytes).is_err(),
                "{bytes:?}"
            );
        }
    }
}
