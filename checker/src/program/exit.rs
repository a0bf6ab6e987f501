//! How a process ended.

use std::fmt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

/// How a process ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Its number on this system.
        number: i32,
        /// Its name, such as `SIGSEGV`.
        name: String,
    },
}

impl Exit {
    /// The ending that the system reports.
    #[cfg(unix)]
    pub(super) fn new(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;

        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(number)) => Self::signal(number),
            (None, None) => Self::Code(status.into_raw()),
        }
    }

    /// The ending that the system reports.
    #[cfg(windows)]
    pub(super) fn new(status: ExitStatus) -> Self {
        Self::Code(status.code().unwrap_or(-1))
    }

    /// An ending by the signal of that number.
    #[cfg(unix)]
    pub(super) fn signal(number: i32) -> Self {
        let name = match nix::sys::signal::Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {number}"),
        };
        Self::Signal { number, name }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal { name, .. } => f.write_str(name),
        }
    }
}
