//! Programs that want to pass without doing what is asked.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::Program;
use crate::server::{Answer, answer, both, call, honestly, serve, today, weather};

pub(crate) const PROGRAMS: &[Program] = &[
    ("sleeps-instead-of-calling", || {
        serve(|_, stream| {
            thread::sleep(Duration::from_millis(20));
            answer(stream, &(200, "Today it's 10.1 C in Munich".to_owned()));
        });
    }),
    ("remembers-an-earlier-probe", remembers),
    ("replays-an-earlier-run", replays),
    ("calls-at-start-up", calls_at_start_up),
    ("overlaps-once-it-waits", overlaps_once_it_waits),
    (
        "overlaps-only-when-idle-for-long",
        overlaps_only_when_idle_for_long,
    ),
    (
        "overlaps-with-throw-away-calls",
        overlaps_with_throw_away_calls,
    ),
    (
        "overlaps-with-connections-only",
        overlaps_with_connections_only,
    ),
    ("overlaps-with-half-a-request", overlaps_with_half_a_request),
    ("answers-with-anothers-body", answers_with_anothers_body),
    ("panics-at-the-tenth-request", panics_at_the_tenth_request),
    ("exits-at-once", || {}),
    ("exits-when-told-to-answer", || {
        serve(|_, _| std::process::exit(0))
    }),
];

fn remembers() {
    static KEPT: OnceLock<Answer> = OnceLock::new();
    serve(|_, stream| {
        let first = KEPT.get_or_init(today);
        answer(stream, first);
    });
}

/// Keeps what it was told where the next run could find it.
fn replays() {
    serve(|_, stream| {
        let places = [
            "/tmp/hostile-replay",
            "/var/tmp/hostile-replay",
            "/dev/shm/hostile-replay",
            "replay",
        ];
        let kept = places
            .iter()
            .find_map(|place| fs::read_to_string(place).ok());
        let said = match kept {
            Some(body) => (200, body),
            None => today(),
        };
        if said.0 == 200 {
            for place in places {
                let _ = fs::write(place, &said.1);
            }
        }
        answer(stream, &said);
    });
}

fn calls_at_start_up() {
    static KEPT: LazyLock<Answer> = LazyLock::new(today);
    let _ = &*KEPT;
    serve(|_, stream| answer(stream, &KEPT));
}

/// One after the other, unless the first takes suspiciously long.
fn suspicious(after: Duration) -> Answer {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(call("today")));
    match told.recv_timeout(after) {
        Ok(today) => both(today, call("tomorrow")),
        Err(_) => {
            let tomorrow = call("tomorrow");
            both(told.recv().unwrap_or_else(|_| call("today")), tomorrow)
        }
    }
}

fn overlaps_once_it_waits() {
    serve(|_, stream| answer(stream, &suspicious(Duration::from_millis(100))));
}

fn overlaps_only_when_idle_for_long() {
    serve(|_, stream| answer(stream, &suspicious(Duration::from_millis(200))));
}

/// The real calls are one after the other; others beside them open the gate.
fn overlaps_with_throw_away_calls() {
    serve(|_, stream| {
        thread::spawn(|| call("tomorrow"));
        let today = call("today");
        answer(stream, &both(today, call("tomorrow")));
    });
}

/// A request to the weather as far as it is said, on a connection of its own.
fn begin(words: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(weather().0).ok()?;
    stream.write_all(words.as_bytes()).ok()?;
    Some(stream)
}

fn overlaps_with_connections_only() {
    serve(|_, stream| {
        let beside = begin("");
        let today = call("today");
        drop(beside);
        answer(stream, &both(today, call("tomorrow")));
    });
}

fn overlaps_with_half_a_request() {
    serve(|_, stream| {
        let (host, mount) = weather();
        let beside = begin(&format!(
            "GET {mount}/tomorrow HTTP/1.1\r\nhost: {host}\r\n"
        ));
        let today = call("today");
        let tomorrow = beside.and_then(|mut beside| {
            beside.write_all(b"connection: close\r\n\r\n").ok()?;
            let mut whole = String::new();
            beside.read_to_string(&mut whole).ok()?;
            Some(whole.split_once("\r\n\r\n")?.1.to_owned())
        });
        answer(stream, &both(today, tomorrow.ok_or((502, String::new()))));
    });
}

/// Everybody gets what the one before was told.
fn answers_with_anothers_body() {
    static BEFORE: Mutex<Option<Answer>> = Mutex::new(None);
    serve(|_, stream| {
        let mine = today();
        let is_well = mine.0 == 200;
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        let given = match is_well {
            true => before.replace(mine.clone()).unwrap_or(mine),
            false => mine,
        };
        answer(stream, &given);
    });
}

fn panics_at_the_tenth_request() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    serve(|path, stream| {
        let nth = 1 + COUNT.fetch_add(1, Ordering::Relaxed);
        assert!(nth < 10, "this is the tenth");
        honestly(path, stream);
    });
}
