//! Health, status, metrics and a page over HTTP, for probes, dashboards and people: to read, with nothing to change.
//! It is no API to control the watcher by, has no TLS and knows no passwords.
//!
//! Its answers come from the engine's own view of itself (`vitals`), from its counters (`metrics`), and from
//! the state file (`status`, `page`). It runs beside the engine and can neither hold it up nor be held up by it: connections are
//! few and short (`connections`).

mod connections;
mod guard;
mod metrics;
mod page;
mod routes;
mod shared;
mod status;
mod status_document;
#[cfg(test)]
mod tests;
mod vitals;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

pub use self::metrics::LinesWaiting;
pub use self::routes::NAME;
pub use self::shared::{RejectedLists, Views};
pub use self::status_document::{TicketView, app_status, live_status, write_end, write_head, write_tickets};

use self::metrics::Metrics;
use self::shared::Shared;
use crate::domain::{WallTime, event};
use crate::engine::Meters;
use crate::store::StoreReader;

/// The system refuses the address.
#[derive(Debug, Error)]
#[error("failed to listen on {address}; {}", advice(source))]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process has this port, stop it or give [server] listen another one"
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not use the port, give [server] listen one from 1024 on"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address, correct [server] listen",
        _ => "correct [server] listen",
    }
}

/// A server that has its port and answers nothing yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// Another process has it, or the system does not grant it.
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ListenError { address, source })?;
        Ok(Self { listener, address })
    }

    /// Answers until what it returns is dropped; then every connection is closed. `log` counts the lines that wait in
    /// the log.
    pub fn start(
        self,
        views: Views,
        state: Arc<dyn StoreReader>,
        stop: CancellationToken,
        meters: Meters,
        log: impl Fn() -> LinesWaiting + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        let address = self.address;
        info!(
            event = event::SERVER_LISTENING,
            address = %address,
            "the page, health, status and metrics are served on http://{address}"
        );
        let (began, Views { engine: view, lists, hooks }) = (WallTime::now(), views);
        let metrics = Metrics { meters: meters.clone(), log: Box::new(log), began };
        let router = routes::router(Shared {
            address,
            began: Instant::now(),
            view,
            lists,
            hooks,
            state,
            stop,
            turnstile: Arc::new(Semaphore::new(1)),
            pages: Arc::new(Semaphore::new(page::AT_ONCE)),
            meters,
            metrics: Arc::new(Mutex::new(metrics)),
        });
        AbortOnDropHandle::new(tokio::spawn(connections::accept(self.listener, router)))
    }
}
