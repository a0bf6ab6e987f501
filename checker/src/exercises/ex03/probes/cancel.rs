//! Clients that leave before the end.

use bytes::Bytes;
use mock_services::upstream::{Part, Reply};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{asked, meanwhile, patience, registered};
use crate::client::{Sending, Sent};
use crate::exercises::ex03::Released;
use crate::observation::{Carried, Observation};
use crate::stage::{QUIET, Stage, Trouble, Waited};

/// Clients leave: before the head, in the middle of the body, once they have sent a
/// body and in the middle of sending one.
pub(in crate::exercises::ex03) async fn cancel(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "clients leave while their calls are withheld".to_owned();
    let (name, service) = registered(stage, seen).await?;
    for (nth, about) in (1..).zip(["head", "body", "sent", "upload"]) {
        if seen.silence.is_some() || seen.too_busy {
            return Ok(());
        }
        let held = Released::default();
        let hold = held.0.clone();
        service.play(move |_| {
            let body = Bytes::from_static(b"nobody reads this");
            let mut parts = vec![Part::Wait(hold.clone()), Part::Data(body.clone())];
            if about == "body" {
                parts.insert(0, Part::Data(body));
                Reply {
                    parts,
                    ..Reply::default()
                }
            } else {
                Reply::held(body, &hold)
            }
        });
        let mut sent = Sent::new("GET", format!("/proxy/{name}/{about}"));
        let (send, pieces) = mpsc::channel(1);
        if matches!(about, "sent" | "upload") {
            sent.method = "POST".to_owned();
            sent.body = Sending::Whole(Some(Bytes::from_static(b"a piece")));
        }
        if about == "upload" {
            sent.body = Sending::Pieces(pieces);
            let _ = send.send(Bytes::from_static(b"a piece")).await;
        }
        let client = stage.client.clone();
        let (tell, mut told) = mpsc::channel(1);
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            if let Ok(mut conversation) = client.converse(sent).await {
                let _ = conversation.piece().await;
                let _ = tell.send(()).await;
                std::future::pending::<()>().await;
            }
        });
        if about == "upload" {
            // A proxy that buffers asks nobody yet: that is another check's.
            let came = stage.journal.until(|_| {
                let all = service.received();
                (all.len() >= nth && all.last().is_some_and(|x| x.length > 0)).then_some(())
            });
            if stage.patiently(came, patience(stage)).await? != Waited::Done(()) {
                return Ok(());
            }
        } else if !asked(stage, seen, &service, nth).await? {
            return Ok(());
        }
        if about == "body" {
            // A proxy that buffers gives no piece yet: that is another check's.
            let came = stage.patiently(told.recv(), QUIET).await?;
            if came != Waited::Done(Some(())) {
                return Ok(());
            }
        }
        asking.shutdown().await;
        let call = service.newest().map(|newest| newest.exchange);
        let ended = stage.journal.until(|all| {
            all.iter()
                .any(|x| Some(x.id) == call && x.ended.is_some())
                .then_some(())
        });
        if meanwhile(stage, seen, about, ended).await?.is_none() {
            return Ok(());
        }
        if about == "upload" {
            seen.carried.push(Carried {
                about,
                received: service.newest(),
                ..Carried::default()
            });
        }
        drop(send);
        drop(held);
    }
    Ok(())
}
