//! What follows from long bodies, read and unread.

use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::Observation;

const MEBI: f64 = 1024.0 * 1024.0;

/// Bodies that were taken in though nobody read them, or that took memory.
pub(in crate::exercises::ex03) fn pressure(seen: &Observation) -> Option<Fault> {
    const ALL: u64 = 48 * 1024 * 1024;
    /// What lies in no socket. A pump needs some hundred KiB, ours on both sides included.
    const HELD: u64 = 5 * 1024 * 1024;
    for (about, taken) in &seen.unread {
        // Some systems' socket buffers are huge: what is not in the program's
        // memory is not the program's.
        let figure = match *about {
            "answer" => "unread",
            _ => "unread request",
        };
        let elsewhere = match (seen.figure("read"), seen.figure(figure)) {
            (Some(before), Some(after)) => after.saturating_sub(before) < ALL / 4,
            _ => false,
        };
        let (sender, reader, figure) = match *about {
            "answer" => ("service", "client", "held answer"),
            _ => ("client", "service", "held request"),
        };
        if let Some(held) = seen.figure(figure).filter(|held| *held >= HELD) {
            return Some(Fault::new(
                Diagnosis::Buffered,
                format!(
                    "The {reader} read nothing, and the {sender} could send {:.0} MiB; {:.0} MiB of \
                     them lie in no socket: your program keeps them.",
                    *taken as f64 / MEBI,
                    held as f64 / MEBI
                ),
                "Read no further than you can pass on. A channel of a few pieces, or the body itself \
                 as a stream, makes the sender wait; a long queue, a file or a `Vec` never does.",
            ));
        }
        if *taken >= ALL && !elsewhere {
            return Some(Fault::new(
                Diagnosis::Buffered,
                format!(
                    "The {reader} read nothing, and the {sender} could send all {:.0} MiB: they wait \
                     in your program's memory.",
                    *taken as f64 / MEBI
                ),
                "Read no further than you can pass on. A bounded channel, or the body itself as a \
                 stream, makes the sender wait; an unbounded channel or a `Vec` never does.",
            ));
        }
    }
    if let Some((bytes, back)) = seen
        .passed
        .iter()
        .find(|(bytes, back)| Some(*bytes) != *back)
    {
        return Some(Fault::new(
            Diagnosis::WrongBody,
            format!(
                "{:.0} MiB were sent, and {} came back.",
                *bytes as f64 / MEBI,
                match back {
                    Some(back) => format!("{back} bytes"),
                    None => "a broken body".to_owned(),
                }
            ),
            "Pass bodies on whole, however long they are.",
        ));
    }
    // Grows with the body: four times the body, and as much more memory.
    match seen.grown.as_slice() {
        [first, second] if *second >= 24 * 1024 * 1024 => Some(Fault::new(
            Diagnosis::Buffered,
            format!(
                "While 8 MiB went by each way, the program's memory grew by {:.1} MiB; while 32 MiB \
                 did, by {:.1} MiB.",
                *first as f64 / MEBI,
                *second as f64 / MEBI
            ),
            "Pass each piece on before you read the next, and keep none.",
        )),
        _ => None,
    }
}

/// What the memory did, in words.
pub(in crate::exercises::ex03) fn memory(seen: &Observation) -> String {
    match seen.grown.first() {
        Some(grown) => format!(
            "senders had to wait for readers; memory grew by {:.1} MiB",
            *grown as f64 / MEBI
        ),
        None => {
            "senders had to wait for readers; this system does not tell how much memory it took"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_no_socket_is_the_programs() {
        let seen = |held: Option<u64>| Observation {
            unread: vec![("answer", 12 << 20)],
            figures: vec![("held answer", held)],
            ..Observation::default()
        };
        assert!(pressure(&seen(Some(9 << 20))).is_some());
        assert!(pressure(&seen(Some(2 << 20))).is_none());
        assert!(pressure(&seen(None)).is_none());
    }
}
