//! What follows from `/healthz`.

use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{HealthSeen, Observation};
use crate::report::words;

/// `/healthz` that waited while people talked.
pub(crate) fn health(seen: &Observation, doing: &str) -> Option<Fault> {
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
