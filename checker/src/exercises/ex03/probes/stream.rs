//! Bodies of two pieces, the second withheld until the first has come through.

use bytes::Bytes;
use mock_services::upstream::{Part, Received, Reply, Upstream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::carry::{CALL, number};
use super::{asked, meanwhile, registered, to_carry};
use crate::client::{Sending, Sent};
use crate::exercises::ex03::Released;
use crate::observation::Observation;
use crate::stage::{ANSWER_QUIET, Stage, Trouble, Waited};

/// A body of two pieces each way; the second is sent once the first is there.
pub(in crate::exercises::ex03) async fn stream(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title =
        "bodies of two pieces; the second is sent once the first has come through".to_owned();
    let (name, service) = registered(stage, seen).await?;
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let piece = Bytes::from(vec![b'.'; 1000]);

    let held = Released::default();
    let hold = held.0.clone();
    let first = piece.clone();
    service.play(move |_| Reply {
        parts: vec![
            Part::Data(first.clone()),
            Part::Wait(hold.clone()),
            Part::Data(first.clone()),
        ],
        ..Reply::default()
    });
    let (tell, mut told) = mpsc::channel(1);
    let mut arriving = JoinSet::new();
    let client = stage.client.clone();
    let sent = Sent::new("GET", format!("/proxy/{name}/answer"));
    arriving.spawn(async move {
        if let Ok(mut conversation) = client.converse(sent).await {
            let _ = conversation.piece().await;
            let _ = tell.send(()).await;
            conversation.whole().await;
        }
    });
    if !asked(stage, seen, &service, 1).await? {
        return Ok(());
    }
    meanwhile(stage, seen, "answer", told.recv()).await?;
    drop(held);
    let _ = stage.patiently(arriving.join_next(), ANSWER_QUIET).await?;

    service.play(|_| Reply::whole("thank you"));
    let (send, pieces) = mpsc::channel(1);
    let mut sent = Sent::new("POST", format!("/proxy/{name}/request"));
    sent.body = Sending::Pieces(pieces);
    let mut asking = JoinSet::new();
    let client = stage.client.clone();
    asking.spawn(async move { client.ask(sent).await });
    let _ = send.send(piece.clone()).await;
    let arrived = stage.journal.until(|_| {
        service
            .newest()
            .filter(|newest| newest.method == "POST" && newest.length > 0)
            .map(drop)
    });
    meanwhile(stage, seen, "request", arrived).await?;
    let _ = send.send(piece.clone()).await;
    drop(send);
    let _ = stage.patiently(asking.join_next(), ANSWER_QUIET).await?;
    if seen.given_up().next().is_some() {
        return Ok(());
    }
    answers_of_other_kinds(stage, seen, &service, &name, &piece).await?;
    if seen.given_up().next().is_some() {
        return Ok(());
    }
    requests_of_other_kinds(stage, seen, &service, &name, &piece).await
}

/// Two pieces of a body that is chunked, or has a length, or ends with the
/// connection; in answer to other methods, and with other statuses.
async fn answers_of_other_kinds(
    stage: &Stage<'_>,
    seen: &mut Observation,
    service: &Upstream,
    name: &str,
    piece: &Bytes,
) -> Result<(), Trouble> {
    let held = Released::default();
    let (first, hold) = (piece.clone(), held.0.clone());
    let pieces = move || {
        vec![
            Part::Data(first.clone()),
            Part::Wait(hold.clone()),
            Part::Data(first.clone()),
        ]
    };
    let kind = |text: &str| vec![("content-type".to_owned(), text.to_owned())];
    let mut closed = pieces();
    let head = Bytes::from_static(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n");
    closed.insert(0, Part::Data(head));
    let kinds = [
        (
            "answer-404",
            "GET",
            Reply {
                status: 404,
                headers: kind("text/html"),
                parts: pieces(),
                ..Reply::default()
            },
        ),
        (
            "answer-length",
            "POST",
            Reply {
                length: Some(2 * piece.len() as u64),
                headers: kind("application/json"),
                parts: pieces(),
                ..Reply::default()
            },
        ),
        (
            "answer-closed",
            "GET",
            Reply {
                raw: true,
                parts: closed,
                ..Reply::default()
            },
        ),
    ];
    let replies = kinds.clone().map(|(_, _, reply)| reply);
    service.play(move |received| {
        let reply = number(&received.headers).and_then(|nth| replies.get(nth));
        reply.cloned().unwrap_or_else(|| Reply::whole("well"))
    });
    let whole = piece.repeat(2);
    let mut arriving = JoinSet::new();
    let mut first_pieces = Vec::new();
    for (nth, (about, method, reply)) in kinds.into_iter().enumerate() {
        let mut sent = Sent::new(method, format!("/proxy/{name}/{about}"));
        sent.headers = vec![(CALL.to_owned(), nth.to_string())];
        let mut carried = to_carry(about, &sent);
        carried.answered = Some((reply.status, whole.clone()));
        let client = stage.client.clone();
        let (tell, told) = mpsc::channel(1);
        first_pieces.push((about, told));
        arriving.spawn(async move {
            carried.got = Some(match client.converse(sent).await {
                Ok(mut conversation) => {
                    let first = conversation.piece().await;
                    let _ = tell.send(()).await;
                    let mut whole = conversation.whole().await;
                    match first {
                        Some(Ok(first)) => _ = whole.body.splice(0..0, first),
                        Some(Err(why)) => whole.broken = Some(why),
                        None => {}
                    }
                    Ok(whole)
                }
                Err(none) => Err(none),
            });
            carried
        });
    }
    for (about, mut told) in first_pieces {
        if meanwhile(stage, seen, about, told.recv()).await?.is_none() {
            break;
        }
    }
    drop(held);
    let over = async {
        let mut all = Vec::new();
        while let Some(Ok(carried)) = arriving.join_next().await {
            all.push(carried);
        }
        all
    };
    if let Waited::Done(all) = stage.patiently(over, ANSWER_QUIET).await? {
        seen.carried.extend(all);
    }
    Ok(())
}

/// Two pieces of a body whose length is said, and of another method's.
async fn requests_of_other_kinds(
    stage: &Stage<'_>,
    seen: &mut Observation,
    service: &Upstream,
    name: &str,
    piece: &Bytes,
) -> Result<(), Trouble> {
    let already = service.received().len();
    service.play(|_| Reply::whole("thank you"));
    let mut asking = JoinSet::new();
    let mut senders = Vec::new();
    for (nth, (about, method, length)) in [
        ("request-put", "PUT", None),
        ("request-length", "POST", Some(2 * piece.len())),
    ]
    .into_iter()
    .enumerate()
    {
        let (send, pieces) = mpsc::channel(1);
        let mut sent = Sent::new(method, format!("/proxy/{name}/{about}"));
        sent.headers = vec![(CALL.to_owned(), nth.to_string())];
        let length = length.map(|length| ("content-length".to_owned(), length.to_string()));
        sent.headers.extend(length);
        sent.body = Sending::Pieces(pieces);
        let _ = send.send(piece.clone()).await;
        let client = stage.client.clone();
        let (tell, told) = mpsc::channel(1);
        asking.spawn(async move {
            let _ = client.ask(sent).await;
            let _ = tell.send(()).await;
        });
        senders.push((about, nth, send, told));
    }
    for (about, nth, _, told) in &mut senders {
        let arrived = stage.journal.until(|_| {
            let is_it = |x: &Received| number(&x.headers).is_none_or(|of| of == *nth);
            let mut all = service.received().split_off(already).into_iter();
            all.find(|x| is_it(x) && x.length > 0).map(drop)
        });
        // Who is refused will never arrive: that is another check's.
        let waiting = async {
            tokio::select! {
                () = arrived => {}
                _ = told.recv() => {}
            }
        };
        if meanwhile(stage, seen, about, waiting).await?.is_none() {
            break;
        }
    }
    for (_, _, send, _) in senders {
        let _ = send.send(piece.clone()).await;
    }
    let over = async { while asking.join_next().await.is_some() {} };
    let _ = stage.patiently(over, ANSWER_QUIET).await?;
    Ok(())
}
