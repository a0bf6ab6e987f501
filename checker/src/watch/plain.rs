//! Watching where there is no terminal, or none that could be drawn on: one
//! verdict after another, and no keys.

use std::io::Write as _;

use anyhow::Context as _;

use crate::interrupt;
use crate::render;
use crate::report::{Report, Verdict};

use super::{Event, Look, Order, Show, Task, changes};

#[derive(Debug)]
pub(super) struct Plain {
    look: Look,
    latest: Option<Report>,
}

impl Plain {
    pub(super) fn new(look: Look) -> Self {
        Self { look, latest: None }
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let text = if self.look.colours {
            text.to_owned()
        } else {
            anstream::adapter::strip_str(text).to_string()
        };
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("standard output cannot be written to")
    }
}

impl<'a> Show<'a> for Plain {
    fn begins(&mut self, task: Task<'a>) -> anyhow::Result<()> {
        if self.latest.is_none() {
            self.say(&format!(
                "watching {}; every save is graded, Ctrl-C ends it\n",
                task.name()
            ))?;
        }
        Ok(())
    }

    fn ends(&mut self, report: Report, notice: Option<String>) -> anyhow::Result<()> {
        let mut text = format!("\n{}", render::human(&report, &self.look.sheet));
        if let Some(before) = &self.latest {
            for change in changes::between(before, &report) {
                text += &format!("  {change}\n");
            }
        }
        if report.verdict() == Verdict::Pass {
            let left = "  `checker list` says what is left.\n";
            text += &self.look.sheet.call.spell(left);
        }
        self.say(&text)?;
        if let Some(notice) = notice {
            let _ = writeln!(std::io::stderr(), "warning: {notice}");
        }
        self.latest = Some(report);
        Ok(())
    }

    fn fails(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        Ok(())
    }

    fn hears(&mut self, event: Event) -> anyhow::Result<Order<'a>> {
        Ok(match event {
            Event::End => Order::Quit(interrupt::EXIT_CODE),
            _ => Order::Nothing,
        })
    }

    fn closes(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
