//! ex04's answer finds auth and the weather through ex03's answer: two programs
//! of the course at work together.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use checker::client::{Client, Sent};
use mock_services::auth::{self, AuthService, Keys};
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::tap::{Behind, Tap};
use mock_services::weather::{self, Weather};

/// A program of the course. It is ended with this.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(package: &str, variables: &[(&str, &str)]) -> Running {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new(env!("CARGO"))
        .current_dir(&root)
        .args(["build", "--quiet", "--package", package, "--bin", package])
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{package} builds");
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let program = Path::new(env!("CARGO_BIN_EXE_checker")).with_file_name(package);
    let child = Command::new(program)
        .env("PORT", address.port().to_string())
        .env("NO_PROXY", "127.0.0.1")
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    Running { child, address }
}

async fn ready(client: &Client) {
    let began = Instant::now();
    while !matches!(client.get("/healthz").await.reply, Ok(reply) if reply.status == 200) {
        assert!(began.elapsed() < Duration::from_secs(20), "it gets ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_auth_check_finds_its_services_through_the_proxy() {
    let journal = Journal::new(Clock::start(), Ids::default());
    let keys = Keys::from_seed(1);
    let weather = Weather::from_seed(1);
    let behind = |service: &str, mount: &str, address| Behind {
        service: service.to_owned(),
        mount: mount.to_owned(),
        address,
        round_trip: Duration::ZERO,
    };
    let weather_service = weather.serve().await;
    let auth_service = AuthService::serve(keys.allowed.clone()).await;
    let weather_tap = Tap::open(
        behind("weather", weather::MOUNT, weather_service.address()),
        journal.clone(),
    )
    .await
    .expect("a port");
    let auth_tap = Tap::open(
        behind("auth", auth::MOUNT, auth_service.address()),
        journal.clone(),
    )
    .await
    .expect("a port");

    let proxy = start("ex03-solution", &[]);
    let discovery = Client::new(proxy.address, journal.clone());
    ready(&discovery).await;
    for (name, url) in [("weather", weather_tap.url()), ("auth", auth_tap.url())] {
        let put = Sent::new("PUT", format!("/services/{name}")).with(url);
        let answer = discovery.ask(put).await.expect("it answers");
        assert_eq!(answer.status, 204);
    }

    let check = start(
        "ex04-solution",
        &[("DISCOVERY_URL", &format!("http://{}", proxy.address))],
    );
    let client = Client::new(check.address, journal.clone());
    ready(&client).await;
    for (key, status) in [(&keys.allowed[1], 200), (&keys.denied[0], 403)] {
        let target = checker::contract::with_key("/weather/today", key);
        let reply = client.get(&target).await.reply.expect("it answers");
        assert_eq!(reply.status, status, "{key}: {}", reply.body);
    }
    let asked: Vec<_> = journal
        .exchanges()
        .iter()
        .filter(|x| matches!(x.service.as_str(), "auth" | "weather"))
        .map(|x| x.service.clone())
        .collect();
    assert_eq!(asked, ["auth", "weather", "auth"]);
}
