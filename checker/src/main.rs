//! `checker`: grades a learner's server by what it does with its waiting time.

use std::process::ExitCode;

use checker::program::keeper;
use checker::source;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(argument) if argument == keeper::ARGUMENT => keeper::main(),
        Some(argument) if argument == source::ARGUMENT => source::main(),
        _ => checker::cli::main(),
    }
}
