//! What the chat is told, and who listens. None of this judges.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as Raw;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::asleep::{self, median};
use crate::client::{Frame, Said};
use crate::exercises::guests::{self, Guest, hear_within, leave};
use crate::observation::{Observation, Stutter, Talk};
use crate::probe::note_health;
use crate::stage::{ANSWER_QUIET, QUIET, Stage, Trouble, Waited};

/// Bytes that go by a reader that does not read, at first; and once it has read all
/// that there was for it.
pub(super) const GO_BY: usize = 8 << 20;
pub(super) const GO_BY_AT_FIRST: usize = 6 << 20;

/// Bytes of the text of one of those messages.
pub(super) const LONG: usize = 1024;

/// After a reader has been given all of the first, so many times as much.
pub(super) const AGAIN: usize = 3;

fn frame(text: &str) -> Message {
    Message::text(json!({ "text": text }).to_string())
}

/// The contract leaves a reader so much time to fetch why it is dropped.
pub(super) const FETCH_WITHIN: Duration = Duration::from_secs(5);

/// Messages that go by a reader that does not read.
struct Flow {
    spoken: usize,
    /// When it ceased to read.
    since: Instant,
    /// After so long its connection was seen to have been ended at the program's side.
    ended: Option<Duration>,
    /// No more of them after so long.
    limit: Option<Duration>,
}

impl Flow {
    fn new(limit: Option<Duration>) -> Self {
        Self {
            spoken: 0,
            since: Instant::now(),
            ended: None,
            limit,
        }
    }

    /// From now on there is a reader that does not read.
    fn begin(&mut self) {
        self.since = Instant::now();
        self.ended = None;
    }

    fn look(&mut self, reader: &Guest) {
        if let (Some(socket), None) = (&reader.socket, self.ended) {
            let is_open = socket.is_open_there();
            self.ended = (is_open == Some(false)).then(|| self.since.elapsed());
        }
    }

    /// The reader reads on.
    fn end(&mut self, reader: &Guest, seen: &mut Observation) {
        self.look(reader);
        seen.unread_for = Some(self.ended.unwrap_or_else(|| self.since.elapsed()));
        seen.went_by = self.spoken as u64;
    }

    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.since.elapsed() > limit)
    }
}

/// What the contract calls a message.
async fn say(guest: &mut Guest, text: String) {
    guest.say(frame(&text)).await;
    guest.talk.said.push(text);
}

async fn say_all(guest: &mut Guest, texts: Vec<String>) {
    let frames = texts.iter().map(|text| frame(text)).collect();
    guest.say_all(frames).await;
    guest.talk.said.extend(texts);
}

async fn join(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    room: &str,
    name: &str,
    listens: bool,
) -> Result<Guest, Trouble> {
    let target = target(room, name);
    guests::join(stage, seen, about, (room, name), &target, listens).await
}

/// A word that belongs to the run.
fn word(stage: &Stage<'_>) -> String {
    let mut drawn = fastrand::Rng::with_seed(stage.run.seed);
    (0..6).map(|_| drawn.lowercase()).collect()
}

fn target(room: &str, name: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("room", room)
        .append_pair("name", name)
        .finish();
    // A space as `%20`: some read a query as a form, some do not.
    format!("/ws?{}", query.replace('+', "%20"))
}

/// Waits for something to be heard. What comes of it is written down.
///
/// The contract does not say how soon a chat delivers: the first silence is a long one,
/// and where that was none of patience, those after it are short.
async fn hear(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    guests: &[Guest],
    heard: impl Fn(&[Guest]) -> bool,
) -> Result<bool, Trouble> {
    let quiet = match seen.given_up().next() {
        None => 4 * QUIET,
        Some(_) => QUIET,
    };
    hear_within(stage, seen, about, guests, quiet, heard).await
}

/// Rooms whose names are alike, and names that are not plain.
pub(super) async fn rooms(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "people in rooms whose names are alike".to_owned();
    let word = word(stage);
    let capital = word[..1].to_uppercase() + &word[1..];
    let longer = format!("{word}2");
    let odd = format!("{word} & café/1");
    let long = format!("{word} of all who read a book a week, and talk of it");
    let mut rooms = vec![
        (word.clone(), "ann"),
        (word.clone(), "bob"),
        (word.clone(), "bob"),
        (word.clone(), "Zoë & co"),
        (longer.clone(), "ann"),
        (longer, "dan"),
        (capital, "eve"),
        (odd, "fay"),
    ];
    rooms.extend([
        // Names with spaces around them, and long ones.
        (word.clone(), " Anna Katharina Schmidt "),
        (format!("{word} "), "gil"),
        (format!("{word} & café/2"), "hal"),
        (format!("{word} & café-1"), "ida"),
        (format!("{word} & cafè/1"), "joe"),
        (format!("{word} & cafe\u{301}/1"), "kim"),
        (format!("{long}, 1"), "lee"),
        (format!("{long}, 2"), "mia"),
    ]);
    let mut guests = Vec::new();
    for (room, name) in &rooms {
        guests.push(join(stage, seen, "talk", room, name, true).await?);
    }
    // An upgrade is answered before its handler runs: let all of them come in.
    stage.idle().await;
    let mut flowing = true;
    for round in 0..2 {
        for (nth, guest) in guests.iter_mut().enumerate() {
            say(guest, format!("{word}-{nth}-{round} \"quoted\" ünï")).await;
        }
        let wanted = |guests: &[Guest], guest: &Guest| {
            (round + 1)
                * guests
                    .iter()
                    .filter(|other| other.talk.room == guest.talk.room)
                    .count()
        };
        let all = |guests: &[Guest]| {
            guests
                .iter()
                .all(|guest| guest.ended() || guest.texts() >= wanted(guests, guest))
        };
        if !hear(stage, seen, "delivered", &guests, all).await? {
            flowing = false;
            break;
        }
    }
    if flowing {
        odd_texts(stage, seen, &mut guests, &word).await?;
    }
    // Whatever is still to come that should not.
    stage.idle().await;
    leave(guests, seen);
    for target in ["/", "/ws?room=only", "/ws?name=only"] {
        let answer = if target == "/" {
            stage
                .patiently(
                    async {
                        let answer = stage.client.get("/").await;
                        answer.reply.map_or_else(
                            |why| why.to_string(),
                            |reply| match reply.body.to_lowercase() {
                                body if body.contains("<html") || body.contains("<!doctype") => {
                                    format!("status {} page", reply.status)
                                }
                                _ => format!("status {}", reply.status),
                            },
                        )
                    },
                    ANSWER_QUIET,
                )
                .await?
        } else {
            stage
                .patiently(
                    async {
                        match stage.client.open(target).await {
                            Ok(_) => "opened".to_owned(),
                            Err(why) => why,
                        }
                    },
                    ANSWER_QUIET,
                )
                .await?
        };
        if let Waited::Done(answer) = answer {
            seen.talks.push(Talk {
                about: "asked",
                name: target.to_owned(),
                refused: Some(answer),
                ..Talk::default()
            });
        }
    }
    Ok(())
}

/// Whether everybody who talks there has heard that text.
fn all_heard(guests: &[Guest], room: &str, text: &str) -> bool {
    let is_it =
        |frame: &Frame| matches!(frame, Frame::Text(said) if said.text.as_deref() == Some(text));
    guests
        .iter()
        .filter(|guest| guest.talk.about == "talk" && guest.talk.room == room)
        .all(|guest| guest.ended() || guest.look(is_it) > 0)
}

/// Texts that are not plain; then somebody comes late, and leaves again; and what one says
/// bears the name of another.
async fn odd_texts(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: &mut Vec<Guest>,
    room: &str,
) -> Result<(), Trouble> {
    let texts = vec![
        format!("  {room}-spaces around it  "),
        format!("{room}-lines\nand a\ttab"),
        format!("{room}-crab \u{1f980}"),
        format!("{room}-accent e\u{301}"),
        String::new(),
        " ".to_owned(),
        format!("{room}-twice"),
        format!("{room}-twice"),
    ];
    let wanted: Vec<_> = guests
        .iter()
        .map(|guest| {
            guest.texts()
                + if guest.talk.room == room {
                    texts.len()
                } else {
                    0
                }
        })
        .collect();
    say_all(&mut guests[0], texts).await;
    let all = |guests: &[Guest]| {
        let mut each = guests.iter().zip(&wanted);
        each.all(|(guest, wanted)| guest.ended() || guest.texts() >= *wanted)
    };
    if !hear(stage, seen, "delivered", guests, all).await? {
        return Ok(());
    }
    let mut late = join(stage, seen, "late", room, "max", true).await?;
    stage.idle().await;
    let text = format!("{room}-hello max");
    say(&mut guests[0], text.clone()).await;
    if !hear(stage, seen, "delivered", guests, |guests| {
        all_heard(guests, room, &text)
    })
    .await?
    {
        return Ok(());
    }
    if let Some(socket) = &mut late.socket {
        socket.close(1000).await;
    }
    stage.idle().await;
    // Whether other keys are an error is not said; whose message it is, is.
    let spoof = json!({ "text": format!("{room}-spoof"), "from": "bob" });
    guests[0].say(Message::text(spoof.to_string())).await;
    let text = format!("{room}-bye max");
    say(&mut guests[0], text.clone()).await;
    hear(stage, seen, "delivered", guests, |guests| {
        all_heard(guests, room, &text)
    })
    .await?;
    guests.push(late);
    Ok(())
}

/// Four senders at once, in bursts that any queue holds.
pub(super) async fn order(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    const SENDERS: usize = 4;
    const READERS: usize = 6;
    const ROUNDS: usize = 20;
    const BURST: usize = 12;
    seen.title = "four people talk at once, six listen".to_owned();
    let room = word(stage);
    let mut guests = Vec::new();
    for nth in 0..READERS {
        let name = format!("guest{nth}");
        guests.push(join(stage, seen, "order", &room, &name, true).await?);
    }
    stage.idle().await;
    for round in 0..ROUNDS {
        let sending = guests[..SENDERS]
            .iter_mut()
            .enumerate()
            .map(|(nth, guest)| {
                let texts = (0..BURST)
                    .map(|n| format!("{nth}:{}", round * BURST + n))
                    .collect();
                say_all(guest, texts)
            });
        futures_util::future::join_all(sending).await;
        let wanted = (round + 1) * BURST * SENDERS;
        let all = |guests: &[Guest]| {
            guests
                .iter()
                .all(|guest| guest.ended() || guest.texts() >= wanted)
        };
        if !hear(stage, seen, "delivered", &guests, all).await? {
            break;
        }
    }
    stage.idle().await;
    leave(guests, seen);
    Ok(())
}

/// One of fifty reads nothing while 8 MiB go by.
pub(super) async fn slow_reader(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    const READERS: usize = 3;
    const ELSEWHERE: usize = 45;
    seen.title = "one of fifty clients reads nothing while 8 MiB go by".to_owned();
    let room = word(stage);
    let calm = format!("calm {room}");
    let mut guests = vec![
        join(stage, seen, "slow", &room, "slow", false).await?,
        join(stage, seen, "speaker", &room, "speaker", true).await?,
    ];
    for nth in 0..READERS {
        let name = format!("reader{nth}");
        guests.push(join(stage, seen, "reader", &room, &name, true).await?);
    }
    for nth in 0..ELSEWHERE {
        let name = format!("calm{nth}");
        guests.push(join(stage, seen, "calm", &calm, &name, true).await?);
    }
    if guests.iter().any(|guest| guest.socket.is_none()) {
        leave(guests, seen);
        return Ok(());
    }
    stage.idle().await;
    let memory = |stage: &Stage<'_>| stage.program.figures().map(|figures| figures.resident);
    seen.figures.push(("before", memory(stage)));
    let mut flow = Flow::new(None);
    let flowing = go_by(stage, seen, &mut guests, &mut flow, GO_BY_AT_FIRST).await?;
    if !flowing {
        still(stage, seen).await?;
        seen.figures.push(("after", memory(stage)));
        leave(guests, seen);
        return Ok(());
    }
    flow.end(&guests[0], seen);
    listen_on(stage, seen, &mut guests, flow.spoken).await?;
    let whole = guests[0].texts() >= flow.spoken && !guests[0].dismissed();
    if whole {
        seen.figures.push(("after", memory(stage)));
        // Everything had been kept for it. Is there a bound at all? Somebody
        // who has not read at all comes in, and more goes by.
        let mut late = join(stage, seen, "late", &room, "late", false).await?;
        std::mem::swap(&mut guests[0], &mut late);
        guests.push(late);
        stage.idle().await;
        let before = flow.spoken;
        flow.begin();
        go_by(stage, seen, &mut guests, &mut flow, AGAIN * GO_BY).await?;
        seen.figures.push(("later", memory(stage)));
        let more = flow.spoken - before;
        listen_on(stage, seen, &mut guests, more).await?;
    } else {
        // Whoever tells of one gap has to tell of the next one, too.
        if let Some(socket) = &mut guests[0].socket {
            socket.pause().await;
        }
        let more = GO_BY - GO_BY_AT_FIRST;
        let is_there = !guests[0].dismissed();
        flow.begin();
        let flowing = go_by(stage, seen, &mut guests, &mut flow, more).await?;
        seen.figures.push(("after", memory(stage)));
        if flowing {
            if is_there {
                flow.end(&guests[0], seen);
            }
            listen_on(stage, seen, &mut guests, flow.spoken).await?;
        } else {
            still(stage, seen).await?;
        }
    }
    leave(guests, seen);
    Ok(())
}

/// One reads nothing, for less time than the contract leaves it to fetch why it is dropped,
/// however few messages go by in that.
pub(super) async fn slow_for_less(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "one client reads nothing, for less than 5 s".to_owned();
    let room = word(stage);
    let mut guests = vec![
        join(stage, seen, "slow", &room, "slow", false).await?,
        join(stage, seen, "speaker", &room, "speaker", true).await?,
        join(stage, seen, "reader", &room, "reader", true).await?,
    ];
    if guests.iter().all(|guest| guest.socket.is_some()) {
        stage.idle().await;
        let mut flow = Flow::new(Some(FETCH_WITHIN * 2 / 3));
        if go_by(stage, seen, &mut guests, &mut flow, GO_BY_AT_FIRST).await? {
            flow.end(&guests[0], seen);
            listen_on(stage, seen, &mut guests, flow.spoken).await?;
        }
    }
    leave(guests, seen);
    Ok(())
}

/// Do they wait for the reader, or does everything stand still?
async fn still(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    note_health(stage.health().await?, seen, &mut JoinSet::new());
    Ok(())
}

/// The speaker talks, a little at a time; before it goes on, everybody else has heard all
/// but the last of it: so neither side waits for the other, and a queue of two bursts
/// still holds whatever is under way.
async fn go_by(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: &mut [Guest],
    flow: &mut Flow,
    bytes: usize,
) -> Result<bool, Trouble> {
    const BURST: usize = 16;
    /// Often enough to know when a connection ended, and seldom enough to cost nothing.
    const LOOK_EVERY: usize = 8;
    let mut pace = Pace::default();
    let filling = ".".repeat(LONG);
    let bursts = bytes / LONG / BURST;
    for burst in 0..bursts {
        let texts = (0..BURST)
            .map(|_| {
                let text = format!("{}:{filling}", flow.spoken);
                flow.spoken += 1;
                text
            })
            .collect::<Vec<_>>();
        let frames = texts.iter().map(|text| frame(text)).collect();
        let began = Instant::now();
        if let Some(socket) = &mut guests[1].socket {
            socket.say_all(frames).await;
        }
        let is_last = burst + 1 == bursts;
        let wanted = flow.spoken - if is_last { 0 } else { BURST };
        let in_the_room = |guest: &&Guest| matches!(guest.talk.about, "speaker" | "reader");
        let heard = |guests: &[Guest]| {
            guests
                .iter()
                .filter(in_the_room)
                .all(|guest| guest.texts() >= wanted)
        };
        let hearing = hear(stage, seen, "room", guests, heard);
        let (came, asleep) = stage.asleep_before(hearing).await;
        if !came? {
            return Ok(false);
        }
        if let Some(took) = pace.stutters(began.elapsed(), asleep) {
            seen.stutter = Some(Stutter {
                after: flow.spoken - Pace::IN_A_ROW * BURST,
                bursts: Pace::IN_A_ROW,
                messages: BURST,
                took,
                at_first: pace.at_first(),
            });
            return Ok(false);
        }
        if burst % LOOK_EVERY == 0 {
            flow.look(&guests[0]);
        }
        if flow.is_over() {
            break;
        }
        let calm = guests.iter().position(|guest| guest.talk.about == "calm");
        if let Some(calm) = calm.filter(|_| burst % 64 == 0) {
            let before = guests[calm].texts();
            say(&mut guests[calm], "all is calm".to_owned()).await;
            let heard = |guests: &[Guest]| {
                guests
                    .iter()
                    .filter(|guest| guest.talk.about == "calm")
                    .all(|guest| guest.texts() > before)
            };
            if !hear(stage, seen, "elsewhere", guests, heard).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// How messages go by, burst after burst, and whether the program slept again and again
/// before they came.
#[derive(Debug, Default)]
struct Pace {
    /// While nobody can be in the way yet: what lies on its way to a reader that does not
    /// read is more than that.
    first: Vec<(Duration, bool)>,
    /// Those in which it slept, without one between them.
    in_a_row: Vec<Duration>,
}

impl Pace {
    const FIRST: usize = 6;
    /// One that waits for a while, and then lets go of who does not read, does so once.
    const IN_A_ROW: usize = 16;
    /// One that waits for more to send, or whose messages a busy machine delivers late,
    /// falls asleep once or twice; and one that waits with each message as often as there
    /// are messages, or as somebody looks.
    const SLEEPS: u32 = 3;

    /// One more burst. How long those in a row took, where it is plain now that they wait
    /// for somebody: the median.
    fn stutters(&mut self, took: Duration, sleeps: u32) -> Option<Duration> {
        let slept = sleeps >= Self::SLEEPS;
        if self.first.len() < Self::FIRST {
            self.first.push((took, slept));
            return None;
        }
        if slept {
            self.in_a_row.push(took);
        } else {
            self.in_a_row.clear();
        }
        // Who sends at a pace of its own does so from the beginning.
        let slept_at_first = self.first.iter().filter(|(_, slept)| *slept).count();
        (self.in_a_row.len() >= Self::IN_A_ROW && slept_at_first < Self::FIRST / 2)
            .then(|| median(self.in_a_row.clone()))
    }

    fn at_first(&self) -> Duration {
        median(self.first.iter().map(|(took, _)| *took).collect())
    }
}

/// The slow reader (the first) reads on, until it has got or been told of so many
/// messages, or to the end of what there is for it; then one more is said, so that
/// whoever tells of gaps has occasion to.
async fn listen_on(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: &mut [Guest],
    spoken: usize,
) -> Result<(), Trouble> {
    if let Some(socket) = &mut guests[0].socket {
        socket.listen();
    }
    let known = Cell::new((0, 0));
    let all = |guests: &[Guest]| {
        guests[0].dismissed()
            || guests[0].texts() >= spoken
            || guests[0].socket.as_ref().is_some_and(|socket| {
                socket.look(|heard| {
                    let (seen, known_so_far) = known.get();
                    let more = heard.frames.iter().skip(seen).map(accounts_for);
                    let now = more.fold(known_so_far, u64::saturating_add);
                    known.set((heard.frames.len(), now));
                    now >= spoken as u64
                })
            })
    };
    let waiting = stage.journal.until(|_| all(guests).then_some(()));
    let read = stage.patiently(waiting, QUIET).await?;
    seen.too_busy |= read == Waited::TooBusy;
    if guests[0].dismissed() {
        return Ok(());
    }
    let is_last = |frame: &Frame| matches!(frame, Frame::Text(said) if said.text.as_deref() == Some("last words"));
    let before = guests[0].look(is_last);
    say(&mut guests[1], "last words".to_owned()).await;
    let last = |guests: &[Guest]| guests[0].dismissed() || guests[0].look(is_last) > before;
    hear(stage, seen, "last words", guests, last).await?;
    Ok(())
}

/// How many of the numbered messages a frame is, or tells of.
fn accounts_for(frame: &Frame) -> u64 {
    match frame {
        Frame::Text(Said {
            missed: Some(missed),
            ..
        }) => *missed,
        Frame::Text(said) => said
            .text
            .as_deref()
            .is_some_and(|text| text.contains(':'))
            .into(),
        _ => 0,
    }
}

/// So long may a text be, in bytes.
pub(super) const LONGEST_TEXT: usize = 32 << 10;

/// So long may a frame be. What counts is its payload, or its head, too.
const LONGEST_FRAME: usize = 64 << 10;
const HEAD: usize = 14;

/// A text of 32 KiB in the longest frame: a quote takes two bytes of it.
fn quotes() -> String {
    let start = "quotes:";
    let (least, most) = (frame(start).len(), LONGEST_FRAME - HEAD);
    let more = LONGEST_TEXT - start.len();
    let quotes = most - least - more;
    format!(
        "{start}{}{}",
        "x".repeat(more - quotes),
        "\"".repeat(quotes)
    )
}

/// The connection has ended in the midst of it: what was waited for did not come.
fn note_unheard(seen: &mut Observation, about: &str, heard: bool) {
    let met = seen.rendezvous.iter_mut().rfind(|met| met.about == about);
    if let Some(met) = met.filter(|_| !heard) {
        met.reached = 0;
    }
}

/// Frames that are none of the contract's.
pub(super) async fn frames(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "bad frames: no JSON, no text, bytes, too long".to_owned();
    let room = word(stage);
    let mut guests = vec![
        join(stage, seen, "bad", &room, "bad", true).await?,
        join(stage, seen, "good", &room, "good", true).await?,
        join(stage, seen, "huge", &room, "huge", true).await?,
        join(stage, seen, "bytes", &room, "bytes", true).await?,
    ];
    stage.idle().await;
    let errors = |guest: &Guest| guest.look(|f| matches!(f, Frame::Text(said) if said.error));
    for (about, bad) in [
        ("no JSON", Message::text("hello?")),
        ("no text in it", Message::text(r#"{"txet": "hello?"}"#)),
        ("a text that is a number", Message::text(r#"{"text": 7}"#)),
        ("binary", Message::binary(&b"\x00\x01"[..])),
        (
            "binary, with the right JSON",
            Message::binary(r#"{"text": "hello?"}"#.as_bytes()),
        ),
        ("a text that is null", Message::text(r#"{"text": null}"#)),
        ("an array", Message::text(r#"[{"text": "hello?"}]"#)),
        ("a string", Message::text(r#""hello?""#)),
        (
            "JSON with something after it",
            Message::text(r#"{"text": "hello?"} hello"#),
        ),
        ("an empty one", Message::text("")),
        (
            "10,000 brackets, one in another",
            Message::text("[".repeat(10_000) + &"]".repeat(10_000)),
        ),
    ] {
        let before = errors(&guests[0]);
        if let Some(socket) = &mut guests[0].socket {
            socket.say(bad).await;
        }
        let told = |guests: &[Guest]| guests[0].dismissed() || errors(&guests[0]) > before;
        if !hear(stage, seen, about, &guests, told).await? {
            break;
        }
    }
    // Both go on.
    let both = |guests: &[Guest], text: &str| {
        let said = |frame: &Frame| matches!(frame, Frame::Text(said) if said.text.as_deref().is_some_and(|t| t.starts_with(text)));
        guests[..2].iter().all(|guest| guest.look(said) > 0)
    };
    say(&mut guests[0], "i am still here".to_owned()).await;
    say(&mut guests[1], "so am i".to_owned()).await;
    let go_on = |guests: &[Guest]| both(guests, "i am still here") && both(guests, "so am i");
    hear(stage, seen, "go on", &guests, go_on).await?;
    // 32 KiB pass, also where their frame is as long as a frame may be.
    let long = format!("long:{}", "x".repeat(LONGEST_TEXT - "long:".len()));
    say(&mut guests[1], long).await;
    hear(stage, seen, "32 KiB", &guests, |guests| {
        guests[1].dismissed() || both(guests, "long:")
    })
    .await?;
    note_unheard(seen, "32 KiB", both(&guests, "long:"));
    if !guests[1].dismissed() {
        say(&mut guests[1], quotes()).await;
        hear(stage, seen, "32 KiB, in 64", &guests, |guests| {
            guests[1].dismissed() || both(guests, "quotes:")
        })
        .await?;
        note_unheard(seen, "32 KiB, in 64", both(&guests, "quotes:"));
    }
    // More than 64 KiB do not.
    let huge = frame("huge:").len();
    let huge = frame(&format!("huge:{}", "x".repeat(LONGEST_FRAME + 1 - huge)));
    let bytes = Message::binary(vec![b'x'; LONGEST_FRAME + 1]);
    guests[2].say(huge).await;
    guests[3].say(bytes).await;
    for (nth, about) in [(2, "too long"), (3, "too long, in bytes")] {
        hear(stage, seen, about, &guests, |guests| {
            guests[nth].dismissed()
        })
        .await?;
    }
    say(&mut guests[1], "after all".to_owned()).await;
    hear(stage, seen, "after all", &guests, |guests| {
        both(guests, "after all")
    })
    .await?;
    leave(guests, seen);
    Ok(())
}

/// Pings, texts in pieces, and goodbyes with codes and without.
pub(super) async fn protocol(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "pings, a text in fragments, and goodbyes".to_owned();
    let room = word(stage);
    let mut guests = vec![
        join(stage, seen, "ping", &room, "ping", true).await?,
        join(stage, seen, "close", &room, "close", true).await?,
        join(stage, seen, "close-own", &room, "close-own", true).await?,
        join(stage, seen, "close-empty", &room, "close-empty", true).await?,
    ];
    stage.idle().await;
    pings(stage, seen, &mut guests, room.as_bytes()).await?;
    for (nth, code) in [(1, Some(1000)), (2, Some(4321)), (3, None)] {
        match code {
            Some(code) => {
                if let Some(socket) = &mut guests[nth].socket {
                    socket.close(code).await;
                }
            }
            None => guests[nth].say(Message::Close(None)).await,
        }
        let ended = |guests: &[Guest]| guests[nth].ended();
        // A second's grace before the connection ends is fine.
        if !hear_within(stage, seen, "closed", &guests, 6 * QUIET, ended).await? {
            break;
        }
    }
    leave(guests, seen);
    Ok(())
}

/// The first of them pings, each time with another payload, and says texts in fragments.
async fn pings(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: &mut [Guest],
    word: &[u8],
) -> Result<(), Trouble> {
    let pongs = |guest: &Guest, payload: &[u8]| {
        guest.look(|frame| matches!(frame, Frame::Pong(bytes) if bytes == payload))
    };
    let most: Vec<u8> = (131..=255).collect();
    for (about, payload) in [
        ("pong", word),
        ("pong of 125 bytes", most.as_slice()),
        ("pong of nothing", &[]),
    ] {
        let before = pongs(&guests[0], payload);
        let ping = Message::Ping(payload.to_vec().into());
        guests[0].say(ping).await;
        let answered = |guests: &[Guest]| pongs(&guests[0], payload) > before;
        if !hear(stage, seen, about, guests, answered).await? {
            return Ok(());
        }
    }
    for (about, fragments) in [
        // Cut in the middle of a letter.
        ("fragments", fragments("in pieces: é", &[14, 21])),
        ("fragments and a ping", fragments("and a ping: é", &[15])),
    ] {
        let [first, rest @ ..] = fragments.as_slice() else {
            continue;
        };
        let mut frames = vec![first.clone()];
        let between: &[u8] = b"between";
        if about != "fragments" {
            frames.push(Message::Ping(between.to_vec().into()));
        }
        frames.extend_from_slice(rest);
        let before = guests[0].texts();
        guests[0].say_all(frames).await;
        let whole = |guest: &Guest| {
            let is_it = |frame: &Frame| matches!(frame, Frame::Text(said) if said.text.as_deref().is_some_and(|text| text.ends_with(": é")));
            guest.look(is_it)
        };
        let is_second = usize::from(about != "fragments");
        let came = |guests: &[Guest]| guests[0].dismissed() || guests[0].texts() > before;
        if !hear(stage, seen, about, guests, came).await? {
            return Ok(());
        }
        note_unheard(seen, about, whole(&guests[0]) > is_second);
        if whole(&guests[0]) <= is_second {
            return Ok(());
        }
        if is_second > 0 {
            let answered = |guests: &[Guest]| pongs(&guests[0], between) > 0;
            hear(stage, seen, "pong between fragments", guests, answered).await?;
        }
    }
    Ok(())
}

/// A text as the fragments of one message.
fn fragments(text: &str, cuts: &[usize]) -> Vec<Message> {
    let whole = frame(text).into_data();
    let mut from = 0;
    let mut pieces = Vec::new();
    for to in cuts.iter().copied().chain([whole.len()]) {
        let kind = if from == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let piece = whole.slice(from..to);
        let is_last = to == whole.len();
        pieces.push(Message::Frame(Raw::message(
            piece,
            OpCode::Data(kind),
            is_last,
        )));
        from = to;
    }
    pieces
}

/// A thousand clients come and go, in every way there is.
pub(super) async fn leavers(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    const VISITS: usize = 1000;
    seen.title = "a thousand clients come and go".to_owned();
    let room = word(stage);
    let mut guests = vec![join(stage, seen, "stays", &room, "stays", true).await?];
    let to = |nth| target(&room, &format!("visitor{nth}"));
    guests::visits(stage, seen, VISITS, to).await?;
    say(&mut guests[0], "where is everybody?".to_owned()).await;
    hear(stage, seen, "stays", &guests, |guests| {
        guests[0].look(|frame| {
            matches!(frame, Frame::Text(said) if said.text.as_deref() == Some("where is everybody?"))
        }) > 0
    })
    .await?;
    leave(guests, seen);
    Ok(())
}

/// People talk, and `/healthz` is asked in their midst.
pub(super) async fn health(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "ten people talk at once, and /healthz is asked".to_owned();
    let mut guests = talkers(stage, seen).await?;
    let mut late = JoinSet::new();
    for _ in 0..2 {
        asleep::while_they_talk(stage, talk(&mut guests), |said| {
            // One that is answered late has not been answered in time.
            if seen.health_is_fine() {
                note_health(said, seen, &mut late);
            }
        })
        .await?;
        if !seen.health_is_fine() {
            break;
        }
    }
    leave(guests, seen);
    Ok(())
}

/// They talk again and again, to make sure that no thread is blocked for moments.
pub(super) async fn crowds(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    let mut guests = talkers(stage, seen).await?;
    asleep::crowds(stage, seen, TALKERS, async || {
        asleep::in_talk(stage, talk(&mut guests)).await
    })
    .await?;
    leave(guests, seen);
    Ok(())
}

/// So many talk at once.
const TALKERS: usize = 10;

async fn talkers(stage: &Stage<'_>, seen: &mut Observation) -> Result<Vec<Guest>, Trouble> {
    let room = word(stage);
    let mut guests = Vec::new();
    for nth in 0..TALKERS {
        let name = format!("guest{nth}");
        guests.push(join(stage, seen, "health", &room, &name, true).await?);
    }
    Ok(guests)
}

/// Ten messages of each, all at once.
async fn talk(guests: &mut [Guest]) {
    let talking = guests.iter_mut().map(|guest| {
        let texts = (0..10).map(|n| n.to_string()).collect();
        say_all(guest, texts)
    });
    futures_util::future::join_all(talking).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many bursts it is plain that the program waits, where it slept in these.
    fn found_after(sleeps: impl Fn(usize) -> u32) -> Option<usize> {
        let mut pace = Pace::default();
        let took = Duration::from_millis(9);
        (0..100).find(|nth| pace.stutters(took, sleeps(*nth)).is_some())
    }

    #[test]
    fn who_waits_for_a_reader_again_and_again_is_found_and_nobody_else() {
        let from_20 = |nth| if nth < 20 { 0 } else { 9 };
        assert_eq!(found_after(from_20), Some(35));
        assert_eq!(found_after(|_| 0), None);
        // It lets go of who does not read.
        let once = |nth| if (20..30).contains(&nth) { 9 } else { 0 };
        assert_eq!(found_after(once), None);
        // Now and then it does not.
        assert_eq!(found_after(|nth| if nth % 16 == 0 { 0 } else { 9 }), None);
        // It waits for more to send.
        assert_eq!(found_after(|_| 2), None);
        // It sends at a pace of its own.
        assert_eq!(found_after(|_| 9), None);
    }
}
