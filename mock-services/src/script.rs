//! What a tap is to do with a request: the wish. What happened stands in the
//! [journal](crate::journal).

use std::time::Duration;

use tokio::sync::watch;

use crate::scene::Scene;

/// What a tap does with one request.
#[derive(Clone, Debug, Default)]
pub struct Treatment {
    /// What is answered.
    pub scene: Scene,
    /// How long the answer is kept back.
    pub latency: Duration,
    /// Withholds the answer until the hold is released.
    pub hold: Option<Hold>,
    /// How the answer goes out.
    pub delivery: Delivery,
    /// Whether the connection is closed after the answer.
    pub close: bool,
}

impl Treatment {
    /// The right answer, withheld.
    pub fn held(hold: &Hold) -> Self {
        Self {
            hold: Some(hold.clone()),
            ..Self::default()
        }
    }

    /// Another scene, at once.
    pub fn scene(scene: Scene) -> Self {
        Self {
            scene,
            ..Self::default()
        }
    }

    /// Another way of delivery, at once.
    pub fn delivery(delivery: Delivery) -> Self {
        Self {
            delivery,
            ..Self::default()
        }
    }
}

/// How an answer goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// At once and whole.
    #[default]
    Whole,
    /// Byte by byte, with this pause after each.
    Dribble(Duration),
    /// Half of the body, then the connection is closed.
    Cut,
    /// No answer; the connection is reset.
    Reset,
    /// No answer, ever; the connection stays open.
    Hang,
    /// The head and half of the body; then nothing more, ever.
    HangInBody,
}

/// A request as a script sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The path below the service's mount point: `/today`.
    pub path: String,
    /// How many requests for that path have come to this tap, this one included.
    pub nth: u32,
}

/// A latch that answers wait behind. Clones share it; it opens once, for good.
#[derive(Clone, Debug)]
pub struct Hold(std::sync::Arc<watch::Sender<bool>>);

impl Default for Hold {
    fn default() -> Self {
        Self(std::sync::Arc::new(watch::Sender::new(false)))
    }
}

impl Hold {
    /// Lets everything go that waits behind it, now and later.
    pub fn release(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is released.
    pub async fn released(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|released| *released).await;
    }
}
