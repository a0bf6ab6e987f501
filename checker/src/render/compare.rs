//! Several versions of one server under the same load, drawn on one scale.

use std::time::Duration;

use mock_services::moment::Moment;
use serde::{Deserialize, Serialize};

use crate::report::{Timeline, words};

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::rows;
use super::story;
use super::style::{QUIET, STRONG};
use super::timeline::{Frame, extent, legend};

/// How many rows of each are drawn before alike ones are folded.
const ROWS: usize = 12;

/// One version and what was measured of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contender {
    /// Its name: `callbacks`.
    pub name: String,
    /// What was recorded.
    pub timeline: Timeline,
    /// From the first request to the last answer.
    pub wall: Duration,
    /// How many calls were under way at the services at most.
    pub in_flight_peak: usize,
    /// Its threads, where the system tells.
    pub threads: Option<u32>,
    /// Bytes of memory at its largest, where the system tells.
    pub memory: Option<u64>,
}

/// The contenders beneath each other. Each starts at zero, and a column is as
/// long for one as for the others.
pub fn draw(contenders: &[Contender], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    let tables: Vec<_> = contenders
        .iter()
        .map(|one| rows::arrange(&one.timeline, &[], ROWS))
        .collect();
    let tables: Vec<_> = tables.iter().map(Vec::as_slice).collect();
    let longest = contenders
        .iter()
        .filter_map(|one| extent(&one.timeline))
        .map(|(_, length)| length)
        .max()
        .unwrap_or_default();
    let frame = Frame::fit(&canvas, &tables, Moment::default(), longest);
    for (one, rows) in contenders.iter().zip(&tables) {
        canvas.paragraph();
        canvas.line();
        let at = canvas.put(Column(0), &one.name, STRONG).right(2);
        let figures = canvas.glyphs.text(&figures(one));
        canvas.put_wrapped(at, &figures, QUIET);
        let Some((zero, _)) = extent(&one.timeline) else {
            continue;
        };
        if sheet.plain {
            story::tell(&mut canvas, &one.timeline, rows, story::SOMEBODYS);
        } else {
            let own = frame.starting(zero);
            own.axis.draw(&mut canvas);
            own.draw(&mut canvas, rows, None, &[]);
        }
    }
    if !sheet.plain {
        legend(&mut canvas, &frame, &tables);
    }
    canvas.flush()
}

fn figures(one: &Contender) -> String {
    let mut figures = vec![
        words(one.wall),
        format!("{} in flight at most", one.in_flight_peak),
    ];
    figures.push(match one.threads {
        Some(1) => "1 thread".to_owned(),
        Some(threads) => format!("{threads} threads"),
        None => "threads not told by this system".to_owned(),
    });
    figures.push(match one.memory {
        Some(bytes) => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        None => "memory not told by this system".to_owned(),
    });
    figures.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn all_are_drawn_on_one_scale() {
        let contender = |name: &str, timeline: Timeline, wall: u64, peak: usize| Contender {
            name: name.to_owned(),
            timeline,
            wall: Duration::from_millis(wall),
            in_flight_peak: peak,
            threads: Some(1),
            memory: None,
        };
        let all = [
            contender("sequential", samples::sequential_timeline(), 400, 1),
            contender("async", samples::parallel_timeline(), 200, 2),
        ];
        let drawn = anstream::adapter::strip_str(&draw(&all, &Sheet::default())).to_string();
        insta::assert_snapshot!(drawn);

        // None of them is the reader's own.
        let plain = Sheet {
            plain: true,
            ..Sheet::default()
        };
        let told = draw(&all, &plain);
        assert!(told.contains("the server asked"), "{told}");
        assert!(!told.contains("your server"), "{told}");
    }
}
