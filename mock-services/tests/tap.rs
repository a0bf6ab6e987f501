//! What a tap does with real requests over loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mock_services::auth::AuthService;
use mock_services::exchange::Ending;
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::scene::Scene;
use mock_services::script::{Delivery, Hold, Treatment, Trickle};
use mock_services::tap::{Behind, Refusal, Tap};
use mock_services::weather::{self, Reading, Weather, WeatherService};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Scenery {
    tap: Tap,
    journal: Journal,
    weather: Weather,
    _service: WeatherService,
}

async fn scenery(round_trip: Duration) -> Scenery {
    let weather = Weather::from_seed(1);
    let service = weather.serve().await;
    let journal = Journal::new(Clock::start(), Ids::default());
    let behind = Behind {
        service: "weather".to_owned(),
        mount: weather::MOUNT.to_owned(),
        address: service.address(),
        round_trip,
    };
    let tap = Tap::open_at(ANYWHERE, behind, journal.clone())
        .await
        .expect("a port");
    Scenery {
        tap,
        journal,
        weather,
        _service: service,
    }
}

async fn connect(tap: &Tap) -> TcpStream {
    TcpStream::connect(tap.address()).await.expect("it listens")
}

async fn send(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
}

/// Any free port, for everybody: what follows speaks HTTP by hand.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Everything that comes until the connection ends, and how it ends.
async fn rest(stream: &mut TcpStream) -> (String, std::io::Result<()>) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await.map(|_| ());
    (String::from_utf8_lossy(&bytes).into_owned(), ended)
}

async fn get(tap: &Tap, path: &str) -> String {
    let mut stream = connect(tap).await;
    send(&mut stream, path).await;
    rest(&mut stream).await.0
}

#[tokio::test]
async fn every_exchange_gets_its_own_reading_and_the_journal_knows_which() {
    let s = scenery(Duration::ZERO).await;
    for _ in 0..3 {
        let answer = get(&s.tap, "/weather/today").await;
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let reading: Reading = serde_json::from_str(body).expect("JSON");
        let exchange = s.journal.exchanges().pop().expect("it is recorded");
        assert_eq!(reading, s.weather.reading(exchange.id));
        assert_eq!(exchange.request, "GET /today");
        assert_eq!(exchange.status, Some(200));
    }
    let connections: Vec<_> = s.journal.exchanges().iter().map(|x| x.connection).collect();
    assert_eq!(connections, [1, 2, 3]);
}

#[tokio::test]
async fn nobody_gets_an_answer_past_the_tap() {
    let weather = Weather::from_seed(1);
    let service = weather.serve().await;
    let mut stream = TcpStream::connect(service.address())
        .await
        .expect("it listens");
    send(&mut stream, "/weather/today").await;
    assert!(rest(&mut stream).await.0.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn held_answers_wait_for_their_release() {
    let s = scenery(Duration::ZERO).await;
    let hold = Hold::default();
    let held = hold.clone();
    s.tap.play(move |_| Treatment::held(&held));
    let (mut one, mut other) = (connect(&s.tap).await, connect(&s.tap).await);
    send(&mut one, "/weather/today").await;
    send(&mut other, "/weather/tomorrow").await;
    s.journal.until(|all| (all.len() == 2).then_some(())).await;
    assert!(s.journal.exchanges().iter().all(|x| x.answered.is_none()));
    hold.release();
    assert!(rest(&mut one).await.0.contains("temperature"));
    assert!(rest(&mut other).await.0.contains("temperature"));
    let all = s.journal.exchanges();
    assert!(all[0].overlaps(&all[1]));
}

#[tokio::test]
async fn an_asker_who_leaves_is_seen_leaving() {
    let s = scenery(Duration::ZERO).await;
    s.tap.play(|_| Treatment::delivery(Delivery::Hang));
    let mut stream = connect(&s.tap).await;
    send(&mut stream, "/weather/today").await;
    s.journal.until(|all| (all.len() == 1).then_some(())).await;
    assert_eq!(s.journal.exchanges()[0].ending, Ending::Open);
    drop(stream);
    let ending = s
        .journal
        .until(|all| all[0].ended.map(|_| all[0].ending))
        .await;
    assert_eq!(ending, Ending::Left);
}

#[tokio::test]
async fn a_body_that_is_cut_announces_more_than_it_brings() {
    let s = scenery(Duration::ZERO).await;
    s.tap.play(|_| Treatment::delivery(Delivery::Cut));
    let answer = get(&s.tap, "/weather/today").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok())
        .expect("a length");
    assert!(!body.is_empty() && body.len() < length, "{answer}");
    assert_eq!(s.journal.exchanges()[0].ending, Ending::Cut);
}

#[tokio::test]
async fn a_hang_in_the_body_brings_half_and_keeps_the_connection() {
    let s = scenery(Duration::ZERO).await;
    s.tap.play(|_| Treatment::delivery(Delivery::HangInBody));
    let mut stream = connect(&s.tap).await;
    send(&mut stream, "/weather/today").await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") && !seen.contains(&b'{') {
        let mut chunk = [0; 512];
        let read = stream.read(&mut chunk).await.expect("it stays open");
        assert_ne!(read, 0, "the connection was closed");
        seen.extend_from_slice(&chunk[..read]);
    }
    assert_eq!(s.journal.exchanges()[0].ending, Ending::Open);
}

#[tokio::test]
async fn a_trickle_brings_more_and_more_and_no_end() {
    let s = scenery(Duration::ZERO).await;
    let trickle = Trickle::every(Duration::from_millis(1));
    let flowing = trickle.clone();
    s.tap.play(move |_| Treatment::trickled(&flowing));
    assert_eq!(trickle.under_way(), 0);
    let mut stream = connect(&s.tap).await;
    send(&mut stream, "/weather/today").await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"   ") {
        let mut chunk = [0; 512];
        let read = stream.read(&mut chunk).await.expect("it stays open");
        assert_ne!(read, 0, "the connection was closed");
        seen.extend_from_slice(&chunk[..read]);
    }
    let seen = String::from_utf8(seen).expect("text");
    assert!(!seen.contains('}'), "{seen}");
    assert_eq!(trickle.under_way(), 1);
    assert_eq!(s.journal.exchanges()[0].ending, Ending::Open);
    assert!(trickle.longest_pause() >= Duration::from_millis(1));
    drop(stream);
    let ending = s
        .journal
        .until(|all| all[0].ended.map(|_| all[0].ending))
        .await;
    assert_eq!((ending, trickle.under_way()), (Ending::Left, 0));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let s = scenery(Duration::ZERO).await;
    s.tap.play(|_| Treatment::delivery(Delivery::Reset));
    let mut stream = connect(&s.tap).await;
    send(&mut stream, "/weather/today").await;
    let (text, ended) = rest(&mut stream).await;
    assert_eq!(text, "");
    let error = ended.expect_err("a reset is an error");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn scenes_are_what_they_are_called() {
    let s = scenery(Duration::ZERO).await;
    s.tap.play(|_| Treatment::scene(Scene::Sick));
    assert!(
        get(&s.tap, "/weather/today")
            .await
            .starts_with("HTTP/1.1 500")
    );
    s.tap.play(|_| Treatment::scene(Scene::Garbage));
    let answer = get(&s.tap, "/weather/tomorrow").await;
    let body = answer.split("\r\n\r\n").nth(1).expect("a body");
    assert!(serde_json::from_str::<serde_json::Value>(body).is_err());
}

#[tokio::test]
async fn latency_dribble_and_round_trips_take_at_least_their_time() {
    // At least: a busy machine may take longer, never less.
    let s = scenery(Duration::from_millis(20)).await;
    let began = std::time::Instant::now();
    get(&s.tap, "/weather/today").await;
    assert!(
        began.elapsed() >= Duration::from_millis(40),
        "handshake and request"
    );

    s.tap.play(|_| Treatment {
        latency: Duration::from_millis(60),
        ..Treatment::delivery(Delivery::Dribble(Duration::from_millis(1)))
    });
    let began = std::time::Instant::now();
    let answer = get(&s.tap, "/weather/today").await;
    assert!(began.elapsed() >= Duration::from_millis(120), "{answer}");
    assert!(answer.contains("rain_probability"), "{answer}");
}

#[tokio::test]
async fn a_refusal_refuses() {
    let refusal = Refusal::reserve().expect("a port");
    let url = refusal.url("/weather").expect("an address");
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/weather");
    let error = TcpStream::connect(address)
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn auth_says_yes_to_its_key_whatever_is_in_it_and_no_with_status_200() {
    let key = "a&b=c %ü";
    let service = AuthService::serve([key.to_owned()]).await;
    let journal = Journal::new(Clock::start(), Ids::default());
    let behind = Behind {
        service: "auth".to_owned(),
        mount: "/auth".to_owned(),
        address: service.address(),
        round_trip: Duration::ZERO,
    };
    let tap = Tap::open_at(ANYWHERE, behind, journal)
        .await
        .expect("a port");
    let yes = get(&tap, "/auth?key=a%26b%3Dc%20%25%C3%BC").await;
    assert!(
        yes.starts_with("HTTP/1.1 200") && yes.ends_with('1'),
        "{yes}"
    );
    let no = get(&tap, "/auth?key=a").await;
    assert!(no.starts_with("HTTP/1.1 200") && no.ends_with('0'), "{no}");
}

#[tokio::test]
async fn half_of_a_verdict_can_be_taken_for_the_whole_of_it() {
    let service = AuthService::serve(["k".to_owned()]).await;
    let journal = Journal::new(Clock::start(), Ids::default());
    let behind = Behind {
        service: "auth".to_owned(),
        mount: "/auth".to_owned(),
        address: service.address(),
        round_trip: Duration::ZERO,
    };
    let tap = Tap::open_at(ANYWHERE, behind, journal)
        .await
        .expect("a port");
    tap.play(|_| Treatment::delivery(Delivery::Cut));
    let mut stream = connect(&tap).await;
    send(&mut stream, "/auth?key=k").await;
    let (text, _) = rest(&mut stream).await;
    assert!(text.contains("content-length: 2\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n1"), "{text}");
}

#[tokio::test]
async fn whoever_knows_the_port_and_not_the_url_gets_nothing() {
    let weather = Weather::from_seed(1);
    let service = weather.serve().await;
    let behind = Behind {
        service: "weather".to_owned(),
        mount: weather::MOUNT.to_owned(),
        address: service.address(),
        round_trip: Duration::ZERO,
    };
    let journal = Journal::new(Clock::start(), Ids::default());
    let tap = Tap::open(behind, journal.clone()).await.expect("a port");
    for (path, status) in [("/weather".to_owned(), "404"), (tap.path(), "200")] {
        let mut stream = TcpStream::connect(tap.address()).await.expect("it listens");
        let request = format!("GET {path}/today HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("it answers");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    let recorded: Vec<_> = journal.exchanges().into_iter().map(|x| x.request).collect();
    assert_eq!(recorded, ["GET /weather/today", "GET /today"]);
}
