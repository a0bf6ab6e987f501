//! Requests and answers of every kind, one after another and a few at a time.

use bytes::Bytes;
use mock_services::upstream::{Headers, Part, Reply, Upstream};

use super::{names, open, register, step, steps};
use crate::client::Sent;
use crate::observation::{Carried, Observation};
use crate::stage::{ANSWER_QUIET, Stage, Trouble};

/// Headers that are to arrive, and one that is to be left behind by its name.
pub(in crate::exercises::ex03) fn end_to_end(word: &str) -> Headers {
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

pub(in crate::exercises::ex03) fn hop_by_hop(word: &str) -> Headers {
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

pub(in crate::exercises::ex03) fn answered_with(word: &str) -> Headers {
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

pub(in crate::exercises::ex03) fn hop_by_hop_back(word: &str) -> Headers {
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
pub(in crate::exercises::ex03) fn more_end_to_end(word: &str) -> Headers {
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

pub(in crate::exercises::ex03) fn more_hop_by_hop(word: &str) -> Headers {
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

pub(in crate::exercises::ex03) fn more_answered_with(word: &str) -> Headers {
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

pub(in crate::exercises::ex03) fn more_hop_by_hop_back(word: &str) -> Headers {
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
pub(in crate::exercises::ex03) async fn carry(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
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
pub(super) const CALL: &str = "x-call";

pub(super) fn number(headers: &Headers) -> Option<usize> {
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
