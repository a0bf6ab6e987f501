//! `checker` without more, and `checker list`: what is remembered, at a glance.

use crate::records::{Records, Remembered};
use crate::render::{self, Sheet};
use crate::standing;
use crate::workshop::Workshop;

/// Where the learner is, what is next, and the commands that matter now; and
/// what is to be said about the file that this comes from.
pub fn home(workshop: &Workshop, sheet: &Sheet) -> (String, Option<String>) {
    let Remembered { records, notice } = Records::of(&workshop.root).read();
    let standings = standing::all(workshop, &records);
    (render::standings::home(&standings, sheet), notice)
}

/// Every exercise with its state; and what is to be said about the file that
/// this comes from.
pub fn list(workshop: &Workshop, sheet: &Sheet) -> (String, Option<String>) {
    let Remembered { records, notice } = Records::of(&workshop.root).read();
    let standings = standing::all(workshop, &records);
    (render::standings::list(&standings, sheet), notice)
}
