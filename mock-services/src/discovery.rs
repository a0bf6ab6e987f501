//! A discovery service that knows some names already: `GET /services` →
//! `{name: url}`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wiremock::{MockServer, ResponseTemplate};

use crate::scene::{self, Scene};

/// Its routes begin at the top.
pub const MOUNT: &str = "";

/// The route that names what it knows.
pub const ROUTE: &str = "/services";

/// A running discovery service. It ends when it is dropped.
#[derive(Debug)]
pub struct DiscoveryService {
    server: MockServer,
}

impl DiscoveryService {
    /// Starts a service that knows those names (to be asked through taps only).
    pub async fn serve(known: BTreeMap<String, String>) -> Self {
        let server = scene::server().await;
        scene::mock(ROUTE, Scene::Well)
            .respond_with(ResponseTemplate::new(200).set_body_json(known))
            .mount(&server)
            .await;
        scene::mount_faults(&server, ROUTE).await;
        Self { server }
    }

    /// Where its wiremock server listens.
    pub fn address(&self) -> SocketAddr {
        *self.server.address()
    }
}
