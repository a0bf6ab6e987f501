//! What a program printed: its head and its tail, whatever lies between.

use std::collections::VecDeque;

const KEPT: usize = 64 * 1024;

/// Output as it comes in.
#[derive(Debug, Default)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Output {
    pub(super) fn push(&mut self, bytes: &[u8]) -> u64 {
        self.total += bytes.len() as u64;
        let room = (KEPT - self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(KEPT)..];
        let overflow = (self.tail.len() + rest.len()).saturating_sub(KEPT);
        self.tail.drain(..overflow.min(self.tail.len()));
        self.tail.extend(rest);
        self.total
    }

    pub(super) fn captured(&self) -> Captured {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        let omitted = self.total - self.head.len() as u64 - self.tail.len() as u64;
        if omitted > 0 {
            text.push_str(&format!("\n… {omitted} bytes left out …\n"));
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        text.push_str(&String::from_utf8_lossy(&tail));
        Captured {
            text,
            total: self.total,
        }
    }
}

/// What a program printed to standard output and standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first and the last 64 KiB of it.
    pub text: String,
    /// Bytes in all.
    pub total: u64,
}

/// A panic, as Rust's standard hook prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// What it says.
    pub message: String,
    /// `src/main.rs:12:5`
    pub place: String,
}

impl Captured {
    /// The first panic in the output.
    pub fn panic(&self) -> Option<Panic> {
        let mut lines = self.text.lines();
        let place = lines.by_ref().find_map(|line| {
            let (thread, place) = line.split_once(" panicked at ")?;
            (thread.starts_with("thread '")).then(|| place.trim_end_matches(':').to_owned())
        })?;
        let message: Vec<_> = lines
            .take_while(|line| {
                !line.is_empty()
                    && !line.starts_with("note: ")
                    && !line.starts_with("stack backtrace:")
                    && !line.starts_with("thread '")
            })
            .take(6)
            .collect();
        Some(Panic {
            message: message.join("\n"),
            place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Captured {
        let mut output = Output::default();
        output.push(text.as_bytes());
        output.captured()
    }

    #[test]
    fn head_and_tail_are_kept_and_what_lies_between_is_counted() {
        let mut output = Output::default();
        output.push(b"first line\n");
        for _ in 0..1000 {
            output.push(&[b'x'; 1000]);
        }
        output.push(b"\nlast line");
        let captured = output.captured();
        assert!(captured.text.starts_with("first line"));
        assert!(captured.text.ends_with("last line"));
        assert!(captured.text.contains("bytes left out"));
        assert!(captured.text.len() < 2 * KEPT + 100);
        assert_eq!(captured.total, 11 + 1_000_000 + 10);
    }

    #[test]
    fn one_push_may_be_larger_than_all_that_is_kept() {
        let mut output = Output::default();
        output.push(&vec![b'a'; 10 * KEPT]);
        output.push(b"end");
        assert!(output.captured().text.ends_with("aend"));
    }

    #[test]
    fn a_panic_has_a_message_and_a_place() {
        let seen = printed(
            "listening\n\nthread 'tokio-rt-worker' (77) panicked at src/main.rs:12:5:\n\
             called `Result::unwrap()` on an `Err` value: oh\nnote: run with `RUST_BACKTRACE=1`\n",
        )
        .panic();
        assert_eq!(
            seen,
            Some(Panic {
                message: "called `Result::unwrap()` on an `Err` value: oh".to_owned(),
                place: "src/main.rs:12:5".to_owned(),
            })
        );
    }

    #[test]
    fn talk_of_panics_is_no_panic() {
        assert_eq!(printed("the server panicked at dawn\n").panic(), None);
        assert_eq!(printed("").panic(), None);
    }
}
