//! `checker`: grades a learner's server by what it does with its waiting time.

use std::process::ExitCode;

use checker::program::keeper;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == keeper::ARGUMENT)
    {
        return keeper::main();
    }
    checker::cli::main()
}
