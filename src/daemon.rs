//! The loops, and the only place that spawns.
//!
//! ```text
//! reloader -> plans -> scheduler -> outcomes -> evaluator -> batches -> recorder
//!                 '-> lookout -> network -^         '-> store, bell -> dispatcher
//! ```
//!
//! Shutdown flows the same way: the sources (scheduler, lookout, reloader, listener) stop at a token; the evaluator and the
//! recorder end when their input does; the dispatcher makes a last pass when the evaluator has committed all it owes. A
//! loop that ends without having been asked to ends the daemon.

mod archivist;
mod canary;
mod chronicle;
pub mod dispatcher;
mod evaluator;
mod face;
mod heartbeat;
mod keeper;
mod listener;
mod lookout;
mod loops;
mod past;
mod public;
mod pulse;
mod recorder;
mod reloader;
pub(crate) mod reporter;
mod scheduler;
mod systemd;
mod trouble;
mod upkeep;
mod vitals;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    clock::Clock,
    config::{Loaded, plan::Plan},
    daemon::{
        chronicle::Chronicler, evaluator::orders::Order, listener::Serving, loops::Start, public::PublicFace,
        pulse::Pulse, reloader::Reloader, scheduler::errands::Errand,
    },
    domain::snapshot::Snapshot,
    evidence::Archive,
    metrics::Metrics,
    notify::{self, Routes},
    probe::asks,
    store::{Remembered, Store},
    web::{self, rates::Rates},
};

/// So many commands wait for the evaluator, and so many runs for the scheduler; whoever asks for more waits with them.
const ORDERS_WAITING: usize = 16;
/// So many connections at once to the pages of people on call, and to that of customers, who all come when support is dark.
const PLACES: usize = 64;
const PUBLIC_PLACES: usize = 256;
/// Everything ends within this time of being told to.
const SHUTDOWN_MAX: Duration = Duration::from_secs(9);

/// What takes its time at the end fits into it: first the last commits, then the last mails beside the last history.
const _: () = {
    let (commits, mails, history) =
        (evaluator::LAST_COMMITS, dispatcher::LAST_PASS_MAX, evaluator::history::LAST_BATCH);
    let after = if mails.as_millis() > history.as_millis() { mails } else { history };
    assert!(commits.as_millis() + after.as_millis() < SHUTDOWN_MAX.as_millis());
};

/// What a daemon is made of.
pub struct Parts {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Where it is remembered.
    pub store: Store,
    /// What the store remembered.
    pub remembered: Remembered,
    /// Where evidence is kept; none keeps none.
    pub evidence: Option<Archive>,
    /// How people are told.
    pub routes: Routes,
    /// What the time of day is.
    pub clock: Clock,
    /// Where the probes run. On a runtime of its own they are measured as they are, whatever else the daemon is at.
    pub probing: Handle,
}

/// A running daemon.
pub struct Daemon {
    metrics: Arc<Metrics>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    plans: watch::Sender<Arc<Plan>>,
    routes: watch::Sender<Routes>,
    orders: mpsc::Sender<Order>,
    errands: mpsc::Sender<Errand>,
    store: Store,
    chronicler: Arc<Chronicler>,
    pulse: Arc<Pulse>,
    clock: Clock,
    stop: CancellationToken,
    loops: JoinSet<(&'static str, anyhow::Result<()>)>,
    listen: Option<SocketAddr>,
    public_listen: Option<SocketAddr>,
}

/// Starts everything that a configuration asks for: opens the store, listens, watches the file at `path`, runs the
/// probes on the runtime `probing`. Gives the daemon as soon as its loops turn.
///
/// # Errors
/// When the store or the evidence cannot be opened, the address is taken or the routes cannot be built.
pub async fn start(
    path: &Path,
    loaded: Loaded,
    probing: Handle,
    stop: CancellationToken,
) -> anyhow::Result<Daemon> {
    let Loaded { plan, sources, .. } = loaded;
    let listener = listener::bind(plan.boot.listen).await?;
    let public = match plan.boot.public_listen {
        Some(address) => Some(listener::bind(address).await?),
        None => None,
    };
    let store_path = plan.boot.store.clone();
    let clock = Clock::system();
    let opening = move || Store::open_or_restore(&store_path, clock.now());
    let store = tokio::task::spawn_blocking(opening).await??;
    let mut remembered = store.load().await?;
    remembered.asked = store.asked_since(asks::day_begin(clock.now())).await?;
    let routes = notify::routes(plan.mail.as_ref(), &plan.endpoints)?;
    let evidence = plan.boot.evidence.clone();
    let evidence = Some(tokio::task::spawn_blocking(move || Archive::open(evidence)).await??);
    let parts = Parts { plan: Arc::new(plan), store, remembered, evidence, routes, clock, probing };
    let mut daemon = Daemon::start(parts, stop);
    daemon.serve(listener)?;
    if let Some(public) = public {
        daemon.serve_public(public)?;
    }
    daemon.watch(path, sources)?;
    daemon.begun().await;
    systemd::ready();
    Ok(daemon)
}

/// People who were asked before a restart are not asked more often for it.
fn recall_asks(plan: &Plan, remembered: &Remembered, clock: Clock) {
    for probe in plan.channels.values().flat_map(|channel| channel.probes.values()) {
        if let (Some(asks), Some(count)) = (probe.probe.asks(), remembered.asked.get(&*probe.key)) {
            asks.recall(*count, clock.now());
        }
    }
}

impl Daemon {
    /// Starts the loops, without listening and without watching any file.
    #[must_use]
    pub fn start(parts: Parts, stop: CancellationToken) -> Self {
        let Parts { plan, store, remembered, evidence, routes, clock, probing } = parts;
        let metrics = Arc::new(Metrics::new());
        metrics.instruments.reload_successful.set(1);
        metrics.instruments.reload_success_at.set(seconds(clock));
        recall_asks(&plan, &remembered, clock);
        let (orders_in, orders) = mpsc::channel(ORDERS_WAITING);
        let (errands_in, errands) = mpsc::channel(ORDERS_WAITING);
        let mut daemon = Self {
            snapshots: watch::Sender::new(Arc::default()),
            plans: watch::Sender::new(plan),
            routes: watch::Sender::new(routes),
            orders: orders_in,
            errands: errands_in,
            chronicler: Arc::new(Chronicler::new(store.path().to_owned())),
            store: store.clone(),
            pulse: Arc::new(Pulse::new()),
            clock,
            stop,
            loops: JoinSet::new(),
            listen: None,
            public_listen: None,
            metrics,
        };
        daemon.start_loops(Start { store, remembered, evidence, orders, errands, probing });
        daemon
    }

    /// The pages, to be served.
    pub fn router(&self) -> axum::Router {
        web::router(Arc::new(self.face()))
    }

    /// Serves the pages on a socket that listens.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn serve(&mut self, listener: TcpListener) -> anyhow::Result<()> {
        self.listen = Some(listener.local_addr().context("failed to read the address listened on")?);
        let rates = Arc::new(Rates::default());
        let router = web::door::guarded(self.router(), Arc::new(self.face()), Arc::clone(&rates));
        let serving = Serving { router, rates, places: PLACES, plans: self.plans.subscribe() };
        let stop = self.stop.clone();
        self.spawn_sure("listener", listener::serve(listener, serving, stop));
        Ok(())
    }

    /// Serves what everybody may see on a socket that listens.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn serve_public(&mut self, listener: TcpListener) -> anyhow::Result<()> {
        self.public_listen = Some(listener.local_addr().context("failed to read the address listened on")?);
        let rates = Arc::new(Rates::default());
        let pages = web::public::router(Arc::new(PublicFace::new(self.face())));
        let router = web::door::paced(pages, Arc::new(self.face()), Arc::clone(&rates));
        let serving = Serving { router, rates, places: PUBLIC_PLACES, plans: self.plans.subscribe() };
        let stop = self.stop.clone();
        self.spawn_sure("public listener", listener::serve(listener, serving, stop));
        Ok(())
    }

    /// Reloads the configuration at `path` on SIGHUP and when one of its sources changes.
    ///
    /// # Errors
    /// When the signal cannot be received.
    pub fn watch(&mut self, path: &Path, sources: Vec<std::path::PathBuf>) -> anyhow::Result<()> {
        let reloader = Reloader {
            path: path.to_owned(),
            sources,
            plans: self.plans.clone(),
            routes: self.routes.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock,
        };
        let turning = reloader.run(self.stop.clone())?;
        self.spawn("reloader", turning);
        Ok(())
    }

    fn spawn(
        &mut self,
        name: &'static str,
        turning: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.loops.spawn(async move { (name, turning.await) });
    }

    /// Spawns a loop that cannot fail.
    fn spawn_sure(&mut self, name: &'static str, turning: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, async move {
            turning.await;
            Ok(())
        });
    }

    /// Waits until the scheduler's loop has turned.
    pub async fn begun(&self) {
        self.pulse.begun().await;
    }

    /// The address of what everybody may see; none where nothing is public.
    #[must_use]
    pub fn public_listen(&self) -> Option<SocketAddr> {
        self.public_listen
    }

    /// The address of the pages; none while none is served.
    #[must_use]
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Its metrics.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The picture of all channels, as it changes; drawn while anybody has it.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// Puts another plan in place of the present one. Its boot settings must be the same.
    pub fn adopt(&self, plan: Plan) {
        self.plans.send_replace(Arc::new(plan));
    }

    /// Waits until it has ended, which it does within ten seconds of being told to.
    ///
    /// # Errors
    /// When a loop ended without having been asked to, or not in time.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        let unasked = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            Some(ended) = self.loops.join_next() => Err(unasked(ended)),
        };
        stop.cancel();
        systemd::stopping();
        let ending = async {
            while let Some(ended) = self.loops.join_next().await {
                if let Err(error) = result(ended) {
                    error!(error = format!("{error:#}"), "a loop broke while the daemon was ending");
                }
            }
        };
        let in_time = timeout(SHUTDOWN_MAX, ending).await;
        self.loops.shutdown().await;
        in_time.context("the daemon did not end in time and was cut off")?;
        info!("ended");
        unasked
    }
}

fn result(ended: Result<(&'static str, anyhow::Result<()>), JoinError>) -> anyhow::Result<&'static str> {
    let (name, result) = ended.context("a loop panicked")?;
    result.with_context(|| format!("the {name} broke"))?;
    Ok(name)
}

fn unasked(ended: Result<(&'static str, anyhow::Result<()>), JoinError>) -> anyhow::Error {
    match result(ended) {
        Ok(name) => anyhow!("the {name} ended without having been asked to"),
        Err(error) => error,
    }
}

fn seconds(clock: Clock) -> f64 {
    clock.now().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        config::plan::{Boot, NetworkPlan},
        domain::channel::Location,
        evidence::EvidencePlan,
    };

    /// A plan with nothing in it.
    pub(super) fn plan() -> Plan {
        let boot = Boot {
            location: Location::new("fra-1"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_listen: None,
            is_encrypted: false,
            store: "unused.db".into(),
            evidence: EvidencePlan::in_directory("unused.evidence".into()),
        };
        Plan {
            path: "probes.toml".into(),
            boot,
            mail: None,
            canary: None,
            heartbeat: None,
            endpoints: notify::Endpoints::default(),
            public: None,
            public_url: None,
            time_zone: jiff::tz::TimeZone::UTC,
            runs_max: 1,
            runs_per_host_max: 1,
            network: NetworkPlan::default(),
            api_token: None,
            access: Arc::default(),
            tls: None,
            maintenance: Arc::default(),
            teams: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            channels: BTreeMap::new(),
        }
    }

    /// A daemon with nothing to do and one loop.
    fn daemon(turning: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_or_restore(&directory.path().join("a.db"), Clock::system().now()).unwrap();
        let mut daemon = Daemon {
            metrics: Arc::new(Metrics::new()),
            snapshots: watch::Sender::new(Arc::default()),
            plans: watch::Sender::new(Arc::new(plan())),
            routes: watch::Sender::new(Routes::new()),
            orders: mpsc::channel(1).0,
            errands: mpsc::channel(1).0,
            chronicler: Arc::new(Chronicler::new(store.path().to_owned())),
            store,
            pulse: Arc::new(Pulse::new()),
            clock: Clock::system(),
            stop: CancellationToken::new(),
            loops: JoinSet::new(),
            listen: None,
            public_listen: None,
        };
        daemon.spawn("lamp", turning);
        daemon
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_ends_unasked_ends_the_daemon_and_is_named() {
        let ended = daemon(async { Ok(()) }).wait().await.unwrap_err();
        assert_eq!(format!("{ended:#}"), "the lamp ended without having been asked to");
        let broken = daemon(async { Err(anyhow!("no oil")) }).wait().await.unwrap_err();
        assert_eq!(format!("{broken:#}"), "the lamp broke: no oil");
        let panicked = daemon(async { panic!("a planted bug") }).wait().await.unwrap_err();
        assert!(format!("{panicked:#}").starts_with("a loop panicked"), "{panicked:#}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_from_the_first_turn_of_the_schedule_until_it_is_told_to_end() {
        let daemon = daemon(std::future::pending());
        let face = daemon.face();
        assert_eq!(web::Source::ready(&face), Err("starting".to_owned()));
        assert_eq!(web::Source::alive(&face), Ok(()), "it is given the time to begin");
        daemon.pulse.beat(tokio::time::Instant::now());
        assert_eq!(web::Source::ready(&face), Ok(()));
        tokio::time::sleep(Duration::from_secs(11)).await;
        let still = Err("the scheduler has stood still for 11 s".to_owned());
        assert_eq!((web::Source::ready(&face), web::Source::alive(&face)), (still.clone(), still));
        daemon.pulse.beat(tokio::time::Instant::now());
        daemon.stop.cancel();
        assert_eq!(web::Source::ready(&face), Err("ending".to_owned()));
        assert_eq!(web::Source::alive(&face), Ok(()), "ending is no reason to restart it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_end_when_told_is_cut_off_within_ten_seconds() {
        let daemon = daemon(std::future::pending());
        let stop = daemon.stop.clone();
        stop.cancel();
        let told = tokio::time::Instant::now();
        let cut_off = daemon.wait().await.unwrap_err();
        assert!(told.elapsed() < Duration::from_secs(10));
        assert!(format!("{cut_off:#}").starts_with("the daemon did not end in time"), "{cut_off:#}");
    }
}
