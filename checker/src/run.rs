//! What all stages of one verify share: the clock, the seed, the services, and
//! the program that is graded.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use mock_services::auth::{AuthService, Keys};
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::tap::{Behind, Tap};
use mock_services::weather::{self, Weather, WeatherService};
use tokio::net::TcpStream;

use tokio::sync::{OnceCell, Semaphore};

use crate::client::Client;
use crate::observation::Disturbance;
use crate::progress::Progress;
use crate::pulse::Pulse;

/// One verify, from the end of the build on.
#[derive(Debug)]
pub struct Run {
    /// What everything is drawn from.
    pub seed: u64,
    /// The one clock.
    pub clock: Clock,
    /// What the weather service answers.
    pub weather: Weather,
    /// The program that is graded.
    pub candidate: Candidate,
    /// Says what is being waited for.
    pub progress: Progress,
    /// Keys that auth knows, and others.
    pub keys: Keys,
    /// Tells where the checker itself stood still.
    pub pulse: Pulse,
    /// Who has one may start a program.
    pub(crate) turns: Semaphore,
    disturbed: OnceLock<Disturbance>,
    ids: Ids,
    service: WeatherService,
    auth: OnceCell<AuthService>,
    control: Client,
    control_tap: Tap,
}

/// A program to grade.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// The checker's own binary, which keeps the program.
    pub keeper: PathBuf,
}

impl Run {
    /// Starts the services of a run.
    ///
    /// # Errors
    /// Where no port can be had for them.
    pub async fn start(
        seed: u64,
        candidate: Candidate,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let weather = Weather::from_seed(seed);
        // Where there is no port at all, the service's server would panic.
        ports_are_left()?;
        let service = weather.serve().await;
        let journal = Journal::new(clock, Ids::default());
        let tap = Tap::open(behind(&service), journal.clone())
            .await
            .context(NO_PORT)?;
        let run = Self {
            seed,
            clock,
            weather,
            candidate,
            progress,
            keys: Keys::from_seed(seed),
            pulse: Pulse::start()?,
            turns: Semaphore::new(starts()),
            disturbed: OnceLock::new(),
            ids: Ids::default(),
            auth: OnceCell::new(),
            control: Client::new(tap.address(), journal),
            service,
            control_tap: tap,
        };
        run.talk().await?;
        Ok(run)
    }

    /// Proves that this machine has ports left, and that connections on it carry
    /// an answer: where it is not so, nothing is to be said about the program.
    ///
    /// # Errors
    /// Where they cannot.
    pub async fn talk(&self) -> anyhow::Result<()> {
        ports_are_left()?;
        // This one says why there is none.
        TcpStream::connect(self.control_tap.address())
            .await
            .context(NO_CONNECTION)?;
        match self.control.get(&self.control_path()).await.reply {
            Ok(reply) if reply.status == 200 => Ok(()),
            Ok(reply) => anyhow::bail!("{NO_CONNECTION} ({})", reply.body),
            Err(why) => anyhow::bail!("{NO_CONNECTION} ({why})"),
        }
    }

    /// A new recording on this run's clock, with ids of its own.
    pub fn journal(&self) -> Journal {
        Journal::new(self.clock, self.ids.clone())
    }

    /// Where the weather's wiremock server listens.
    pub fn weather_address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Where auth's wiremock server listens; it starts when it is first wanted.
    pub async fn auth_address(&self) -> SocketAddr {
        self.auth
            .get_or_init(|| AuthService::serve(self.keys.allowed.iter().cloned()))
            .await
            .address()
    }

    /// Notes what came between, where trying again did not help.
    pub fn note_disturbance(&self, disturbance: Disturbance) {
        // The first is as good as any.
        let _ = self.disturbed.set(disturbance);
    }

    /// Why something of this run could not be seen, if so.
    pub fn disturbance(&self) -> Option<Disturbance> {
        self.disturbed.get().copied()
    }

    fn control_path(&self) -> String {
        format!("{}/today", self.control_tap.path())
    }

    /// The reference client: how long a plain exchange with the weather takes
    /// at this moment, through a tap, on this machine as it is.
    pub async fn control(&self) -> Duration {
        let before = self.clock.now();
        self.control.get(&self.control_path()).await;
        self.clock.now().since(before)
    }
}

/// So many programs start at a time: one for each processor. If all of them did, none
/// would be ready before the last is, and whatever has a time limit would run while
/// every processor is busy with starts.
fn starts() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get().max(2))
}

/// What is said where the system has no port left.
pub(crate) const NO_PORT: &str =
    "too few free ports on 127.0.0.1; is loopback up, and are ports and descriptors left?";

/// Proves that there are more ports than any probe takes.
fn ports_are_left() -> anyhow::Result<()> {
    const MOST: usize = 64;
    let taken: std::io::Result<Vec<_>> = (0..MOST)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0"))
        .collect();
    taken.map(drop).context(NO_PORT)
}

const NO_CONNECTION: &str = "no connection can be made on 127.0.0.1, not even between the checker \
                             and itself; is loopback up, and are ports and descriptors left?";

fn behind(service: &WeatherService) -> Behind {
    Behind {
        service: "weather".to_owned(),
        mount: weather::MOUNT.to_owned(),
        address: service.address(),
        round_trip: Duration::ZERO,
    }
}
