//! What the checker and a keeper tell each other: one line of JSON each.

use std::ffi::OsString;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Exit, Limits};

/// From the checker to the keeper. When no more can come, the keeper ends everything.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first, and only once.
    Start(Start),
    /// End the program politely, then all of it.
    End,
}

/// What a keeper needs to know to start a program. It travels here because a
/// program can read the command line and the environment of its parent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) command: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    /// The program's own directory, which the keeper removes in the end.
    pub(super) directory: OsString,
    pub(super) limits: Limits,
}

/// From the keeper to the checker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The program runs.
    Started { pid: u32 },
    /// The program could not be started: the system's error.
    CannotStart { errno: i32 },
    /// The learner's process ended unasked.
    Ended { exit: Exit },
    /// Everything has ended; nothing follows.
    Gone {
        left_behind: Vec<String>,
        was_stopped: bool,
    },
}

/// A message as a line.
pub(super) fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// The message in a line; `None` where the line is empty because no more can come.
pub(super) fn message<T: DeserializeOwned>(line: &str) -> io::Result<Option<T>> {
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_line_is_a_message_or_an_error(text in r"\PC*", json in r#"[{}\[\]:,"a-zA-Z0-9_ ]{0,80}"#) {
            for line in [text, json] {
                let _ = message::<Order>(&line);
                let _ = message::<Report>(&line);
            }
        }

        #[test]
        fn what_is_said_is_what_is_heard(pid: u32, names in proptest::collection::vec(r"\PC*", 0..4)) {
            let left_behind = Report::Gone { left_behind: names.clone(), was_stopped: pid % 2 == 0 };
            let said = String::from_utf8(line(&left_behind).expect("it serialises")).expect("UTF-8");
            let heard = message(&said).expect("it is a message");
            let Some(Report::Gone { left_behind, was_stopped }) = heard else {
                panic!("{said}");
            };
            proptest::prop_assert_eq!((left_behind, was_stopped), (names, pid % 2 == 0));
        }
    }
}
