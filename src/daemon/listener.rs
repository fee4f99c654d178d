//! Takes connections for the web's pages, so many at once. A client that reads or writes slowly costs one place for a while
//! and nothing else; whoever wants more than a share of the places gets each new one in exchange for an old one of his own,
//! and when all are taken, the one who has most of them gives one up. So a place is always found for who comes next.

mod places;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    config::plan::Plan,
    daemon::listener::places::Places,
    web::{
        connection,
        rates::{Rates, Sort, Who},
    },
};

/// Pause after a failure to accept, which is a lack of descriptors and passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, and by which rules.
pub(crate) struct Serving {
    /// The pages behind their door.
    pub(crate) router: Router,
    /// How often somebody may connect.
    pub(crate) rates: Arc<Rates>,
    /// So many connections at once, half of them of one address at most.
    pub(crate) places: usize,
    /// By what connections are encrypted.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
}

/// Binds the address; port 0 takes a free one.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("failed to listen on {address}; choose another address in `listen` under [monitor]")
    })
}

/// Serves until it is told to stop, then lets answers under way finish.
pub(crate) async fn serve(listener: TcpListener, serving: Serving, stop: CancellationToken) {
    let mut places = Places::new(serving.places);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Ok(place) = ended {
                    places.leave(place);
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let who = Who::at(peer.ip());
                if serving.rates.take(who.clone(), Sort::Connect).is_err() {
                    continue;
                }
                let (place, given_up) = places.take(who);
                let conversation = converse(stream, peer, &serving, stop.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = conversation => {}
                        () = given_up.cancelled() => {}
                    }
                    place
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

fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    serving: &Serving,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let identity = serving.plans.borrow().tls.clone();
    connection::converse(stream, peer, identity, serving.router.clone(), stop)
}
