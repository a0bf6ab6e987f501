//! The services of one stage: a tap of its own before each, or a port that
//! refuses.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use mock_services::discovery::DiscoveryService;
use mock_services::journal::Journal;
use mock_services::parent::Parent;
use mock_services::tap::{Behind, Refusal, Tap};
use mock_services::{auth, discovery, weather};

use super::{Place, Setting};
use crate::run::Run;

/// Variables of the contract.
pub(super) type Variables = Vec<(String, String)>;

/// The services of one stage. They end with it.
#[derive(Debug)]
pub(super) struct Services {
    /// What the program talks to.
    pub(super) taps: Vec<Tap>,
    /// The parent hub.
    pub(super) parent: Option<Parent>,
    _refusals: Vec<Refusal>,
    _discovery: Option<DiscoveryService>,
}

impl Services {
    /// Starts what the setting names; also what the program is told of it.
    pub(super) async fn start(
        run: &Run,
        journal: &Journal,
        setting: Setting,
    ) -> anyhow::Result<(Self, Variables)> {
        let mut services = Self {
            taps: Vec::new(),
            parent: None,
            _refusals: Vec::new(),
            _discovery: None,
        };
        let weather = services
            .place(
                setting.weather,
                journal,
                "weather",
                weather::MOUNT,
                run.weather_address(),
            )
            .await?;
        let auth = match setting.auth {
            Place::Absent => None,
            place => {
                let address = run.auth_address().await;
                services
                    .place(place, journal, "auth", auth::MOUNT, address)
                    .await?
            }
        };
        let mut told = vec![("WEATHER_URL", weather), ("AUTH_URL", auth)];
        if setting.discovery != Place::Absent {
            let known = told.iter().filter_map(|(variable, url)| {
                let name = variable.strip_suffix("_URL")?.to_lowercase();
                Some((name, url.clone()?))
            });
            let service = DiscoveryService::serve(known.collect()).await;
            let url = services
                .place(
                    setting.discovery,
                    journal,
                    "discovery",
                    discovery::MOUNT,
                    service.address(),
                )
                .await?;
            services._discovery = Some(service);
            told = vec![("DISCOVERY_URL", url)];
        }
        if let Some(again_after) = setting.parent {
            let parent = Parent::open(journal.clone()).context(crate::run::NO_PORT)?;
            told.push(("PARENT_WS", Some(parent.url())));
            told.push(("RECONNECT_MS", Some(again_after.as_millis().to_string())));
            services.parent = Some(parent);
        }
        let variables = told
            .into_iter()
            .filter_map(|(variable, url)| Some((variable.to_owned(), url?)))
            .collect();
        Ok((services, variables))
    }

    /// The URL of a service that is there, or that refuses.
    async fn place(
        &mut self,
        place: Place,
        journal: &Journal,
        service: &str,
        mount: &str,
        address: SocketAddr,
    ) -> anyhow::Result<Option<String>> {
        match place {
            Place::Absent => Ok(None),
            Place::Up => {
                let behind = Behind {
                    service: service.to_owned(),
                    mount: mount.to_owned(),
                    address,
                    round_trip: Duration::ZERO,
                };
                let tap = Tap::open(behind, journal.clone())
                    .await
                    .context(crate::run::NO_PORT)?;
                let url = tap.url();
                self.taps.push(tap);
                Ok(Some(url))
            }
            Place::Down => {
                let refusal = Refusal::reserve().context("no port to refuse connections at")?;
                let url = refusal
                    .url(mount)
                    .context("a reserved port has no address")?;
                self._refusals.push(refusal);
                Ok(Some(url))
            }
        }
    }
}
