//! The command line: parse, call, print, exit code.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::author;
use crate::compare;
use crate::explain;
use crate::interrupt;
use crate::progress::Progress;
use crate::render::{self, Sheet};
use crate::report::{Report, Verdict};
use crate::verify::{self, Program};
use crate::workshop::Workshop;

/// Wrong use, or a fault that is not the learner's.
const ERROR: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "checker",
    version,
    about = "Grades your server by what it does with its waiting time",
    after_help = "Exit codes: 0 pass, 1 fail, 2 wrong use or a fault that is not yours, 3 this machine was too busy to judge."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a program, run it between mock services, and say what it does
    #[command(
        after_help = "Examples:\n  checker verify ex02\n  checker verify 2 --solution\n  checker verify ex02 --exec 'python3 my_app.py'\n  checker verify --all --format json"
    )]
    Verify(Verify),
    /// Run sequential, callbacks and async under the same latency, side by side
    #[command(after_help = "Example:\n  checker compare ex01 --clients 5 --latency 200ms")]
    Compare(compare::Options),
    /// A hint: a question first, then the tool, then a few lines of code
    #[command(after_help = "Example:\n  checker hint ex01 --level 2")]
    Hint {
        /// `ex01`, `1`, or an unambiguous part of its name
        exercise: String,
        /// How much to give away
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        level: u8,
    },
    /// What a diagnosis means, and how to mend it; without one: all of them
    #[command(after_help = "Examples:\n  checker explain\n  checker explain sequential")]
    Explain {
        /// The name of a diagnosis, as a verdict gives it
        #[arg(value_name = "CODE")]
        diagnosis: Option<String>,
    },
    /// For authors of the course: prove that it holds what it promises
    #[command(subcommand)]
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
    /// Say where the time went
    #[arg(long)]
    timings: bool,
}

/// Runs the checker.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
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
        outcome.unwrap_or_else(|error| {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ERROR
        })
    });
    ExitCode::from(outcome.unwrap_or(ERROR))
}

async fn run(cli: &Cli) -> anyhow::Result<u8> {
    match cli.command {
        // What a soak has counted so far is worth telling.
        Command::Author(author::Command::Soak(_)) => obey(cli).await,
        _ => interrupt::unless_interrupted(obey(cli)).await,
    }
}

async fn obey(cli: &Cli) -> anyhow::Result<u8> {
    // Needs no workshop: a verdict may be read anywhere.
    if let Command::Explain { diagnosis } = &cli.command {
        let told = explain::explain(diagnosis.as_deref(), &sheet(cli.color, false))?;
        print(&told, cli.color)?;
        return Ok(0);
    }
    let here = match &cli.workshop {
        Some(folder) => folder
            .canonicalize()
            .with_context(|| format!("there is no folder {}", folder.display()))?,
        None => std::env::current_dir().context("the folder you are in is gone")?,
    };
    let workshop = Workshop::find(&here)?;
    let colour = cli.color;
    match &cli.command {
        Command::Verify(options) => run_verify(&workshop, options, colour).await,
        Command::Compare(options) => {
            let drawn = compare::run(&workshop, options, sheet(colour, false)).await?;
            print(&drawn, colour)?;
            Ok(0)
        }
        Command::Hint { exercise, level } => {
            let exercise = workshop.exercise(exercise)?;
            let index = usize::from(*level) - 1;
            let hint = exercise.hints.get(index).map_or("", |hint| hint.trim());
            let more = match level {
                3 => String::new(),
                _ => format!("\n\n(--level {} says more)", level + 1),
            };
            print(&format!("{hint}{more}\n"), colour)?;
            Ok(0)
        }
        Command::Explain { .. } => Ok(0), // told already
        Command::Author(command) => {
            let say = |text: &str| print(text, colour);
            author::run(&workshop, command, &keeper()?, &say).await
        }
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
    let progress = Progress::on_stderr();
    let sheet = sheet(colour, options.timings);
    let work = async {
        let mut prepared = Vec::new();
        for exercise in exercises {
            prepared.push(verify::prepare(workshop, exercise, &program, &progress).await?);
        }
        if options.format == Format::Human {
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
    let text = match options.format {
        Format::Human => reports
            .iter()
            .map(|report| render::human(report, &sheet))
            .collect::<Vec<_>>()
            .join("\n"),
        Format::Json if options.all => render::json_of(&reports)?,
        Format::Json => reports
            .first()
            .map_or_else(|| Ok(String::new()), render::json)?,
    };
    print(&text, colour)?;
    Ok(exit_code(&reports))
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
    let choice = match colour {
        Colour::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    let mut out = anstream::AutoStream::new(std::io::stdout().lock(), choice);
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written to"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_command_is_split_or_refused(line in r#"[\PC'"\\ ]{0,60}"#) {
            if let Err(error) = split(&line) {
                proptest::prop_assert!(error.to_string().starts_with("--exec: "));
            }
        }

        #[test]
        fn what_is_quoted_stays_together(words in proptest::collection::vec(r"\PC{0,12}", 0..6)) {
            let line = shell_words::join(&words);
            let words: Vec<_> = words.into_iter().map(OsString::from).collect();
            proptest::prop_assert_eq!(split(&line).expect("every quote is closed"), words);
        }
    }
}
