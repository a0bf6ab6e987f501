//! Services that take a request and say nothing, and bodies that take their time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mock_services::script::Hold;
use mock_services::upstream::{Fault, Part, Reply};
use tokio::sync::mpsc;

use super::pressure::MEBI;
use super::{Names, names, open, register};
use crate::client::{NoReply, Sending, Sent, Unanswered, Whole};
use crate::observation::{Carried, Observation, Question, Silence};
use crate::probe::NO_LIMIT_AFTER;
use crate::stage::{Stage, Trouble, Waited};

/// A service that hangs before its head, and one whose body takes longer than
/// the limit.
pub(in crate::exercises::ex03) async fn hangs(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "a service takes the request and says nothing; another's body is slow".to_owned();
    let Names { one: name, other } = names(stage.run.seed);
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
    let full = Full::open();
    if let Some(full) = &full {
        register(stage, seen, &other, &full.url).await?;
    }
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let held = Hold::default();
    let hold = held.clone();
    service.play(move |received| {
        if received.target.contains("hang") {
            return Reply::fault(Fault::Hang);
        }
        if received.target.contains("upload") {
            return Reply::whole("thank you");
        }
        let half = Bytes::from_static(b"half of it");
        Reply {
            parts: vec![
                Part::Data(half.clone()),
                Part::Wait(hold.clone()),
                Part::Data(half),
            ],
            ..Reply::default()
        }
    });
    let slow = async {
        let sent = Sent::new("GET", format!("/proxy/{name}/slow"));
        let got = match stage.client.converse(sent).await {
            Ok(mut conversation) if conversation.status == 200 => {
                let first = conversation.piece().await;
                tokio::time::sleep(seen_limit(stage)).await;
                held.release();
                let mut whole = conversation.whole().await;
                if let Some(Ok(first)) = first {
                    whole.body.splice(0..0, first);
                }
                Ok(whole)
            }
            Ok(conversation) => {
                held.release();
                Ok(conversation.whole().await)
            }
            Err(unanswered) => Err(unanswered),
        };
        Carried {
            about: "slow",
            got: Some(got),
            ..Carried::default()
        }
    };
    let hanging = async {
        let get = Sent::new("GET", format!("/proxy/{name}/hang"));
        // More than the sockets on the way hold: it can never be sent whole.
        let post = Sent::new("POST", format!("/proxy/{name}/hang")).with(vec![b'.'; 8 * MEBI]);
        let connect = async {
            match &full {
                Some(_) => {
                    let get = Sent::new("GET", format!("/proxy/{other}/hang"));
                    Some(stage.client.ask(get).await)
                }
                None => None,
            }
        };
        let (get, post) = (stage.client.ask(get), stage.client.ask(post));
        let (connect, get, post) = tokio::join!(connect, get, post);
        // Who answers and closes before all has come may see the answer lost with the
        // reset that follows: then it did not hang, and nobody knows more.
        let mut all = vec![get];
        all.extend((!is_closed(&post)).then_some(post));
        all.extend(connect);
        all
    };
    // Side by side; the one that hangs is waited for longest. A proxy that
    // buffers waits for the end of the slow one, which comes soon enough.
    let release = async {
        tokio::time::sleep(4 * seen_limit(stage)).await;
        held.release();
        std::future::pending::<()>().await;
    };
    let all = async {
        tokio::select! {
            all = async {
                tokio::join!(
                    stage.patiently(slow, NO_LIMIT_AFTER),
                    stage.patiently(hanging, NO_LIMIT_AFTER),
                    long_upload(stage, &name)
                )
            } => all,
            () = release => unreachable!("it waits for ever"),
        }
    };
    let (slow, hung, upload) = all.await;
    match slow? {
        Waited::Done(slow) => {
            // A head that came too late may have run into the limit for want of time.
            seen.too_busy |= matches!(&slow.got, Some(Ok(whole)) if whole.status == 504);
            seen.carried.push(slow);
        }
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    match hung? {
        Waited::Done(all) => seen.carried.extend(all.into_iter().map(|got| Carried {
            about: "hang",
            request: "/proxy/…/hang".to_owned(),
            got: Some(got),
            ..Carried::default()
        })),
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Hang("/hang"),
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    if seen.silence.is_none() && !seen.too_busy {
        note_upload(upload?, seen);
    }
    Ok(())
}

/// A port at which connections are neither taken nor refused: its queue is full.
struct Full {
    url: String,
    _sockets: Vec<socket2::Socket>,
}

impl Full {
    /// On Linux only: elsewhere a full queue may refuse.
    fn open() -> Option<Self> {
        /// More than fit into the shortest queue.
        const QUEUE: usize = 3;
        if !cfg!(target_os = "linux") {
            return None;
        }
        let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok();
        let listener = new()?;
        let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).ok()?;
        listener.listen(0).ok()?;
        let address = listener.local_addr().ok()?.as_socket()?;
        let mut sockets = vec![listener];
        for _ in 0..QUEUE {
            let socket = new()?;
            socket.set_nonblocking(true).ok()?;
            // It is there at once, or never.
            let _ = socket.connect(&address.into());
            sockets.push(socket);
        }
        Some(Self {
            url: format!("http://{address}"),
            _sockets: sockets,
        })
    }
}

fn is_closed(got: &Result<Whole, Unanswered>) -> bool {
    matches!(got, Err(none) if none.why == NoReply::Closed)
}

/// How a long upload went.
struct Upload {
    waited: Waited<Option<Result<Whole, Unanswered>>>,
    /// Somebody was so late that the program may rightly have given up.
    late: bool,
}

/// A body that takes longer than the limit to send, though never quiet for long.
async fn long_upload(stage: &Stage<'_>, name: &str) -> Result<Upload, Trouble> {
    const PIECES: u32 = 12;
    let limit = stage.setting.upstream_timeout;
    let (send, pieces) = mpsc::channel(1);
    let mut sent = Sent::new("POST", format!("/proxy/{name}/upload"));
    sent.body = Sending::Pieces(pieces);
    let before = stage.program.activity();
    let longest = Cell::new(Duration::ZERO);
    let last = Cell::new(Instant::now());
    let note_pause = || longest.set(longest.get().max(last.replace(Instant::now()).elapsed()));
    let sending = async {
        last.set(Instant::now());
        for _ in 0..PIECES {
            if send.send(Bytes::from_static(b"a piece")).await.is_err() {
                break;
            }
            tokio::time::sleep(limit / 8).await;
            note_pause();
        }
        drop(send);
        std::future::pending::<()>().await;
    };
    let asking = async {
        tokio::select! {
            got = stage.client.ask(sent) => Some(got),
            () = sending => None,
        }
    };
    let waited = stage.patiently(asking, NO_LIMIT_AFTER).await?;
    if matches!(&waited, Waited::Done(Some(Ok(whole))) if whole.status == 504) {
        // Given up in a pause that was not over, maybe.
        note_pause();
    }
    let starved = match (before, stage.program.activity()) {
        (Some(before), Some(after)) => after.waited.saturating_sub(before.waited) > limit / 4,
        _ => false,
    };
    // Held against nobody before a limit that a slow program keeps, too.
    let hasty = limit < Duration::from_millis(300);
    Ok(Upload {
        waited,
        late: starved || hasty || longest.get() > limit / 2,
    })
}

fn note_upload(upload: Upload, seen: &mut Observation) {
    match upload.waited {
        Waited::Done(Some(got)) => {
            // Its answer may have been lost with the connection.
            let gave_up = matches!(&got, Ok(whole) if whole.status == 504) || is_closed(&got);
            seen.too_busy |= gave_up && upload.late;
            seen.carried.push(Carried {
                about: "upload",
                request: "POST /proxy/…/upload".to_owned(),
                got: Some(got),
                ..Carried::default()
            });
        }
        Waited::Done(None) | Waited::TooBusy => seen.too_busy = true,
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
    }
}

/// Clearly longer than the program's limit.
fn seen_limit(stage: &Stage<'_>) -> Duration {
    stage.setting.upstream_timeout * 3 / 2
}
