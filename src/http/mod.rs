//! Health, status and metrics over HTTP, for probes, dashboards and people: four paths to read, nothing to change.
//! It is no API to control the watcher by, has no TLS and knows no passwords.
//!
//! What it says comes from the engine's own view of itself (`vitals`), from what it counted (`metrics`), and from
//! the state file (`status`). It runs beside the engine and can neither hold it up nor be held up by it: connections are
//! few, short and cut off without mercy (`connections`).

mod connections;
mod guard;
mod metrics;
mod routes;
mod status;
mod status_document;
#[cfg(test)]
mod tests;
mod vitals;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::domain::event;
use crate::engine::{Meters, Snapshot};
use crate::store::StoreReader;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

pub use self::status_document::{AppStatus, Document, ErrorView, TicketView, Time, write_ticket};

use self::metrics::Metrics;
use self::routes::Shared;
use crate::log::LogHandle;

/// What it calls itself in every answer, by which `health` tells it from another program on its port.
pub const NAME: &str = "feishu-export-watcher";

/// The server can't be set up.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The system refuses the address.
    #[error("failed to listen on {address}{}", advice(source))]
    Listen {
        /// What `[server] listen` says.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Metrics stand in each other's way.
    #[error("the metrics can't be set up; please report this defect")]
    Metrics(#[from] prometheus::Error),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process has this port, stop it or give [server] listen another one"
        }
        io::ErrorKind::PermissionDenied => {
            "; this user may not use the port, give [server] listen one from 1024 on"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address, mend [server] listen",
        _ => "; mend [server] listen",
    }
}

/// A server that has its port and answers nobody yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// Another process has it, or the system does not grant it.
    pub async fn bind(address: SocketAddr, meters: &Meters, log: LogHandle) -> Result<Self, ServerError> {
        let metrics = Metrics::new(meters, log)?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
        Ok(Self { listener, address, metrics })
    }

    /// Answers until what it returns is dropped; then every connection is closed.
    pub fn start(
        self,
        view: watch::Receiver<Snapshot>,
        state: Arc<dyn StoreReader>,
        stop: CancellationToken,
    ) -> AbortOnDropHandle<()> {
        let Self { listener, address, metrics } = self;
        info!(
            event = event::SERVER_LISTENING,
            address = %address,
            "health, status and metrics are served on http://{address}"
        );
        let router = routes::router(Arc::new(Shared::new(address, view, state, stop, metrics)));
        AbortOnDropHandle::new(tokio::spawn(connections::accept(listener, router)))
    }
}
