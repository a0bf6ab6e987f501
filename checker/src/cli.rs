//! The command line: parse, call, print, exit code.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::author;
use crate::book;
use crate::compare;
use crate::course;
use crate::doctor;
use crate::draw;
use crate::explain;
use crate::hint::{self, Wanted};
use crate::home;
use crate::interrupt;
use crate::manual;
use crate::progress::Progress;
use crate::records;
use crate::render::link::Pointer;
use crate::render::{self, Sheet};
use crate::report::{Report, Verdict};
use crate::reports::{self, Destination, Form};
use crate::reset;
use crate::solution;
use crate::verify::{self, Program};
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
    Html,
    #[value(alias = "md")]
    Markdown,
    Gradescope,
}

impl Format {
    /// What that is among the forms of reports; `None` for the terminal's own.
    const fn form(self) -> Option<Form> {
        match self {
            Self::Human => None,
            Self::Json => Some(Form::Json),
            Self::Junit => Some(Form::Junit),
            Self::Html => Some(Form::Html),
            Self::Markdown => Some(Form::Markdown),
            Self::Gradescope => Some(Form::Gradescope),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a program, run it between mock services, and say what it does
    #[command(
        after_help = "Examples:\n  checker verify ex02\n  checker verify 2 --solution\n  checker verify ex02 --exec 'python3 my_app.py'\n  checker verify --all --format json\n  checker verify ex02 --report report.html --report junit.xml"
    )]
    Verify(Verify),
    /// All exercises: how far you are, how quick your answers are, how long it took
    #[command(after_help = "Example:\n  checker list")]
    List,
    /// Run sequential, callbacks and async under the same latency, side by side
    #[command(after_help = "Example:\n  checker compare ex01 --clients 5 --latency 200ms")]
    Compare(compare::Options),
    /// Grade an exercise whenever you save a file of it
    #[command(after_help = "Examples:\n  checker watch\n  checker watch ex02")]
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

#[derive(Debug, Args)]
struct Verify {
    /// `ex02`, `2`, or an unambiguous part of its name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    exercise: Option<String>,
    /// Grade every exercise
    #[arg(long)]
    all: bool,
    /// Grade the solution instead of your program
    #[arg(long, conflicts_with = "exec")]
    solution: bool,
    /// Grade the bonus program
    #[arg(long, conflicts_with_all = ["exec", "all"])]
    bonus: bool,
    /// Grade any program that keeps the contract
    #[arg(long, value_name = "CMD", conflicts_with = "all")]
    exec: Option<String>,
    /// Repeat a run: its bodies and names are drawn from this
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Write a report as well; its name says the form: .json, .xml (JUnit),
    /// .html, .md, results.json (Gradescope), or FORM:FILE. May be repeated
    #[arg(long, value_name = "FILE")]
    report: Vec<Destination>,
    /// Say the verdict and no more
    #[arg(long, short, conflicts_with_all = ["format", "timings"])]
    quiet: bool,
    /// Say where the time went
    #[arg(long)]
    timings: bool,
    /// Do not count this as an attempt
    #[arg(long)]
    no_record: bool,
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
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            Err(error) => {
                // Help goes to standard output, wrong use to standard error.
                let _ = error.print();
                return u8::try_from(error.exit_code()).unwrap_or(ERROR);
            }
        };
        if let Some(outcome) = at_once(&cli) {
            return outcome.unwrap_or_else(|error| refuse(&error));
        }
        // Where the system has no such thing, there is less to be afraid of.
        let _ = crate::program::adopt_orphans();
        let _ = crate::program::hide_memory();
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
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ERROR
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
        Some(Command::Init(options)) => told(course::init(options)),
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
                None => hint::current(workshop)?,
            };
            let wanted = Wanted {
                level: *level,
                more: *more,
            };
            hint::give(workshop, exercise, wanted, |shown| {
                render::hint(shown, sheet)
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

/// Says what went wrong beside the matter; that never changes an exit code.
fn warn(notice: Option<String>) {
    if let Some(notice) = notice {
        let _ = writeln!(std::io::stderr(), "warning: {notice}");
    }
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
        Command::Verify(options) => run_verify(&workshop, options, colour).await,
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

async fn run_verify(workshop: &Workshop, options: &Verify, colour: Colour) -> anyhow::Result<u8> {
    let seed = u64::from(options.seed.unwrap_or_else(|| fastrand::u32(..)));
    let keeper = keeper()?;
    let program = match (&options.exec, options.bonus, options.solution) {
        (Some(line), ..) => Program::Command(split(line)?),
        (None, true, true) => Program::BonusSolution,
        (None, true, false) => Program::Bonus,
        (None, false, true) => Program::Solution,
        (None, false, false) => Program::Exercise,
    };
    let exercises: Vec<_> = match &options.exercise {
        Some(wanted) => vec![workshop.exercise(wanted)?],
        None => workshop.exercises.iter().collect(),
    };
    options.report.iter().try_for_each(Destination::check)?;
    let progress = Progress::on_stderr();
    let sheet = sheet(colour, options.timings);
    let work = async {
        let mut prepared = Vec::new();
        for exercise in exercises {
            prepared.push(verify::prepare(workshop, exercise, &program, &progress).await?);
        }
        if options.format == Format::Human && !options.quiet {
            for one in &prepared {
                print(&render::opening(&one.title(), one.build_time()), colour)?;
            }
        }
        let grading = prepared
            .into_iter()
            .map(|prepared| verify::grade(prepared, seed, &keeper, &progress));
        // Side by side: what they mostly do is wait.
        futures_util::future::try_join_all(grading).await
    };
    let reports: Vec<Report> = tokio::select! {
        reports = work => reports,
        () = progress.keep_drawing() => Ok(Vec::new()),
    }
    .inspect_err(|_| progress.clear())?;
    progress.clear();
    if matches!(program, Program::Exercise | Program::Bonus) && !options.no_record {
        warn(records::remember(&workshop.root, &reports));
    }
    let text = match options.format.form() {
        None if options.quiet => reports
            .iter()
            .map(|report| render::verdict_line(report, &sheet))
            .collect(),
        None => reports
            .iter()
            .map(|report| render::human(report, &sheet))
            .collect::<Vec<_>>()
            .join("\n"),
        Some(form) => reports::write(form, &reports, options.all)?,
    };
    print(&text, colour)?;
    if let Some(warning) = reports::step_summary(&reports) {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    for to in &options.report {
        to.save(&reports, options.all)?;
    }
    if options.format == Format::Human && !options.quiet {
        let pointers = pointers(workshop, &reports, &options.report);
        print(&render::link::pointers(&pointers, &sheet), colour)?;
    }
    Ok(exit_code(&reports))
}

/// Where to go on: the page of what is not passed, and the reports.
fn pointers(workshop: &Workshop, reports: &[Report], written: &[Destination]) -> Vec<Pointer> {
    let pointer = |what, name: String, file: &Path| Pointer {
        what,
        name,
        url: file
            .canonicalize()
            .ok()
            .and_then(|file| url::Url::from_file_path(file).ok())
            .map(String::from),
    };
    let pages = reports
        .iter()
        .filter(|report| report.verdict() == Verdict::Fail)
        .filter_map(|report| workshop.exercise(&report.exercise).ok())
        .map(|exercise| {
            let page = Path::new("book").join("src").join(&exercise.chapter);
            pointer(
                "read more",
                page.display().to_string(),
                &workshop.root.join(&page),
            )
        });
    let written = written
        .iter()
        .map(|to| pointer("report", to.file.display().to_string(), &to.file));
    pages.chain(written).collect()
}

/// A fail anywhere is a fail; else anything undecided is inconclusive.
fn exit_code(reports: &[Report]) -> u8 {
    let verdicts: Vec<_> = reports.iter().map(Report::verdict).collect();
    [Verdict::Fail, Verdict::Inconclusive]
        .into_iter()
        .find(|verdict| verdicts.contains(verdict))
        .unwrap_or(Verdict::Pass)
        .exit_code()
}

fn split(line: &str) -> anyhow::Result<Vec<OsString>> {
    let words = shell_words::split(line)
        .context("--exec: a quote is not closed; write it as you would in a shell")?;
    Ok(words.into_iter().map(OsString::from).collect())
}

fn keeper() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("the checker cannot find its own program file")
}

fn sheet(colour: Colour, timings: bool) -> Sheet {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    Sheet {
        width: width.clamp(40, 200),
        plain: !terminal && colour != Colour::Always,
        unicode: is_unicode(),
        timings,
        links: colour != Colour::Never
            && supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout),
    }
}

/// Whether the terminal can be trusted with more than ASCII.
fn is_unicode() -> bool {
    if cfg!(windows) {
        return std::env::var_os("WT_SESSION").is_some();
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_lowercase();
    let terminal = std::env::var("TERM").unwrap_or_default();
    terminal != "linux" && (locale.contains("utf-8") || locale.contains("utf8"))
}

/// Prints to standard output, with colours only where they are wanted. A pipe
/// that was closed (`| head`) is no error.
fn print(text: &str, colour: Colour) -> anyhow::Result<()> {
    let mut out = anstream::AutoStream::new(std::io::stdout().lock(), choice(colour));
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written to"),
    }
}

fn choice(colour: Colour) -> anstream::ColorChoice {
    match colour {
        Colour::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    }
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
