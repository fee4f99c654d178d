//! One connection, within bounds: so long for the handshake and the headers, so much of them, so long in all.

use std::{net::SocketAddr, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{door::Peer, tls::Identity};

/// A handshake is done within this time.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// A request's headers arrive within this time; it is also how long an idle connection is kept.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Headers, and what is buffered of an answer, are at most so long.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// After this time a connection takes no further request.
const LIFE: Duration = Duration::from_secs(60);
/// How long an answer under way may still take when the connection or the daemon ends.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Answers one client until it has enough, its time is over, or `stop`; behind a handshake, if there is an identity to show.
pub(crate) async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    identity: Option<Identity>,
    router: Router,
    stop: CancellationToken,
) {
    let router = router.layer(Extension(Peer(peer)));
    let Some(identity) = identity else { return talk(stream, router, stop).await };
    let handshake = TlsAcceptor::from(identity.config).accept(stream);
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_WITHIN, handshake) => shaken,
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => talk(stream, router, stop).await,
        Ok(Err(error)) => debug!(%error, "a handshake failed"),
        Err(_) => debug!("a handshake took too long"),
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = sleep(LIFE) => None,
        () = stop.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        debug!(%error, "a connection ended early");
    }
}
