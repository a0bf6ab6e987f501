//! Tells when something was saved that the book is made of.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Editors write in several steps; what comes within this belongs together.
const QUIET: Duration = Duration::from_millis(60);

/// Saves in the checkout, as they happen.
#[derive(Debug)]
pub struct Saves {
    events: UnboundedReceiver<()>,
    /// Watches for as long as it lives.
    _watcher: RecommendedWatcher,
}

/// Watches the book and the code that its pages take in.
///
/// # Errors
/// Where the system has no watch left to give.
pub fn saves(root: &Path) -> anyhow::Result<Saves> {
    let (sender, events) = unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let matters = event.is_ok_and(|event| {
            !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|p| is_source(p))
        });
        if matters {
            // Nobody listens any more once the server ends.
            let _ = sender.send(());
        }
    })
    .context("this system cannot watch files, so the book would not follow your saves")?;
    for folder in ["book", "exercises", "solutions"] {
        let folder = root.join(folder);
        if folder.is_dir() {
            watcher
                .watch(&folder, RecursiveMode::Recursive)
                .with_context(|| format!("cannot watch {}", folder.display()))?;
        }
    }
    Ok(Saves {
        events,
        _watcher: watcher,
    })
}

impl Saves {
    /// Waits for the next save, and until it is over. `None`: there will be none.
    pub async fn next(&mut self) -> Option<()> {
        self.events.recv().await?;
        while let Ok(event) = tokio::time::timeout(QUIET, self.events.recv()).await {
            event?;
        }
        Some(())
    }
}

/// Not what is built out of it: mdbook builds into `book/build`.
fn is_source(path: &Path) -> bool {
    const KINDS: [&str; 9] = [
        "md", "toml", "rs", "css", "js", "json", "txt", "svg", "html",
    ];
    let kind = path.extension().and_then(|kind| kind.to_str());
    let built = path.components().any(|part| part.as_os_str() == "build");
    kind.is_some_and(|kind| KINDS.contains(&kind)) && !built
}
