//! The lines of the file: those that are intact, and how many are not.

use crate::record::Line;

/// What can be read of it.
#[derive(Default)]
pub(super) struct Contents {
    /// Those that are intact.
    pub(super) lines: Vec<Line>,
    /// How many lines are not intact.
    pub(super) damaged: usize,
}

impl Contents {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut contents = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            match Line::read(line) {
                Some(line) => contents.lines.push(line),
                None if line.is_empty() => {}
                None => contents.damaged += 1,
            }
        }
        contents
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let lines = self.lines.iter().flat_map(|line| [&line.text, "\n"]);
        lines.collect::<String>().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Hint, Record};

    #[test]
    fn ten_thousand_truncations_and_flipped_bits_lose_nothing_that_is_intact() {
        let mut contents = Contents::default();
        for at in 0..20 {
            let hint = Record::Hint(Hint {
                at,
                exercise: "ex02".to_owned(),
                level: 1,
            });
            contents.lines.push(Line::of(&hint).expect("it is JSON"));
        }
        let whole = contents.to_bytes();
        let lines: Vec<_> = whole.split(|byte| *byte == b'\n').collect();
        let mut drawn = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let mut bytes = whole.clone();
            if drawn.bool() {
                bytes.truncate(drawn.usize(..bytes.len()));
            }
            for _ in 0..drawn.usize(..4) {
                if !bytes.is_empty() {
                    let at = drawn.usize(..bytes.len());
                    bytes[at] ^= 1 << drawn.u32(..8);
                }
            }
            let read = Contents::read(&bytes);
            let intact: Vec<_> = bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty() && lines.contains(line))
                .collect();
            let kept: Vec<_> = read.lines.iter().map(|line| line.text.as_bytes()).collect();
            assert_eq!(kept, intact);
        }
    }
}
