//! The server's thread: a runtime of its own, whose end ends every connection and every hanging request.
//!
//! A thread apart keeps the simulator alive while a test blocks, and its clock real while a test pauses its own.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime, sync::oneshot};

use crate::{
    connection::Connection,
    handler::{self, Shared},
};

/// Pause after a failed accept (too many open files, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server; dropping it stops it and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds to that port of 127.0.0.1 (0 for any) and serves from a thread of its own.
    pub(crate) fn start(port: u16, shared: Arc<Shared>) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _guard = runtime.enter();
            TcpListener::from_std(socket)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("export-simulator".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime drops every connection, hanging ones too.
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Accepts connections without end.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(answer_requests(Connection::new(socket), Arc::clone(&shared)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer_requests(connection: Connection, shared: Arc<Shared>) {
    let line = connection.line();
    let service = service_fn(|request| {
        let (shared, line) = (Arc::clone(&shared), line.clone());
        async move { Ok::<_, Infallible>(handler::handle(shared, &line, request).await) }
    });
    // The platform writes header names as `X-Tt-Logid`, and its Python SDK looks them up by case.
    let mut protocol = http1::Builder::new();
    protocol.title_case_headers(true);
    // Cut connections are what faults ask for.
    let _ = protocol.serve_connection(TokioIo::new(connection), service).await;
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed by its own thread.
            let _ = thread.join();
        }
    }
}
