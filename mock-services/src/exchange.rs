//! One request and what became of it.

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// One request, as seen by whoever received it (a tap) or sent it (our client).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Unique within a run; evidence names exchanges by it.
    pub id: u32,
    /// Who was asked: `weather`, `auth`, … or `you`, the learner's program.
    pub service: String,
    /// Which connection of that service carried it, counted from 1.
    pub connection: u32,
    /// Method and target: `GET /today`.
    pub request: String,
    /// When the request's head was read (by a tap) or sent (by our client).
    pub arrived: Moment,
    /// When the answer's head was written (by a tap) or read (by our client).
    pub answered: Option<Moment>,
    /// When it was over, whichever way.
    pub ended: Option<Moment>,
    /// The answer's status.
    pub status: Option<u16>,
    /// How it ended.
    pub ending: Ending,
    /// What went over a WebSocket, once it was open. Frames that follow one
    /// another closely are one mark; where there are many, less closely will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frames>,
}

/// Frames that went one way in close succession.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// When the first of them passed.
    pub at: Moment,
    /// Which way.
    pub way: Way,
    /// How many they are.
    pub count: u32,
}

/// Which way a frame went, as seen from whoever opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It was sent.
    Sent,
    /// It was received.
    Received,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Not over when the recording was taken.
    Open,
    /// Answered whole.
    Answered,
    /// The asker closed the connection before the whole answer had gone out.
    Left,
    /// The answering side broke it off: a reset, a truncated body, a crash.
    Cut,
}

impl Exchange {
    /// Whether this exchange and `other` were under way at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let starts_before_end =
            |a: &Self, b: &Self| b.answered.or(b.ended).is_none_or(|end| a.arrived < end);
        starts_before_end(self, other) && starts_before_end(other, self)
    }
}
