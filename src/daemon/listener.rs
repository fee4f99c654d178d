//! Takes connections for the web's pages, so many at once: a client that reads or writes slowly costs one place for a
//! while and nothing else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::web::connection;

/// At most so many connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// Pause after a failure to accept, which is a lack of descriptors and passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the address; port 0 takes a free one.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("failed to listen on {address}; choose another address in `listen` under [monitor]")
    })
}

/// Serves until it is told to stop, then lets answers under way finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let conversation = connection::converse(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    conversation.await;
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "failed to accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}
