//! What follows from what was heard. Plain functions over observations.

mod delivered;
mod frames;
mod order;
mod page;
mod protocol;
mod slow;

use std::time::Duration;

use crate::client::{Frame, Said};
use crate::observation::{Observation, Rendezvous, Talk};
use crate::stage::QUIET;

pub(super) use delivered::{delivered, unasked};
pub(super) use frames::frames;
pub(super) use order::{mixed, ordered};
pub(super) use page::page;
pub(super) use protocol::protocol;
pub(super) use slow::{
    how_told, may_have_been_told, memory, stalled, told_of_nothing, unbounded, untold,
};

fn given_up(seen: &Observation) -> Option<(&Rendezvous, Duration)> {
    let (met, after) = seen.given_up().next()?;
    Some((met, after.min(QUIET)))
}

fn texts(talk: &Talk) -> impl Iterator<Item = &Said> {
    talk.heard.frames.iter().filter_map(|frame| match frame {
        Frame::Text(said) => Some(said),
        _ => None,
    })
}

fn shown(said: &Said) -> String {
    crate::judge::excerpt(&said.raw)
}

#[cfg(test)]
mod tests {
    use mock_services::moment::Moment;

    use super::frames::is_no_text;
    use super::*;
    use crate::client::End;
    use crate::diagnosis::Diagnosis;
    use crate::exercises::ex05::probes::LONGEST_TEXT;
    use crate::judge::Fault;
    use crate::stage::Waited;

    fn talk(about: &'static str, room: &str, name: &str, said: &[&str], heard: &[&str]) -> Talk {
        let mut talk = Talk {
            about,
            room: room.to_owned(),
            name: name.to_owned(),
            said: said.iter().map(|text| (*text).to_owned()).collect(),
            ..Talk::default()
        };
        let frames = heard.iter().map(|raw| Frame::Text(Said::from_text(raw)));
        talk.heard.frames = frames.collect();
        talk
    }

    fn seen(talks: Vec<Talk>) -> Observation {
        Observation {
            talks,
            ..Observation::default()
        }
    }

    fn met(about: &'static str, reached: usize, waited: Waited<()>) -> Rendezvous {
        Rendezvous {
            about,
            wanted: 1,
            reached,
            waited,
            released: Moment::from_micros(0),
            sat_idle: None,
        }
    }

    fn said(fault: Option<Fault>) -> Option<(Diagnosis, String)> {
        fault.map(|fault| (fault.diagnosis, fault.observed))
    }

    /// What is said of somebody who said that, and heard that.
    fn alone(says: &[&str], hears: &[&str]) -> Option<(Diagnosis, String)> {
        let seen = seen(vec![talk("talk", "r", "ann", says, hears)]);
        said(
            mixed(&seen)
                .or_else(|| delivered(&seen))
                .or_else(|| unasked(&seen)),
        )
    }

    #[test]
    fn what_was_said_twice_comes_twice() {
        let once = r#"{"from": "ann", "text": "r-x"}"#;
        assert_eq!(alone(&["r-x"], &[once]), None);
        assert_eq!(alone(&["r-x", "r-x"], &[once, once]), None);
        // Without a silence nothing says that it will not come.
        assert_eq!(alone(&["r-x", "r-x"], &[once]), None);
        let (diagnosis, observed) = alone(&["r-x"], &[once, once]).unwrap();
        assert_eq!(diagnosis, Diagnosis::Duplicated);
        assert_eq!(
            observed,
            "`ann` said `r-x` once, and it came to `ann` 2 times."
        );
        let mut silent = seen(vec![talk("talk", "r", "ann", &["r-x", "r-x"], &[once])]);
        silent
            .rendezvous
            .push(met("delivered", 0, Waited::GaveUp(QUIET)));
        let (diagnosis, observed) = said(delivered(&silent)).unwrap();
        assert_eq!(diagnosis, Diagnosis::NotDelivered);
        assert!(
            observed.contains("twice in the room `r`, and the second one"),
            "{observed}"
        );
    }

    #[test]
    fn a_text_and_a_name_come_as_they_are() {
        for (says, comes, wanted) in [
            (" r-x ", "r-x", "what came was the text `r-x`."),
            ("r-x\ny", "r-x y", "what came was the text `r-x y`."),
            (
                "r-x e\u{301}",
                "r-x \u{e9}",
                "said `r-x e\\u{301}`, and what came was the text `r-x é`.",
            ),
        ] {
            let raw = serde_json::json!({"from": "ann", "text": comes}).to_string();
            let (diagnosis, observed) = alone(&[says], &[&raw]).unwrap();
            assert_eq!(diagnosis, Diagnosis::WrongBody);
            assert!(observed.contains(wanted), "{observed}");
        }
        let (_, observed) = alone(&["r-x"], &[r#"{"from": "an", "text": "r-x"}"#]).unwrap();
        assert_eq!(observed, "`ann` said `r-x`, and it came from `an`.");
    }

    #[test]
    fn nothing_comes_that_nobody_said() {
        let mine = r#"{"from": "ann", "text": "r-x"}"#;
        let notice = r#"{"from": "server", "text": "ann is here"}"#;
        let (diagnosis, observed) = alone(&["r-x"], &[notice, mine]).unwrap();
        assert_eq!(diagnosis, Diagnosis::WrongBody);
        assert!(observed.ends_with("which nobody had said."), "{observed}");
        // What has other keys may be an error, and may be a message.
        for spoof in [
            r#"{"error": "keys"}"#,
            r#"{"from": "ann", "text": "r-spoof"}"#,
        ] {
            assert_eq!(alone(&["r-x"], &[mine, spoof]), None);
        }
        let spoof = r#"{"from": "bob", "text": "r-spoof"}"#;
        let (_, observed) = alone(&["r-x"], &[mine, spoof]).unwrap();
        assert!(observed.ends_with("it came from `bob`."), "{observed}");
    }

    #[test]
    fn who_comes_late_hears_nothing_of_what_was_said_before() {
        let old = r#"{"from": "ann", "text": "r-x"}"#;
        let new = r#"{"from": "ann", "text": "r-hello max"}"#;
        let of = |heard: &[&str]| {
            let seen = seen(vec![
                talk("talk", "r", "ann", &["r-x", "r-hello max"], &[old, new]),
                talk("late", "r", "max", &[], heard),
            ]);
            said(delivered(&seen).or_else(|| unasked(&seen)))
        };
        assert_eq!(of(&[new]), None);
        assert_eq!(of(&[]), None);
        let (_, observed) = of(&[old, new]).unwrap();
        assert!(
            observed.ends_with("which had been said before it came."),
            "{observed}"
        );
    }

    /// What is said of bad frames after which that was heard.
    fn after_bad_frames(bad: &[&str], good: &[&str]) -> Option<(Diagnosis, String)> {
        let of = |about, heard| talk(about, "r", about, &[], heard);
        let seen = seen(vec![
            of("bad", bad),
            of("good", good),
            of("huge", &[]),
            of("bytes", &[]),
        ]);
        said(frames(&seen))
    }

    #[test]
    fn an_error_is_a_text_for_its_sender_alone() {
        let error = r#"{"error": "a text, please"}"#;
        assert_eq!(after_bad_frames(&[error], &[]), None);
        assert_eq!(
            after_bad_frames(&[r#"{"error":"an \"error\": 4"}"#], &[]),
            None
        );
        let (diagnosis, _) = after_bad_frames(&[error], &[error]).unwrap();
        assert_eq!(diagnosis, Diagnosis::WrongBody);
        for odd in [
            r#"{"error": 400}"#,
            r#"{"error" :null}"#,
            r#"{"error":{"a":1}}"#,
        ] {
            assert!(is_no_text(odd), "{odd}");
        }
        let (_, observed) = after_bad_frames(&[r#"{"error": 400}"#], &[]).unwrap();
        assert!(observed.contains("`{\"error\": 400}`"), "{observed}");
    }

    #[test]
    fn a_text_of_32_kib_comes_whole() {
        let long = |length: usize| {
            let text = format!("long:{}", "x".repeat(length - "long:".len()));
            serde_json::json!({"from": "good", "text": text}).to_string()
        };
        assert_eq!(after_bad_frames(&[&long(LONGEST_TEXT)], &[]), None);
        let (_, observed) = after_bad_frames(&[&long(16_384)], &[]).unwrap();
        assert_eq!(
            observed,
            "A text of 32768 bytes was sent, and 16384 of them came to `bad`."
        );
    }

    #[test]
    fn goodbyes_are_answered_once_and_in_kind() {
        let of = |code, end: End, goodbye| {
            let mut talks = vec![talk("ping", "r", "ping", &[], &[])];
            for (about, right) in [
                ("close", Some(1000)),
                ("close-own", Some(4321)),
                ("close-empty", None),
            ] {
                let mut one = talk(about, "r", about, &[], &[]);
                let is_it = right == code;
                one.heard.end = Some(if is_it {
                    end.clone()
                } else {
                    End::Closed(right)
                });
                one.heard.goodbye = if is_it { goodbye } else { Some(right) };
                talks.push(one);
            }
            said(protocol(&seen(talks))).map(|(_, observed)| observed)
        };
        assert_eq!(of(Some(4321), End::Closed(None), Some(None)), None);
        assert_eq!(of(None, End::Closed(None), Some(None)), None);
        let answered = of(None, End::Closed(Some(1000)), Some(Some(1000))).unwrap();
        assert!(
            answered.contains("without a code, and was answered with code 1000"),
            "{answered}"
        );
        let more = of(Some(1000), End::Broken("…".to_owned()), Some(Some(1000))).unwrap();
        assert!(more.ends_with("and then more came."), "{more}");
        let none = of(Some(1000), End::Vanished, None).unwrap();
        assert!(none.ends_with("ended without one."), "{none}");
    }

    #[test]
    fn fragments_are_one_text() {
        let of = |reached, heard: &[&str]| {
            let mut all = vec![talk("ping", "r", "ping", &[], heard)];
            for (about, code) in [
                ("close", Some(1000)),
                ("close-own", Some(4321)),
                ("close-empty", None),
            ] {
                let mut one = talk(about, "r", about, &[], &[]);
                one.heard.end = Some(End::Closed(code));
                all.push(one);
            }
            let mut seen = seen(all);
            seen.rendezvous
                .push(met("fragments", reached, Waited::Done(())));
            said(protocol(&seen))
        };
        assert_eq!(of(1, &[]), None);
        let (diagnosis, observed) = of(0, &[r#"{"error": "what?"}"#]).unwrap();
        assert_eq!(diagnosis, Diagnosis::NotDelivered);
        assert!(
            observed.contains("three fragments, and what came was"),
            "{observed}"
        );
    }
}
