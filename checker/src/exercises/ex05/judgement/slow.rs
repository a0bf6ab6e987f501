//! What follows from a reader that does not read.

use std::collections::HashSet;

use super::{given_up, texts};
use crate::client::End;
use crate::diagnosis::Diagnosis;
use crate::exercises::ex05::probes::{AGAIN, FETCH_WITHIN, GO_BY, LONG};
use crate::judge::Fault;
use crate::observation::{HealthSeen, Observation, Talk};
use crate::report::words;

/// Others that got nothing while one did not read.
pub(in crate::exercises::ex05) fn stalled(seen: &Observation) -> Option<Fault> {
    const NEXT: &str = "Whoever sends must not wait for whoever reads. Give each reader a bounded queue and a \
         task that empties it (`tokio::sync::broadcast`, or a bounded `mpsc` with `try_send`), \
         and hold no lock while you send.";
    if let Some(stutter) = seen.stutter {
        return Some(
            Fault::new(
                Diagnosis::SlowReaderStallsAll,
                format!(
                    "One client stopped reading. After {} messages the others got theirs only in \
                     steps: {} times in a row the program slept with messages before it, and {} \
                     messages took {}. At first they took {}.",
                    stutter.after,
                    stutter.bursts,
                    stutter.messages,
                    words(stutter.took),
                    words(stutter.at_first)
                ),
                format!("{NEXT} A short wait for each message is a wait, too."),
            )
            .proved_by(
                seen.talks
                    .iter()
                    .filter(|talk| matches!(talk.about, "slow" | "reader"))
                    .map(|talk| talk.exchange)
                    .take(2),
            ),
        );
    }
    let (met, after) = given_up(seen)?;
    if !matches!(met.about, "room" | "elsewhere") {
        return None;
    }
    let slow = seen.talks.iter().find(|talk| talk.about == "slow")?;
    let kept = seen.talks.iter().find(|talk| talk.about == "reader")?;
    let heard = texts(kept).count();
    if let Some(HealthSeen::Silent(after)) = seen.health {
        return Some(
            Fault::new(
                Diagnosis::BlockedRuntime,
                format!(
                    "One client stopped reading. After {heard} messages nobody got any more, and GET \
                     /healthz no answer within {}: the program sat idle, with its threads blocked.",
                    words(after)
                ),
                "Something waits for the slow reader without `.await`: a loop with \
                 `std::thread::sleep`, a blocking send, a `std` lock held while waiting.",
            )
            .proved_by([slow.exchange, kept.exchange]),
        );
    }
    Some(
        Fault::new(
            Diagnosis::SlowReaderStallsAll,
            format!(
                "One client stopped reading. After {heard} messages {} got no more, for {}, and the \
                 program sat idle.",
                if met.about == "room" {
                    "the others in its room"
                } else {
                    "people in another room"
                },
                words(after)
            ),
            NEXT,
        )
        .proved_by([slow.exchange, kept.exchange]),
    )
}

/// The numbers of the messages that a reader got, with what it was told.
fn numbers(talk: &Talk) -> Vec<Result<u64, u64>> {
    texts(talk)
        .filter_map(|said| {
            if let Some(missed) = said.missed {
                return Some(Err(missed));
            }
            let (number, _) = said.text.as_deref()?.split_once(':')?;
            Some(Ok(number.parse().ok()?))
        })
        .collect()
}

const ALL: u64 = (GO_BY / LONG) as u64;

/// Everything was kept for a reader that read nothing, twice over.
pub(in crate::exercises::ex05) fn unbounded(seen: &Observation) -> Option<Fault> {
    let late = seen.talks.iter().find(|talk| talk.about == "late")?;
    let got = numbers(late).iter().filter(|n| n.is_ok()).count() as u64;
    if got < AGAIN as u64 * ALL {
        return None;
    }
    let grown = match (seen.figure("before"), seen.figure("later")) {
        (Some(before), Some(later)) => format!(
            " Its memory grew by {:.1} MiB.",
            later.saturating_sub(before) as f64 / 1048576.0
        ),
        _ => String::new(),
    };
    Some(
        Fault::new(
            Diagnosis::UnboundedQueue,
            format!(
                "A client read nothing while {} MiB went by, and got all of them when it read on: \
                 they had waited in your program's memory.{grown}",
                (AGAIN * GO_BY) >> 20
            ),
            "Give each reader a bounded queue. When it is full, drop the reader (close code 1008), or \
             drop the oldest and say {\"missed\": n}: `tokio::sync::broadcast` counts them for you.",
        )
        .proved_by([late.exchange]),
    )
}

/// What the memory did, in words.
pub(in crate::exercises::ex05) fn memory(seen: &Observation) -> String {
    match (seen.figure("before"), seen.figure("after")) {
        (Some(before), Some(after)) => format!(
            "while 8 MiB went by, memory grew by {:.1} MiB",
            after.saturating_sub(before) as f64 / 1048576.0
        ),
        _ => "not all of it was kept; this system does not tell how much memory it took".to_owned(),
    }
}

/// A gap that nobody told the slow reader of.
pub(in crate::exercises::ex05) fn untold(seen: &Observation) -> Option<Fault> {
    let slow = seen.talks.iter().find(|talk| talk.about == "slow")?;
    let silently = |observed: String| {
        Some(
            Fault::new(
                Diagnosis::SilentlyDropped,
                observed,
                "Tell a reader what it missed: {\"missed\": n} where the gap is, or close code 1008. \
                 `RecvError::Lagged(n)` is that number; it is no reason to go on as if nothing had \
                 happened, nor to end without a word.",
            )
            .proved_by([slow.exchange]),
        )
    };
    let out_of_order = |number: u64, due: u64, told: u64| {
        let told = match told {
            0 => String::new(),
            _ => format!(" (it had been told that it missed {told})"),
        };
        Some(
            Fault::new(
                Diagnosis::OrderLost,
                format!("The slow reader got message {number} where {due} was due{told}."),
                "Keep each sender's order, and say {\"missed\": n} with the number that is \
                 missing at that place.",
            )
            .proved_by([slow.exchange]),
        )
    };
    let mut next = 0_u64;
    let heard = numbers(slow);
    let mut told = 0_u64;
    let mut before = HashSet::new();
    for word in &heard {
        match word {
            Ok(number) if !before.insert(*number) => {
                return Some(
                    Fault::new(
                        Diagnosis::Duplicated,
                        format!("The slow reader got message {number} twice."),
                        "Send each message to each reader once, also after a gap.",
                    )
                    .proved_by([slow.exchange]),
                );
            }
            Err(missed) => {
                // Any number may stand there.
                told = told.saturating_add(*missed);
                next = next.saturating_add(*missed);
            }
            Ok(number) if *number < next && before.iter().any(|earlier| earlier > number) => {
                return out_of_order(*number, next, told);
            }
            // Nothing came before its turn, so it is the count that is wrong.
            Ok(number) if *number < next => {
                return silently(format!(
                    "The slow reader was told that it missed {told}, and then got message {number}, \
                     which is one of them."
                ));
            }
            // What is passed over comes later.
            Ok(number) if *number > next && heard.contains(&Ok(next)) => {
                return out_of_order(*number, next, told);
            }
            Ok(number) if *number > next => {
                return silently(format!(
                    "After message {} the slow reader got message {number}: {} are missing, and it \
                     was told of {told}.",
                    next.saturating_sub(1),
                    (number - next).saturating_add(told)
                ));
            }
            Ok(_) => next = next.saturating_add(1),
        }
    }
    let got = heard.len();
    let all = seen.went_by;
    let goodbye = slow.heard.goodbye.map(End::Closed);
    match goodbye.as_ref().or(slow.heard.end.as_ref()) {
        Some(End::Closed(Some(1008))) => None,
        Some(End::Closed(code)) => silently(format!(
            "After {got} of {all} messages the slow reader's connection was closed, with {}.",
            match code {
                Some(code) => format!("code {code} instead of 1008"),
                None => "no code".to_owned(),
            }
        )),
        // It may have been told, and have had time enough to fetch it.
        Some(End::Vanished) if may_have_been_told(seen) => None,
        Some(End::Vanished) => silently(format!(
            "After {got} of {all} messages the slow reader's connection ended without a close frame."
        )),
        Some(End::Broken(why)) => silently(format!(
            "After {got} of {all} messages the slow reader's connection broke: {why}."
        )),
        None if next >= all || seen.was_too_busy() => None,
        None => silently(format!(
            "The slow reader got {got} of {all} messages and then no more, and was told of {told} \
             that it missed."
        )),
    }
}

/// Whether the slow reader was told of nothing: neither of a gap, nor goodbye.
pub(in crate::exercises::ex05) fn told_of_nothing(seen: &Observation) -> bool {
    let slow = seen.talks.iter().find(|talk| talk.about == "slow");
    slow.is_none_or(|slow| slow.heard.goodbye.is_none() && numbers(slow).iter().all(Result::is_ok))
}

/// Whether the slow reader's connection ended without a word when it had read nothing for so
/// long that a right program, too, may have had no time for one any more. That is this
/// machine's doing, where it is busy.
pub(in crate::exercises::ex05) fn may_have_been_told(seen: &Observation) -> bool {
    let vanished = |talk: &Talk| {
        talk.about == "slow"
            && talk.heard.goodbye.is_none()
            && talk.heard.end == Some(End::Vanished)
    };
    seen.unread_for.is_none_or(|time| time >= FETCH_WITHIN) && seen.talks.iter().any(vanished)
}

/// How the slow reader was told, in words.
pub(in crate::exercises::ex05) fn how_told(seen: &Observation) -> String {
    let Some(slow) = seen.talks.iter().find(|talk| talk.about == "slow") else {
        return "it was told".to_owned();
    };
    let heard = numbers(slow);
    let missed = heard
        .iter()
        .filter_map(|n| n.as_ref().err())
        .fold(0, |sum: u64, n| sum.saturating_add(*n));
    let got = heard.iter().filter(|n| n.is_ok()).count();
    match (&slow.heard.goodbye, missed) {
        (Some(_), _) => {
            format!("it got {got} messages, and then close code 1008")
        }
        (_, 0) => format!("it got all {got} messages"),
        _ => format!("it got {got} messages, and was told that it missed {missed}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{Frame, Said};

    /// The slow reader's connection has ended without a word, after it was not read for
    /// so long.
    fn vanished(unread_for: Duration, goodbye: Option<u16>) -> Observation {
        let mut talk = Talk {
            about: "slow",
            ..Talk::default()
        };
        talk.heard.end = Some(End::Vanished);
        talk.heard.goodbye = goodbye.map(Some);
        Observation {
            talks: vec![talk],
            unread_for: Some(unread_for),
            ..Observation::default()
        }
    }

    #[test]
    fn who_was_not_read_for_longer_than_is_due_may_have_said_why_it_went() {
        let soon = FETCH_WITHIN - Duration::from_millis(1);
        let fault = untold(&vanished(soon, None)).unwrap();
        assert_eq!(fault.diagnosis, Diagnosis::SilentlyDropped);
        assert!(!may_have_been_told(&vanished(soon, None)));

        let late = vanished(FETCH_WITHIN, None);
        assert!(untold(&late).is_none());
        assert!(may_have_been_told(&late));
        // On no system may it be taken for granted.
        let unknown = Observation {
            unread_for: None,
            ..late
        };
        assert!(untold(&unknown).is_none());
        assert!(may_have_been_told(&unknown));

        // What it was told is what counts, however late.
        let wrong = vanished(FETCH_WITHIN, Some(1000));
        assert!(untold(&wrong).is_some());
        assert!(!may_have_been_told(&wrong));
        let right = vanished(FETCH_WITHIN, Some(1008));
        assert!(untold(&right).is_none());
        assert!(!may_have_been_told(&right));
    }

    #[test]
    fn who_got_less_than_went_by_and_was_told_nothing_missed_it_unless_nobody_could_tell() {
        let mut talk = Talk {
            about: "slow",
            ..Talk::default()
        };
        let says = |raw: &str| Frame::Text(Said::from_text(raw));
        talk.heard.frames = vec![says(r#"{"from": "ann", "text": "0:..."}"#)];
        let mut seen = Observation {
            talks: vec![talk],
            went_by: 2,
            ..Observation::default()
        };
        assert!(told_of_nothing(&seen));
        assert_eq!(
            untold(&seen).unwrap().observed,
            "The slow reader got 1 of 2 messages and then no more, and was told of 0 that it missed."
        );
        seen.too_busy = true;
        assert!(untold(&seen).is_none());
        seen.too_busy = false;
        seen.went_by = 1;
        assert!(untold(&seen).is_none());
        seen.went_by = 2;
        seen.talks[0].heard.frames.push(says(r#"{"missed": 1}"#));
        assert!(untold(&seen).is_none());
        assert!(!told_of_nothing(&seen));
    }
}
