//! `checker`: grades a learner's server by what it does with its waiting time.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(unix)]
    if std::env::args_os().nth(1).as_deref() == Some(checker::program::keeper::ARGUMENT.as_ref()) {
        checker::program::keeper::main();
        return ExitCode::SUCCESS;
    }
    checker::cli::main()
}
