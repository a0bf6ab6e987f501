//! The command line: parse, call, print, exit code.

mod terminal;
mod verify;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::terminal::{Colour, choice, print, sheet, warn};
use crate::author;
use crate::book;
use crate::call::Call;
use crate::compare;
use crate::course;
use crate::doctor;
use crate::draw;
use crate::explain;
use crate::hint::{self, Wanted};
use crate::home;
use crate::interrupt;
use crate::manual;
use crate::remedy;
use crate::render::{self, Sheet};
use crate::reset;
use crate::solution;
use crate::watch::{self, Look};
use crate::workshop::Workshop;

/// Wrong use, or a fault that is not the learner's.
const ERROR: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "checker",
    version,
    about = "Grades your server by what it does with its waiting time",
    after_help = format!(
        "Examples:\n  checker\n  checker watch\n  checker verify ex01\n  checker doctor\n\n{}",
        manual::EXIT_CODES
    )
)]
struct Cli {
    /// Without a command: where you are, and what is next
    #[command(subcommand)]
    command: Option<Command>,
    /// The checkout of the workshop [default: the one you are in]
    #[arg(long, global = true, value_name = "DIR")]
    workshop: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a program, run it between mock services, and say what it does
    #[command(
        after_help = "Examples:\n  checker verify ex02\n  checker verify 2 --solution\n  checker verify ex02 --exec 'python3 my_app.py'\n  checker verify --all --format json\n  checker verify ex02 --report report.html --report junit.xml"
    )]
    Verify(verify::Options),
    /// All exercises: how far you are, how quick your answers are, how long it took
    #[command(after_help = "Example:\n  checker list")]
    List,
    /// Run sequential, callbacks and async under the same latency, side by side
    #[command(after_help = "Example:\n  checker compare ex01 --clients 5 --latency 200ms")]
    Compare(compare::Options),
    /// Grade an exercise whenever you save a file of it
    #[command(
        after_help = "Examples:\n  checker watch\n  checker watch ex02\n  checker watch ex02 --bonus"
    )]
    Watch(watch::Options),
    /// A hint: a question first, then the tool, then a few lines of code
    #[command(after_help = "Examples:\n  checker hint\n  checker hint ex01 --more")]
    Hint {
        /// `ex01`, `1`, or an unambiguous part of its name [default: the first that has not passed]
        exercise: Option<String>,
        /// The next hint, without one more attempt
        #[arg(long, conflicts_with = "level")]
        more: bool,
        /// How much to give away
        #[arg(long, value_name = "1..3", value_parser = clap::value_parser!(u8).range(1..=3))]
        level: Option<u8>,
    },
    /// Our answer as a diff against your file, once it has passed
    #[command(after_help = "Examples:\n  checker solution ex02\n  checker solution ex02 --now")]
    Solution(solution::Options),
    /// Back to the starter; your files are kept beside it
    #[command(after_help = "Example:\n  checker reset ex02")]
    Reset {
        /// `ex02`, `2`, or an unambiguous part of its name
        exercise: String,
    },
    /// What a diagnosis means, and how to mend it; without one: all of them
    #[command(after_help = "Examples:\n  checker explain\n  checker explain sequential")]
    Explain {
        /// The name of a diagnosis, as a verdict gives it
        #[arg(value_name = "CODE")]
        diagnosis: Option<String>,
    },
    /// What this machine has and lacks for the workshop, and what mends it
    #[command(
        after_help = "Examples:\n  checker doctor\n  checker doctor --offline-ready\n  checker doctor --format json"
    )]
    Doctor(doctor::Options),
    /// Read the book, with your own verdicts on its pages
    #[command(after_help = "Example:\n  checker book --port 3000 --no-open")]
    Book(book::Options),
    /// Draw a timeline of a report that was written as JSON
    #[command(
        hide = true,
        after_help = "Example:\n  checker verify ex02 --format json | checker draw - --svg > ex02.svg"
    )]
    Draw(draw::Options),
    /// Write a fresh workshop into a folder: all that a learner needs
    #[command(
        after_help = "Examples:\n  checker init async-workshop\n  checker init async-workshop --with-solutions"
    )]
    Init(course::Init),
    /// Bring a workshop to what this checker carries; what you changed stays yours
    #[command(after_help = "Example:\n  checker update")]
    Update,
    /// What your shell reads to complete this command line
    #[command(
        after_help = "Examples:\n  checker completions bash > ~/.local/share/bash-completion/completions/checker\n  checker completions fish > ~/.config/fish/completions/checker.fish\n  checker completions zsh > ~/.zfunc/_checker\n  checker completions powershell >> $PROFILE"
    )]
    Completions(manual::Completions),
    /// Man pages
    #[command(
        after_help = "Examples:\n  checker man > checker.1\n  checker man ~/.local/share/man/man1"
    )]
    Man(manual::Man),
    /// For authors of the course: prove that it holds what it promises
    #[command(
        subcommand,
        after_help = "Example:\n  checker author check --only ex02"
    )]
    Author(author::Command),
}

/// Runs the checker.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        watch::screen::restore();
        let _ = writeln!(
            std::io::stderr(),
            "error: the checker itself failed, which is not your fault: {panic}"
        );
    }));
    let outcome = std::panic::catch_unwind(|| {
        let call = Call::of_this_process();
        let parsed = spelt(Cli::command().bin_name(call.name()), call)
            .try_get_matches_from(call.arguments())
            .and_then(|matches| Cli::from_arg_matches(&matches));
        let cli = match parsed {
            Ok(cli) => cli,
            Err(error) => {
                // Help goes to standard output, wrong use to standard error.
                let _ = error.print();
                return u8::try_from(error.exit_code()).unwrap_or(ERROR);
            }
        };
        crate::allowance::claim();
        if let Some(outcome) = at_once(&cli) {
            return outcome.unwrap_or_else(|error| refuse(&error));
        }
        // Where the system has no such thing, there is less to be afraid of.
        let _ = crate::program::adopt_orphans();
        let _ = crate::program::hide_memory();
        crate::program::sweep();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let outcome = match runtime {
            Ok(runtime) => {
                let outcome = runtime.block_on(run(&cli));
                runtime.shutdown_timeout(Duration::from_secs(1));
                outcome
            }
            Err(error) => Err(anyhow::Error::new(error).context("no thread to work in")),
        };
        outcome.unwrap_or_else(|error| refuse(&error))
    });
    ExitCode::from(outcome.unwrap_or(ERROR))
}

fn refuse(error: &anyhow::Error) -> u8 {
    let said = remedy::told(error).to_string();
    let said = Call::of_this_process().spell(&said).into_owned();
    let _ = writeln!(std::io::stderr(), "error: {said}");
    ERROR
}

/// The command line with its usage and examples as this learner types them.
fn spelt(mut command: clap::Command, call: Call) -> clap::Command {
    if let Some(help) = command.get_after_help() {
        let help = call.spell(&help.to_string()).into_owned();
        command = command.after_help(help);
    }
    let names: Vec<_> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(name, |one| spelt(one, call));
    }
    command
}

/// What is answered from memory, without starting anything.
fn at_once(cli: &Cli) -> Option<anyhow::Result<u8>> {
    let answer = |with: Answer<'_>| {
        let (text, notice) = with(&here(cli)?, &sheet(cli.color, false))?;
        warn(notice);
        print(&text, cli.color)?;
        Ok(0)
    };
    let told = |text: anyhow::Result<String>| {
        print(&text?, cli.color)?;
        Ok(0)
    };
    Some(match &cli.command {
        // Needs no workshop: a verdict may be read anywhere.
        Some(Command::Explain { diagnosis }) => told(explain::explain(
            diagnosis.as_deref(),
            &sheet(cli.color, false),
        )),
        Some(Command::Draw(options)) => told(draw::run(options, sheet(cli.color, false))),
        Some(Command::Completions(options)) => {
            told(Ok(manual::completions(options, Cli::command())))
        }
        Some(Command::Init(options)) => told(course::init(options, Call::of_this_process())),
        Some(Command::Update) => {
            told(here(cli).and_then(|workshop| course::update(&workshop.root)))
        }
        Some(Command::Man(options)) => told(manual::man(options, Cli::command())),
        None => answer(&|workshop, sheet| Ok(home::home(workshop, sheet))),
        Some(Command::List) => answer(&|workshop, sheet| Ok(home::list(workshop, sheet))),
        Some(Command::Hint {
            exercise,
            more,
            level,
        }) => answer(&|workshop, sheet| {
            let exercise = match exercise {
                Some(wanted) => workshop.exercise(wanted)?,
                None => hint::current(workshop, false)?,
            };
            let wanted = Wanted {
                level: *level,
                more: *more,
            };
            hint::give(workshop, exercise, wanted, |answer| {
                render::hint(&answer, sheet)
            })
        }),
        Some(Command::Solution(options)) => answer(&|workshop, _| solution::run(workshop, options)),
        Some(Command::Reset { exercise }) => answer(&|workshop, _| {
            let exercise = workshop.exercise(exercise)?;
            Ok((reset::run(workshop, exercise)?, None))
        }),
        Some(_) => return None,
    })
}

/// The text, and what is to be said beside it.
type Answer<'a> = &'a dyn Fn(&Workshop, &Sheet) -> anyhow::Result<(String, Option<String>)>;

/// The folder that the learner is in, or names.
fn folder(cli: &Cli) -> anyhow::Result<PathBuf> {
    match &cli.workshop {
        Some(folder) => folder
            .canonicalize()
            .with_context(|| format!("there is no folder {}", folder.display())),
        None => std::env::current_dir().context("the folder you are in is gone"),
    }
}

/// The workshop around that folder.
fn here(cli: &Cli) -> anyhow::Result<Workshop> {
    Workshop::find(&folder(cli)?)
}

async fn run(cli: &Cli) -> anyhow::Result<u8> {
    match cli.command {
        // What a soak has counted so far is worth telling.
        Some(Command::Author(author::Command::Soak(_))) => obey(cli).await,
        _ => interrupt::unless_interrupted(obey(cli)).await,
    }
}

async fn obey(cli: &Cli) -> anyhow::Result<u8> {
    let colour = cli.color;
    let Some(command) = &cli.command else {
        return Ok(0);
    };
    if let Command::Doctor(options) = command {
        // Where there is no workshop, that is one of the things to tell.
        let checkup = doctor::run(options, &folder(cli)?).await;
        let text = match options.format {
            doctor::Format::Human => render::checkup::draw(&checkup, &sheet(colour, false)),
            doctor::Format::Json => checkup.json()?,
        };
        print(&text, colour)?;
        return Ok(checkup.exit_code());
    }
    let workshop = here(cli)?;
    match command {
        Command::Verify(options) => verify::run(&workshop, options, colour).await,
        Command::Compare(options) => {
            let drawn = compare::run(&workshop, options, sheet(colour, false)).await?;
            print(&drawn, colour)?;
            Ok(0)
        }
        Command::Watch(options) => {
            let look = Look {
                sheet: sheet(colour, false),
                colours: choice(colour) != anstream::ColorChoice::Never,
            };
            watch::run(&workshop, options, &keeper()?, look).await
        }
        Command::Book(options) => {
            let say = |text: &str| print(text, colour);
            book::run(&workshop, options, &keeper()?, &say).await
        }
        Command::Author(command) => {
            let say = |text: &str| print(text, colour);
            author::run(&workshop, command, &keeper()?, &say).await
        }
        // `at_once` has answered the others.
        _ => Ok(0),
    }
}

fn keeper() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("the checker cannot find its own program file")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that people see, with its name from the first word on.
    fn commands(of: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let mut all = vec![(path.to_owned(), of.clone())];
        for one in of.get_subcommands().filter(|one| !one.is_hide_set()) {
            all.extend(commands(one, &format!("{path} {}", one.get_name())));
        }
        all
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_that_are_understood() {
        for (path, command) in commands(&Cli::command(), "checker") {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let examples: Vec<_> = help
                .lines()
                .filter_map(|line| line.strip_prefix("  "))
                .filter(|line| line.starts_with("checker"))
                .collect();
            assert!(!examples.is_empty(), "{path} has no example");
            for example in examples {
                assert!(example.starts_with(&path), "{example} is none of {path}");
                let line = example.split(['|', '>']).next().unwrap_or_default();
                let words = shell_words::split(line).expect("as a shell reads it");
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
            }
        }
    }

    #[test]
    fn the_readme_has_the_exit_codes_of_the_help() {
        let readme = include_str!("../../README.md");
        for line in manual::EXIT_CODES.lines().skip(1) {
            let (code, meaning) = line.trim().split_once(' ').expect("a code and its meaning");
            let row = format!("| {code} | {} |", meaning.trim());
            assert!(readme.contains(&row), "{row}");
        }
    }
}
