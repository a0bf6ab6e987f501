//! One picture of the terminal: the text, as much of it as fits, and beneath it
//! what is always to be seen. Values in, rows out.

use unicode_width::UnicodeWidthChar as _;

/// What is to be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// The verdict, a hint, the list. It may have colours.
    pub(super) text: &'a str,
    /// The text is seen from its end (what is to be done stands there), and its
    /// first row stays.
    pub(super) from_end: bool,
    /// What is always to be seen beneath it.
    pub(super) footer: &'a [String],
    /// How far the text was scrolled, from its end or from its start.
    pub(super) scrolled: usize,
    /// Columns.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    /// Whether more than ASCII can be shown.
    pub(super) unicode: bool,
}

/// The rows of a frame, and how far it can be scrolled at most.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) rows: Vec<String>,
    pub(super) furthest: usize,
}

impl Frame<'_> {
    /// As many rows as the terminal has, or fewer.
    pub(super) fn picture(&self) -> Picture {
        let wrap = |line: &str| wrap(line, self.width);
        let text: Vec<_> = self.text.trim_end().lines().flat_map(wrap).collect();
        let mut footer: Vec<_> = self.footer.iter().flat_map(|line| wrap(line)).collect();
        // The keys matter least, the status most: it is the first row.
        footer.truncate(self.height.saturating_sub(1).max(1));
        let room = self.height.saturating_sub(footer.len());
        if text.len() <= room {
            let rows = text.into_iter().chain(footer).collect();
            return Picture { rows, furthest: 0 };
        }
        // One row says that there is more.
        let pinned = usize::from(self.from_end && room > 4);
        let shown = room.saturating_sub(1 + pinned);
        let furthest = text.len() - pinned - shown;
        let scrolled = self.scrolled.min(furthest);
        let from = pinned
            + if self.from_end {
                furthest - scrolled
            } else {
                scrolled
            };
        let (above, below) = (from - pinned, text.len() - from - shown);
        let mut rows: Vec<_> = text[..pinned].to_vec();
        rows.extend_from_slice(&text[from..from + shown]);
        if room > 0 {
            rows.push(self.more(above, below));
        }
        rows.extend(footer);
        Picture { rows, furthest }
    }

    fn more(&self, above: usize, below: usize) -> String {
        let (up, down) = if self.unicode {
            ("↑", "↓")
        } else {
            ("k", "j")
        };
        let parts: Vec<_> = [(above, up, "above"), (below, down, "below")]
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, key, place)| {
                let rows = if count == 1 { "line" } else { "lines" };
                format!("{key} {count} more {rows} {place}")
            })
            .collect();
        let told = format!("  scroll  {}", parts.join("   "));
        let fitting: String = told.chars().take(self.width).collect();
        format!("\u{1b}[2m{fitting}\u{1b}[0m")
    }
}

/// A line in rows of at most `width` columns. Colours go on where it breaks.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut rows = vec![];
    let mut row = String::new();
    let mut column = 0;
    let mut colours = String::new();
    // Where the word began that is being written: byte, column, and its colours.
    let mut word = (0, 0, String::new());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = sequence(rest) {
            let sequence = &rest[..length];
            if ["\u{1b}[0m", "\u{1b}[m"].contains(&sequence) {
                colours.clear();
            } else {
                colours.push_str(sequence);
            }
            row.push_str(sequence);
            rest = &rest[length..];
            continue;
        }
        let wide = match c {
            '\t' => 8 - column % 8,
            _ => c.width().unwrap_or(0),
        };
        if column + wide > width {
            let (at, before, with) = word.clone();
            // A word goes to the next row whole, unless that leaves half a row bare.
            if c != ' ' && before * 2 > width {
                let begun = row.split_off(at);
                rows.push(std::mem::replace(&mut row, with + &begun));
                column -= before;
            } else {
                rows.push(std::mem::replace(&mut row, colours.clone()));
                column = 0;
            }
            word = (row.len(), 0, colours.clone());
        }
        match c {
            '\t' => row.extend(std::iter::repeat_n(' ', wide.min(width))),
            _ => row.push(c),
        }
        column += wide;
        if c == ' ' {
            word = (row.len(), column, colours.clone());
        }
        rest = &rest[c.len_utf8()..];
    }
    rows.push(row);
    rows
}

/// How long the colour is that `text` begins with. Nothing else that acts on a
/// terminal is in a rendering.
fn sequence(text: &str) -> Option<usize> {
    text.strip_prefix("\u{1b}[")?;
    text.find('m').map(|end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> String {
        (0..lines).map(|n| format!("line {n}\n")).collect()
    }

    fn frame<'a>(text: &'a str, footer: &'a [String]) -> Frame<'a> {
        Frame {
            text,
            from_end: true,
            footer,
            scrolled: 0,
            width: 60,
            height: 10,
            unicode: true,
        }
    }

    fn shown(frame: Frame<'_>) -> Vec<String> {
        let rows = frame.picture().rows;
        let plain = |row: &String| anstream::adapter::strip_str(row).to_string();
        rows.iter().map(plain).collect()
    }

    #[test]
    fn what_fits_is_shown_whole() {
        let footer = ["status".to_owned()];
        assert_eq!(
            shown(frame(&text(2), &footer)),
            ["line 0", "line 1", "status"]
        );
    }

    #[test]
    fn of_a_long_verdict_the_headline_and_the_end_are_seen_and_the_rest_scrolls() {
        let footer = ["status".to_owned()];
        let long = text(30);
        let end = shown(frame(&long, &footer));
        assert_eq!(end.len(), 10);
        assert_eq!((end[0].as_str(), end[7].as_str()), ("line 0", "line 29"));
        assert_eq!(end[8], "  scroll  ↑ 22 more lines above");
        let furthest = frame(&long, &footer).picture().furthest;
        let start = shown(Frame {
            scrolled: furthest,
            ..frame(&long, &footer)
        });
        assert_eq!(start[..3], ["line 0", "line 1", "line 2"]);
        assert_eq!(start[8], "  scroll  ↓ 22 more lines below");
        // Every line can be reached.
        let all: std::collections::HashSet<_> = (0..=furthest)
            .flat_map(|scrolled| {
                shown(Frame {
                    scrolled,
                    ..frame(&long, &footer)
                })
            })
            .collect();
        assert!(long.lines().all(|line| all.contains(line)));
    }

    #[test]
    fn nothing_is_larger_than_the_terminal() {
        let footer = ["status".to_owned(), "one\u{1b}[1m two".repeat(9)];
        let long = format!("{}\n{}", "wide ".repeat(50), text(20));
        for height in 1..40 {
            for width in [1, 2, 10, 60] {
                for from_end in [false, true] {
                    let frame = Frame {
                        height,
                        width,
                        from_end,
                        scrolled: height,
                        ..frame(&long, &footer)
                    };
                    let rows = shown(frame);
                    assert!(rows.len() <= height, "{} of {height}", rows.len());
                    let is_narrow = |row: &String| row.chars().count() <= width.max(2);
                    assert!(rows.iter().all(is_narrow), "{width}: {rows:?}");
                }
            }
        }
    }

    #[test]
    fn a_colour_goes_on_where_a_line_breaks() {
        assert_eq!(
            wrap("\u{1b}[31mabcd\u{1b}[0mef", 3),
            ["\u{1b}[31mabc", "\u{1b}[31md\u{1b}[0mef"]
        );
        assert_eq!(wrap("a\tb", 4), ["a", "    ", "b"]);
    }

    #[test]
    fn a_line_breaks_between_words_where_it_can() {
        assert_eq!(wrap("one two three", 9), ["one two ", "three"]);
        assert_eq!(wrap("a twothree", 8), ["a twothr", "ee"]);
        assert_eq!(
            wrap("one \u{1b}[31mtwo\u{1b}[0m three", 6),
            ["one ", "\u{1b}[31mtwo\u{1b}[0m ", "three"]
        );
    }
}
