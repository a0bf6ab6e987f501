//! What a Rust program says when it panics.

use super::Captured;

/// The most of a message that is kept, in lines.
const LINES: usize = 20;

/// A panic, as the program's own words tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// What it said, possibly in several lines.
    pub message: String,
    /// Where, such as `src/main.rs:12:5`.
    pub place: String,
    /// The thread's name, such as `main` or `tokio-runtime-worker`.
    pub thread: String,
}

impl Captured {
    /// The first panic that the program has told of.
    pub fn panic(&self) -> Option<Panic> {
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if let Some(panic) = one_line(line) {
                return Some(panic);
            }
            if let Some((thread, place)) = head(line) {
                return Some(Panic {
                    message: message(lines.map(|line| line.trim_end_matches('\r'))),
                    place,
                    thread,
                });
            }
        }
        None
    }
}

/// `thread 'main' (1234) panicked at src/main.rs:12:5:`; the message follows.
fn head(line: &str) -> Option<(String, String)> {
    let (thread, rest) = thread(line)?;
    let place = rest.trim_end().strip_suffix(':')?;
    is_place(place).then(|| (thread, place.to_owned()))
}

/// `thread 'main' panicked at 'message', src/main.rs:12:5`, as Rust said it until 1.72.
fn one_line(line: &str) -> Option<Panic> {
    let (thread, rest) = thread(line)?;
    let (message, place) = rest.trim_end().strip_prefix('\'')?.rsplit_once("', ")?;
    is_place(place).then(|| Panic {
        message: message.to_owned(),
        place: place.to_owned(),
        thread,
    })
}

/// The thread's name and what stands after `panicked at `.
fn thread(line: &str) -> Option<(String, &str)> {
    // What a hook of the program's own prints of a panic has no thread.
    if let Some(rest) = line.strip_prefix("panicked at ") {
        return Some((String::new(), rest));
    }
    let (before, rest) = line.split_once(" panicked at ")?;
    let named = &before[before.find("thread '")? + "thread '".len()..];
    // Newer compilers add the thread's number in brackets.
    let named = match named.rsplit_once(" (") {
        Some((name, number)) if number.strip_suffix(')').is_some_and(is_number) => name,
        _ => named,
    };
    Some((named.strip_suffix('\'')?.to_owned(), rest))
}

fn is_place(place: &str) -> bool {
    let mut parts = place.rsplitn(3, ':');
    let numbers = parts.next().is_some_and(is_number) && parts.next().is_some_and(is_number);
    numbers && parts.next().is_some_and(|file| !file.is_empty())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The lines up to the note that closes a panic; where there is none, the first
/// and those indented beneath it, as `assert_eq!` writes them.
fn message<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.take(LINES).collect();
    let closed = lines.iter().position(|line| {
        line.starts_with("note: run with `RUST_BACKTRACE") || *line == "stack backtrace:"
    });
    let length = closed.unwrap_or_else(|| {
        1 + lines
            .iter()
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            .count()
    });
    lines[..length.min(lines.len())].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panic(text: &str) -> Option<Panic> {
        Captured {
            text: text.to_owned(),
            total: text.len() as u64,
        }
        .panic()
    }

    fn of(message: &str, place: &str, thread: &str) -> Option<Panic> {
        Some(Panic {
            message: message.to_owned(),
            place: place.to_owned(),
            thread: thread.to_owned(),
        })
    }

    #[test]
    fn todays_format_is_read() {
        let text = "listening\n\nthread 'main' (4711) panicked at src/main.rs:12:5:\nno city\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(panic(text), of("no city", "src/main.rs:12:5", "main"));
    }

    #[test]
    fn a_thread_without_number_is_read() {
        let text = "thread 'tokio-runtime-worker' panicked at C:\\x\\main.rs:1:2:\r\nboom\r\n";
        assert_eq!(
            panic(text),
            of("boom", "C:\\x\\main.rs:1:2", "tokio-runtime-worker")
        );
    }

    #[test]
    fn the_old_one_line_format_is_read() {
        let text = "thread '<unnamed>' panicked at 'it's, gone', src/a.rs:3:9\nnote: …";
        assert_eq!(panic(text), of("it's, gone", "src/a.rs:3:9", "<unnamed>"));
    }

    #[test]
    fn a_message_of_several_lines_ends_at_the_note_or_where_the_indent_ends() {
        let text = "thread 'main' panicked at a.rs:1:1:\nassertion failed\n  left: 1\n right: 2\nlater output\n";
        assert_eq!(
            panic(text),
            of("assertion failed\n  left: 1\n right: 2", "a.rs:1:1", "main")
        );
        let text = "thread 'main' panicked at a.rs:1:1:\none\ntwo\nstack backtrace:\n   0: x\n";
        assert_eq!(panic(text), of("one\ntwo", "a.rs:1:1", "main"));
    }

    #[test]
    fn the_first_of_two_panics_counts() {
        let text =
            "thread 'a' panicked at a.rs:1:1:\nfirst\nthread 'b' panicked at b.rs:2:2:\nsecond\n";
        assert_eq!(panic(text), of("first", "a.rs:1:1", "a"));
    }

    #[test]
    fn what_only_looks_like_a_panic_is_none() {
        for text in [
            "",
            "thread",
            "thread '",
            " panicked at ",
            "thread 'main' panicked at",
            "thread 'main' panicked at :::",
            "thread 'main' panicked at src/main.rs:12:",
            "thread main panicked at src/main.rs:12:5:",
            "thread 'ä panicked at ü:1:1:",
            "thread '' panicked at ',",
            "it panicked at the thread 'x'",
        ] {
            assert_eq!(panic(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_output_has_a_panic_or_none(pieces in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::strategy::Just("thread '".to_owned()),
                proptest::strategy::Just("' panicked at ".to_owned()),
                proptest::strategy::Just("', a.rs:1:2".to_owned()),
                proptest::strategy::Just(" (12)".to_owned()),
                proptest::strategy::Just("a.rs:1:2:\n".to_owned()),
                proptest::strategy::Just("note: run with `RUST_BACKTRACE".to_owned()),
                r"\PC{0,5}",
                "[':\n\r ]{0,3}",
            ], 0..12))
        {
            panic(&pieces.concat());
        }
    }

    #[test]
    fn a_panic_cut_off_after_its_place_has_no_message() {
        assert_eq!(
            panic("thread 'main' panicked at a.rs:1:1:\n"),
            of("", "a.rs:1:1", "main")
        );
    }
}
