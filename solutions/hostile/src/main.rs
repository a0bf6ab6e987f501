//! Programs that try to fool, hang or harm the checker.
//!
//! One binary, so that it is built in a moment: `hostile NAME` is that program,
//! and `hostile --list` names them all. How each of them has to end stands in
//! `hostile.toml`; `checker author soak --hostile` sees to it.
//!
//! Every program is bounded, so that it does no harm either where a checker
//! fails: it ends after [`LONGEST`], and takes no more than a few hundred
//! megabytes, a few dozen processes and a few files.

mod answers;
mod bystander;
mod cheats;
mod floods;
mod intruders;
mod processes;
mod server;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// No program and no child of one lives longer.
const LONGEST: Duration = Duration::from_secs(60);

type Program = (&'static str, fn());

fn programs() -> impl Iterator<Item = Program> {
    [
        answers::PROGRAMS,
        cheats::PROGRAMS,
        floods::PROGRAMS,
        intruders::PROGRAMS,
        processes::PROGRAMS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "--list" {
        programs().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    thread::spawn(|| {
        thread::sleep(LONGEST);
        std::process::exit(99);
    });
    if let Some(child) = processes::child(&wanted) {
        child();
        return ExitCode::SUCCESS;
    }
    let Some((_, program)) = programs().find(|(name, _)| *name == wanted) else {
        eprintln!("there is no program `{wanted}`; `hostile --list` names them all");
        return ExitCode::from(2);
    };
    program();
    ExitCode::SUCCESS
}
