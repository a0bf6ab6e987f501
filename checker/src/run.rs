//! What all stages of one verify share: the clock, the seed, the services, and
//! the program that is graded.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::tap::{Behind, Tap};
use mock_services::weather::{self, Weather, WeatherService};

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
    ids: Ids,
    service: WeatherService,
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
            ids: Ids::default(),
            control: Client::new(tap.address(), journal),
            service,
            _control_tap: tap,
        })
    }

    /// A new recording on this run's clock, with ids of its own.
    pub fn journal(&self) -> Journal {
        Journal::new(self.clock, self.ids.clone())
    }

    /// A tap in front of the weather.
    ///
    /// # Errors
    /// Where no port can be had for it.
    pub async fn tap(&self, journal: &Journal) -> anyhow::Result<Tap> {
        Tap::open(behind(&self.service), journal.clone())
            .await
            .context(NO_PORT)
    }

    /// The reference client: how long a plain exchange with the weather takes
    /// at this moment, through a tap, on this machine as it is.
    pub async fn control(&self) -> Duration {
        let before = self.clock.now();
        self.control.get("/weather/today").await;
        self.clock.now().since(before)
    }
}

const NO_PORT: &str =
    "no free port on 127.0.0.1 for the mock services; is loopback up, and are sockets left?";

fn behind(service: &WeatherService) -> Behind {
    Behind {
        service: "weather".to_owned(),
        mount: weather::MOUNT.to_owned(),
        address: service.address(),
        round_trip: Duration::ZERO,
    }
}
