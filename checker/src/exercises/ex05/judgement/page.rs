//! What follows from what was asked without a WebSocket.

use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::Observation;

/// The page, and upgrades without a room or a name.
pub(in crate::exercises::ex05) fn page(seen: &Observation) -> Option<Fault> {
    seen.talks
        .iter()
        .filter(|talk| talk.about == "asked")
        .find_map(|talk| {
            let got = talk.refused.as_deref().unwrap_or_default();
            if talk.name == "/" {
                (got != "status 200 page").then(|| {
                    Fault::new(
                        Diagnosis::WrongBody,
                        format!("`GET /` was answered with {got}, and no page."),
                        "Serve the page that came with the exercise at `/`.",
                    )
                })
            } else {
                (got != "status 400").then(|| {
                    Fault::new(
                        Diagnosis::WrongStatus,
                        format!(
                            "`{}` lacks a room or a name, and {}.",
                            talk.name,
                            match got {
                                "opened" => "was opened all the same".to_owned(),
                                _ => format!("was answered with {got}"),
                            }
                        ),
                        "Answer 400 instead of an upgrade where the room or the name is missing.",
                    )
                })
            }
        })
}
