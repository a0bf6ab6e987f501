//! What the proxy is asked. None of this judges.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use mock_services::exchange::Exchange;
use mock_services::script::Hold;
use mock_services::tap::Refusal;
use mock_services::upstream::{Fault, Headers, Part, Received, Reply, Upstream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Released, queues};
use crate::asleep;
use crate::client::{NoReply, Sending, Sent, Unanswered, Whole, YOU};
use crate::observation::{Carried, Observation, Question, Rendezvous, Silence};
use crate::probe::{NO_LIMIT_AFTER, all_held};
use crate::stage::{ANSWER_QUIET, QUIET, Stage, Trouble, Waited};

/// The names that services go by, drawn from the run's seed.
pub(super) struct Names {
    pub(super) one: String,
    pub(super) other: String,
}

pub(super) fn names(seed: u64) -> Names {
    const TREES: [&str; 16] = [
        "alder", "ash", "birch", "cedar", "elm", "fir", "hazel", "holly", "larch", "lime", "maple",
        "oak", "pine", "rowan", "willow", "yew",
    ];
    let mut drawn = fastrand::Rng::with_seed(seed);
    let one = drawn.usize(..TREES.len());
    let other = (one + 1 + drawn.usize(..TREES.len() - 1)) % TREES.len();
    Names {
        one: format!("{}-{}", TREES[one], drawn.u16(100..999)),
        other: TREES[other].to_owned(),
    }
}

async fn open(stage: &Stage<'_>, name: &str) -> Result<Upstream, Trouble> {
    // Without a port nothing can be judged; the machine is to blame.
    Upstream::open(name, stage.journal.clone())
        .await
        .map_err(|_| Trouble::TooBusy)
}

/// One request and everything that came of it. After a silence nothing more is
/// asked.
async fn step(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    sent: Sent,
    service: Option<&Upstream>,
    quiet: Duration,
) -> Result<(), Trouble> {
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let mut carried = to_carry(about, &sent);
    let before = service.map_or(0, |service| service.received().len());
    match stage.patiently(stage.client.ask(sent), quiet).await? {
        Waited::Done(got) => {
            carried.received = service.and_then(|service| service.received().get(before).cloned());
            carried.got = Some(got);
            seen.carried.push(carried);
        }
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

fn to_carry(about: &'static str, sent: &Sent) -> Carried {
    let body = match &sent.body {
        Sending::Whole(Some(body)) => body.to_vec(),
        _ => Vec::new(),
    };
    Carried {
        about,
        request: format!("{} {}", sent.method, sent.target),
        method: sent.method.clone(),
        headers: sent.headers.clone(),
        body,
        ..Carried::default()
    }
}

/// Requests of which none depends on another, a few at a time.
async fn steps(
    stage: &Stage<'_>,
    seen: &mut Observation,
    all: Vec<(&'static str, Sent)>,
) -> Result<(), Trouble> {
    /// The shortest queues of connections hold five.
    const AT_ONCE: usize = 4;
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let asking = all.into_iter().map(|(about, sent)| {
        let mut carried = to_carry(about, &sent);
        async move {
            carried.got = Some(stage.client.ask(sent).await);
            carried
        }
    });
    let asking = futures_util::stream::iter(asking).buffered(AT_ONCE);
    match stage
        .patiently(asking.collect::<Vec<_>>(), ANSWER_QUIET)
        .await?
    {
        Waited::Done(all) => seen.carried.extend(all),
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

fn put(name: &str, url: &str) -> Sent {
    Sent::new("PUT", format!("/services/{name}")).with(url.to_owned())
}

async fn register(
    stage: &Stage<'_>,
    seen: &mut Observation,
    name: &str,
    url: &str,
) -> Result<(), Trouble> {
    step(stage, seen, "put", put(name, url), None, ANSWER_QUIET).await
}

/// Registers, lists, re-points and removes.
pub(super) async fn registry(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "names are registered, re-pointed and removed".to_owned();
    let Names { one, other } = names(stage.run.seed);
    let first = open(stage, "first").await?;
    let second = open(stage, "second").await?;
    let call = |name: &str| Sent::new("GET", format!("/proxy/{name}/where"));
    let quiet = ANSWER_QUIET;
    register(stage, seen, &one, &first.url()).await?;
    register(stage, seen, &other, &second.url()).await?;
    step(
        stage,
        seen,
        "list",
        Sent::new("GET", "/services"),
        None,
        quiet,
    )
    .await?;
    step(stage, seen, "first", call(&one), Some(&first), quiet).await?;
    step(stage, seen, "second", call(&other), Some(&second), quiet).await?;
    let nonsense = [
        "no url at all",
        "",
        "localhost:7001",
        "/only/a/path",
        "http://",
        "http://127.0.0.1:70000",
        "ftp://127.0.0.1:7001",
    ];
    let bad = |text| ("bad", put(&one, text));
    steps(stage, seen, nonsense.map(bad).into()).await?;
    let bad = ("bad", put("nobody", "no url at all"));
    steps(stage, seen, vec![bad]).await?;
    step(stage, seen, "still", call(&one), Some(&first), quiet).await?;
    let alike = [
        "nobody",
        &format!("{one}2"),
        &one[..one.len() - 1],
        &one.to_ascii_uppercase(),
    ];
    let unknown = alike.map(|name| ("unknown", call(name)));
    steps(stage, seen, unknown.into()).await?;
    register(stage, seen, &one, &second.url()).await?;
    step(stage, seen, "moved", call(&one), Some(&second), quiet).await?;
    let delete = Sent::new("DELETE", format!("/services/{other}"));
    step(stage, seen, "delete", delete, None, quiet).await?;
    step(stage, seen, "gone", call(&other), Some(&second), quiet).await?;
    let list = || Sent::new("GET", "/services");
    step(stage, seen, "rest", list(), None, quiet).await?;

    // A name that begins like another is another name.
    let longer = format!("{one}-too");
    register(stage, seen, &longer, &first.url()).await?;
    step(stage, seen, "first", call(&longer), Some(&first), quiet).await?;
    let delete = Sent::new("DELETE", format!("/services/{one}"));
    step(stage, seen, "delete", delete, None, quiet).await?;
    step(stage, seen, "first", call(&longer), Some(&first), quiet).await?;
    step(stage, seen, "gone", call(&one), Some(&second), quiet).await?;
    // As many as do not fit into a page, their URLs of every kind. Nobody calls them.
    let urls = [
        "",
        "/a",
        "/a/",
        "/Upper/Case",
        &format!("/{}", "long/".repeat(40)),
    ];
    let many = urls.iter().cycle().take(15).zip(1..);
    let many = many.map(|(path, nth)| {
        let url = format!("http://127.0.0.1:{}{path}", 7000 + nth);
        ("put", put(&format!("{other}-{nth}"), &url))
    });
    steps(stage, seen, many.collect()).await?;
    step(stage, seen, "rest", list(), None, quiet).await
}

/// Headers that are to arrive, and one that is to be left behind by its name.
pub(super) fn end_to_end(word: &str) -> Headers {
    [
        ("accept-language", "pt, fr;q=0.5".to_owned()),
        ("authorization", format!("Bearer {word}")),
        ("cookie", format!("seen={word}")),
        ("if-none-match", format!("\"{word}\"")),
        ("x-request-id", word.to_owned()),
        ("x-twice", format!("{word}-1")),
        ("x-twice", format!("{word}-2")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn hop_by_hop(word: &str) -> Headers {
    [
        ("connection", format!("keep-alive, x-hop-{word}")),
        (&*format!("x-hop-{word}"), word.to_owned()),
        // A header may stand in several lines.
        ("connection", format!("x-hop-too-{word}")),
        (&*format!("x-hop-too-{word}"), word.to_owned()),
        ("keep-alive", "timeout=77".to_owned()),
        ("proxy-connection", format!("keep-{word}")),
        ("te", "trailers;q=0.7".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn answered_with(word: &str) -> Headers {
    [
        ("content-type", "text/x-workshop; charset=utf-8".to_owned()),
        ("etag", format!("\"{word}\"")),
        ("set-cookie", format!("a={word}; Path=/")),
        ("set-cookie", format!("b={word}")),
        ("x-served-by", word.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn hop_by_hop_back(word: &str) -> Headers {
    [
        ("connection", format!("x-back-{word}")),
        (&*format!("x-back-{word}"), word.to_owned()),
        ("keep-alive", "timeout=78".to_owned()),
        ("proxy-connection", format!("back-{word}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What else a header may be: empty, no ASCII, long, one of many.
pub(super) fn more_end_to_end(word: &str) -> Headers {
    let mut headers = vec![
        ("x-request-id".to_owned(), word.to_owned()),
        ("accept".to_owned(), format!("text/{word}")),
        ("accept-encoding".to_owned(), "identity".to_owned()),
        ("content-type".to_owned(), format!("text/{word}")),
        ("origin".to_owned(), format!("http://{word}.example")),
        ("range".to_owned(), "bytes=0-9".to_owned()),
        ("referer".to_owned(), format!("http://{word}.example/a")),
        ("user-agent".to_owned(), format!("workshop/{word}")),
        ("x-empty".to_owned(), String::new()),
        ("x-name".to_owned(), format!("Zoë {word}")),
        ("x-long".to_owned(), format!("{word}-").repeat(400)),
        ("proxy-authorization".to_owned(), format!("Basic {word}")),
    ];
    headers.extend((1..=40).map(|nth| (format!("x-many-{nth}"), format!("{word}-{nth}"))));
    headers
}

pub(super) fn more_hop_by_hop(word: &str) -> Headers {
    [
        // Names know no case, and need no blank after the comma.
        (
            "connection",
            format!("X-Hop-Upper-{word},x-hop-tight-{word}"),
        ),
        (&*format!("x-hop-upper-{word}"), word.to_owned()),
        (&*format!("x-hop-tight-{word}"), word.to_owned()),
        ("trailer", format!("x-sum-{word}")),
        ("upgrade", format!("workshop/{word}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn more_answered_with(word: &str) -> Headers {
    let mut headers = vec![
        ("link".to_owned(), format!("</{word}/1>; rel=next")),
        ("link".to_owned(), format!("</{word}/2>; rel=prev")),
        ("cache-control".to_owned(), "max-age=7".to_owned()),
        (
            "last-modified".to_owned(),
            "Thu, 01 Jan 2026 00:00:00 GMT".to_owned(),
        ),
        ("location".to_owned(), format!("/{word}")),
        ("retry-after".to_owned(), "7".to_owned()),
        ("vary".to_owned(), format!("x-{word}")),
        ("www-authenticate".to_owned(), format!("Basic realm={word}")),
        ("x-empty".to_owned(), String::new()),
        ("x-name".to_owned(), format!("Zoë {word}")),
        ("x-long".to_owned(), format!("{word}-").repeat(400)),
        (
            "proxy-authenticate".to_owned(),
            format!("Basic realm={word}"),
        ),
    ];
    headers.extend((1..=40).map(|nth| (format!("x-many-{nth}"), format!("{word}-{nth}"))));
    headers
}

pub(super) fn more_hop_by_hop_back(word: &str) -> Headers {
    [
        (
            "connection",
            format!("X-Back-Upper-{word},x-back-tight-{word}"),
        ),
        (&*format!("x-back-upper-{word}"), word.to_owned()),
        (&*format!("x-back-tight-{word}"), word.to_owned()),
        ("te", format!("trailers;q=0.5, x-{word}")),
        ("trailer", format!("x-sum-{word}")),
        ("upgrade", format!("workshop/{word}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Requests of every kind.
pub(super) async fn carry(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "requests of every kind, one after another".to_owned();
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    let mut drawn = fastrand::Rng::with_seed(stage.run.seed);
    let word: String = (0..6).map(|_| drawn.lowercase()).collect();
    // A service may live below a path of its own.
    register(stage, seen, &name, &format!("{}/base", service.url())).await?;
    let at = |path: &str| format!("/proxy/{name}/{path}");
    let quiet = ANSWER_QUIET;

    let said = Bytes::from(format!("{word} says hello\n"));
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE",
    ] {
        let answer = said.clone();
        service.play(move |_| Reply::whole(answer.clone()));
        let mut sent = Sent::new(method, at("plain"));
        if matches!(method, "POST" | "PUT" | "PATCH") {
            sent = sent.with(format!("{word} to {method}"));
        }
        step(stage, seen, "method", sent, Some(&service), quiet).await?;
        seen.answered_with(200, &said);
    }
    let bytes = Bytes::from_static(b"\xff\xfe\x00 no text \x80");
    let answer = bytes.clone();
    service.play(move |_| Reply::whole(answer.clone()));
    let sent = Sent::new("POST", at("bytes")).with(bytes.clone());
    step(stage, seen, "bytes", sent, Some(&service), quiet).await?;
    seen.answered_with(200, &bytes);
    let answer = said.clone();
    service.play(move |_| Reply::whole(answer.clone()));
    for path in [
        "today",
        "a%20b/c",
        "a%2Fb",
        "%C3%A4/%25",
        "deep/er//still/",
        "today?day=1&day=2&empty=&q=a%26b",
        "today?plus=a+b&slash=a%2Fb",
        "today?space=a%20b&&x",
    ] {
        let sent = Sent::new("GET", at(path));
        step(stage, seen, "path", sent, Some(&service), quiet).await?;
        seen.answered_with(200, &said);
    }
    for status in [201, 302, 404, 500] {
        let body = Bytes::from(format!("{word} answers {status}"));
        let answer = body.clone();
        service.play(move |_| Reply {
            status,
            headers: vec![("location".to_owned(), "/elsewhere".to_owned())],
            ..Reply::whole(answer.clone())
        });
        let sent = Sent::new("GET", at("status"));
        step(stage, seen, "status", sent, Some(&service), quiet).await?;
        seen.answered_with(status, &body);
    }
    let back: Headers = [answered_with(&word), hop_by_hop_back(&word)].concat();
    let answer = said.clone();
    service.play(move |_| Reply {
        headers: back.clone(),
        ..Reply::whole(answer.clone())
    });
    let mut sent = Sent::new("POST", at("headers")).with("with headers");
    sent.headers = [end_to_end(&word), hop_by_hop(&word)].concat();
    step(stage, seen, "headers", sent, Some(&service), quiet).await?;
    seen.answered_with(200, &said);
    let arrived = |x: &Carried| {
        let received = x.received.as_ref();
        received.is_some_and(|got| got.headers.iter().any(|(_, value)| *value == word))
    };
    // These are known by a header of theirs.
    if seen.carried.last().is_some_and(arrived) {
        carry_side_by_side(stage, seen, &service, &name, &word).await?;
    }
    Ok(())
}

/// The header by which a call is known, whatever else becomes of it.
const CALL: &str = "x-call";

fn number(headers: &Headers) -> Option<usize> {
    let (_, value) = headers.iter().find(|(name, _)| name == CALL)?;
    value.parse().ok()
}

/// More requests of every kind, a few at a time.
async fn carry_side_by_side(
    stage: &Stage<'_>,
    seen: &mut Observation,
    service: &Upstream,
    name: &str,
    word: &str,
) -> Result<(), Trouble> {
    let at = |path: &str| format!("/proxy/{name}/{path}");
    let said = Bytes::from(format!("{word} says more\n"));
    let mut calls: Vec<(&'static str, Sent, Reply)> = Vec::new();
    for method in ["GET", "DELETE", "OPTIONS", "Report"] {
        let sent = Sent::new(method, at("plain")).with(format!("{word} to {method}"));
        calls.push(("method", sent, Reply::whole(said.clone())));
    }
    let long = format!("long/{}?{}", "abcdefghij".repeat(150), "k=v&".repeat(150));
    for path in [
        "",
        "/today",
        "./a/../b/.",
        "%2e%2e/%2E/a",
        "%61%42%7E/%c3%a4",
        "a+b",
        "a;v=1;w=2/b",
        "a:b@c",
        "it's(a)!*,$&=b",
        "today?",
        "today?a=b?c/d",
        "today?ids[]=1&ids[]=2",
        &long,
    ] {
        let sent = Sent::new("GET", at(path));
        calls.push(("path", sent, Reply::whole(said.clone())));
    }
    for status in [
        202, 204, 206, 299, 304, 307, 308, 401, 407, 418, 429, 503, 599,
    ] {
        let body = match status {
            204 | 304 => Reply::default(),
            _ => Reply::whole(format!("{word} answers {status}")),
        };
        let headers = vec![("location".to_owned(), "/elsewhere".to_owned())];
        let reply = Reply {
            status,
            headers,
            ..body
        };
        calls.push(("status", Sent::new("GET", at("status")), reply));
    }
    let mut sent = Sent::new("POST", at("headers")).with("with more headers");
    sent.headers = [more_end_to_end(word), more_hop_by_hop(word)].concat();
    let back = Reply {
        headers: [more_answered_with(word), more_hop_by_hop_back(word)].concat(),
        ..Reply::whole(said.clone())
    };
    calls.push(("more-headers", sent, back));

    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for (nth, (about, mut sent, reply)) in calls.into_iter().enumerate() {
        sent.headers.insert(0, (CALL.to_owned(), nth.to_string()));
        requests.push((about, sent));
        replies.push(reply);
    }
    let answers: Vec<_> = replies.iter().map(whole_answer).collect();
    let nobody = Reply::whole(said);
    service.play(move |received| {
        let reply = number(&received.headers).and_then(|nth| replies.get(nth));
        reply.unwrap_or(&nobody).clone()
    });
    let before = seen.carried.len();
    let already = service.received().len();
    steps(stage, seen, requests).await?;
    let received = service.received().split_off(already);
    for (nth, call) in seen.carried[before..].iter_mut().enumerate() {
        // One that has lost its headers is anybody's.
        let known = received.iter().find(|x| number(&x.headers) == Some(nth));
        let nameless = || received.iter().find(|x| number(&x.headers).is_none());
        call.received = known.or_else(nameless).cloned();
        call.answered = answers.get(nth).cloned();
    }
    Ok(())
}

/// Status and body of an answer that withholds nothing.
fn whole_answer(reply: &Reply) -> (u16, Vec<u8>) {
    let data = reply.parts.iter().filter_map(|part| match part {
        Part::Data(data) => Some(data.to_vec()),
        _ => None,
    });
    (reply.status, data.flatten().collect())
}

/// Whether something comes to pass while something else is withheld.
async fn meanwhile<T>(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    waiting: impl Future<Output = T>,
) -> Result<Option<T>, Trouble> {
    let waited = stage.patiently(waiting, patience(stage)).await?;
    let (done, waited) = match waited {
        Waited::Done(done) => (Some(done), Waited::Done(())),
        Waited::GaveUp(after) => (None, Waited::GaveUp(after)),
        Waited::TooBusy => (None, Waited::TooBusy),
    };
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about,
        wanted: 1,
        reached: done.is_some().into(),
        waited,
        released: stage.journal.clock().now(),
    });
    Ok(done)
}

/// As long as the program has taken at most between a client's call and its own, twice,
/// is no silence.
fn patience(stage: &Stage<'_>) -> Duration {
    (QUIET + 2 * thinking(&stage.journal.exchanges())).min(ANSWER_QUIET)
}

/// How long a service's call came after the last call of a client, at most.
fn thinking(all: &[Exchange]) -> Duration {
    let clients = |x: &&Exchange| x.service == YOU && x.request.contains(" /proxy/");
    let thought = |call: &Exchange| {
        let before = all.iter().filter(clients).map(|x| x.arrived);
        let asked = before.filter(|at| *at <= call.arrived).max()?;
        Some(call.arrived.since(asked))
    };
    let calls = all.iter().filter(|x| x.service != YOU);
    calls.filter_map(thought).max().unwrap_or_default()
}

/// Waits until the service has been asked so many times.
async fn asked(
    stage: &Stage<'_>,
    seen: &mut Observation,
    service: &Upstream,
    times: usize,
) -> Result<bool, Trouble> {
    let arrived = stage
        .journal
        .until(|_| (service.received().len() >= times).then_some(()));
    match stage.patiently(arrived, ANSWER_QUIET).await? {
        Waited::Done(()) => Ok(true),
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
            Ok(false)
        }
        Waited::TooBusy => {
            seen.too_busy = true;
            Ok(false)
        }
    }
}

/// The registry is used while calls are withheld: before their head, then in the
/// middle of a body; and while a URL is being put.
pub(super) async fn guard(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
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
pub(super) const QUESTIONS: usize = 5;

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

/// Many clients of one service, every answer withheld until all have been asked
/// for; `/healthz` meanwhile.
pub(super) async fn crowd(
    clients: usize,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
    if seen.silence.is_some() {
        return Ok(());
    }
    let held = Released::default();
    let hold = held.0.clone();
    service.play(move |_| Reply::held("together", &hold));
    let in_flight = |_: &[Exchange]| service.received().len();
    all_held(stage, seen, clients, &together(&name), in_flight, || {
        drop(held);
    })
    .await
}

/// What each of many clients asks for.
fn together(name: &str) -> String {
    format!("/proxy/{name}/together")
}

/// Crowd after crowd of them, to make sure that no thread is blocked for moments.
pub(super) async fn crowds(
    clients: usize,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
    // It did answer that a moment ago.
    seen.too_busy |= seen.silence.is_some();
    if seen.too_busy {
        return Ok(());
    }
    let target = together(&name);
    asleep::crowds(stage, seen, clients, async || {
        asleep::in_midst(stage, clients, &target).await
    })
    .await
}

/// A body of two pieces each way; the second is sent once the first is there.
pub(super) async fn stream(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title =
        "bodies of two pieces; the second is sent once the first has come through".to_owned();
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
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

const MEBI: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// Bodies that nobody reads, then long ones that are read.
pub(super) async fn pressure(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "bodies that nobody reads, then 8 MiB each way".to_owned();
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
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
    let client = queues::between(stage.client.newest_end(), stage.address())?;
    let call = queues::between(service.caller()?, service.address())?;
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

/// Clients leave: before the head, in the middle of the body, once they have sent a
/// body and in the middle of sending one.
pub(super) async fn cancel(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "clients leave while their calls are withheld".to_owned();
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
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

/// Services that refuse, reset, and break off in mid-body.
pub(super) async fn faults(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "services that refuse, reset, and break off; then one that is well".to_owned();
    let Names { one, other } = names(stage.run.seed);
    let service = open(stage, &one).await?;
    let quiet = ANSWER_QUIET;
    let refusal = Refusal::reserve().map_err(|_| Trouble::TooBusy)?;
    let url = refusal.url("").map_err(|_| Trouble::TooBusy)?;
    register(stage, seen, &one, &service.url()).await?;
    register(stage, seen, &other, &url).await?;
    let call = |name: &str| Sent::new("GET", format!("/proxy/{name}/today"));
    step(stage, seen, "refused", call(&other), None, quiet).await?;
    service.play(|_| Reply::fault(Fault::Reset));
    step(stage, seen, "reset", call(&one), Some(&service), quiet).await?;
    let half = Bytes::from_static(b"half of it");
    for (about, length) in [("cut", None), ("cut-of-length", Some(20))] {
        let half = half.clone();
        service.play(move |_| Reply {
            parts: vec![Part::Data(half.clone()), Part::Break],
            length,
            ..Reply::default()
        });
        step(stage, seen, about, call(&one), Some(&service), quiet).await?;
    }
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf of it\r\n";
    for (about, said, end) in [
        ("cut-by-reset", head, Some(Part::Break)),
        ("half-head", &head[..30], None),
    ] {
        let said = Part::Data(Bytes::from_static(said.as_bytes()));
        service.play(move |_| Reply {
            raw: true,
            parts: [said.clone()].into_iter().chain(end.clone()).collect(),
            ..Reply::default()
        });
        step(stage, seen, about, call(&one), Some(&service), quiet).await?;
    }
    service.play(|_| Reply::whole("well again"));
    step(stage, seen, "afterwards", call(&one), Some(&service), quiet).await
}

/// A service that hangs before its head, and one whose body takes longer than
/// the limit.
pub(super) async fn hangs(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
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

#[cfg(test)]
mod tests {
    use mock_services::exchange::Ending;
    use mock_services::moment::Moment;

    use super::*;

    #[test]
    fn thinking_is_told_from_the_call_before_it() {
        let call = |service: &str, request: &str, arrived: u64| Exchange {
            service: service.to_owned(),
            request: request.to_owned(),
            arrived: Moment::from_micros(arrived),
            id: 0,
            connection: 1,
            answered: None,
            ended: None,
            status: None,
            ending: Ending::Left,
            frames: Vec::new(),
        };
        let thought = |all: &[Exchange]| thinking(all).as_micros();
        let you = |arrived| call(YOU, "GET /proxy/elm/today", arrived);
        let elm = |arrived| call("elm", "GET /today", arrived);
        assert_eq!(thought(&[]), 0);
        assert_eq!(thought(&[you(10), elm(25), you(30), elm(35)]), 15);
        // A name that is looked up or changed is no call.
        assert_eq!(
            thought(&[you(10), call(YOU, "PUT /services/elm", 20), elm(25)]),
            15
        );
        assert_eq!(thought(&[elm(25)]), 0);
    }
}
