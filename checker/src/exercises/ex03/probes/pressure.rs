//! Bodies that nobody reads, and long ones that are read.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mock_services::upstream::{Part, Reply, Upstream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{patience, registered};
use crate::client::{Sending, Sent};
use crate::exercises::ex03::Released;
use crate::observation::{Observation, Question, Silence};
use crate::stage::{ANSWER_QUIET, Stage, Trouble, Waited};
use crate::tcp;

pub(super) const MEBI: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// Bodies that nobody reads, then long ones that are read.
pub(in crate::exercises::ex03) async fn pressure(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "bodies that nobody reads, then 8 MiB each way".to_owned();
    let (name, service) = registered(stage, seen).await?;
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let piece = Bytes::from(vec![b'.'; PIECE]);
    let at = format!("/proxy/{name}/long");
    let of = |mebi: usize| Reply {
        parts: vec![Part::Repeat(piece.clone(), (mebi * MEBI / PIECE) as u32)],
        length: Some((mebi * MEBI) as u64),
        ..Reply::default()
    };

    // A little of it first, so that what is needed anyhow is there.
    let small = of(1);
    service.play(move |_| small.clone());
    transfer(stage, seen, &at, &piece, MEBI).await?;
    let before = stage.program.figures();
    for mebi in [8, 32] {
        let long = of(mebi);
        service.play(move |_| long.clone());
        transfer(stage, seen, &at, &piece, mebi * MEBI).await?;
        let after = stage.program.figures();
        let grown = match (before, after) {
            (Some(before), Some(after)) => after.peak.saturating_sub(before.peak),
            _ => break,
        };
        seen.grown.push(grown);
        // Less than half of what passed: no need to see whether it scales.
        if grown < 4 * MEBI as u64 {
            break;
        }
    }

    // Nobody reads the answer.
    seen.figures.push(("read", resident(stage)));
    let endless = of(UNREAD);
    service.play(move |_| endless.clone());
    let asking = stage.client.converse(Sent::new("GET", at.clone()));
    let conversation = stage.patiently(asking, patience(stage)).await?;
    if let Waited::Done(Ok(conversation)) = conversation {
        let sent = || service.newest().map_or(0, |newest| newest.sent);
        let all = stalls(stage, sent).await;
        seen.unread.push(("answer", all));
        seen.figures.push(("unread", resident(stage)));
        seen.figures
            .push(("held answer", held_by_program(stage, &service, all)));
        drop(conversation);
    }
    // The service does not read the request.
    let held = Released::default();
    let hold = held.0.clone();
    service.play(move |_| Reply {
        read_on: Some(hold.clone()),
        ..Reply::whole("thank you")
    });
    let (send, pieces) = mpsc::channel(1);
    let mut asking = JoinSet::new();
    let client = stage.client.clone();
    let mut sent = Sent::new("POST", at);
    sent.body = Sending::Pieces(pieces);
    asking.spawn(async move { client.ask(sent).await });
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = count.clone();
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        for _ in 0..UNREAD * MEBI / PIECE {
            if send.send(piece.clone()).await.is_err() {
                break;
            }
            counted.fetch_add(PIECE as u64, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let all = stalls(stage, || count.load(std::sync::atomic::Ordering::Relaxed)).await;
    seen.unread.push(("request", all));
    seen.figures.push(("unread request", resident(stage)));
    seen.figures
        .push(("held request", held_by_program(stage, &service, all)));
    Ok(())
}

fn resident(stage: &Stage<'_>) -> Option<u64> {
    stage.program.figures().map(|figures| figures.resident)
}

/// What has been taken in and lies in no socket on the way: the program has it,
/// wherever it keeps it. `None` where the system does not say.
fn held_by_program(stage: &Stage<'_>, service: &Upstream, taken: u64) -> Option<u64> {
    let client = tcp::queued_between(stage.client.newest_end(), stage.address())?;
    let call = tcp::queued_between(service.caller()?, service.address())?;
    Some(taken.saturating_sub(client + call))
}

/// MiB that are more than the socket buffers on the way can hold.
const UNREAD: usize = 48;

/// How many bytes are taken in until no more are; all of them, where nothing
/// stops them.
async fn stalls(stage: &Stage<'_>, sent: impl Fn() -> u64) -> u64 {
    let mut last = None;
    let began = Instant::now();
    loop {
        stage.idle().await;
        let now = sent();
        let all = now >= (UNREAD * MEBI) as u64;
        // Twice the same with everybody idle, and our own tasks run in between.
        if all || last == Some(now) || began.elapsed() > Duration::from_secs(20) {
            return now;
        }
        last = Some(now);
    }
}

/// That many bytes there and back.
async fn transfer(
    stage: &Stage<'_>,
    seen: &mut Observation,
    at: &str,
    piece: &Bytes,
    bytes: usize,
) -> Result<(), Trouble> {
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    /// However slowly they pass.
    const LONGEST: Duration = Duration::from_secs(30);
    let (send, pieces) = mpsc::channel(1);
    let mut sent = Sent::new("POST", at.to_owned());
    sent.body = Sending::Pieces(pieces);
    // Pieces that have passed us, in either direction.
    let progress = Cell::new(0_u32);
    let sending = async {
        for _ in 0..bytes / PIECE {
            if send.send(piece.clone()).await.is_err() {
                break;
            }
            progress.update(|pieces| pieces + 1);
        }
        drop(send);
        std::future::pending::<()>().await;
    };
    let passing = async {
        tokio::select! {
            got = passed(stage, sent, &progress) => got,
            () = sending => None,
        }
    };
    tokio::pin!(passing);
    let began = Instant::now();
    loop {
        let before = progress.get();
        match stage.patiently(&mut passing, ANSWER_QUIET).await? {
            Waited::Done(back) => seen.passed.push((bytes as u64, back)),
            // The recording has no entry for a piece: it was not silent at all.
            Waited::GaveUp(_) if progress.get() > before && began.elapsed() < LONGEST => continue,
            Waited::GaveUp(_) if progress.get() > before => seen.too_busy = true,
            Waited::GaveUp(after) => {
                seen.silence = Some(Silence {
                    question: Question::Plain,
                    after,
                });
            }
            Waited::TooBusy => seen.too_busy = true,
        }
        return Ok(());
    }
}

/// How many bytes come back, without keeping them.
async fn passed(stage: &Stage<'_>, sent: Sent, progress: &Cell<u32>) -> Option<u64> {
    let mut conversation = stage.client.converse(sent).await.ok()?;
    let mut bytes = 0;
    while let Some(piece) = conversation.piece().await {
        bytes += piece.ok()?.len() as u64;
        progress.update(|pieces| pieces + 1);
    }
    Some(bytes)
}
