//! What rooms say, what viewers see, and what the parent does. None of this judges.

use std::time::{Duration, Instant};

use mock_services::exchange::{Ending, Exchange};
use mock_services::parent::{Level, Mode, Parent};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::asleep;
use crate::client::Frame;
use crate::exercises::ex06::judgement::{self, AWAY};
use crate::exercises::guests::{self, Guest, hear, leave};
use crate::observation::{Observation, Rendezvous, Talk};
use crate::probe::{NO_LIMIT_AFTER, lacked, note_health};
use crate::stage::{ANSWER_QUIET, QUIET, Stage, Trouble, Waited};

const TARGET: &str = "/websocket";

/// A word that belongs to the run.
fn word(stage: &Stage<'_>) -> String {
    let mut drawn = fastrand::Rng::with_seed(stage.run.seed);
    (0..6).map(|_| drawn.lowercase()).collect()
}

async fn join(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    name: &str,
    listens: bool,
) -> Result<Guest, Trouble> {
    guests::join(stage, seen, about, ("", name), TARGET, listens).await
}

fn frame(name: &str, value: f64) -> Message {
    Message::text(json!({ "name": name, "value": value }).to_string())
}

/// The newest level of a room that a guest has heard of.
fn newest(guest: &Guest, room: &str) -> Option<f64> {
    let socket = guest.socket.as_ref()?;
    socket.look(|heard| {
        heard.frames.iter().rev().find_map(|frame| match frame {
            Frame::Text(said) if said.name.as_deref() == Some(room) => said.value,
            _ => None,
        })
    })
}

fn parent<'a>(stage: &'a Stage<'_>) -> Result<&'a Parent, Trouble> {
    stage.parent().ok_or(Trouble::TooBusy)
}

/// Waits until the parent knows something.
async fn known(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    quiet: Duration,
    known: impl Fn(&[Level]) -> bool,
) -> Result<bool, Trouble> {
    let parent = parent(stage)?;
    let waiting = stage
        .journal
        .until(|_| known(&parent.levels()).then_some(()));
    let waited = stage.patiently(waiting, quiet).await?;
    let done = waited == Waited::Done(());
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about,
        wanted: 1,
        reached: done.into(),
        waited,
        released: stage.journal.clock().now(),
    });
    Ok(done)
}

fn has(levels: &[Level], room: &str, value: f64) -> bool {
    levels
        .iter()
        .rev()
        .find(|level| level.name == room)
        .is_some_and(|level| level.value == value)
}

/// How often rooms speak at the same moment.
pub(super) const TOGETHER: u32 = 12;

/// Numbers of all kinds that any float can hold.
pub(super) const NUMBERS: [f64; 5] = [3.0, -2.5, 0.75, 0.75 + LITTLE, 0.0];

/// By so little does a level change.
const LITTLE: f64 = 1.0 / (1 << 20) as f64;

/// So deep is JSON that nobody needs.
const DEEP: usize = 3000;

/// What the waits for numbers of all kinds are about.
pub(super) const NUMBER: &str = "number";

/// How the name of a room begins whose level is no number.
pub(super) const NO_NUMBER: &str = "no-number-";

/// A frame whose value is none.
fn no_number(word: &str, value: &str) -> Message {
    Message::text(format!(
        r#"{{"name": "{NO_NUMBER}{word}", "value": {value}}}"#
    ))
}

/// What is waited for once somebody has said what is no level.
pub(super) const AFTER_BAD: &str = "after a bad frame";

/// Rooms speak, everybody sees; bad frames, a late viewer, `/healthz`, the page.
pub(super) async fn levels(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "rooms say how loud they are, everybody looks".to_owned();
    let word = word(stage);
    let (kitchen, hall) = (format!("kitchen {word}"), format!("\"hall\" {word} ü"));
    let mut guests = vec![
        join(stage, seen, "room", &kitchen, true).await?,
        join(stage, seen, "room", &hall, true).await?,
        join(stage, seen, "viewer", "viewer", true).await?,
    ];
    stage.idle().await;
    let everywhere = |guests: &[Guest], room: &str, value: f64| {
        guests
            .iter()
            .all(|guest| newest(guest, room) == Some(value))
    };
    for (nth, room, value) in [(0, &kitchen, 0.25), (1, &hall, 0.5), (0, &kitchen, 0.75)] {
        guests[nth].say(frame(room, value)).await;
        let all = |guests: &[Guest]| everywhere(guests, room, value);
        if !hear(stage, seen, "shown", &guests, all).await? {
            leave(guests, seen);
            return Ok(());
        }
    }
    // At the same moment, and often: what keeps the newest level alone, and not the
    // newest of each room, gets away with it now and then.
    for round in 1..=TOGETHER {
        let value = f64::from(round);
        // One has a few to read, so that the other's comes in their midst.
        let (many, one) = [(0, 1), (1, 0)][round as usize % 2];
        let rooms = [&kitchen, &hall];
        let burst = (0..5)
            .rev()
            .map(|n| frame(rooms[many], value - f64::from(n) / 8.0));
        let burst = burst.collect();
        guests[many].say_all(burst).await;
        guests[one].say(frame(rooms[one], value)).await;
        let both = |guests: &[Guest]| {
            everywhere(guests, &kitchen, value) && everywhere(guests, &hall, value)
        };
        if !hear(stage, seen, "shown", &guests, both).await? {
            leave(guests, seen);
            return Ok(());
        }
    }
    // Any number is one: without a point, below zero, and all but the same as the last.
    for value in NUMBERS {
        // A whole one is shown without a point.
        let said = format!(r#"{{"name": {}, "value": {value}}}"#, json!(kitchen));
        guests[0].say(Message::text(said)).await;
        let all = |guests: &[Guest]| everywhere(guests, &kitchen, value);
        if !hear(stage, seen, NUMBER, &guests, all).await? {
            leave(guests, seen);
            return Ok(());
        }
    }
    for bad in [
        Message::text("loud!"),
        Message::text(r#"{"name": "nobody"}"#),
        Message::text(r#"{"name": 7, "value": "x"}"#),
        Message::text("[]"),
        Message::text(r#"["name", "value"]"#),
        Message::text("[".repeat(DEEP)),
        Message::text("[".repeat(DEEP) + &"]".repeat(DEEP)),
        Message::binary(&b"\x00"[..]),
    ]
    .into_iter()
    .chain(["true", "null", "\"0.5\"", "[1]"].map(|value| no_number(&word, value)))
    {
        guests[0].say(bad).await;
    }
    // One after the other: what keeps one level of all rooms would lose one of two, and that
    // is no bad frame's doing.
    guests[0].say(frame(&kitchen, 0.125)).await;
    let goes_on = |guests: &[Guest]| everywhere(guests, &kitchen, 0.125);
    if hear(stage, seen, AFTER_BAD, &guests, goes_on).await? {
        guests[1].say(frame(&hall, 0.375)).await;
        let go_on = |guests: &[Guest]| goes_on(guests) && everywhere(guests, &hall, 0.375);
        hear(stage, seen, AFTER_BAD, &guests, go_on).await?;
    }
    let go_on =
        |guests: &[Guest]| everywhere(guests, &kitchen, 0.125) && everywhere(guests, &hall, 0.375);
    if go_on(&guests) {
        guests.push(join(stage, seen, "late", "late", true).await?);
        hear(stage, seen, "late", &guests, go_on).await?;
        known(stage, seen, "parent", QUIET, |levels| {
            has(levels, &kitchen, 0.125) && has(levels, &hall, 0.375)
        })
        .await?;
    }
    let burst = (0..200).map(|n| frame(&kitchen, f64::from(n))).collect();
    guests[0].say_all(burst).await;
    let last = |guests: &[Guest]| everywhere(guests, &kitchen, 199.0);
    hear(stage, seen, "burst", &guests, last).await?;
    leave(guests, seen);
    let page = stage.patiently(stage.client.get("/"), ANSWER_QUIET).await?;
    if let Waited::Done(answer) = page {
        let got = match answer.reply {
            Ok(reply) if reply.body.to_lowercase().contains("<html") => {
                format!("status {} page", reply.status)
            }
            Ok(reply) => format!("status {}", reply.status),
            Err(why) => why.to_string(),
        };
        seen.talks.push(Talk {
            about: "asked",
            name: "/".to_owned(),
            refused: Some(got),
            ..Talk::default()
        });
    }
    Ok(())
}

/// Rooms speak at once, and `/healthz` is asked in their midst.
pub(super) async fn health(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "ten rooms speak at once, and /healthz is asked".to_owned();
    let mut guests = rooms(stage, seen).await?;
    let mut late = JoinSet::new();
    for _ in 0..2 {
        asleep::while_they_talk(stage, speak(&mut guests), |said| {
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

/// They speak again and again, to make sure that no thread is blocked for moments.
pub(super) async fn crowds(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    let mut guests = rooms(stage, seen).await?;
    asleep::crowds(stage, seen, ROOMS, async || {
        asleep::in_talk(stage, speak(&mut guests)).await
    })
    .await?;
    leave(guests, seen);
    Ok(())
}

/// So many speak at once.
const ROOMS: usize = 10;

async fn rooms(stage: &Stage<'_>, seen: &mut Observation) -> Result<Vec<Guest>, Trouble> {
    let word = word(stage);
    let mut guests = Vec::new();
    for nth in 0..ROOMS {
        let name = format!("{word}{nth}");
        guests.push(join(stage, seen, "health", &name, true).await?);
    }
    Ok(guests)
}

/// Ten levels of each, all at once.
async fn speak(guests: &mut [Guest]) {
    let talking = guests.iter_mut().map(|guest| {
        let levels = (0..10)
            .map(|n| frame(&guest.talk.name, f64::from(n)))
            .collect();
        guest.say_all(levels)
    });
    futures_util::future::join_all(talking).await;
}

/// Thirty browsers; all of their levels come to the parent.
pub(super) async fn browsers(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    const BROWSERS: usize = 30;
    seen.title = "thirty browsers, each of a room of its own".to_owned();
    let word = word(stage);
    let mut guests = Vec::new();
    for nth in 0..BROWSERS {
        let name = format!("{word}{nth}");
        guests.push(join(stage, seen, "room", &name, true).await?);
    }
    stage.idle().await;
    let names: Vec<_> = guests.iter().map(|guest| guest.talk.name.clone()).collect();
    for round in 1..=TOGETHER {
        let level = |nth: usize| f64::from(round) * 100.0 + nth as f64;
        for (nth, guest) in guests.iter_mut().enumerate() {
            guest.say(frame(&names[nth], level(nth))).await;
        }
        let all = |levels: &[Level]| {
            let mut each = names.iter().enumerate();
            each.all(|(nth, name)| has(levels, name, level(nth)))
        };
        if !known(stage, seen, "parent", ANSWER_QUIET / 2, all).await? {
            break;
        }
    }
    let parent = parent(stage)?;
    seen.attempts = parent.attempts();
    seen.levels = parent.levels();
    if seen.attempts.len() == 1
        && seen.given_up().next().is_none()
        && is_heard(stage, seen, &mut guests, &word).await?
        && is_kept(stage, seen, guests.split_off(0)).await?
        && starts_over(stage, seen, &word).await?
        && many_rooms(stage, seen, &word).await?
    {
        is_refused(stage, seen).await?;
    }
    leave(guests, seen);
    Ok(())
}

/// What the wait for more rooms than browsers is about.
pub(super) const MANY_ROOMS: &str = "many rooms";

/// One browser tells of more rooms than there are browsers.
async fn many_rooms(
    stage: &Stage<'_>,
    seen: &mut Observation,
    word: &str,
) -> Result<bool, Trouble> {
    const ROOMS: u32 = 120;
    // Alone, for each of the others would be told of each of them.
    let mut guest = join(stage, seen, "room", word, true).await?;
    let name = |nth: u32| format!("{word} {nth}");
    let levels = (0..ROOMS).map(|nth| frame(&name(nth), f64::from(nth)));
    guest.say_all(levels.collect()).await;
    let all = |levels: &[Level]| (0..ROOMS).all(|nth| has(levels, &name(nth), f64::from(nth)));
    let told = known(stage, seen, MANY_ROOMS, ANSWER_QUIET / 2, all).await?;
    leave(vec![guest], seen);
    Ok(told)
}

/// What the parent says when it speaks begins its rooms like that.
pub(super) const PARENTS_OWN: &str = "the-parents-";

/// How the way to the parent ended, where it was not we who ended it.
fn way_has_ended(exchanges: &[Exchange]) -> bool {
    let mut parents = exchanges.iter().filter(|x| x.service == "parent");
    parents.any(|x| x.ending == Ending::Left)
}

/// Waits for the parent's ping to be answered, or for the connection to end. Whether it
/// was answered.
async fn pong(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
) -> Result<bool, Trouble> {
    let parent = parent(stage)?;
    parent.say(Message::Ping(about.as_bytes().to_vec().into()));
    let answered = || parent.has_pong(about.as_bytes());
    let waiting = stage
        .journal
        .until(|exchanges| (answered() || way_has_ended(exchanges)).then_some(()));
    let waited = stage.patiently(waiting, ANSWER_QUIET / 2).await?;
    let done = answered();
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about,
        wanted: 1,
        reached: done.into(),
        // An end is no silence: it is seen at once.
        waited,
        released: stage.journal.clock().now(),
    });
    Ok(done)
}

/// The parent speaks: pings, a text, bytes, and a ping once more.
async fn is_heard(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: &mut [Guest],
    word: &str,
) -> Result<bool, Trouble> {
    if !pong(stage, seen, PING).await? {
        return Ok(false);
    }
    let parent = parent(stage)?;
    let own = format!("{PARENTS_OWN}{word}");
    parent.say(frame(&own, 1.0));
    parent.say(Message::text("well done"));
    parent.say(Message::binary(&b"\x00\x01"[..]));
    if !pong(stage, seen, SPOKEN).await? {
        return Ok(false);
    }
    // Whatever it has made of that comes before this, or soon after.
    let room = guests[0].talk.name.clone();
    guests[0].say(frame(&room, -1.0)).await;
    let told = |levels: &[Level]| has(levels, &room, -1.0);
    if !known(stage, seen, "after speech", ANSWER_QUIET / 2, told).await? {
        return Ok(false);
    }
    stage.idle().await;
    seen.levels = parent.levels();
    Ok(seen.levels.iter().all(|level| level.name != own))
}

/// What the parent's pings are about.
pub(super) const PING: &str = "ping";
pub(super) const SPOKEN: &str = "spoken";
pub(super) const LEFT: &str = "left";

/// The last browser leaves, and the way to the parent stays.
async fn is_kept(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: Vec<Guest>,
) -> Result<bool, Trouble> {
    leave(guests, seen);
    stage.idle().await;
    tokio::time::sleep(2 * stage.setting.parent.unwrap_or_default()).await;
    pong(stage, seen, LEFT).await
}

/// Waits until so many attempts have come to the parent.
async fn attempted(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    attempts: usize,
    quiet: Duration,
) -> Result<bool, Trouble> {
    let parent = parent(stage)?;
    let waiting = stage
        .journal
        .until(|_| (parent.attempts().len() >= attempts).then_some(()));
    let waited = stage.patiently(waiting, quiet).await?;
    let done = waited == Waited::Done(());
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about,
        wanted: attempts,
        reached: parent.attempts().len(),
        waited,
        released: stage.journal.clock().now(),
    });
    Ok(done)
}

/// So often a connection that has carried something ends.
const ENDS: usize = 6;

/// What its coming again after one that has carried something is about.
pub(super) const STARTS_OVER: &str = "starts over";

/// What the level that each of those carries is about.
pub(super) const TOLD_AGAIN: &str = "told again";

/// A connection that has carried levels ends, again and again.
async fn starts_over(
    stage: &Stage<'_>,
    seen: &mut Observation,
    word: &str,
) -> Result<bool, Trouble> {
    let again_after = stage.setting.parent.unwrap_or_default();
    let parent = parent(stage)?;
    let mut guest = join(stage, seen, "room", &format!("{word}0"), true).await?;
    for nth in 0..ENDS {
        let level = 1000.0 + nth as f64;
        let room = guest.talk.name.clone();
        guest.say(frame(&room, level)).await;
        let told = |levels: &[Level]| has(levels, &room, level);
        if !known(stage, seen, TOLD_AGAIN, ANSWER_QUIET / 2, told).await? {
            leave(vec![guest], seen);
            return Ok(false);
        }
        let attempts = parent.attempts().len();
        let ended = stage.journal.clock().now();
        parent.hang_up();
        // Many times the wait that it starts over with.
        let quiet = QUIET.max(8 * again_after);
        if !attempted(stage, seen, STARTS_OVER, attempts + 1, quiet).await? {
            leave(vec![guest], seen);
            return Ok(false);
        }
        if let Some(came) = parent.attempts().get(attempts) {
            seen.waits.push((came.since(ended), again_after / 2));
        }
    }
    leave(vec![guest], seen);
    Ok(true)
}

/// What a parent that refuses the handshake is about: each status, and the end of it.
pub(super) const REFUSED: [&str; 3] = ["refused", "refused again", "no longer refused"];

/// The parent refuses the handshake, in two ways; then it is well.
async fn is_refused(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    let parent = parent(stage)?;
    let attempts = parent.attempts().len();
    // Many times what it waits after so few tries.
    let quiet = QUIET + 8 * stage.setting.parent.unwrap_or_default();
    parent.set(Mode::Refuse(503));
    parent.hang_up();
    if attempted(stage, seen, REFUSED[0], attempts + 1, quiet).await? {
        parent.set(Mode::Refuse(401));
        if attempted(stage, seen, REFUSED[1], attempts + 2, quiet).await? {
            parent.set(Mode::Well);
            attempted(stage, seen, REFUSED[2], attempts + 3, quiet).await?;
        }
    }
    Ok(())
}

/// So many tries in vain lead well beyond the longest wait.
const MANY_TRIES: u32 = 13;

/// From this try on the wait is the longest, however it is counted.
const LONGEST_FROM: u32 = 12;

/// The longest wait in first ones.
pub(super) const CAP: u32 = 64;

/// What its trying for ever is about.
pub(super) const FOR_EVER: &str = "for ever";

/// The parent is away for longer than it takes the waits to grow to their limit.
pub(super) async fn endures(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "the parent is away for many tries".to_owned();
    let word = word(stage);
    let again_after = stage.setting.parent.unwrap_or_default();
    let mut guest = join(stage, seen, "room", &word, true).await?;
    guest.say(frame(&word, 1.0)).await;
    let there = |levels: &[Level]| has(levels, &word, 1.0);
    let is_there = known(stage, seen, "parent", ANSWER_QUIET / 2, there).await?;
    leave(vec![guest], seen);
    if !is_there {
        return Ok(());
    }
    let parent = parent(stage)?;
    let before = parent.attempts().len();
    seen.again_after = again_after;
    parent.set(Mode::Drop);
    parent.hang_up();
    // Far longer than the longest wait.
    let quiet = QUIET + 4 * CAP * again_after;
    for tries in 1..=MANY_TRIES as usize {
        let came = attempted(stage, seen, FOR_EVER, before + tries, quiet).await?;
        seen.attempts = parent.attempts().split_off(before);
        if !came {
            return Ok(());
        }
    }
    for (nth, pair) in (2..).zip(seen.attempts.windows(2)) {
        if nth >= LONGEST_FROM {
            let least = CAP * again_after / 2;
            seen.waits.push((pair[1].since(pair[0]), least));
        }
    }
    Ok(())
}

/// Levels that go by somebody who does not read.
pub(super) const GO_BY: u32 = 3000;

/// A room's name of this length makes a level long enough to be felt.
const LONG_NAME: usize = 400;

/// One viewer reads nothing while thousands of levels go by.
pub(super) async fn slow_viewer(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "one viewer reads nothing while 3,000 levels go by".to_owned();
    let word = word(stage);
    let loud = format!("{word} {}", "z".repeat(LONG_NAME));
    let quiet = format!("quiet {word}");
    let mut guests = vec![
        join(stage, seen, "slow", "slow", false).await?,
        join(stage, seen, "room", &loud, true).await?,
        join(stage, seen, "room", &quiet, true).await?,
        join(stage, seen, "viewer", "viewer", true).await?,
    ];
    if guests.iter().any(|guest| guest.socket.is_none()) {
        leave(guests, seen);
        return Ok(());
    }
    stage.idle().await;
    if go_by(stage, seen, &mut guests, (&loud, &quiet), "flow").await? {
        if let Some(socket) = &mut guests[0].socket {
            socket.listen();
        }
        let both = |guests: &[Guest]| {
            newest(&guests[0], &loud) == Some(f64::from(GO_BY))
                && newest(&guests[0], &quiet) == Some(f64::from(GO_BY))
        };
        hear(stage, seen, "newest", &guests, both).await?;
    }
    leave(guests, seen);
    Ok(())
}

/// The loud room speaks, a little at a time; the viewer sees the newest before
/// it goes on. The quiet one says one thing, near the end.
async fn go_by(
    stage: &Stage<'_>,
    seen: &mut Observation,
    guests: &mut [Guest],
    (loud, quiet): (&str, &str),
    about: &'static str,
) -> Result<bool, Trouble> {
    const BURST: u32 = 50;
    let last = guests.len() - 1;
    for burst in 0..GO_BY / BURST {
        let levels = (1..=BURST)
            .map(|n| frame(loud, f64::from(burst * BURST + n)))
            .collect();
        let room = guests.iter().position(|guest| guest.talk.name == loud);
        guests[room.unwrap_or_default()].say_all(levels).await;
        let value = f64::from((burst + 1) * BURST);
        let seen_by = |guests: &[Guest]| newest(&guests[last], loud) == Some(value);
        if !hear(stage, seen, about, guests, seen_by).await? {
            return Ok(false);
        }
        if burst + 2 == GO_BY / BURST {
            let room = guests.iter().position(|guest| guest.talk.name == quiet);
            guests[room.unwrap_or_default()]
                .say(frame(quiet, f64::from(GO_BY)))
                .await;
            let seen_by = |guests: &[Guest]| newest(&guests[last], quiet) == Some(f64::from(GO_BY));
            if !hear(stage, seen, about, guests, seen_by).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The parent ends the connection, and every new one for a while; then it is well.
pub(super) async fn returns(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    /// So many tries are enough to see how they are spaced.
    const TRIES: usize = 7;
    seen.title = "the parent ends the connection, and is away for a while".to_owned();
    let word = word(stage);
    let (one, other) = (format!("one {word}"), format!("other {word}"));
    let mut guests = vec![
        join(stage, seen, "room", &one, true).await?,
        join(stage, seen, "room", &other, true).await?,
    ];
    stage.idle().await;
    guests[0].say(frame(&one, 1.0)).await;
    guests[1].say(frame(&other, 2.0)).await;
    let there = |levels: &[Level]| has(levels, &one, 1.0) && has(levels, &other, 2.0);
    if !known(stage, seen, "parent", ANSWER_QUIET / 2, there).await? {
        leave(guests, seen);
        return Ok(());
    }
    let parent = parent(stage)?;
    let before = parent.attempts().len();
    let told = parent.levels().len();
    let activity = stage.program.activity();
    parent.set(Mode::Drop);
    parent.hang_up();
    let down = Instant::now();
    // Said while nobody is there to hear it.
    guests[0].say(frame(&one, 3.0)).await;
    let here = |guests: &[Guest]| guests.iter().all(|guest| newest(guest, &one) == Some(3.0));
    hear(stage, seen, "meanwhile", &guests, here).await?;
    let window = stage.setting.parent.unwrap_or_default() * AWAY;
    let tried = stage
        .journal
        .until(|_| (parent.attempts().len() >= before + TRIES).then_some(()));
    let _ = tokio::time::timeout(window.saturating_sub(down.elapsed()), tried).await;
    seen.attempts = parent.attempts().split_off(before);
    // What a machine that has much to do has added to the waits between them, at most.
    let lacked = lacked(activity, stage.program.activity());
    seen.again_after = stage.setting.parent.unwrap_or_default();
    seen.late = lacked + parent.late();
    seen.too_busy |= judgement::storm(seen).is_none() && judgement::may_be_a_storm(seen);
    parent.set(Mode::Well);
    known(stage, seen, "returned", NO_LIMIT_AFTER, |levels| {
        levels.len() > told
    })
    .await?;
    known(stage, seen, "everything", QUIET, |levels| {
        has(&levels[told.min(levels.len())..], &one, 3.0)
            && has(&levels[told.min(levels.len())..], &other, 2.0)
    })
    .await?;
    seen.levels = parent.levels().split_off(told.min(parent.levels().len()));
    leave(guests, seen);
    Ok(())
}

/// What the end of a handshake that was given up is about.
pub(super) const LET_GO: &str = "let go";

/// The parent hangs, then refuses, then is well.
pub(super) async fn hangs(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "the parent hangs in the handshake, then refuses, then is well".to_owned();
    let word = word(stage);
    let mut guests = vec![
        join(stage, seen, "room", &word, true).await?,
        join(stage, seen, "viewer", "viewer", true).await?,
    ];
    // Connected and well, to begin with: else its first try would be one of those
    // that are counted here.
    guests[0].say(frame(&word, 0.0)).await;
    let there = |levels: &[Level]| has(levels, &word, 0.0);
    if !known(stage, seen, "parent", ANSWER_QUIET / 2, there).await? {
        // With more time for a call it does come there, as other probes tell: a limit as
        // short as this ran out before it was connected.
        seen.too_busy = true;
        leave(guests, seen);
        return Ok(());
    }
    let parent = parent(stage)?;
    let hung = parent.attempts().len();
    parent.set(Mode::Hang);
    parent.hang_up();
    let tries = |more: usize| {
        stage
            .journal
            .until(move |_| (parent.attempts().len() >= hung + more).then_some(()))
    };
    // A try that hangs, and the next one after it was given up.
    for (about, more) in [("tried", 1), ("given up", 2)] {
        let waited = stage.patiently(tries(more), NO_LIMIT_AFTER).await?;
        seen.rendezvous.push(Rendezvous {
            sat_idle: None,
            about,
            wanted: more,
            reached: parent.attempts().len() - hung,
            waited,
            released: stage.journal.clock().now(),
        });
        if waited != Waited::Done(()) {
            leave(guests, seen);
            return Ok(());
        }
    }
    // Whoever tries anew has let go of what it gave up.
    let first = |exchanges: &[Exchange]| {
        let mut parents = exchanges.iter().filter(|x| x.service == "parent");
        parents
            .nth(hung)
            .is_none_or(|x| x.ended.is_some())
            .then_some(())
    };
    let waited = stage.patiently(stage.journal.until(first), QUIET).await?;
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about: LET_GO,
        wanted: 1,
        reached: (waited == Waited::Done(())).into(),
        waited,
        released: stage.journal.clock().now(),
    });
    if waited != Waited::Done(()) {
        leave(guests, seen);
        return Ok(());
    }
    guests[0].say(frame(&word, 1.0)).await;
    let here = |guests: &[Guest]| guests.iter().all(|guest| newest(guest, &word) == Some(1.0));
    hear(stage, seen, "meanwhile", &guests, here).await?;
    parent.close();
    tokio::time::sleep(2 * stage.setting.parent.unwrap_or_default()).await;
    parent.set(Mode::Well);
    if parent.reopen().is_err() {
        // Somebody else has taken the port meanwhile: nobody's fault.
        seen.too_busy = true;
        leave(guests, seen);
        return Ok(());
    }
    known(stage, seen, "after refusals", NO_LIMIT_AFTER, |levels| {
        has(levels, &word, 1.0)
    })
    .await?;
    leave(guests, seen);
    Ok(())
}

/// Hundreds of browsers come and go.
pub(super) async fn leavers(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    const VISITS: usize = 300;
    seen.title = "three hundred browsers come and go".to_owned();
    guests::visits(stage, seen, VISITS, |_| TARGET.to_owned()).await
}

/// The parent reads nothing while thousands of levels go by.
pub(super) async fn deaf(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "the parent reads nothing while 3,000 levels go by".to_owned();
    let word = word(stage);
    let loud = format!("{word} {}", "z".repeat(LONG_NAME));
    let quiet = format!("quiet {word}");
    let mut guests = vec![
        join(stage, seen, "room", &loud, true).await?,
        join(stage, seen, "room", &quiet, true).await?,
        join(stage, seen, "viewer", "viewer", true).await?,
    ];
    if guests.iter().any(|guest| guest.socket.is_none()) {
        leave(guests, seen);
        return Ok(());
    }
    stage.idle().await;
    // Connected and well, to begin with.
    guests[0].say(frame(&loud, -1.0)).await;
    let there = |levels: &[Level]| has(levels, &loud, -1.0);
    if !known(stage, seen, "parent", ANSWER_QUIET / 2, there).await? {
        leave(guests, seen);
        return Ok(());
    }
    let parent = parent(stage)?;
    parent.set(Mode::Deaf);
    if go_by(stage, seen, &mut guests, (&loud, &quiet), "flow").await? {
        parent.set(Mode::Well);
        known(stage, seen, "newest", QUIET, |levels| {
            has(levels, &loud, f64::from(GO_BY)) && has(levels, &quiet, f64::from(GO_BY))
        })
        .await?;
    }
    seen.levels = parent.levels();
    leave(guests, seen);
    Ok(())
}
