//! Puts the demo together, waits for Ctrl-C, and takes it apart in the order in which nothing is lost: the daemon
//! ends first and sends its last mails, then the mailbox and the support centre close, then the files go.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{inbox::Inbox, page::Page, support_centre::SupportCentre};
use crate::{
    clock::Clock,
    config,
    daemon::{self, Daemon},
    probe::chromium::{Chromium, ChromiumSettings},
    secret::Secret,
};

/// How long a task that holds up the end is waited for.
pub(super) const STRAGGLERS: Duration = Duration::from_millis(300);

/// How soon the daemon must show its channels; it takes milliseconds.
const FIRST_SNAPSHOT_MAX: Duration = Duration::from_secs(10);

/// The configuration the demo's daemon runs on; the words in capital letters between braces are filled in.
const PROBES: &str = include_str!("probes.toml");

/// What is added to it where there is a browser.
const PROBES_IN_A_BROWSER: &str = include_str!("probes-browser.toml");

/// What the demo does without where there is none.
const SKIPPED: &str = "There is no Chromium here, so nobody looks at the shop's page: of the chat's switches, \"cover\" \
and \"far\" show nothing, and mails have no picture. To see all of it: apt-get install chromium";

/// The file of the agents' secret, beside the configuration.
const AGENTS_SECRET: &str = "agents-secret";

/// Shows the demo at `listen` until SIGINT or SIGTERM.
pub(super) async fn show(listen: SocketAddr) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to register for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to register for SIGTERM")?;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("failed to listen on {listen}; choose another address, such as --listen 127.0.0.1:0 for a free port")
    })?;
    let address = listener.local_addr().context("failed to read the address listened on")?;
    let directory =
        TempDir::with_prefix("lamplighter-demo-").context("failed to create a temporary directory")?;
    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    let daemon = open(&mut servers, listener, address, directory.path(), &stop).await?;

    announce(address, skipped());
    let mut daemon = std::pin::pin!(daemon.wait());
    let ended = tokio::select! {
        ended = &mut daemon => ended.and(Err(anyhow!("the daemon ended on its own"))),
        _ = interrupt.recv() => {
            stop.cancel();
            daemon.await
        }
        _ = terminate.recv() => {
            stop.cancel();
            daemon.await
        }
    };
    servers.shutdown().await;
    directory.close().context("failed to remove the temporary directory")?;
    ended
}

/// Opens the support centre and the mailbox, starts the daemon against them, and serves the page.
async fn open(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    address: SocketAddr,
    directory: &Path,
    stop: &CancellationToken,
) -> anyhow::Result<Daemon> {
    let secret = format!("{:032x}", rand::random::<u128>());
    let centre = SupportCentre::open(Secret::new(secret.clone()));
    let shop = serve_door(servers, &centre, 1).await?;
    let hotline = serve_door(servers, &centre, 2).await?;
    let form = serve_door(servers, &centre, 3).await?;

    let (inbox_listener, inbox_address) = loopback(1).await?;
    let inbox = Inbox::new(Clock::system());
    let receiving = inbox.clone();
    servers.spawn(async move { receiving.serve(inbox_listener).await });

    let in_a_browser = if skipped().is_none() { PROBES_IN_A_BROWSER } else { "" };
    let probes = format!("{PROBES}{in_a_browser}")
        .replace("{SHOP}", &shop)
        .replace("{HOTLINE}", &hotline)
        .replace("{FORM}", &form)
        .replace("{SMTP}", &inbox_address.to_string())
        .replace("{PAGE}", &format!("http://{address}"))
        .replace("{STORE}", &directory.join("lamplighter.db").to_string_lossy());
    let path = directory.join("probes.toml");
    std::fs::write(directory.join(AGENTS_SECRET), secret).context("failed to write the agents' secret")?;
    std::fs::write(&path, probes).context("failed to write the configuration")?;
    let loaded =
        config::load(&path).context("the demo's own configuration is wrong; this is a bug of ours")?;
    let daemon = daemon::start(&path, loaded, Handle::current(), stop.clone()).await?;
    let mut snapshots = daemon.snapshots();
    let drawn = snapshots.wait_for(|snapshot| !snapshot.channels.is_empty());
    timeout(FIRST_SNAPSHOT_MAX, drawn).await.context("the daemon shows no channels")??;

    let metrics = Arc::clone(daemon.metrics());
    let metrics = Arc::new(move || metrics.expose().flat_map(Bytes::into_iter).collect::<Vec<u8>>());
    let status =
        daemon.listen().map(|pages| format!("http://{pages}/")).context("the daemon shows no pages")?;
    let page = Page::new(centre, format!("{shop}/"), status, skipped(), inbox, snapshots, metrics);
    let following = page.clone();
    servers.spawn(async move { following.follow().await });
    serve(servers, listener, page.routes());
    Ok(daemon)
}

/// Serves the support centre once more, under an address of its own: doors on one host would not count as
/// alternatives to each other.
async fn serve_door(servers: &mut JoinSet<()>, centre: &SupportCentre, host: u8) -> anyhow::Result<String> {
    let (listener, address) = loopback(host).await?;
    serve(servers, listener, centre.routes());
    Ok(format!("http://{address}"))
}

/// A free port of 127.0.0.`host`, or of 127.0.0.1 where a system has no other.
async fn loopback(host: u8) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = match TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), 0)).await {
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        bound => bound,
    }
    .context("failed to listen on a loopback port")?;
    let address = listener.local_addr().context("failed to read the address listened on")?;
    Ok((listener, address))
}

fn serve(servers: &mut JoinSet<()>, listener: TcpListener, routes: axum::Router) {
    servers.spawn(async move {
        // It ends when its task is dropped, and never by itself: a failed accept is tried again.
        axum::serve(listener, routes).await.ok();
    });
}

/// Says where it is and what to try.
fn announce(address: SocketAddr, skipped: Option<&str>) {
    println!(
        "Lamplighter's demo is at http://{address}/\n\n\
         Open it in a browser: break a door, wait a few seconds, read the mail. Or by script:\n\n  \
         curl http://{address}/demo/state.json\n  \
         curl http://{address}/demo/break --json '{{\"channel\": \"hotline\", \"how\": \"hang\"}}'\n  \
         curl http://{address}/demo/mails.json\n  \
         curl http://{address}/demo/mend --json '{{\"channel\": \"hotline\"}}'\n  \
         curl http://{address}/metrics\n\n\
         Ctrl-C ends it and leaves nothing behind."
    );
    if let Some(skipped) = skipped {
        println!("\n{skipped}");
    }
}

/// What the demo does without here, in words; nothing where there is a browser.
fn skipped() -> Option<&'static str> {
    let chromium = Chromium::new(&ChromiumSettings::default(), &mut Vec::new());
    (!chromium.is_installed()).then_some(SKIPPED)
}
