//! A unified diff in colours. The signs at the starts of its lines say the same.

use std::fmt::Write as _;

use super::clean::clean;
use super::style::{BAD, CALL, GOOD, PLAIN, STRONG};

/// The diff with its colours, and harmless.
pub fn difference(diff: &str) -> String {
    let mut shown = String::with_capacity(diff.len() * 2);
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => STRONG,
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            Some(b'@') => CALL,
            _ => PLAIN,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "{style}{}{style:#}", clean(line));
    }
    shown
}
