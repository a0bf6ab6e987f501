//! The terminal while it is ours: another screen, no echo, every key at once.
//! However it ends, the terminal is given back as it was.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};

/// Whether the terminal is ours now.
static OURS: AtomicBool = AtomicBool::new(false);

/// The terminal is ours for as long as this lives.
#[derive(Debug)]
pub(super) struct Screen {
    /// What is to be seen now.
    drawn: Vec<String>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        take()?;
        Ok(Self { drawn: vec![] })
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let (width, height) = crossterm::terminal::size().unwrap_or((80, 24));
        (usize::from(width.max(1)), usize::from(height.max(1)))
    }

    /// Shows these rows and nothing else, in one go. Rows that are to be seen
    /// already are not drawn again: a terminal may be far away.
    pub(super) fn draw(&mut self, rows: Vec<String>) -> io::Result<()> {
        if rows == self.drawn {
            return Ok(());
        }
        let mut picture = vec![];
        queue!(picture, BeginSynchronizedUpdate)?;
        for (i, row) in rows.iter().enumerate() {
            if self.drawn.get(i) == Some(row) {
                continue;
            }
            // Cleared before it is written: after a full row, the cursor stands
            // on its last letter.
            queue!(picture, MoveTo(0, line(i)), Clear(ClearType::CurrentLine))?;
            picture.extend_from_slice(row.as_bytes());
            queue!(picture, ResetColor)?;
        }
        if rows.len() < self.drawn.len() {
            let beneath = MoveTo(0, line(rows.len()));
            queue!(picture, beneath, Clear(ClearType::FromCursorDown))?;
        }
        queue!(picture, EndSynchronizedUpdate)?;
        let mut out = io::stdout().lock();
        out.write_all(&picture)?;
        out.flush()?;
        self.drawn = rows;
        Ok(())
    }

    /// Whatever was drawn may be gone: the terminal has another size now.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.drawn.clear();
        let mut blank = vec![];
        queue!(blank, Clear(ClearType::All))?;
        io::stdout().write_all(&blank)
    }

    /// Gives the terminal back and stops, as Ctrl-Z asks for; takes it again
    /// when it is continued.
    #[cfg(unix)]
    pub(super) fn stop(&mut self) -> io::Result<()> {
        restore();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTSTP)?;
        self.drawn.clear();
        take()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn line(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    OURS.store(true, Ordering::SeqCst);
    let mut begin = vec![];
    queue!(begin, EnterAlternateScreen, Hide, DisableLineWrap)?;
    let mut out = io::stdout().lock();
    out.write_all(&begin).and_then(|()| out.flush())
}

/// Gives the terminal back, if it is ours. A panic calls this before anything
/// is said about it.
pub fn restore() {
    if !OURS.swap(false, Ordering::SeqCst) {
        return;
    }
    // Nothing can be done where the terminal is gone.
    let mut end = vec![];
    if queue!(end, ResetColor, EnableLineWrap, Show, LeaveAlternateScreen).is_ok() {
        let mut out = io::stdout();
        let _ = out.write_all(&end).and_then(|()| out.flush());
    }
    let _ = disable_raw_mode();
}
