//! The axis of time: which column a moment falls into, and where the ticks are.

use std::time::Duration;

use mock_services::moment::Moment;

use super::canvas::{Canvas, Column};
use super::style::QUIET;

/// A stretch of time laid over columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    zero: Moment,
    /// In microseconds, at least 1.
    length: u128,
    left: Column,
    /// At least 1.
    columns: usize,
}

/// What the numbers of an axis count; chosen once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Micros,
    Millis,
    Seconds,
}

impl Unit {
    /// The unit in which `length` is a number people like to read.
    pub(super) fn of(length: Duration) -> Self {
        match length.as_micros() {
            0..1_000 => Self::Micros,
            1_000..1_000_000 => Self::Millis,
            _ => Self::Seconds,
        }
    }

    const fn micros(self) -> u128 {
        match self {
            Self::Micros => 1,
            Self::Millis => 1_000,
            Self::Seconds => 1_000_000,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Seconds => "s",
        }
    }

    /// That many microseconds in this unit, without its name.
    pub(super) fn number(self, micros: u128, decimals: usize) -> String {
        let scale = 10_u128.pow(u32::try_from(decimals).unwrap_or(0));
        let value = micros * scale / self.micros();
        if decimals == 0 {
            value.to_string()
        } else {
            format!("{}.{:0decimals$}", value / scale, value % scale)
        }
    }

    /// How many decimals multiples of `step` microseconds have.
    fn decimals(self, step: u128) -> usize {
        let mut scale = step;
        let mut decimals = 0;
        while scale < self.micros() {
            scale *= 10;
            decimals += 1;
        }
        decimals
    }
}

/// A mark on the axis with its number.
#[derive(Debug)]
struct Tick {
    column: Column,
    number: String,
}

impl Axis {
    /// From `zero` over `length`, drawn from `left` on over `columns`.
    pub(super) fn new(zero: Moment, length: Duration, left: Column, columns: usize) -> Self {
        Self {
            zero,
            length: length.as_micros().max(1),
            left,
            columns: columns.max(1),
        }
    }

    /// The same axis for a recording that began at `zero`.
    pub(super) fn starting(self, zero: Moment) -> Self {
        Self { zero, ..self }
    }

    /// The last column.
    pub(super) fn edge(&self) -> Column {
        self.left.right(self.columns - 1)
    }

    /// Where `moment` falls; the edges where it is outside.
    pub(super) fn column(&self, moment: Moment) -> Column {
        self.after(moment.since(self.zero).as_micros())
    }

    fn after(&self, micros: u128) -> Column {
        let steps = micros.min(self.length) * (self.columns as u128 - 1) / self.length;
        self.left.right(usize::try_from(steps).unwrap_or(0))
    }

    /// Draws the numbers and the rule beneath them.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let glyphs = canvas.glyphs;
        let unit = Unit::of(Duration::from_micros(
            u64::try_from(self.length).unwrap_or(u64::MAX),
        ));
        let ticks = self.ticks(unit);
        canvas.line();
        for (i, tick) in ticks.iter().enumerate() {
            let end = canvas.put(tick.column, &tick.number, QUIET);
            if i + 1 == ticks.len() {
                canvas.put(end.right(1), &glyphs.text(unit.name()), QUIET);
            }
        }
        canvas.line();
        for column in (self.left.0..=self.edge().0).map(Column) {
            let glyph = if column == self.left {
                glyphs.rule_start
            } else if column == self.edge() {
                glyphs.rule_end
            } else if ticks.iter().any(|tick| tick.column == column) {
                glyphs.rule_tick
            } else {
                glyphs.rule
            };
            canvas.put(column, glyph, QUIET);
        }
    }

    fn ticks(&self, unit: Unit) -> Vec<Tick> {
        ticks(self.length, self.columns, unit)
            .into_iter()
            .map(|(micros, number)| Tick {
                column: self.after(micros),
                number,
            })
            .collect()
    }
}

/// Where numbers stand on `length` microseconds, and the numbers: 1, 2 or
/// 5 × 10ⁿ apart, as close as they may be where the length has so many columns.
pub(super) fn ticks(length: u128, columns: usize, unit: Unit) -> Vec<(u128, String)> {
    let steps = (0..19).flat_map(|n| [1, 2, 5].map(|k| k * 10_u128.pow(n)));
    for step in steps {
        let decimals = unit.decimals(step);
        let widest = unit.number(length, decimals).len();
        // Each number starts at its tick and needs air before the next one.
        let apart = step * (columns as u128 - 1) / length;
        if step <= length && apart >= widest as u128 + 4 {
            return (0..=length / step)
                .map(|i| (i * step, unit.number(i * step, decimals)))
                .collect();
        }
    }
    vec![(0, unit.number(0, 0))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(micros: u64, columns: usize) -> Axis {
        Axis::new(
            Moment::from_micros(500),
            Duration::from_micros(micros),
            Column(10),
            columns,
        )
    }

    fn numbers(micros: u64, columns: usize) -> String {
        let axis = axis(micros, columns);
        let unit = Unit::of(Duration::from_micros(micros));
        let numbers: Vec<_> = axis.ticks(unit).into_iter().map(|t| t.number).collect();
        format!("{} {}", numbers.join(" "), unit.name())
    }

    #[test]
    fn ticks_are_round_numbers_of_one_unit() {
        assert_eq!(numbers(403_000, 50), "0 100 200 300 400 ms");
        assert_eq!(numbers(1_250_000, 50), "0.0 0.2 0.4 0.6 0.8 1.0 1.2 s");
        assert_eq!(numbers(340, 40), "0 100 200 300 µs");
        assert_eq!(numbers(2_000, 50), "0.0 0.5 1.0 1.5 2.0 ms");
        assert_eq!(numbers(3, 50), "0 1 2 3 µs");
        assert_eq!(numbers(9_000_000, 12), "0 5 s");
    }

    #[test]
    fn an_axis_with_no_room_for_numbers_still_names_its_zero() {
        assert_eq!(numbers(9_000, 3), "0 ms");
        assert_eq!(numbers(0, 40), "0 1 µs");
    }

    #[test]
    fn the_first_and_the_last_moment_fall_on_the_edges() {
        let axis = axis(400_000, 50);
        assert_eq!(axis.column(Moment::from_micros(500)), Column(10));
        assert_eq!(axis.column(Moment::from_micros(400_500)), Column(59));
        assert_eq!(axis.column(Moment::from_micros(u64::MAX)), axis.edge());
        assert_eq!(axis.column(Moment::from_micros(0)), axis.left);
    }

    #[test]
    fn numbers_never_touch() {
        for columns in 1..200 {
            for micros in [1, 7, 999, 1_000, 45_000, 999_999, 1_000_000, 60_000_000] {
                let axis = axis(micros, columns);
                let ticks = axis.ticks(Unit::of(Duration::from_micros(micros)));
                for pair in ticks.windows(2) {
                    assert!(pair[0].column.right(pair[0].number.len()) < pair[1].column);
                }
            }
        }
    }
}
