//! What follows from what guests met, in whatever exercise they are.

use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{HealthSeen, Observation};
use crate::report::words;
use crate::stage::QUIET;

/// A WebSocket that could not be opened.
pub(in crate::exercises) fn unopened(seen: &Observation) -> Option<Fault> {
    let talk = seen
        .talks
        .iter()
        .find(|talk| talk.about != "asked" && talk.refused.is_some())?;
    let why = talk.refused.as_deref().unwrap_or_default();
    Some(Fault::new(
        Diagnosis::WrongStatus,
        if talk.room.is_empty() {
            format!("A WebSocket was not opened: {why}.")
        } else {
            format!(
                "The WebSocket of `{}` in the room `{}` was not opened: {why}.",
                talk.name, talk.room
            )
        },
        "Answer the upgrade with 101, as axum's `WebSocketUpgrade::on_upgrade` does.",
    ))
}

/// `/healthz` that waited while people talked.
pub(in crate::exercises) fn health(seen: &Observation, doing: &str) -> Option<Fault> {
    match seen.health? {
        HealthSeen::Answered(200) => None,
        HealthSeen::Silent(after) => Some(Fault::new(
            Diagnosis::BlockedRuntime,
            format!(
                "{doing}, GET /healthz waited: no answer within {}, and the program sat idle.",
                words(after)
            ),
            "A handler blocks the thread that it runs on. Look for a call that waits without \
             `.await`: `std::thread::sleep`, a blocking send or receive, a `std` lock held while \
             waiting.",
        )),
        _ => Some(Fault::new(
            Diagnosis::WrongStatus,
            format!("{doing}, GET /healthz was not answered with 200."),
            "Answer GET /healthz with 200 at any time.",
        )),
    }
}

/// A few sockets that come and go by themselves.
const SLACK: u64 = 10;

/// Connections that were kept after their clients had left.
pub(in crate::exercises) fn kept(seen: &Observation) -> Option<Fault> {
    let (before, after) = (
        seen.figure("sockets before")?,
        seen.figure("sockets after")?,
    );
    if after > before + SLACK {
        return Some(Fault::new(
            Diagnosis::LeaverKept,
            format!(
                "Hundreds of clients came and left. Before, the program held {before} sockets; six \
                 seconds later it holds {after}."
            ),
            "When reading ends, however it ends, let go of everything that belongs to the client: \
             the entry in the room, the task that writes, and with them the socket.",
        ));
    }
    let (_, wait) = seen.given_up().next()?;
    Some(Fault::new(
        Diagnosis::LeaverKept,
        format!(
            "After hundreds of clients had come and left, the one that stayed no longer got its own \
             message, for {}.",
            words(wait.min(QUIET))
        ),
        "Somebody who has gone must not stand in the way: when a send fails, forget that reader.",
    ))
}

/// How leavers were freed, in words.
pub(in crate::exercises) fn freed(seen: &Observation) -> String {
    match (seen.figure("sockets before"), seen.figure("sockets after")) {
        (Some(before), Some(after)) => {
            format!("{before} sockets before hundreds of visits, {after} after them")
        }
        _ => "who stayed still gets messages; this system does not tell how many sockets are held"
            .to_owned(),
    }
}
