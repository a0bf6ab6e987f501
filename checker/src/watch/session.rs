//! Watching at a terminal: what is to be seen, and what the keys do.

use std::io::Write as _;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::hint::{self, Answer, Wanted};
use crate::interrupt;
use crate::records::Records;
use crate::render::{self, Sheet};
use crate::report::{Report, Verdict};
use crate::standing;
use crate::workshop::{Exercise, Workshop};

use super::footer::Footer;
use super::frame::Frame;
use super::screen::Screen;
use super::{Event, Look, Order, Show, Task, changes};

const HELP: &str = "\
checker watch

Save a file of the exercise: whatever runs is ended, the
program is built and graded, and the verdict appears here.

  h        a hint; one more attempt earns the next
  m        more: the next hint at once
  r        run it again
  n        the next exercise, once this one has passed
  l        all exercises
  ↑ ↓      scroll by a line (k and j too)
  space b  scroll by a page
  Esc      back to the verdict
  q        quit
";

/// What fills the screen.
#[derive(Debug)]
enum View {
    Verdict,
    Hint(String),
    List,
    Help,
    Error(String),
}

#[derive(Debug)]
pub(super) struct Session<'a> {
    workshop: &'a Workshop,
    look: Look,
    screen: Screen,
    task: Option<Task<'a>>,
    latest: Option<Report>,
    /// What changed with the latest run; `None` where it was the first.
    changes: Option<Vec<String>>,
    view: View,
    scrolled: usize,
    furthest: usize,
    /// Whether a run is under way, and what it waits for.
    running: bool,
    waiting: String,
    /// To be said until something else happens.
    notice: Option<String>,
    /// `n` was pressed before it has passed.
    wants_to_skip: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(workshop: &'a Workshop, look: Look) -> anyhow::Result<Self> {
        Ok(Self {
            workshop,
            look,
            screen: Screen::take()?,
            task: None,
            latest: None,
            changes: None,
            view: View::Verdict,
            scrolled: 0,
            furthest: 0,
            running: false,
            waiting: String::new(),
            notice: None,
            wants_to_skip: false,
        })
    }

    fn sheet(&self) -> Sheet {
        Sheet {
            width: self.screen.size().0.clamp(40, 200),
            plain: false,
            ..self.look.sheet
        }
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.scrolled = 0;
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let sheet = self.sheet();
        let (width, height) = self.screen.size();
        let text = match &self.view {
            View::Verdict => match &self.latest {
                Some(report) => render::human(report, &sheet),
                None => self.opening(),
            },
            View::Hint(text) | View::Error(text) => text.clone(),
            View::List => {
                let records = Records::of(&self.workshop.root).read().records;
                let standings = standing::all(self.workshop, &records);
                render::standings::list(&standings, &sheet)
            }
            View::Help => HELP.to_owned(),
        };
        let footer = self.footer();
        let letters = |text: String| {
            let text = render::letters(text, &sheet);
            if self.look.colours {
                text
            } else {
                anstream::adapter::strip_str(&text).to_string()
            }
        };
        let text = letters(text);
        let footer: Vec<_> = footer.into_iter().map(letters).collect();
        let picture = Frame {
            text: &text,
            from_end: self.is_seen_from_its_end(),
            footer: &footer,
            scrolled: self.scrolled,
            width,
            height,
            unicode: sheet.unicode,
        }
        .picture();
        self.furthest = picture.furthest;
        self.scrolled = self.scrolled.min(picture.furthest);
        self.screen.draw(picture.rows)?;
        Ok(())
    }

    /// What is to be done stands at the end of a verdict. What a compiler says
    /// begins with what matters most.
    fn is_seen_from_its_end(&self) -> bool {
        matches!(self.view, View::Verdict) && !self.does_not_compile()
    }

    fn does_not_compile(&self) -> bool {
        self.latest.as_ref().is_some_and(Report::does_not_compile)
    }

    fn opening(&self) -> String {
        self.task.map_or(String::new(), |task| {
            format!("{} · {}\n", task.name(), task.exercise.title)
        })
    }

    fn footer(&self) -> Vec<String> {
        let verdict = self.latest.as_ref().map(Report::verdict);
        let is_over = !self.running && verdict == Some(Verdict::Pass);
        Footer {
            waiting: self.running.then_some(self.waiting.as_str()),
            notice: self.notice.as_deref(),
            task: self.task,
            verdict,
            next: is_over.then(|| self.next()).flatten(),
            changes: match self.view {
                View::Verdict => self.changes.as_deref(),
                _ => None,
            },
        }
        .rows()
    }

    fn next(&self) -> Option<&'a Exercise> {
        let records = Records::of(&self.workshop.root).read().records;
        let standings = standing::all(self.workshop, &records);
        standing::next(&standings, &self.task?.exercise.id).map(|standing| standing.exercise)
    }

    fn key(&mut self, key: KeyEvent) -> anyhow::Result<Order<'a>> {
        let wanted_to_skip = std::mem::take(&mut self.wants_to_skip);
        self.notice = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        let page = self.screen.size().1.saturating_sub(8).max(1);
        let up_is_further = self.is_seen_from_its_end();
        match key.code {
            KeyCode::Char('q') => return Ok(Order::Quit(0)),
            KeyCode::Char('r') => return Ok(Order::Again),
            KeyCode::Char('n') => return Ok(self.go_on(wanted_to_skip)),
            KeyCode::Char('h') => self.hint(false),
            KeyCode::Char('m') => self.hint(true),
            KeyCode::Char('l') => self.toggle(matches!(self.view, View::List), View::List),
            KeyCode::Char('?') => self.toggle(matches!(self.view, View::Help), View::Help),
            KeyCode::Esc => self.show(View::Verdict),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(1, up_is_further),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1, !up_is_further),
            KeyCode::PageUp | KeyCode::Char('b') => self.scroll(page, up_is_further),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(page, !up_is_further),
            _ => {}
        }
        Ok(Order::Nothing)
    }

    fn control(&mut self, code: KeyCode) -> anyhow::Result<Order<'a>> {
        match code {
            KeyCode::Char('c') => Ok(Order::Quit(interrupt::EXIT_CODE)),
            #[cfg(unix)]
            KeyCode::Char('z') => {
                self.screen.stop()?;
                Ok(Order::Nothing)
            }
            KeyCode::Char('l') => {
                self.screen.forget()?;
                Ok(Order::Nothing)
            }
            _ => Ok(Order::Nothing),
        }
    }

    fn scroll(&mut self, rows: usize, further: bool) {
        self.scrolled = if further {
            (self.scrolled + rows).min(self.furthest)
        } else {
            self.scrolled.saturating_sub(rows)
        };
    }

    fn toggle(&mut self, is_shown: bool, view: View) {
        self.show(if is_shown { View::Verdict } else { view });
    }

    fn hint(&mut self, more: bool) {
        let Some(task) = self.task else {
            return;
        };
        if !more && matches!(self.view, View::Hint(_)) {
            return self.show(View::Verdict);
        }
        let sheet = self.sheet();
        let wanted = Wanted { level: None, more };
        let given = hint::give(self.workshop, task.exercise, wanted, |mut answer| {
            // Here there are keys for all that.
            match &mut answer {
                Answer::Hint(shown) if shown.next.is_some() => {
                    let next = "The next one comes after one more attempt, or with m.";
                    shown.next = Some(next.to_owned());
                }
                Answer::Hint(_) => {}
                Answer::Passed(passed) => {
                    let next = passed
                        .next
                        .map(|next| ("n", format!("goes on to {}", next.title)));
                    let more = ("m", "the hints all the same".to_owned());
                    let keys = next.into_iter().chain([more]);
                    passed.instead = keys.map(|(key, what)| (key.to_owned(), what)).collect();
                }
            }
            render::hint(&answer, &sheet)
        });
        match given {
            Ok((text, notice)) => {
                let of_another = task.bonus.then(|| {
                    format!(
                        "The bonus has no hints of its own; these are for {}.",
                        task.exercise.id
                    )
                });
                self.notice = notice.or(of_another);
                self.show(View::Hint(text));
            }
            Err(error) => self.notice = Some(format!("{error:#}")),
        }
    }

    fn go_on(&mut self, even_if_not_passed: bool) -> Order<'a> {
        let Some(next) = self.next() else {
            self.notice = Some("There is no other exercise that has not passed.".to_owned());
            return Order::Nothing;
        };
        let passed = self
            .latest
            .as_ref()
            .is_some_and(|report| report.verdict() == Verdict::Pass);
        if passed || even_if_not_passed {
            return Order::Go(Task::of(next));
        }
        self.wants_to_skip = true;
        let name = self.task.map_or_else(|| "it".to_owned(), Task::name);
        self.notice = Some(format!(
            "{name} has not passed yet. n once more goes on to {} all the same.",
            next.id
        ));
        Order::Nothing
    }
}

impl<'a> Show<'a> for Session<'a> {
    fn begins(&mut self, task: Task<'a>) -> anyhow::Result<()> {
        if self.task != Some(task) {
            self.latest = None;
            self.changes = None;
            self.show(View::Verdict);
        }
        self.task = Some(task);
        self.running = true;
        self.notice = None;
        self.waiting = format!("building {} …", task.binary());
        self.draw()
    }

    fn ends(&mut self, report: Report, notice: Option<String>) -> anyhow::Result<()> {
        self.running = false;
        self.notice = notice;
        self.changes = self
            .latest
            .as_ref()
            .map(|before| changes::between(before, &report));
        self.latest = Some(report);
        self.show(View::Verdict);
        self.draw()
    }

    fn fails(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        self.running = false;
        self.show(View::Error(format!(
            "error: {error:#}\n\nPress r to try again."
        )));
        self.draw()
    }

    fn hears(&mut self, event: Event) -> anyhow::Result<Order<'a>> {
        let order = match event {
            Event::Key(key) => self.key(key)?,
            Event::Resized => {
                self.screen.forget()?;
                Order::Nothing
            }
            Event::Waiting(line) => {
                // It is quiet for a moment between two waits: no reason to flicker.
                if !line.is_empty() {
                    self.waiting = line;
                }
                Order::Nothing
            }
            Event::End => Order::Quit(interrupt::EXIT_CODE),
            Event::Saved(_) => Order::Nothing,
        };
        if order == Order::Nothing {
            self.draw()?;
        }
        Ok(order)
    }

    /// The last verdict stays in the terminal, where it can be scrolled to.
    fn closes(&mut self) -> anyhow::Result<()> {
        super::screen::restore();
        let Some(report) = &self.latest else {
            return Ok(());
        };
        let mut text = render::human(report, &self.sheet());
        if !self.look.colours {
            text = anstream::adapter::strip_str(&text).to_string();
        }
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        Ok(())
    }
}
