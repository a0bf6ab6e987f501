//! The auth service: `GET /auth?key=K` → `1` or `0`, always with status 200.

use std::net::SocketAddr;

use wiremock::{MockServer, Request, ResponseTemplate};

use crate::scene::{self, Scene};

/// The path that it answers at.
pub const MOUNT: &str = "/auth";

/// Where it is, unless someone says otherwise.
pub const PORT: u16 = 7002;

/// A running auth service. It ends when it is dropped.
#[derive(Debug)]
pub struct AuthService {
    server: MockServer,
}

impl AuthService {
    /// Starts a service that says yes to that one key (to be asked through taps only).
    pub async fn serve(key: impl Into<String>) -> Self {
        let key = key.into();
        let server = scene::server().await;
        scene::mock(MOUNT, Scene::Well)
            .respond_with(move |request: &Request| {
                let allowed = request
                    .url
                    .query_pairs()
                    .any(|(name, value)| name == "key" && value == key.as_str());
                ResponseTemplate::new(200).set_body_string(if allowed { "1" } else { "0" })
            })
            .mount(&server)
            .await;
        scene::mount_faults(&server, MOUNT).await;
        Self { server }
    }

    /// Where its wiremock server listens.
    pub fn address(&self) -> SocketAddr {
        *self.server.address()
    }
}
