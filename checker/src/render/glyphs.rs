//! The marks that drawings are made of, once for terminals that know Unicode
//! and once for those that do not.

use std::fmt::Write as _;

use mock_services::exchange::Ending;

use crate::report::Outcome;

use super::clean;

/// One set of marks. Each is one column wide, but for `ellipsis`.
#[derive(Debug)]
pub(super) struct Glyphs {
    pub(super) kept: &'static str,
    pub(super) broken: &'static str,
    pub(super) inconclusive: &'static str,
    pub(super) not_reached: &'static str,
    /// Between two facts on one line.
    pub(super) dot: &'static str,
    pub(super) ellipsis: &'static str,
    /// Asked, not yet answered.
    pub(super) waiting: &'static str,
    /// Answered, and the body is on its way.
    pub(super) body: &'static str,
    /// An open WebSocket.
    pub(super) lane: &'static str,
    /// Frames that went over it: from whoever opened it, to it, or both.
    pub(super) sent: &'static str,
    pub(super) received: &'static str,
    pub(super) both: &'static str,
    answered: &'static str,
    left: &'static str,
    cut: &'static str,
    open: &'static str,
    pub(super) rule: &'static str,
    pub(super) rule_start: &'static str,
    pub(super) rule_tick: &'static str,
    pub(super) rule_end: &'static str,
    pub(super) child: &'static str,
    pub(super) last_child: &'static str,
    pub(super) past_child: &'static str,
    /// A request among those that were folded into one row.
    pub(super) folded: &'static str,
    pub(super) gap_start: &'static str,
    pub(super) gap: &'static str,
    pub(super) gap_end: &'static str,
    /// A gap too short to be drawn as a stretch.
    pub(super) gap_point: &'static str,
    /// Before a line of the program's own.
    pub(super) quote: &'static str,
    unicode: bool,
}

static UNICODE: Glyphs = Glyphs {
    kept: "✓",
    broken: "✗",
    inconclusive: "?",
    not_reached: "–",
    dot: "·",
    ellipsis: "…",
    waiting: "━",
    body: "█",
    lane: "─",
    sent: "▲",
    received: "▼",
    both: "◆",
    answered: "●",
    left: "○",
    cut: "╳",
    open: "▶",
    rule: "─",
    rule_start: "├",
    rule_tick: "┬",
    rule_end: "┤",
    child: "├",
    last_child: "└",
    past_child: "│",
    folded: "┊",
    gap_start: "├",
    gap: "╌",
    gap_end: "┤",
    gap_point: "↑",
    quote: "│",
    unicode: true,
};

static ASCII: Glyphs = Glyphs {
    kept: "+",
    broken: "x",
    inconclusive: "?",
    not_reached: "-",
    dot: "-",
    ellipsis: "...",
    waiting: "-",
    body: "=",
    lane: "_",
    sent: "^",
    received: "v",
    both: "*",
    answered: "o",
    left: "<",
    cut: "x",
    open: ">",
    rule: "-",
    rule_start: "+",
    rule_tick: "+",
    rule_end: "+",
    child: "|",
    last_child: "`",
    past_child: "|",
    folded: ":",
    gap_start: "[",
    gap: ".",
    gap_end: "]",
    gap_point: "^",
    quote: "|",
    unicode: false,
};

impl Glyphs {
    pub(super) fn choose(unicode: bool) -> &'static Self {
        if unicode { &UNICODE } else { &ASCII }
    }

    pub(super) fn outcome(&self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Kept => self.kept,
            Outcome::Broken => self.broken,
            Outcome::Inconclusive => self.inconclusive,
            Outcome::NotReached => self.not_reached,
        }
    }

    pub(super) fn ending(&self, ending: Ending) -> &'static str {
        match ending {
            Ending::Open => self.open,
            Ending::Answered => self.answered,
            Ending::Left => self.left,
            Ending::Cut => self.cut,
        }
    }

    /// `text` on one line, harmless, and in letters that this set may use.
    pub(super) fn text(&self, text: &str) -> String {
        self.letters(clean::one_line(text))
    }

    /// `text` in letters that this set may use.
    pub(super) fn letters(&self, text: String) -> String {
        if self.unicode || text.is_ascii() {
            return text;
        }
        let mut ascii = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                _ if c.is_ascii() => ascii.push(c),
                '…' => ascii.push_str("..."),
                '·' | '–' | '—' => ascii.push('-'),
                'µ' => ascii.push('u'),
                '×' => ascii.push('x'),
                '→' => ascii.push_str("->"),
                '‘' | '’' => ascii.push('\''),
                '“' | '”' => ascii.push('"'),
                '⟨' => ascii.push('<'),
                '⟩' => ascii.push('>'),
                '␡' => ascii.push_str("^?"),
                '\u{2400}'..='\u{241f}' => {
                    ascii.push('^');
                    ascii.extend(char::from_u32(u32::from(c) - 0x2400 + 0x40));
                }
                _ => {
                    // Writing to a string cannot fail.
                    let _ = write!(ascii, "<U+{:04X}>", u32::from(c));
                }
            }
        }
        ascii
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_unicode_every_letter_is_ascii() {
        let text = ASCII.text("µs … Zürich ␛ \u{1b}[2J \u{202e} “x”");
        assert_eq!(text, "us ... Z<U+00FC>rich ^[ ^[[2J <U+202E> \"x\"");
    }
}
