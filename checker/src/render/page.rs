//! Pages of the book in a terminal: headings, paragraphs and code.

use anstyle::Style;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::prose;
use super::style::{BAD, CODE, GOOD, PLAIN, QUIET, STRONG};

const MARGIN: Column = Column(2);
const CODE_MARGIN: Column = Column(4);

/// Longer lines are hard to read, however wide the terminal is.
const LONGEST_LINE: usize = 78;

/// A page, written in Markdown, on a sheet. Links are shown by their words.
pub fn page(markdown: &str, sheet: &Sheet) -> String {
    let mut canvas = canvas(sheet);
    let mut words = Words::default();
    let mut code: Option<String> = None;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = Some(String::new()),
            Event::End(TagEnd::CodeBlock) => {
                block(&mut canvas, &code.take().unwrap_or_default());
            }
            Event::Text(text) => match &mut code {
                Some(code) => code.push_str(&text),
                None => words.push(&canvas.glyphs.text(&text)),
            },
            Event::Code(text) => {
                // The marks stay: colour is not the only sign.
                let text = canvas.glyphs.text(&format!("`{text}`"));
                words.push_in(CODE, &canvas.call.spell(&text));
            }
            Event::SoftBreak | Event::HardBreak => words.push(" "),
            Event::Start(Tag::Strong | Tag::Emphasis) => words.style = STRONG,
            Event::End(TagEnd::Strong | TagEnd::Emphasis) => words.style = PLAIN,
            Event::End(TagEnd::Heading(_)) => {
                heading(&mut canvas, &std::mem::take(&mut words).text, sheet.plain);
            }
            Event::End(TagEnd::Paragraph) => {
                canvas.paragraph();
                std::mem::take(&mut words).put(&mut canvas, MARGIN);
            }
            _ => {}
        }
    }
    canvas.flush()
}

/// Names with what they mean, one beneath the other, and a sentence at the end.
pub fn list(rows: &[(&str, &str)], end: &str, sheet: &Sheet) -> String {
    let mut canvas = canvas(sheet);
    let widest = rows.iter().map(|(name, _)| prose::width(name)).max();
    let meaning_at = Column(widest.unwrap_or(0) + 2);
    for (name, meaning) in rows {
        canvas.line();
        canvas.put(Column(0), name, STRONG);
        let meaning = canvas.glyphs.text(meaning);
        canvas.put_wrapped(meaning_at, &meaning, PLAIN);
    }
    canvas.paragraph();
    canvas.line();
    canvas.put_wrapped(Column(0), end, QUIET);
    canvas.flush()
}

fn canvas(sheet: &Sheet) -> Canvas {
    Canvas::new(&Sheet {
        width: sheet.width.min(LONGEST_LINE),
        ..*sheet
    })
}

/// `Wrong` and `Right` stand above code, and carry the marks of a verdict.
fn heading(canvas: &mut Canvas, text: &str, plain: bool) {
    canvas.paragraph();
    canvas.line();
    let (mark, style) = match text {
        "Wrong" => (canvas.glyphs.broken, BAD),
        "Right" => (canvas.glyphs.kept, GOOD),
        _ => {
            canvas.put_wrapped(Column(0), text, STRONG);
            return;
        }
    };
    let at = if plain {
        MARGIN
    } else {
        canvas.put(MARGIN, mark, style).right(1)
    };
    canvas.put(at, text, style);
}

/// Code as readers of the book see it. A line that is too wide stays whole:
/// half a line of code is of no use.
fn block(canvas: &mut Canvas, code: &str) {
    canvas.paragraph();
    let shown = code.lines().filter(|line| !is_hidden(line));
    for line in shown.skip_while(|line| line.trim().is_empty()) {
        let line = canvas.glyphs.text(line);
        if CODE_MARGIN.right(prose::width(&line)) > Column(canvas.width()) {
            canvas.keep(line);
            continue;
        }
        canvas.line();
        let comment = line.find("// ").unwrap_or(line.len());
        let at = canvas.put(CODE_MARGIN, &line[..comment], PLAIN);
        canvas.put(at, &line[comment..], QUIET);
    }
}

/// Whether mdBook and rustdoc hide that line: it is there for the compiler.
fn is_hidden(line: &str) -> bool {
    let line = line.trim_start();
    line == "#" || line.starts_with("# ")
}

/// A paragraph on its way to the sheet: its letters, and how each looks.
#[derive(Default)]
struct Words {
    text: String,
    /// One for each letter that is no blank: blanks come and go where lines break.
    styles: Vec<Style>,
    /// How what is pushed next looks.
    style: Style,
}

impl Words {
    fn push(&mut self, text: &str) {
        self.push_in(self.style, text);
    }

    fn push_in(&mut self, style: Style, text: &str) {
        self.text.push_str(text);
        let letters = text.chars().filter(|c| !c.is_whitespace());
        self.styles.extend(letters.map(|_| style));
    }

    /// Wraps them from column `at` on, on rows of their own.
    fn put(self, canvas: &mut Canvas, at: Column) {
        let mut styles = self.styles.into_iter();
        for line in prose::wrap(&self.text, canvas.width() - at.0) {
            canvas.line();
            let mut at = at;
            for c in line.chars() {
                let style = if c.is_whitespace() {
                    PLAIN
                } else {
                    styles.next().unwrap_or(PLAIN)
                };
                at = canvas.put(at, c.encode_utf8(&mut [0; 4]), style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Diagnosis;

    const NARROW: Sheet = Sheet {
        width: 60,
        plain: false,
        unicode: true,
        timings: false,
        links: false,
        call: crate::call::Call::Checker,
    };

    fn strip(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_page_on_a_narrow_and_on_a_plain_sheet() {
        let sheet = Sheet {
            width: 120,
            plain: true,
            unicode: false,
            timings: false,
            links: false,
            call: crate::call::Call::Checker,
        };
        let markdown = Diagnosis::CreatedNotStarted.page();
        insta::assert_snapshot!(format!(
            "── 60\n{}── 120, plain, ASCII\n{}",
            strip(&page(markdown, &NARROW)),
            strip(&page(markdown, &sheet)),
        ));
    }

    #[test]
    fn no_page_is_wider_than_a_narrow_terminal() {
        for diagnosis in Diagnosis::ALL {
            for line in strip(&page(diagnosis.page(), &NARROW)).lines() {
                assert!(prose::width(line) <= 60, "{diagnosis}: {line}");
            }
        }
    }

    #[test]
    fn no_page_needs_more_than_a_terminal_has() {
        let ascii = Sheet {
            unicode: false,
            ..NARROW
        };
        for diagnosis in Diagnosis::ALL {
            let drawn = page(diagnosis.page(), &ascii);
            assert!(drawn.is_ascii() && !drawn.contains("<U+"), "{drawn}");
            let events = Parser::new(diagnosis.page());
            for event in events {
                assert!(
                    !matches!(
                        event,
                        Event::Html(_)
                            | Event::InlineHtml(_)
                            | Event::Rule
                            | Event::Start(Tag::List(_) | Tag::BlockQuote(_) | Tag::Image { .. })
                    ),
                    "{diagnosis}: a terminal page has no {event:?}"
                );
            }
        }
    }

    #[test]
    fn what_the_book_hides_is_hidden() {
        let drawn = strip(&page(
            "```rust\n# use book::ask;\n#[tokio::main]\nasync fn main() {\n#\n    # let x = 1;\n}\n```\n",
            &NARROW,
        ));
        assert_eq!(drawn, "    #[tokio::main]\n    async fn main() {\n    }\n");
    }

    #[test]
    fn code_in_a_sentence_keeps_its_style_across_lines() {
        let drawn = page(
            "one `two three` four",
            &Sheet {
                width: 40,
                ..NARROW
            },
        );
        assert_eq!(
            drawn,
            format!("  one {CODE}`two{CODE:#} {CODE}three`{CODE:#} four\n")
        );
        let broken = page(
            &format!("{} `two three` four", "long ".repeat(6)),
            &Sheet {
                width: 40,
                ..NARROW
            },
        );
        assert!(
            broken.contains(&format!("{CODE}`two{CODE:#}\n")),
            "{broken:?}"
        );
        assert!(
            broken.contains(&format!("  {CODE}three`{CODE:#} four")),
            "{broken:?}"
        );
    }

    #[test]
    fn code_that_is_too_wide_stays_whole() {
        let code = "x".repeat(100);
        let drawn = page(&format!("```text\n{code}\n```\n"), &NARROW);
        assert!(drawn.contains(&code));
    }
}
