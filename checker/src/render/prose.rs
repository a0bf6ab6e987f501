//! Words on lines: how wide they are, where they break, how they get shorter.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many columns `text` takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The longest start of `text` that fits into `columns`, in bytes.
fn fitting(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    text.char_indices()
        .find(|(_, c)| {
            taken += c.width().unwrap_or(0);
            taken > columns
        })
        .map_or(text.len(), |(at, _)| at)
}

/// `text` in at most `columns`, with the end left out where it does not fit.
pub(super) fn shorten(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(width(ellipsis)) else {
        return text[..fitting(text, columns)].to_owned();
    };
    format!("{}{ellipsis}", text[..fitting(text, room)].trim_end())
}

/// `text` in at most `columns`, with the middle left out where it does not fit:
/// targets often differ at their ends.
pub(super) fn shorten_within(text: &str, columns: usize, ellipsis: &str) -> String {
    let room = columns.saturating_sub(width(ellipsis));
    if width(text) <= columns || room < 6 {
        return shorten(text, columns, ellipsis);
    }
    let tail = room / 3;
    format!(
        "{}{ellipsis}{}",
        &text[..fitting(text, room - tail)],
        end_of(text, tail)
    )
}

/// A request's `text` in at most `columns`. Where it has a query, the path and
/// the query's end stay: that is where targets differ.
pub(super) fn shorten_target(text: &str, columns: usize, ellipsis: &str) -> String {
    const TAIL: usize = 6;
    let fits = width(text) <= columns;
    let Some(query) = text.find('?').filter(|_| !fits) else {
        return shorten_within(text, columns, ellipsis);
    };
    let head = &text[..=query];
    let room = columns.saturating_sub(width(head) + width(ellipsis));
    if room < TAIL {
        return shorten_within(text, columns, ellipsis);
    }
    format!("{head}{ellipsis}{}", end_of(text, room))
}

/// The longest end of `text` that fits into `columns`.
fn end_of(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    let from = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| {
            taken += c.width().unwrap_or(0);
            taken <= columns
        })
        .last()
        .map_or(text.len(), |(at, _)| at);
    &text[from..]
}

/// `text` on lines of at most `columns`. A word that is wider is broken.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = vec![];
    let mut line = String::new();
    for mut word in text.split_whitespace() {
        if !line.is_empty() {
            if width(&line) + 1 + width(word) <= columns {
                line.push(' ');
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
        while width(word) > columns {
            let (start, rest) = word.split_at(fitting(word, columns));
            lines.push(start.to_owned());
            word = rest;
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_not_shortened() {
        assert_eq!(shorten("GET /today", 10, "…"), "GET /today");
        assert_eq!(shorten_within("GET /today", 10, "…"), "GET /today");
    }

    #[test]
    fn shortened_text_fits() {
        for text in ["GET /weather?city=Paris", "漢字漢字漢字漢字漢字", "ab"] {
            for columns in 0..30 {
                for ellipsis in ["…", "..."] {
                    assert!(width(&shorten(text, columns, ellipsis)) <= columns);
                    assert!(width(&shorten_within(text, columns, ellipsis)) <= columns);
                    assert!(width(&shorten_target(text, columns, ellipsis)) <= columns);
                }
            }
        }
    }

    #[test]
    fn both_ends_of_a_target_stay_readable() {
        let shown = shorten_within("GET /weather?city=Paris", 16, "…");
        assert_eq!(shown, "GET /weath…Paris");
    }

    #[test]
    fn of_a_query_the_end_stays() {
        let shown = shorten_target("WS /ws?room=a%20room&name=reader", 19, "…");
        assert_eq!(shown, "WS /ws?…name=reader");
        let shown = shorten_target("WS /a/path/that/is/long?name=reader", 19, "…");
        assert_eq!(shown, "WS /a/path/t…reader");
    }

    #[test]
    fn lines_break_between_words_and_words_break_where_they_must() {
        assert_eq!(wrap("start both  calls", 10), ["start both", "calls"]);
        assert_eq!(wrap("a abcdefgh", 4), ["a", "abcd", "efgh"]);
        assert!(wrap(" ", 4).is_empty());
    }
}
