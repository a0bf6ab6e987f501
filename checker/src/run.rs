//! What all stages of one verify share: the clock, the seed, the services, and
//! the program that is graded.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use mock_services::auth::{AuthService, Keys};
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::tap::{Behind, Tap};
use mock_services::weather::{self, Weather, WeatherService};

use tokio::sync::OnceCell;

use crate::client::Client;
use crate::progress::Progress;

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
    ids: Ids,
    service: WeatherService,
    auth: OnceCell<AuthService>,
    control: Client,
    _control_tap: Tap,
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
        let service = weather.serve().await;
        let journal = Journal::new(clock, Ids::default());
        let tap = Tap::open(behind(&service), journal.clone())
            .await
            .context(NO_PORT)?;
        Ok(Self {
            seed,
            clock,
            weather,
            candidate,
            progress,
            keys: Keys::from_seed(seed),
            ids: Ids::default(),
            auth: OnceCell::new(),
            control: Client::new(tap.address(), journal),
            service,
            _control_tap: tap,
        })
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

    /// The reference client: how long a plain exchange with the weather takes
    /// at this moment, through a tap, on this machine as it is.
    pub async fn control(&self) -> Duration {
        let before = self.clock.now();
        self.control.get("/weather/today").await;
        self.clock.now().since(before)
    }
}

/// What is said where the system has no port left.
pub(crate) const NO_PORT: &str =
    "no free port on 127.0.0.1 for the mock services; is loopback up, and are sockets left?";

fn behind(service: &WeatherService) -> Behind {
    Behind {
        service: "weather".to_owned(),
        mount: weather::MOUNT.to_owned(),
        address: service.address(),
        round_trip: Duration::ZERO,
    }
}
