//! Tapes of the corpus: what the judge is tried against, over and over, where
//! running hundreds of programs each time would take hours.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Say;
use super::corpus::{self, Score};
use crate::progress::Progress;
use crate::verify;
use crate::workshop::Workshop;

/// What to record.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the tapes go, one file per program
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Only programs whose name contains this
    #[arg(long)]
    pub only: Option<String>,
    /// How many are graded at a time
    #[arg(long, default_value_t = 2)]
    pub jobs: usize,
}

/// Grades the corpus and keeps what was judged, where the verdict was right; 0
/// where all of them were, else 1.
///
/// # Errors
/// Faults that are not the course's, and where a tape cannot be written.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    const TRIES: u32 = 3;
    std::fs::create_dir_all(&options.folder)
        .with_context(|| format!("cannot make {}", options.folder.display()))?;
    let mut programs = corpus::all(workshop)?;
    programs.retain(|entry| {
        options
            .only
            .as_ref()
            .is_none_or(|only| entry.name.contains(only))
    });
    let silent = &Progress::silent();
    let programs = corpus::prepared(workshop, programs, silent).await?;
    let recording = stream::iter(programs).map(|(entry, prepared)| async move {
        for _ in 0..TRIES {
            let (report, tape) = verify::record(prepared.clone(), 1, keeper, silent).await?;
            if entry.score(&report) == Score::Right {
                return Ok((entry.name, tape));
            }
        }
        anyhow::bail!("no right verdict about {}, so no tape of it", entry.name)
    });
    let mut recording = std::pin::pin!(recording.buffered(options.jobs.max(1)));
    let (mut kept, mut missed) = (0, 0);
    while let Some(recorded) = recording.next().await {
        match recorded {
            Ok((name, Some(mut tape))) => {
                let file = options.folder.join(format!("{name}.json"));
                tape.program = name;
                std::fs::write(&file, serde_json::to_vec(&tape)?)
                    .with_context(|| format!("cannot write {}", file.display()))?;
                kept += 1;
            }
            // What does not compile is never probed.
            Ok((_, None)) => {}
            Err(error) => {
                missed += 1;
                say(&format!("{error:#}\n"))?;
            }
        }
    }
    say(&format!("{kept} tapes, {missed} programs without\n"))?;
    Ok(u8::from(missed > 0))
}
