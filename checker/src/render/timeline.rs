//! Draws a timeline: a row per exchange on one common axis, and beneath the
//! guilty one the gap that tells the story.

use std::collections::BTreeMap;
use std::time::Duration;

use anstyle::Style;
use mock_services::exchange::{Ending, Exchange, Way};
use mock_services::moment::Moment;

use crate::report::{Gap, Timeline, words};

use super::Sheet;
use super::axis::Axis;
use super::canvas::{Canvas, Column};
use super::glyphs::Glyphs;
use super::lanes::{self, is_lane};
use super::prose::{self, width};
use super::rows::{self, Nested, Row, YOU};
use super::story;
use super::style::{BAD, CALL, GOOD, PLAIN, QUIET, STORY, STRONG, UNSURE};

/// How many rows are drawn before alike ones are folded.
pub(super) const ROWS: usize = 12;

/// Columns left of everything, and between labels and bars.
const MARGIN: usize = 2;

/// Where durations stand beside the bars: only if this many columns remain for these.
const BARS: usize = 30;

/// The drawing of `timeline`; sentences in order of time where the sheet is
/// plain. The rows whose ids are in `evidence` are never folded.
pub fn draw(timeline: &Timeline, evidence: &[u32], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    draw_on(&mut canvas, timeline, evidence, sheet);
    canvas.flush()
}

/// As [`draw`], beneath what is on `canvas` already.
pub(super) fn draw_on(canvas: &mut Canvas, timeline: &Timeline, evidence: &[u32], sheet: &Sheet) {
    let rows = rows::arrange(timeline, evidence, ROWS);
    if sheet.plain {
        story::tell(canvas, timeline, &rows, story::YOURS);
        return;
    }
    let Some((zero, length)) = extent(timeline) else {
        return;
    };
    let frame = Frame::fit(canvas, &[&rows], zero, length);
    frame.axis.draw(canvas);
    frame.draw(canvas, &rows, timeline.gap.as_ref(), evidence);
    legend(canvas, &frame, &[&rows]);
}

/// When the drawing starts and how long it is: up to the latest end of all.
pub(super) fn extent(timeline: &Timeline) -> Option<(Moment, Duration)> {
    let (start, end) = timeline.span()?;
    let gap = timeline.gap.as_ref();
    let start = gap.map_or(start, |gap| gap.from.min(start));
    let end = gap.map_or(end, |gap| gap.to.max(end));
    Some((start, end.since(start)))
}

/// Where labels and bars stand; the same for every row, and for every timeline
/// that is drawn to be compared.
pub(super) struct Frame {
    pub(super) axis: Axis,
    /// Where the request stands within a label.
    request: Column,
    /// Where a label ends.
    label_end: Column,
    /// Whether each row says how long it took.
    durations: bool,
}

impl Frame {
    /// The same frame for a timeline that starts at another moment.
    pub(super) fn starting(&self, zero: Moment) -> Self {
        Self {
            axis: self.axis.starting(zero),
            ..*self
        }
    }

    /// The frame for all of `tables`, for bars from `zero` over `length`.
    pub(super) fn fit(
        canvas: &Canvas,
        tables: &[&[Row<'_>]],
        zero: Moment,
        length: Duration,
    ) -> Self {
        let glyphs = canvas.glyphs;
        let ones = || singles(tables);
        let who = ones()
            .map(|row| indent(row.under) + width(&glyphs.text(&row.exchange.service)))
            .max()
            .unwrap_or(0)
            .min(14);
        let what = ones()
            .map(|row| width(&glyphs.text(&row.exchange.request)))
            .max()
            .unwrap_or(0);
        let most = (canvas.width() * 2 / 5).clamp(14, 48);
        let label_end = Column(MARGIN + (who + 1 + what).min(most));
        let left = label_end.right(MARGIN);

        let beside = |durations| {
            let widest = tables
                .iter()
                .flat_map(|rows| rows.iter())
                .map(|row| match row {
                    Row::One(nested) => width(&ending_words(glyphs, nested, durations)),
                    Row::Folded(alike) => width(&folded_words(glyphs, alike)),
                })
                .max()
                .unwrap_or(0);
            // The number of the last tick may stand there too.
            (widest + 1).max(6)
        };
        let bars = |durations| canvas.width().saturating_sub(left.0 + beside(durations));
        let durations = bars(true) >= BARS;
        Self {
            axis: Axis::new(zero, length, left, bars(durations)),
            request: Column(MARGIN + who + 1),
            label_end,
            durations,
        }
    }

    /// Draws every row, and the gap beneath the row it belongs to.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        rows: &[Row<'_>],
        gap: Option<&Gap>,
        evidence: &[u32],
    ) {
        let mut gap = gap;
        for (i, row) in rows.iter().enumerate() {
            let continues = row.under().is_some()
                && rows
                    .get(i + 1)
                    .is_some_and(|next| next.under() == row.under());
            canvas.line();
            match row {
                Row::One(nested) => {
                    self.label(canvas, *nested, continues, evidence);
                    self.bar(canvas, nested);
                    if let Some(gap) = gap.take_if(|gap| gap.exchange == nested.exchange.id) {
                        self.gap(canvas, gap, continues);
                    }
                }
                Row::Folded(alike) => self.folded(canvas, alike),
            }
        }
        if let Some(gap) = gap {
            self.gap(canvas, gap, false);
        }
    }

    fn label(&self, canvas: &mut Canvas, row: Nested<'_>, continues: bool, evidence: &[u32]) {
        let glyphs = canvas.glyphs;
        let exchange = row.exchange;
        let style = if evidence.contains(&exchange.id) {
            STRONG
        } else {
            PLAIN
        };
        let mut at = Column(MARGIN);
        if row.under.is_some() {
            let branch = if continues {
                glyphs.child
            } else {
                glyphs.last_child
            };
            canvas.put(at, branch, QUIET);
            at = at.right(indent(row.under));
        }
        let room = self.request.0 - 1 - at.0;
        let who = prose::shorten(&glyphs.text(&exchange.service), room, glyphs.ellipsis);
        canvas.put(at, &who, style);
        let room = self.label_end.0.saturating_sub(self.request.0);
        let what = prose::shorten_target(&glyphs.text(&exchange.request), room, glyphs.ellipsis);
        canvas.put(self.request, &what, style);
    }

    /// Waiting, then the body where that takes long enough to be seen, then how it
    /// ended; for a WebSocket a lane with marks for what went over it.
    fn bar(&self, canvas: &mut Canvas, row: &Nested<'_>) {
        let glyphs = canvas.glyphs;
        let exchange = row.exchange;
        let from = self.axis.column(exchange.arrived);
        let to = match exchange.ending {
            Ending::Open => self.axis.edge(),
            _ => self.axis.column(
                exchange
                    .ended
                    .or(exchange.answered)
                    .unwrap_or(exchange.arrived),
            ),
        };
        let answered = exchange.answered.map_or(to, |at| self.axis.column(at));
        let style = if exchange.service == YOU { PLAIN } else { CALL };
        let after = if is_lane(exchange) {
            glyphs.lane
        } else {
            glyphs.body
        };
        for column in from.0..to.0 {
            let glyph = if column < answered.0 {
                glyphs.waiting
            } else {
                after
            };
            canvas.put(Column(column), glyph, style);
        }
        for (column, mark) in self.marks(&[exchange]) {
            canvas.put(column, mark.glyph(glyphs), style);
        }
        let end = canvas.put(to, glyphs.ending(exchange.ending), ending_style(exchange));
        let words = ending_words(glyphs, row, self.durations);
        let (status, rest) = words.split_once("  ").unwrap_or((&words, ""));
        let style = if row.stalled { UNSURE } else { PLAIN };
        let end = canvas.put(end.right(1), status, style);
        canvas.put(end.right(2), rest, QUIET);
    }

    /// One row for many: a mark where each of them arrived.
    fn folded(&self, canvas: &mut Canvas, alike: &[&Exchange]) {
        let glyphs = canvas.glyphs;
        let services = glyphs.text(&rows::services(alike).join(", "));
        let label = format!("{} {} more to {services}", glyphs.ellipsis, alike.len());
        let room = self.label_end.0 - MARGIN;
        let label = prose::shorten(&label, room, glyphs.ellipsis);
        canvas.put(Column(MARGIN), &label, QUIET);
        for exchange in alike {
            canvas.put(self.axis.column(exchange.arrived), glyphs.folded, QUIET);
        }
        for (column, mark) in self.marks(alike) {
            canvas.put(column, mark.glyph(glyphs), QUIET);
        }
        let words = folded_words(glyphs, alike);
        canvas.put(self.axis.edge().right(2), &words, QUIET);
    }

    /// Where frames went over these, and which way.
    fn marks(&self, of: &[&Exchange]) -> BTreeMap<Column, Mark> {
        let mut marks: BTreeMap<Column, Mark> = BTreeMap::new();
        for frames in of.iter().flat_map(|exchange| &exchange.frames) {
            let mark = marks.entry(self.axis.column(frames.at)).or_default();
            mark.sent |= frames.way == Way::Sent;
            mark.received |= frames.way == Way::Received;
        }
        marks
    }

    /// The gap in brackets, its name wherever there is room for it.
    fn gap(&self, canvas: &mut Canvas, gap: &Gap, continues: bool) {
        let glyphs = canvas.glyphs;
        let branch = |canvas: &mut Canvas| {
            canvas.line();
            if continues {
                canvas.put(Column(MARGIN), glyphs.past_child, QUIET);
            }
        };
        let from = self.axis.column(gap.from);
        let to = self.axis.column(gap.to.max(gap.from));
        branch(canvas);
        if from == to {
            canvas.put(from, glyphs.gap_point, STORY);
        } else {
            for column in from.0..=to.0 {
                canvas.put(Column(column), glyphs.gap, STORY);
            }
            canvas.put(from, glyphs.gap_start, STORY);
            canvas.put(to, glyphs.gap_end, STORY);
        }

        let label = glyphs.text(&gap.label);
        let needed = width(&label);
        // Beneath a branch of the tree the label must not cover it.
        let leftmost = MARGIN * 2;
        if to.0 + 2 + needed <= canvas.width() {
            canvas.put(to.right(2), &label, STORY);
        } else if leftmost + needed < from.0 {
            canvas.put(Column(from.0 - 1 - needed), &label, STORY);
        } else if needed + 6 <= to.0.saturating_sub(from.0) {
            let middle = from.0 + (to.0 - from.0 - needed) / 2;
            canvas.put(Column(middle), &format!(" {label} "), STORY);
        } else {
            branch(canvas);
            let room = canvas.width() - leftmost;
            let label = prose::shorten(&label, room, glyphs.ellipsis);
            let at = from.0.min(canvas.width() - width(&label));
            canvas.put(Column(at.max(leftmost)), &label, STORY);
        }
    }
}

/// Frames of a WebSocket in one column.
#[derive(Clone, Copy, Default)]
struct Mark {
    sent: bool,
    received: bool,
}

impl Mark {
    fn glyph(self, glyphs: &Glyphs) -> &'static str {
        match (self.sent, self.received) {
            (true, true) => glyphs.both,
            (true, false) => glyphs.sent,
            (false, _) => glyphs.received,
        }
    }
}

/// Says what the rarer marks mean, where they occur.
pub(super) fn legend(canvas: &mut Canvas, frame: &Frame, tables: &[&[Row<'_>]]) {
    let glyphs = canvas.glyphs;
    let body = singles(tables).any(|row| {
        let x = row.exchange;
        let column = |at: Option<Moment>| at.map(|at| frame.axis.column(at));
        !is_lane(x) && x.answered.is_some() && column(x.answered) < column(x.ended)
    });
    let mut meanings = vec![];
    if body {
        meanings.push(format!("{} waiting", glyphs.waiting));
        meanings.push(format!("{} its body on the way", glyphs.body));
    }
    let all = || {
        tables
            .iter()
            .flat_map(|rows| rows.iter())
            .flat_map(|row| match row {
                Row::One(nested) => std::slice::from_ref(&nested.exchange),
                Row::Folded(alike) => alike,
            })
    };
    if all().any(|x| is_lane(x)) {
        meanings.push(format!("{} an open WebSocket", glyphs.lane));
        let (sent, received) = ways(all().copied());
        for (way, glyph, meaning) in [
            (Way::Sent, glyphs.sent, sent),
            (Way::Received, glyphs.received, received),
        ] {
            if all().any(|x| lanes::count(x, way) > 0) {
                meanings.push(format!("{glyph} {meaning}"));
            }
        }
        let both = |of: &[&Exchange]| {
            let mut marks = frame.marks(of).into_values();
            marks.any(|mark| mark.sent && mark.received)
        };
        let any_both = tables
            .iter()
            .flat_map(|rows| rows.iter())
            .any(|row| match row {
                Row::One(nested) => both(&[nested.exchange]),
                Row::Folded(alike) => both(alike),
            });
        if any_both {
            meanings.push(format!("{} both", glyphs.both));
        }
    }
    for ending in [Ending::Left, Ending::Cut, Ending::Open] {
        let mut ended = singles(tables)
            .map(|row| row.exchange)
            .filter(|x| x.ending == ending)
            .peekable();
        if ended.peek().is_none() {
            continue;
        }
        let meaning = meaning(ending, ended.all(is_lane));
        meanings.push(format!("{} {meaning}", glyphs.ending(ending)));
    }
    let mut at = Column(canvas.width());
    for meaning in meanings {
        if at.0 + width(&meaning) > canvas.width() {
            canvas.line();
            at = Column(MARGIN);
        }
        at = canvas.put(at, &meaning, QUIET).right(3);
    }
}

/// What frames are called that were sent and received over the WebSockets among these.
pub(super) fn ways<'a>(
    mut all: impl Iterator<Item = &'a Exchange>,
) -> (&'static str, &'static str) {
    if all.all(|x| !is_lane(x) || x.service == YOU) {
        ("frames for your server", "frames from it")
    } else {
        ("frames sent by whoever opened it", "received by them")
    }
}

/// What the rarer endings mean.
pub(super) const fn meaning(ending: Ending, of_lanes: bool) -> &'static str {
    match (ending, of_lanes) {
        (Ending::Left, true) => "whoever opened it closed it",
        (Ending::Left, false) => "the asker closed the connection",
        (Ending::Cut, true) => "the other side broke it off",
        (Ending::Cut, false) => "the answer was broken off",
        (_, true) => "open to the end of the recording",
        (_, false) => "not over at the end of the recording",
    }
}

fn singles<'r, 'a>(tables: &'r [&'r [Row<'a>]]) -> impl Iterator<Item = &'r Nested<'a>> {
    tables
        .iter()
        .flat_map(|rows| rows.iter())
        .filter_map(|row| match row {
            Row::One(nested) => Some(nested),
            Row::Folded(_) => None,
        })
}

const fn indent(under: Option<u32>) -> usize {
    if under.is_some() { 2 } else { 0 }
}

fn ending_style(exchange: &Exchange) -> Style {
    if is_lane(exchange) && exchange.ending != Ending::Cut {
        // However an open WebSocket ends, but for this, it is no failure.
        return PLAIN;
    }
    match (exchange.ending, exchange.status) {
        (Ending::Answered, Some(200..=399) | None) => GOOD,
        (Ending::Answered, _) | (Ending::Cut, _) => BAD,
        (Ending::Left | Ending::Open, _) => UNSURE,
    }
}

/// What stands beside a folded row of WebSockets: what each of them received.
pub(super) fn folded_words(glyphs: &Glyphs, alike: &[&Exchange]) -> String {
    let of_all = |way| alike.iter().map(|x| lanes::count(x, way)).sum::<u64>();
    let (way, glyph) = if of_all(Way::Received) > 0 {
        (Way::Received, glyphs.received)
    } else if of_all(Way::Sent) > 0 {
        (Way::Sent, glyphs.sent)
    } else {
        return String::new();
    };
    glyphs.text(&format!("{glyph}{} each", lanes::range(alike, way)))
}

/// What stands beside a lane: how many frames went which way; only the more
/// telling way where there is little room.
fn lane_words(glyphs: &Glyphs, row: &Nested<'_>, room: bool) -> String {
    let sent = lanes::count(row.exchange, Way::Sent);
    let received = lanes::count(row.exchange, Way::Received);
    let sent = (sent > 0).then(|| format!("{}{sent}", glyphs.sent));
    let received = (received > 0 || row.stalled).then(|| format!("{}{received}", glyphs.received));
    match (sent, received) {
        (Some(sent), Some(received)) if room => format!("{sent} {received}"),
        (_, Some(one)) | (Some(one), None) => one,
        (None, None) => String::new(),
    }
}

/// What stands beside a bar: the status or how else it ended, and the duration.
pub(super) fn ending_words(glyphs: &Glyphs, row: &Nested<'_>, durations: bool) -> String {
    let exchange = row.exchange;
    if is_lane(exchange) {
        return lane_words(glyphs, row, durations);
    }
    let what = match (exchange.ending, exchange.status) {
        (Ending::Answered, Some(status)) => status.to_string(),
        (Ending::Answered, None) => "done".to_owned(),
        (Ending::Left, _) => "left".to_owned(),
        (Ending::Cut, _) => "cut".to_owned(),
        (Ending::Open, _) => "open".to_owned(),
    };
    match exchange.ended.or(exchange.answered) {
        Some(end) if durations && exchange.ending != Ending::Open => {
            let took = glyphs.text(&words(end.since(exchange.arrived)));
            format!("{what}  {took}")
        }
        _ => what,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn lines(drawn: &str) -> Vec<String> {
        let plain = anstream::adapter::strip_str(drawn).to_string();
        plain.lines().map(str::to_owned).collect()
    }

    #[test]
    fn no_line_is_wider_than_the_sheet() {
        for seed in 0..400 {
            let timeline = samples::random_timeline(seed);
            for width in 40..=200 {
                let sheet = Sheet {
                    width,
                    unicode: seed % 2 == 0,
                    plain: seed % 7 == 0,
                    ..Sheet::default()
                };
                // All widths for some, some widths for all.
                if seed >= 12 && !(width as u64 + seed).is_multiple_of(23) {
                    continue;
                }
                for line in lines(&draw(&timeline, &[1, 3], &sheet)) {
                    let columns = prose::width(&line);
                    assert!(columns <= width, "seed {seed}, width {width}: {line}");
                }
            }
        }
    }

    #[test]
    fn ascii_means_ascii() {
        for seed in 0..100 {
            let timeline = samples::random_timeline(seed);
            for plain in [false, true] {
                let sheet = Sheet {
                    unicode: false,
                    plain,
                    ..Sheet::default()
                };
                assert!(draw(&timeline, &[], &sheet).is_ascii(), "seed {seed}");
            }
        }
    }

    #[test]
    fn the_axis_ends_at_the_latest_end() {
        // The request ends last, although it stands first.
        let timeline = samples::sequential_timeline();
        let (zero, length) = extent(&timeline).expect("it is not empty");
        assert_eq!(zero, timeline.exchanges[0].arrived);
        let latest = timeline.exchanges.iter().filter_map(|x| x.ended).max();
        assert_eq!(Some(zero + length), latest);
        assert_eq!(latest, timeline.exchanges[0].ended);
    }

    #[test]
    fn every_exchange_leaves_a_mark_however_short() {
        let mut timeline = samples::sequential_timeline();
        timeline.gap = None;
        for x in &mut timeline.exchanges[1..] {
            x.answered = Some(x.arrived + Duration::from_micros(1));
            x.ended = x.answered;
        }
        let drawn = lines(&draw(&timeline, &[], &Sheet::default()));
        assert_eq!(drawn.iter().filter(|line| line.contains('●')).count(), 3);
    }

    #[test]
    fn an_open_exchange_reaches_the_edge() {
        let timeline = samples::endings_timeline();
        let drawn = lines(&draw(&timeline, &[], &Sheet::default()));
        let edge = drawn[1].chars().position(|c| c == '┤');
        let open = drawn
            .iter()
            .find(|line| line.contains("open"))
            .expect("one is open");
        assert_eq!(open.chars().position(|c| c == '▶'), edge);
    }

    #[test]
    fn the_gap_stands_beneath_its_exchange_with_its_whole_name() {
        let timeline = samples::sequential_timeline();
        let label = &timeline.gap.as_ref().expect("it has one").label;
        for width in [60, 80, 200] {
            let sheet = Sheet {
                width,
                ..Sheet::default()
            };
            let drawn = lines(&draw(&timeline, &[], &sheet)).join("\n");
            let (above, _) = drawn
                .split_once(label.as_str())
                .expect("the label is whole");
            assert!(above.contains("tomorrow"), "{drawn}");
        }
    }

    #[test]
    fn an_empty_timeline_draws_nothing() {
        let mut timeline = samples::sequential_timeline();
        timeline.exchanges.clear();
        timeline.gap = None;
        assert_eq!(draw(&timeline, &[], &Sheet::default()), "");
    }

    #[test]
    fn what_a_program_put_into_a_target_does_not_reach_the_terminal() {
        let mut timeline = samples::sequential_timeline();
        timeline.exchanges[1].request = "GET /\u{1b}[2J\u{202e}".to_owned();
        for plain in [false, true] {
            let sheet = Sheet {
                plain,
                ..Sheet::default()
            };
            let drawn = draw(&timeline, &[], &sheet);
            assert!(!drawn.contains("\u{1b}[2J") && !drawn.contains('\u{202e}'));
        }
    }

    /// At each width, in ASCII, and in sentences.
    fn at_all_widths(timeline: &Timeline, evidence: &[u32]) -> String {
        let at = |width, unicode, plain| {
            let sheet = Sheet {
                width,
                unicode,
                plain,
                ..Sheet::default()
            };
            anstream::adapter::strip_str(&draw(timeline, evidence, &sheet)).to_string()
        };
        format!(
            "── 60\n{}── 80\n{}── 200\n{}── 80, ASCII\n{}── 80, plain\n{}",
            at(60, true, false),
            at(80, true, false),
            at(200, true, false),
            at(80, false, false),
            at(80, true, true),
        )
    }

    #[test]
    fn a_reader_that_stands_still_is_a_bare_lane() {
        insta::assert_snapshot!(at_all_widths(&samples::stalled_timeline(), &[1, 3]));
    }

    #[test]
    fn connections_to_another_service_are_lanes_too() {
        insta::assert_snapshot!(at_all_widths(&samples::parents_timeline(), &[3, 5, 7]));
    }

    #[test]
    fn a_thousand_lanes_fold_to_what_matters() {
        let mut timeline = samples::stalled_timeline();
        let calm = timeline.exchanges[49].clone();
        timeline.exchanges.extend((51..=1000).map(|id| Exchange {
            id,
            connection: id,
            ..calm.clone()
        }));
        let rows = rows::arrange(&timeline, &[1, 3], ROWS);
        assert!(rows.len() <= 9, "{}", rows.len());
        let drawn = draw(&timeline, &[1, 3], &Sheet::default());
        assert!(drawn.contains("993 more to you"), "{drawn}");
    }

    #[test]
    fn an_open_websocket_that_ends_is_no_failure() {
        for plain in [false, true] {
            let sheet = Sheet {
                plain,
                ..Sheet::default()
            };
            let drawn = draw(&samples::stalled_timeline(), &[], &sheet);
            assert!(!drawn.contains("without"), "{drawn}");
        }
    }

    #[test]
    fn all_ways_to_end() {
        let timeline = samples::endings_timeline();
        let at = |width, unicode, plain| {
            let sheet = Sheet {
                width,
                unicode,
                plain,
                ..Sheet::default()
            };
            anstream::adapter::strip_str(&draw(&timeline, &[], &sheet)).to_string()
        };
        insta::assert_snapshot!(format!(
            "── 60\n{}── 80\n{}── 80, ASCII\n{}── 80, plain\n{}",
            at(60, true, false),
            at(80, true, false),
            at(80, false, false),
            at(80, true, true),
        ));
    }
}
