//! A grid of cells that is drawn on row by row and flushed once.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthChar;

use super::Sheet;
use super::glyphs::Glyphs;
use super::prose;
use super::style::PLAIN;
use crate::call::Call;

/// A column of the grid, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column(pub(super) usize);

impl Column {
    /// The column `count` to the right.
    pub(super) const fn right(self, count: usize) -> Self {
        Self(self.0 + count)
    }
}

/// Rows of cells, none of them wider than the sheet.
pub(super) struct Canvas {
    pub(super) glyphs: &'static Glyphs,
    /// How commands are spelt in what is wrapped.
    pub(super) call: Call,
    width: usize,
    rows: Vec<Row>,
}

enum Row {
    Cells(Vec<Cell>),
    /// A line that is kept as somebody else wrote it.
    Kept(String),
}

#[derive(Clone, Default)]
struct Cell {
    ink: Ink,
    style: Style,
}

#[derive(Clone, Default, PartialEq)]
enum Ink {
    #[default]
    Blank,
    /// A letter with its accents.
    Letter(String),
    /// The right half of the letter before it.
    Tail,
}

impl Canvas {
    pub(super) fn new(sheet: &Sheet) -> Self {
        Self {
            glyphs: Glyphs::choose(sheet.unicode),
            call: sheet.call,
            width: sheet.columns(),
            rows: vec![],
        }
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Begins a new row, which is blank.
    pub(super) fn line(&mut self) {
        self.rows.push(Row::Cells(vec![]));
    }

    /// Begins a new row where the last one is not blank already.
    pub(super) fn paragraph(&mut self) {
        if !matches!(self.rows.last(), None | Some(Row::Cells(_)))
            || matches!(self.rows.last(), Some(Row::Cells(cells)) if !cells.is_empty())
        {
            self.line();
        }
    }

    /// Adds a row that is flushed as it is, whatever its width.
    pub(super) fn keep(&mut self, line: String) {
        self.rows.push(Row::Kept(line));
    }

    /// As [`Canvas::keep`], in place of the newest row.
    pub(super) fn replace(&mut self, line: String) {
        self.rows.pop();
        self.keep(line);
    }

    /// Writes on the newest row and returns the column after the text. What
    /// lies beyond the edge is not drawn; what acts on a terminal is not either.
    pub(super) fn put(&mut self, at: Column, text: &str, style: Style) -> Column {
        if !matches!(self.rows.last(), Some(Row::Cells(_))) {
            self.line();
        }
        let Some(Row::Cells(cells)) = self.rows.last_mut() else {
            return at;
        };
        let mut column = at.0;
        for c in text.chars() {
            let Some(width) = c.width() else { continue };
            if width == 0 {
                if let Some(Ink::Letter(letter)) = column
                    .checked_sub(1)
                    .and_then(|i| cells.get_mut(i))
                    .map(|cell| &mut cell.ink)
                {
                    letter.push(c);
                }
                continue;
            }
            if column + width > self.width {
                break;
            }
            let needed = cells.len().max(column + width);
            cells.resize_with(needed, Cell::default);
            clear(cells, column, width);
            cells[column] = Cell {
                ink: if c == ' ' {
                    Ink::Blank
                } else {
                    Ink::Letter(c.to_string())
                },
                style,
            };
            for cell in &mut cells[column + 1..column + width] {
                *cell = Cell {
                    ink: Ink::Tail,
                    style,
                };
            }
            column += width;
        }
        Column(column)
    }

    /// Writes wrapped text from column `at` on, the first line on the newest row.
    pub(super) fn put_wrapped(&mut self, at: Column, text: &str, style: Style) {
        let text = self.call.spell(text);
        let lines = prose::wrap(&text, self.width.saturating_sub(at.0));
        for (i, line) in lines.iter().enumerate() {
            if i > 0 {
                self.line();
            }
            self.put(at, line, style);
        }
    }

    /// The whole drawing, a newline after every row, none with blanks at its end.
    pub(super) fn flush(self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            match row {
                Row::Cells(cells) => flush_cells(cells, &mut text),
                Row::Kept(line) => text.push_str(line),
            }
            text.push('\n');
        }
        text
    }
}

/// Frees the cells, and the other halves of letters that reach into them.
fn clear(cells: &mut [Cell], column: usize, width: usize) {
    if cells[column].ink == Ink::Tail && column > 0 {
        cells[column - 1] = Cell::default();
    }
    if let Some(next) = cells.get_mut(column + width)
        && next.ink == Ink::Tail
    {
        *next = Cell::default();
    }
}

fn flush_cells(cells: &[Cell], text: &mut String) {
    let end = cells
        .iter()
        .rposition(|cell| cell.ink != Ink::Blank)
        .map_or(0, |last| last + 1);
    for run in cells[..end].chunk_by(|a, b| a.style == b.style) {
        let style = run[0].style;
        let mut letters = String::new();
        for cell in run {
            match &cell.ink {
                Ink::Blank => letters.push(' '),
                Ink::Letter(letter) => letters.push_str(letter),
                Ink::Tail => {}
            }
        }
        if style == PLAIN || letters.trim().is_empty() {
            text.push_str(&letters);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "{style}{letters}{style:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::style::STRONG;
    use super::*;

    fn canvas(width: usize) -> Canvas {
        let mut canvas = Canvas::new(&Sheet {
            width,
            ..Sheet::default()
        });
        canvas.line();
        canvas
    }

    #[test]
    fn nothing_is_drawn_beyond_the_edge() {
        let mut canvas = canvas(40);
        canvas.put(Column(38), "漢字", PLAIN);
        assert_eq!(canvas.flush(), format!("{}漢\n", " ".repeat(38)));
    }

    #[test]
    fn half_a_wide_letter_is_not_left_behind() {
        let mut canvas = canvas(40);
        canvas.put(Column(0), "漢字", PLAIN);
        canvas.put(Column(1), "ab", PLAIN);
        assert_eq!(canvas.flush(), " ab\n");
    }

    #[test]
    fn accents_stay_with_their_letter() {
        let mut canvas = canvas(40);
        let after = canvas.put(Column(0), "e\u{301}!", PLAIN);
        assert_eq!(after, Column(2));
        assert_eq!(canvas.flush(), "e\u{301}!\n");
    }

    #[test]
    fn a_style_is_set_once_per_run_and_always_reset() {
        let mut canvas = canvas(40);
        canvas.put(Column(0), "bold ", STRONG);
        canvas.put(Column(5), "plain", PLAIN);
        assert_eq!(canvas.flush(), "\u{1b}[1mbold \u{1b}[0mplain\n");
    }
}
