//! Ctrl-C: whatever runs is dropped, and with it every program ended.

use std::io::{IsTerminal as _, Write as _};

/// The exit code of whoever was stopped, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// Works to the end, or until Ctrl-C; the exit code.
///
/// # Errors
/// Those of the work.
pub async fn unless_interrupted(
    work: impl Future<Output = anyhow::Result<u8>>,
) -> anyhow::Result<u8> {
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Ok(stopped()),
    }
}

/// Says that it was stopped; the exit code.
pub fn stopped() -> u8 {
    // Nothing can be done where standard error is gone.
    let mut stderr = std::io::stderr();
    let clear = if stderr.is_terminal() { "\r\x1b[K" } else { "" };
    let _ = writeln!(stderr, "{clear}stopped");
    EXIT_CODE
}
