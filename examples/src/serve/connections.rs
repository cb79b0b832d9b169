//! Connections: accepting them, ending them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::gateway::Gateway;
use super::limits::{ServeLimits, seconds};
use super::routes::router;
use super::stalling::Stalling;
use crate::output::say;

/// The largest header of a request, in bytes.
const HEADER_BYTES: usize = 16 << 10;

/// How connections are limited.
#[derive(Clone, Copy, Debug)]
pub struct ListenLimits {
    connections: usize,
    patience: Duration,
    drain: Duration,
}

impl From<&ServeLimits> for ListenLimits {
    fn from(limits: &ServeLimits) -> Self {
        let ServeLimits { connections, patience, drain, .. } = limits;
        Self { connections: (*connections).max(1), patience: seconds(*patience), drain: seconds(*drain) }
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    gateway: Arc<Gateway>,
    listener: std::net::TcpListener,
    limits: ListenLimits,
    runtime: Runtime,
}

impl Server {
    /// Listens on an address; port 0 is one that is free.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on.
    pub fn bind(gateway: Gateway, address: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
        listener.set_nonblocking(true)?;
        // Every request has a thread that waits for its search; some more encode prompts.
        let threads = gateway.limits.running.saturating_add(gateway.limits.queued).saturating_add(16);
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(threads).build()?;
        let limits = ListenLimits::from(&gateway.limits);
        Ok(Self { gateway: Arc::new(gateway), listener, limits, runtime })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// A socket that has no address.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Answers until it is told to stop: then takes no more requests, and gives those that run some
    /// time to end.
    ///
    /// # Errors
    ///
    /// A socket that fails.
    pub fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let Self { gateway, listener, limits, runtime } = self;
        let served = runtime.block_on(serve(&gateway, listener, limits, stop));
        // A search that waits for a model that hangs is not waited for.
        runtime.shutdown_background();
        served
    }
}

async fn serve(
    gateway: &Arc<Gateway>,
    listener: std::net::TcpListener,
    limits: ListenLimits,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopping, told) = watch::channel(false);
    let (mut connections, router) = (JoinSet::new(), router(gateway.clone()));
    tokio::pin!(stop);
    loop {
        while connections.try_join_next().is_some() {}
        let place = tokio::select! {
            () = &mut stop => break,
            place = places.clone().acquire_owned() => place?,
        };
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Too many open files, or a client that has gone: neither is the end.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let connection = connected(stream, router.clone(), limits.patience, told.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    gateway.close();
    drop(listener);
    stopping.send_replace(true);
    let ended = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        say(format_args!("{} connections did not end in time", connections.len()));
        connections.shutdown().await;
    }
    Ok(())
}

/// One connection, from its first request to its last.
async fn connected(stream: TcpStream, router: Router, patience: Duration, mut told: watch::Receiver<bool>) {
    // Small events are sent at once.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEADER_BYTES.max(8192));
    let io = TokioIo::new(Stalling::new(stream, patience));
    let connection = http.serve_connection(io, TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // A client that breaks off or does not keep to HTTP ends its own connection.
        _ = &mut connection => return,
        _ = told.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
