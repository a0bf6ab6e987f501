//! What a program prints: its head and its tail, however much there is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// Bytes kept of the beginning, and as many of the end.
const KEPT: usize = 64 * 1024;

/// A program's standard output and error, in the order in which it wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The words; where there are too many, head and tail, and between them a
    /// line that says how many bytes were left out. Not cleaned for a terminal.
    pub text: String,
    /// How many bytes were printed in all.
    pub total: u64,
}

/// Takes in what a program prints, from any number of pipes.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    kept: Arc<Mutex<Kept>>,
    printed: watch::Sender<u64>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            kept: Arc::default(),
            printed: watch::Sender::new(0),
        }
    }

    /// Reads until nobody can write any more. It never stops reading, so a
    /// program that prints without end is never held up by us.
    pub(super) async fn drain(self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; KEPT];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            let total = {
                let mut kept = self.kept();
                kept.take(&buffer[..length]);
                kept.total
            };
            self.printed.send_replace(total);
        }
    }

    pub(super) fn captured(&self) -> Captured {
        self.kept().captured()
    }

    pub(super) fn printed(&self) -> watch::Receiver<u64> {
        self.printed.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    /// Up to twice what is shown, so that it need not be moved for every read.
    tail: Vec<u8>,
    total: u64,
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = KEPT - self.head.len();
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(tail);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    fn captured(&self) -> Captured {
        let tail = &self.tail[self.tail.len().saturating_sub(KEPT)..];
        let left_out = self.total - (self.head.len() + tail.len()) as u64;
        let text = if left_out == 0 {
            String::from_utf8_lossy(&[&self.head, tail].concat()).into_owned()
        } else {
            format!(
                "{}\n… {left_out} bytes left out …\n{}",
                String::from_utf8_lossy(&self.head),
                String::from_utf8_lossy(tail)
            )
        };
        Captured {
            text,
            total: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_kept_while_it_fits() {
        let mut kept = Kept::default();
        for _ in 0..KEPT {
            kept.take(b"ab");
        }
        let captured = kept.captured();
        assert_eq!(captured.total, 2 * KEPT as u64);
        assert_eq!(captured.text, "ab".repeat(KEPT));
    }

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        let mut kept = Kept::default();
        kept.take(&b"h".repeat(KEPT));
        for _ in 0..100 {
            kept.take(&b"m".repeat(KEPT / 3));
        }
        kept.take(&b"t".repeat(KEPT));
        let captured = kept.captured();
        let left_out = 100 * (KEPT / 3);
        assert_eq!(
            captured.text,
            format!(
                "{}\n… {left_out} bytes left out …\n{}",
                "h".repeat(KEPT),
                "t".repeat(KEPT)
            )
        );
    }

    proptest::proptest! {
        #[test]
        fn however_it_comes_in_nothing_is_lost_that_fits(
            pieces in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..64), 0..20)
        ) {
            let mut kept = Kept::default();
            pieces.iter().for_each(|piece| kept.take(piece));
            let all = pieces.concat();
            let captured = kept.captured();
            proptest::prop_assert_eq!(captured.total, all.len() as u64);
            proptest::prop_assert_eq!(captured.text, String::from_utf8_lossy(&all));
        }
    }

    #[test]
    fn a_character_read_in_two_halves_stays_whole() {
        let mut kept = Kept::default();
        kept.take(b"x\xc3");
        kept.take(b"\xa4");
        assert_eq!(kept.captured().text, "xä");
    }
}
