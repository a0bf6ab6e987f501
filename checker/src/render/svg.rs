//! A timeline as SVG, for pages: the same rows as in the terminal.
//!
//! Whatever stands for a time has an `x` in percent and lies in the element of
//! class `time`. To stretch that element is to zoom: marks and words keep their
//! shapes. Colours come from custom properties, so a page can bring its own.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{Markup, PreEscaped, html};
use mock_services::exchange::{Ending, Exchange, Way};
use mock_services::moment::Moment;

use crate::report::{Gap, Timeline};

use super::axis::{Unit, ticks};
use super::clean::one_line;
use super::glyphs::Glyphs;
use super::lanes::{self, is_lane};
use super::prose;
use super::rows::{self, Nested, Row, YOU};
use super::timeline::{ROWS, ending_words, extent, folded_words, meaning, ways};

/// What the drawing is for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What every id in it begins with: unlike any other in the same page.
    pub id: &'a str,
    /// The exchanges that are never folded, and are drawn bold.
    pub evidence: &'a [u32],
    /// As wide as this, and with its own style sheet: a picture that stands
    /// alone. Where `None`, it is as wide as there is room, and the page has to
    /// bring [`STYLE`].
    pub width: Option<u32>,
}

/// The style sheet of every drawing.
pub const STYLE: &str = include_str!("svg.css");

/// Pixels from the top to the first row, from row to row, and to a row's text and bar.
const AXIS: u32 = 26;
const ROW: u32 = 42;
const TEXT: u32 = 16;
const BAR: u32 = 28;
const LINE: u32 = 17;

/// How many letters are sure to fit on a line of a narrow screen, and how many
/// pixels a letter needs.
const LETTERS: usize = 40;
const LETTER: u32 = 8;

/// The share of the width that times take, in ten-thousandths, and what is left
/// free before it: marks at either end are drawn whole.
const TIMES: u128 = 9_600;
const BEFORE: u128 = 200;

/// Frames nearer than this share of the whole are one mark.
const NEAR: u128 = 500;

/// The drawing of `timeline`; the same for the same timeline. Empty where
/// nothing happened.
pub fn draw(timeline: &Timeline, options: Options<'_>) -> String {
    let Some((zero, length)) = extent(timeline) else {
        return String::new();
    };
    let rows = rows::arrange(timeline, options.evidence, ROWS);
    let drawing = Drawing {
        timeline,
        options,
        zero,
        length: length.as_micros().max(1),
        glyphs: Glyphs::choose(true),
    };
    drawing.whole(&rows).into_string()
}

struct Drawing<'a> {
    timeline: &'a Timeline,
    options: Options<'a>,
    zero: Moment,
    length: u128,
    glyphs: &'static Glyphs,
}

impl Drawing<'_> {
    fn whole(&self, rows: &[Row<'_>]) -> Markup {
        let mut places = vec![];
        let mut gap = self.timeline.gap.as_ref();
        let mut below = AXIS;
        for row in rows {
            let own = match row {
                Row::One(nested) => gap.take_if(|gap| gap.exchange == nested.exchange.id),
                Row::Folded(_) => None,
            };
            places.push((below, row, own));
            below += ROW + own.map_or(0, |gap| self.gap_height(gap));
        }
        // Of an exchange that is not drawn: beneath them all.
        let rest = gap.map(|gap| (below, gap));
        below += gap.map_or(0, |gap| self.gap_height(gap));
        let legend = self.legend(rows);
        let lines = u32::try_from(legend.len()).unwrap_or(0);
        let height = below + LINE * lines + if lines > 0 { 8 } else { 0 };
        let id = self.options.id;
        html! {
            svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img"
                aria-labelledby={ (id) "-title" } aria-describedby={ (id) "-desc" }
                width=[self.options.width.map_or(Some("100%".to_owned()), |w| Some(w.to_string()))]
                height=(height) data-length=(self.length)
            {
                title id={ (id) "-title" } {
                    "Timeline of " (one_line(&self.timeline.probe)) ": "
                    (one_line(&self.timeline.title))
                }
                desc id={ (id) "-desc" } { (self.description(rows)) }
                @if self.options.width.is_some() { style { (PreEscaped(STYLE)) } }
                (self.shapes())
                svg class="time" x="0" y="0" width="100%" height=(below) {
                    g class="ticks" { (self.ticks(below)) }
                    @for (y, row, own) in &places {
                        (self.bar(*y, row))
                        @if let Some(gap) = own { (self.bracket(*y + ROW, gap)) }
                    }
                    @if let Some((y, gap)) = rest { (self.bracket(y, gap)) }
                }
                @for (y, row, own) in &places {
                    (self.label(*y, row))
                    @if let Some(gap) = own { (self.gap_label(*y + ROW, gap)) }
                }
                @if let Some((y, gap)) = rest { (self.gap_label(y, gap)) }
                @for ((shape, words), nth) in legend.iter().zip(0..) {
                    @let y = below + 8 + LINE * nth;
                    (self.mark(shape, "10", y + 6))
                    text class="quiet" x="24" y=(y + 11) { (words) }
                }
            }
        }
    }

    /// In a few words, for those who do not see it; the page has the rest.
    fn description(&self, rows: &[Row<'_>]) -> String {
        let unit = Unit::of(self.duration());
        let long = format!("{} {}", unit.number(self.length, 0), unit.name());
        let count = self.timeline.exchanges.len();
        let exchanges = if count == 1 { "exchange" } else { "exchanges" };
        let told = self.timeline.gap.as_ref().map_or(String::new(), |gap| {
            format!(" Marked on it: {}.", one_line(&gap.label))
        });
        let lines = rows.len();
        let lines = if lines == 1 {
            "1 row".to_owned()
        } else {
            format!("{lines} rows")
        };
        format!("{count} {exchanges} over {long}, in {lines}.{told}")
    }

    /// How many letters are sure to fit on a line.
    fn letters(&self) -> usize {
        self.options
            .width
            .and_then(|width| usize::try_from(width / LETTER).ok())
            .unwrap_or(LETTERS)
    }

    fn duration(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.length).unwrap_or(u64::MAX))
    }

    fn micros(&self, moment: Moment) -> u128 {
        moment.since(self.zero).as_micros().min(self.length)
    }

    fn x(&self, moment: Moment) -> String {
        self.at(self.micros(moment))
    }

    fn at(&self, micros: u128) -> String {
        percent(BEFORE + micros * TIMES / self.length)
    }

    fn span(&self, from: Moment, to: Moment) -> String {
        percent(self.micros(to).saturating_sub(self.micros(from)) * TIMES / self.length)
    }

    /// What is drawn more than once, around the origin. Its own style has to be
    /// here: a style sheet does not reach into what is used.
    fn shapes(&self) -> Markup {
        let id = |name: &str| format!("{}-{name}", self.options.id);
        html! {
            defs {
                g id=(id("answered")) { circle r="5.5" {} }
                g id=(id("left")) { circle r="4.5" fill="none" stroke="currentColor" stroke-width="2" {} }
                g id=(id("cut")) { path fill="none" stroke="currentColor" stroke-width="3" d="M-5 -5L5 5M-5 5L5 -5" {} }
                g id=(id("open")) { path d="M-5 -6L6 0L-5 6Z" {} }
                g id=(id("sent")) { path d="M-4.5 6L0 -5L4.5 6Z" {} }
                g id=(id("received")) { path d="M-4.5 -6L0 5L4.5 -6Z" {} }
                g id=(id("both")) { path d="M-5 0L0 -6L5 0L0 6Z" {} }
                g id=(id("folded")) { path stroke="currentColor" stroke-width="2" stroke-dasharray="3 2" d="M0 -6V6" {} }
                g id=(id("waiting")) { path stroke="currentColor" stroke-width="4" d="M-8 0H8" {} }
                g id=(id("body")) { path d="M-8 -5H8V5H-8Z" {} }
                g id=(id("lane")) { path stroke="currentColor" stroke-width="2" d="M-8 0H8" {} }
            }
        }
    }

    fn mark(&self, shape: &Shape, x: &str, y: u32) -> Markup {
        html! {
            use href={ "#" (self.options.id) "-" (shape.name) } class=(shape.class) x=(x) y=(y) {}
        }
    }

    fn ticks(&self, bottom: u32) -> Markup {
        let unit = Unit::of(self.duration());
        let ticks = ticks(self.length, self.letters() * 4 / 5, unit);
        let last = ticks.len() - 1;
        html! {
            @for (i, (micros, number)) in ticks.iter().enumerate() {
                @let x = self.at(*micros);
                line class="grid" x1=(x) x2=(x) y1=(AXIS - 6) y2=(bottom) {}
                text class="quiet" x=(x) y="14"
                    text-anchor=(if i == 0 { "start" } else if i == last { "end" } else { "middle" })
                {
                    (number) @if i == last { " " (unit.name()) }
                }
            }
        }
    }

    fn bar(&self, y: u32, row: &Row<'_>) -> Markup {
        match row {
            Row::One(nested) => self.one(y, nested.exchange),
            Row::Folded(alike) => html! {
                g class="folded" {
                    @for micros in self.begun(alike) {
                        (self.mark(&Shape::new("folded", "quiet"), &self.at(micros), y + BAR))
                    }
                    (self.frames(y, alike, "quiet"))
                }
            },
        }
    }

    /// Waiting, then the body, then how it ended; for a WebSocket a line with
    /// marks for what went over it.
    fn one(&self, y: u32, exchange: &Exchange) -> Markup {
        let end = match exchange.ending {
            Ending::Open => self.zero + self.duration(),
            _ => exchange
                .ended
                .or(exchange.answered)
                .unwrap_or(exchange.arrived),
        };
        let answered = exchange.answered.unwrap_or(end).min(end);
        let after = if is_lane(exchange) { 1 } else { 10 };
        let class = if exchange.service == YOU {
            "you"
        } else {
            "call"
        };
        html! {
            g class=(class) {
                rect x=(self.x(exchange.arrived)) width=(self.span(exchange.arrived, answered))
                    y=(y + BAR - 2) height="4" {}
                @if answered < end {
                    rect x=(self.x(answered)) width=(self.span(answered, end))
                        y=(y + BAR - after / 2) height=(after.max(2)) {}
                }
                (self.frames(y, &[exchange], class))
                (self.mark(&ending(exchange), &self.x(end), y + BAR))
            }
        }
    }

    /// When these began, those that lie close together once.
    fn begun(&self, alike: &[&Exchange]) -> Vec<u128> {
        let mut all: Vec<_> = alike.iter().map(|x| self.nearly(x.arrived)).collect();
        all.dedup();
        all
    }

    fn nearly(&self, moment: Moment) -> u128 {
        self.micros(moment) * NEAR / self.length * self.length / NEAR
    }

    fn frames(&self, y: u32, of: &[&Exchange], class: &'static str) -> Markup {
        let mut marks: BTreeMap<u128, (bool, bool)> = BTreeMap::new();
        for frames in of.iter().flat_map(|x| &x.frames) {
            let (sent, received) = marks.entry(self.nearly(frames.at)).or_default();
            *sent |= frames.way == Way::Sent;
            *received |= frames.way == Way::Received;
        }
        html! {
            @for (micros, (sent, received)) in marks {
                @let name = match (sent, received) {
                    (true, true) => "both",
                    (true, false) => "sent",
                    (false, _) => "received",
                };
                (self.mark(&Shape::new(name, class), &self.at(micros), y + BAR))
            }
        }
    }

    fn label(&self, y: u32, row: &Row<'_>) -> Markup {
        match row {
            Row::One(nested) => {
                let words = ending_words(self.glyphs, nested, true).replace("  ", " · ");
                let who = one_line(&nested.exchange.service);
                let taken = prose::width(&words) + prose::width(&who) + 4;
                let what = one_line(&nested.exchange.request);
                let what =
                    prose::shorten_target(&what, self.letters().saturating_sub(taken).max(8), "…");
                let bold = self.options.evidence.contains(&nested.exchange.id);
                html! {
                    text class=(if bold { "label strong" } else { "label" })
                        x=(if nested.under.is_some() { 20 } else { 4 }) y=(y + TEXT)
                    {
                        @if nested.under.is_some() { tspan class="quiet" { "└ " } }
                        tspan class=(class_of(nested)) { (who) } " " (what)
                    }
                    text class=(if nested.stalled { "unsure" } else { "quiet" })
                        x="100%" y=(y + TEXT) text-anchor="end" { (words) }
                }
            }
            Row::Folded(alike) => html! {
                text class="quiet" x="4" y=(y + TEXT) {
                    "… " (alike.len()) " more to " (one_line(&rows::services(alike).join(", ")))
                }
                text class="quiet" x="100%" y=(y + TEXT) text-anchor="end" {
                    (folded_words(self.glyphs, alike))
                }
            },
        }
    }

    fn bracket(&self, y: u32, gap: &Gap) -> Markup {
        let (from, to) = (self.x(gap.from), self.x(gap.to.max(gap.from)));
        html! {
            g class="story" {
                line class="dashes" x1=(from) x2=(to) y1=(y + 2) y2=(y + 2) {}
                @for x in [&from, &to] {
                    line x1=(x) x2=(x) y1=(y.saturating_sub(4)) y2=(y + 8) {}
                }
            }
        }
    }

    fn gap_lines(&self, gap: &Gap) -> Vec<String> {
        prose::wrap(&one_line(&gap.label), self.letters())
    }

    fn gap_height(&self, gap: &Gap) -> u32 {
        12 + LINE * u32::try_from(self.gap_lines(gap).len()).unwrap_or(1)
    }

    fn gap_label(&self, y: u32, gap: &Gap) -> Markup {
        html! {
            @for (line, nth) in self.gap_lines(gap).iter().zip(0..) {
                text class="story" x="4" y=(y + 22 + LINE * nth) { (line) }
            }
        }
    }

    /// What the rarer marks mean, where they occur.
    fn legend(&self, rows: &[Row<'_>]) -> Vec<(Shape, String)> {
        let all = || {
            rows.iter().flat_map(|row| match row {
                Row::One(nested) => std::slice::from_ref(&nested.exchange),
                Row::Folded(alike) => alike.as_slice(),
            })
        };
        let mut meanings = vec![];
        let body = all().any(|x| {
            let visible =
                |(from, to): (Moment, Moment)| to.since(from).as_micros() * NEAR / 5 > self.length;
            !is_lane(x) && x.answered.zip(x.ended).is_some_and(visible)
        });
        if body {
            meanings.push((Shape::new("waiting", "call"), "waiting".to_owned()));
            meanings.push((Shape::new("body", "call"), "its body on the way".to_owned()));
        }
        if all().any(|x| is_lane(x)) {
            let (sent, received) = ways(all().copied());
            let lane = Shape::new("lane", "you");
            meanings.push((lane, "an open WebSocket".to_owned()));
            for (way, name, words) in [
                (Way::Sent, "sent", sent),
                (Way::Received, "received", received),
            ] {
                if all().any(|x| lanes::count(x, way) > 0) {
                    meanings.push((Shape::new(name, "you"), words.to_owned()));
                }
            }
        }
        for end in [Ending::Left, Ending::Cut, Ending::Open] {
            let singles = || {
                rows.iter().filter_map(|row| match row {
                    Row::One(nested) if nested.exchange.ending == end => Some(nested.exchange),
                    _ => None,
                })
            };
            if let Some(one) = singles().next() {
                let words = meaning(end, singles().all(is_lane));
                meanings.push((ending(one), words.to_owned()));
            }
        }
        meanings
    }
}

/// One of the shapes that are defined once per drawing, in a colour.
struct Shape {
    name: &'static str,
    class: &'static str,
}

impl Shape {
    const fn new(name: &'static str, class: &'static str) -> Self {
        Self { name, class }
    }
}

fn class_of(nested: &Nested<'_>) -> &'static str {
    if nested.exchange.service == YOU {
        "you"
    } else {
        "call"
    }
}

fn ending(exchange: &Exchange) -> Shape {
    let name = match exchange.ending {
        Ending::Open => "open",
        Ending::Answered => "answered",
        Ending::Left => "left",
        Ending::Cut => "cut",
    };
    let class = match (exchange.ending, exchange.status) {
        // However an open WebSocket ends, but for this, it is no failure.
        (Ending::Cut, _) => "bad",
        _ if is_lane(exchange) => "you",
        (Ending::Answered, Some(200..=399) | None) => "good",
        (Ending::Answered, _) => "bad",
        (Ending::Left | Ending::Open, _) => "unsure",
    };
    Shape { name, class }
}

/// Ten-thousandths as a percentage: `1234` is `12.34%`.
fn percent(share: u128) -> String {
    format!("{}.{:02}%", share / 100, share % 100)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn alone(timeline: &Timeline, evidence: &[u32]) -> String {
        let options = Options {
            id: "t",
            evidence,
            width: Some(720),
        };
        draw(timeline, options)
    }

    /// Its elements' names, in order; fails where it is not XML.
    fn elements(svg: &str) -> Vec<String> {
        let mut reader = quick_xml::Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        let mut names = vec![];
        let mut depth = 0_usize;
        loop {
            match reader.read_event().expect("it is XML") {
                quick_xml::events::Event::Start(tag) => {
                    depth += 1;
                    for attribute in tag.attributes() {
                        attribute.expect("attributes are well-formed and unlike");
                    }
                    names.push(tag.name().as_ref().to_owned());
                }
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0, "{svg}");
        names
    }

    #[test]
    fn a_sequential_program_as_a_picture() {
        insta::assert_snapshot!(alone(&samples::sequential_timeline(), &[2, 3]));
    }

    #[test]
    fn every_timeline_is_well_formed_and_drawn_alike_twice() {
        for seed in 0..300 {
            let timeline = samples::random_timeline(seed);
            let svg = alone(&timeline, &[1]);
            assert!(elements(&svg).len() > 5, "seed {seed}");
            assert_eq!(svg, alone(&timeline, &[1]), "seed {seed}");
        }
    }

    #[test]
    fn nothing_lies_beyond_the_edges() {
        for seed in 0..300 {
            let svg = alone(&samples::random_timeline(seed), &[]);
            for part in svg.split('%').rev().skip(1) {
                let start = part.rfind('"').map_or(0, |at| at + 1);
                if let Ok(percent) = part[start..].parse::<f64>() {
                    assert!((0.0..=100.0).contains(&percent), "seed {seed}: {percent}");
                }
            }
        }
    }

    #[test]
    fn what_a_program_put_into_a_target_stays_text() {
        let mut timeline = samples::sequential_timeline();
        timeline.exchanges[1].request = "GET /<script>alert(1)</script>\u{1b}\u{ffff}".to_owned();
        timeline.gap.as_mut().expect("it has one").label = "<b onload='x'>\"&".to_owned();
        timeline.title = "</title><script>".to_owned();
        let svg = alone(&timeline, &[]);
        let names = elements(&svg);
        assert!(!names.iter().any(|name| name == "script" || name == "b"));
        assert!(!svg.contains('\u{1b}') && !svg.contains('\u{ffff}'));
    }

    #[test]
    fn lanes_of_a_kind_are_folded() {
        let svg = alone(&samples::stalled_timeline(), &[1, 3]);
        assert!(svg.contains("more to you"), "{svg}");
        assert!(svg.len() < 60_000, "{}", svg.len());
    }

    #[test]
    fn an_empty_timeline_is_no_picture() {
        let mut timeline = samples::sequential_timeline();
        timeline.exchanges.clear();
        timeline.gap = None;
        assert_eq!(alone(&timeline, &[]), "");
    }
}
