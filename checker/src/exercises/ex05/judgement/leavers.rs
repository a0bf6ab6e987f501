//! What follows from clients that have left.

use super::given_up;
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::Observation;
use crate::report::words;

/// A few sockets that come and go by themselves.
const SLACK: u64 = 10;

/// Connections that were kept after their clients had left.
pub(crate) fn kept(seen: &Observation) -> Option<Fault> {
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
    let (_, wait) = given_up(seen)?;
    Some(Fault::new(
        Diagnosis::LeaverKept,
        format!(
            "After hundreds of clients had come and left, the one that stayed no longer got its own \
             message, for {}.",
            words(wait)
        ),
        "Somebody who has gone must not stand in the way: when a send fails, forget that reader.",
    ))
}

/// How leavers were freed, in words.
pub(crate) fn freed(seen: &Observation) -> String {
    match (seen.figure("sockets before"), seen.figure("sockets after")) {
        (Some(before), Some(after)) => {
            format!("{before} sockets before hundreds of visits, {after} after them")
        }
        _ => "who stayed still gets messages; this system does not tell how many sockets are held"
            .to_owned(),
    }
}
