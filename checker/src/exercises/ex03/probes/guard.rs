//! The registry is used while something else is withheld.

use bytes::Bytes;
use mock_services::upstream::{Part, Reply, Upstream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Names, asked, meanwhile, names, open, patience, put, register, to_carry};
use crate::client::{Sending, Sent};
use crate::exercises::ex03::Released;
use crate::observation::Observation;
use crate::stage::{ANSWER_QUIET, QUIET, Stage, Trouble, Waited};

/// The registry is used while calls are withheld: before their head, then in the
/// middle of a body; and while a URL is being put.
pub(in crate::exercises::ex03) async fn guard(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "names are changed while a call is withheld".to_owned();
    let Names { one, other } = names(stage.run.seed);
    let service = open(stage, &one).await?;
    register(stage, seen, &one, &service.url()).await?;
    for phase in [Phase::Head, Phase::Body, Phase::Upload] {
        let already = service.received().len();
        let held = Released::default();
        let hold = held.0.clone();
        service.play(move |_| {
            let body = Bytes::from_static(b"slow");
            if phase != Phase::Body {
                Reply::held(body, &hold)
            } else {
                Reply {
                    parts: vec![
                        Part::Data(body.clone()),
                        Part::Wait(hold.clone()),
                        Part::Data(body),
                    ],
                    ..Reply::default()
                }
            }
        });
        let at = format!("/proxy/{one}/slow");
        let mut calls = vec![Sent::new("GET", at.clone())];
        let (send, pieces) = mpsc::channel(1);
        match phase {
            // A guard may be held by some kinds of call only.
            Phase::Head => calls.extend([
                Sent::new("HEAD", at.clone()),
                Sent::new("GET", format!("{at}?day=1")),
                Sent::new("POST", at).with("slow"),
            ]),
            Phase::Body => {}
            Phase::Upload => {
                // Under way until its sender is dropped.
                calls[0].method = "POST".to_owned();
                calls[0].body = Sending::Pieces(pieces);
                let _ = send.send(Bytes::from_static(b"slow")).await;
            }
        }
        let all = already + calls.len();
        let (tell, mut head) = mpsc::channel(1);
        let mut slow = JoinSet::new();
        for call in calls {
            let client = stage.client.clone();
            let tell = tell.clone();
            let mut carried = to_carry("slow", &call);
            slow.spawn(async move {
                carried.got = Some(match client.converse(call).await {
                    Ok(conversation) => {
                        let _ = tell.try_send(());
                        Ok(conversation.whole().await)
                    }
                    Err(none) => Err(none),
                });
                carried
            });
        }
        if phase == Phase::Upload {
            // A proxy that buffers asks nobody yet: that is another check's.
            let came = stage
                .journal
                .until(|_| (service.received().len() >= all).then_some(()));
            if stage.patiently(came, patience(stage)).await? != Waited::Done(()) {
                return Ok(());
            }
        } else if seen.silence.is_some() || !asked(stage, seen, &service, already + 1).await? {
            return Ok(());
        }
        // Where they wait for each other, one will do: that is another check's.
        let came = stage
            .journal
            .until(|_| (service.received().len() >= all).then_some(()));
        let _ = stage.patiently(came, patience(stage)).await?;
        if phase == Phase::Body {
            // A proxy that buffers gives no head yet: that is another check's.
            let came = stage.patiently(head.recv(), QUIET).await?;
            if came != Waited::Done(Some(())) {
                return Ok(());
            }
        }
        let url = service.url();
        let questions = [
            ("put-other", put(&other, &url)),
            ("put-same", put(&one, &url)),
            ("list", Sent::new("GET", "/services")),
            ("delete", Sent::new("DELETE", format!("/services/{other}"))),
            ("delete", Sent::new("DELETE", format!("/services/{one}"))),
        ];
        debug_assert_eq!(questions.len(), QUESTIONS);
        let answered = ask_meanwhile(stage, seen, questions.into()).await?;
        drop(held);
        drop(send);
        let over = async {
            let mut all = Vec::new();
            while let Some(Ok(carried)) = slow.join_next().await {
                all.push(carried);
            }
            all
        };
        let over = stage.patiently(over, ANSWER_QUIET).await?;
        if !answered {
            return Ok(());
        }
        if let Waited::Done(all) = over {
            seen.carried.extend(all);
        }
        register(stage, seen, &one, &url).await?;
    }
    guard_while_put(stage, seen, &service, &one, &other).await
}

/// Questions to the registry while a call is withheld.
pub(in crate::exercises::ex03) const QUESTIONS: usize = 5;

/// Questions, one after another, while something else is withheld. Whether all
/// were answered.
async fn ask_meanwhile(
    stage: &Stage<'_>,
    seen: &mut Observation,
    questions: Vec<(&'static str, Sent)>,
) -> Result<bool, Trouble> {
    for (about, sent) in questions {
        let mut carried = to_carry(about, &sent);
        let asking = stage.client.ask(sent);
        carried.got = meanwhile(stage, seen, about, asking).await?;
        if carried.got.is_none() {
            return Ok(false);
        }
        seen.carried.push(carried);
    }
    Ok(true)
}

/// The registry is used, and a call made, while a URL comes in slowly.
async fn guard_while_put(
    stage: &Stage<'_>,
    seen: &mut Observation,
    service: &Upstream,
    one: &str,
    other: &str,
) -> Result<(), Trouble> {
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    service.play(|_| Reply::whole("quick"));
    let url = Bytes::from(service.url());
    let (send, pieces) = mpsc::channel(1);
    let mut slow = put(other, "");
    slow.headers = vec![("content-length".to_owned(), url.len().to_string())];
    slow.body = Sending::Pieces(pieces);
    let mut carried = to_carry("put-other", &slow);
    let _ = send.send(url.slice(..7)).await;
    let client = stage.client.clone();
    let mut putting = JoinSet::new();
    putting.spawn(async move { client.ask(slow).await });
    let questions = vec![
        ("list", Sent::new("GET", "/services")),
        ("put-same", put(one, &service.url())),
        ("call", Sent::new("GET", format!("/proxy/{one}/quick"))),
    ];
    let answered = ask_meanwhile(stage, seen, questions).await?;
    let _ = send.send(url.slice(7..)).await;
    drop(send);
    let over = stage.patiently(putting.join_next(), ANSWER_QUIET).await?;
    if let (true, Waited::Done(Some(Ok(got)))) = (answered, over) {
        carried.got = Some(got);
        seen.carried.push(carried);
    }
    Ok(())
}

/// Where a call is withheld.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    Body,
    Upload,
}
