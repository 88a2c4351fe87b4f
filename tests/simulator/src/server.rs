//! The server's thread: a runtime of its own, whose end ends every connection and every hanging request.
//!
//! A thread apart keeps the simulator alive while a test blocks, and its clock real while a test pauses its own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread::{self, JoinHandle},
};

use axum::{handler::Handler, serve::serve};
use tokio::{net::TcpListener, runtime, sync::oneshot};

use crate::{
    connection::{Line, Loopback},
    handler::{self, Shared},
};

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
            Loopback(TcpListener::from_std(socket)?)
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("export-simulator".to_owned()).spawn(move || {
            let service = handler::handle.with_state(shared).into_make_service_with_connect_info::<Line>();
            runtime.block_on(async move {
                tokio::select! {
                    // Serving has no end of its own.
                    _ = async { serve(listener, service).await } => {}
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

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed by its own thread.
            let _ = thread.join();
        }
    }
}
