//! `checker book`: the book, served with what a static one cannot have.
//!
//! ```text
//! book/ → checker-book (mdBook's own library) → pages in memory → door → browser
//!   ↑ a save builds it anew                       runs of verify ──┘
//! ```
//!
//! - [`build`]: from the checkout to [`pages`]; [`watch`]: anew on each save.
//! - [`door`]: who may come in, and who may have code run.
//! - [`runs`]: one verify per exercise at a time, told as it happens.
//! - [`server`]: which address does what.

pub mod build;
pub mod door;
pub mod pages;
pub mod runs;
pub mod server;
pub mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use self::build::Builder;
use self::door::{Door, Token};
use self::runs::{Checker, Runs};
use self::server::Server;
use crate::workshop::Workshop;

/// Where to serve the book.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The port on 127.0.0.1 [default: 3000, or any where that is taken]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Do not open a browser
    #[arg(long)]
    pub no_open: bool,
}

/// Where mdBook serves, too.
const PORT: u16 = 3000;

/// Serves the book until it is stopped.
///
/// # Errors
/// Where the port is taken, or the book cannot be built.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: &(dyn Fn(&str) -> anyhow::Result<()> + Sync),
) -> anyhow::Result<u8> {
    let listener = listen(options.port).await?;
    let port = listener.local_addr()?.port();
    let builder = Builder::prepare(&workshop.root).await?;
    let pages = builder.build().await?;
    let token = Token::draw()?;
    let address = format!("http://127.0.0.1:{port}/#token={}", token.as_hex());
    let server = Server::new(
        workshop,
        pages,
        Door::new(port, token),
        Runs::new(workshop, Arc::new(Checker::new(workshop, keeper))),
    );
    say(&format!(
        "The book is at {address}\n(Ctrl-C ends it. The address lets whoever has it run your exercises: keep it to yourself.)\n"
    ))?;
    if !options.no_open && open::that_detached(&address).is_err() {
        say("No browser could be opened; open the address yourself.\n")?;
    }
    let saved = watch::saves(&workshop.root)?;
    let anew = server.clone();
    tokio::select! {
        served = server.serve(listener) => served.map(|()| 0),
        outcome = anew.rebuild(&builder, saved) => outcome.map(|()| 0),
    }
}

async fn listen(wanted: Option<u16>) -> anyhow::Result<TcpListener> {
    let on = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    if let Some(port) = wanted {
        return on(port).await.with_context(|| {
            format!("port {port} cannot be had; name another with --port, or leave it out")
        });
    }
    match on(PORT).await {
        Ok(listener) => Ok(listener),
        Err(_) => on(0)
            .await
            .context("no port on 127.0.0.1 can be had; is loopback up?"),
    }
}
