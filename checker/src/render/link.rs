//! Links in terminals that have them; elsewhere the same words without.

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::clean::one_line;
use super::prose::width;
use super::style::{PLAIN, QUIET};

/// Something to open: what it is, its name, and its address where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// `read more`
    pub what: &'static str,
    /// `book/src/ex02.md`
    pub name: String,
    /// `file:///…`
    pub url: Option<String>,
}

/// A line for each of these.
pub fn pointers(all: &[Pointer], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    let widest = all.iter().map(|one| width(one.what)).max().unwrap_or(0);
    for one in all {
        canvas.line();
        canvas.put(Column(2), one.what, QUIET);
        let name = sheet.call.spell(&one_line(&one.name)).into_owned();
        let at = Column(2 + widest + 2);
        match (&one.url, sheet.links) {
            (Some(url), true) => {
                // A link is kept in one piece, as wide as it may be.
                let begun = format!("  {:widest$}  ", one.what);
                canvas.replace(format!("{QUIET}{begun}{QUIET:#}{}", link(&name, url)));
            }
            _ => canvas.put_wrapped(at, &name, PLAIN),
        }
    }
    canvas.flush()
}

/// `OSC 8`, as terminals read it.
fn link(text: &str, url: &str) -> String {
    let text = one_line(text);
    let harmless: String = url.chars().filter(|c| c.is_ascii_graphic()).collect();
    format!("\u{1b}]8;;{harmless}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(links: bool, name: &str) -> String {
        let pointer = Pointer {
            what: "read more",
            name: name.to_owned(),
            url: Some("file:///a/book/src/ex02.md".to_owned()),
        };
        let sheet = Sheet {
            links,
            ..Sheet::default()
        };
        pointers(&[pointer], &sheet)
    }

    #[test]
    fn only_terminals_that_have_links_get_one() {
        assert!(!drawn(false, "ex02.md").contains("]8;;"));
        let with = drawn(true, "ex02.md");
        assert!(
            with.contains("\u{1b}]8;;file:///a/book/src/ex02.md\u{1b}\\ex02.md\u{1b}]8;;\u{1b}\\")
        );
        let strip = |text: &str| anstream::adapter::strip_str(text).to_string();
        assert_eq!(strip(&with), strip(&drawn(false, "ex02.md")));
    }

    #[test]
    fn a_name_cannot_end_its_link() {
        let with = drawn(true, "a\u{1b}\\b");
        assert_eq!(with.matches("\u{1b}\\").count(), 2, "{with:?}");
    }
}
