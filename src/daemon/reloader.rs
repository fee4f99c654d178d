//! Reloads the configuration on SIGHUP, and when one of its sources changes.
//!
//! The sources are looked at every second, through symbolic links, and compared by identity, size and time of change;
//! so an editor's atomic rename and the swapped link of a Kubernetes volume are seen as well as a plain write. A
//! change is acted on when it has been the same for two looks, so that a file is not read while it is being written.
//!
//! A plan is taken over whole or not at all: a configuration with problems, or one that changes what only a restart
//! can change, leaves the present plan in force, and is said in the log and the metrics.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    clock::Clock,
    config::{
        self, Loaded, Problems,
        plan::{Boot, Plan},
    },
    daemon::systemd,
    metrics::Metrics,
    notify::{self, Routes},
};

/// How often the sources are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the reloader works on.
pub(crate) struct Reloader {
    /// The configuration file.
    pub(crate) path: PathBuf,
    /// Every file and directory whose change may change the plan.
    pub(crate) sources: Vec<PathBuf>,
    /// Where a plan is put in force.
    pub(crate) plans: watch::Sender<Arc<Plan>>,
    /// Where its routes are.
    pub(crate) routes: watch::Sender<Routes>,
    /// Where the result is shown.
    pub(crate) metrics: Arc<Metrics>,
    /// Says when.
    pub(crate) clock: Clock,
}

impl Reloader {
    /// Registers for SIGHUP, remembers how the sources look, and gives the loop: whatever changes from here on is seen,
    /// whenever the loop begins to turn.
    ///
    /// # Errors
    /// When the signal cannot be received.
    pub(crate) fn run(
        self,
        stop: CancellationToken,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
        let hangups = signal(SignalKind::hangup()).context("failed to register for SIGHUP")?;
        let stamps = stamps(self.sources.clone());
        Ok(self.turn(hangups, stamps, stop))
    }

    async fn turn(
        mut self,
        mut hangups: Signal,
        mut acted_on: Stamps,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = acted_on.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(()) = hangups.recv() => {}
                _ = looks.tick() => {
                    let now = self.stamps().await?;
                    let settled = now == seen;
                    seen = now;
                    if seen == acted_on || !settled {
                        continue;
                    }
                }
            }
            acted_on = self.reload().await?;
            seen.clone_from(&acted_on);
        }
    }

    async fn stamps(&self) -> anyhow::Result<Stamps> {
        let sources = self.sources.clone();
        spawn_blocking(move || stamps(sources)).await.context("failed to look at the configuration's files")
    }

    /// Reads the configuration and puts it in force if it can be. Gives the stamps of what was read, from before it
    /// was read: what changes meanwhile is seen at the next look.
    async fn reload(&mut self) -> anyhow::Result<Stamps> {
        systemd::reloading();
        let before = self.stamps().await?;
        let path = self.path.clone();
        let loaded =
            spawn_blocking(move || config::load(&path)).await.context("failed to read the configuration")?;
        let successful = match loaded {
            Ok(loaded) => self.put_in_force(loaded),
            Err(problems) => self.refuse(problems),
        };
        let instruments = &self.metrics.instruments;
        instruments.reload_successful.set(i64::from(successful));
        if successful {
            instruments.reload_success_at.set(super::seconds(self.clock));
        }
        systemd::ready();
        let mut stamps = self.stamps().await?;
        for (path, stamp) in before {
            stamps.entry(path).and_modify(|known| *known = stamp);
        }
        Ok(stamps)
    }

    fn put_in_force(&mut self, loaded: Loaded) -> bool {
        self.sources = loaded.sources;
        for warning in loaded.warnings.lines() {
            warn!("{warning}");
        }
        let fixed = fixed_settings(&self.plans.borrow().boot, &loaded.plan.boot);
        if !fixed.is_empty() {
            let settings = fixed.join(", ");
            error!("refused to reload: {settings} under [monitor] changed, which takes a restart");
            return false;
        }
        let are_same_ways = {
            let plan = self.plans.borrow();
            plan.mail == loaded.plan.mail && plan.endpoints == loaded.plan.endpoints
        };
        if !are_same_ways {
            match notify::routes(loaded.plan.mail.as_ref(), &loaded.plan.endpoints) {
                Ok(routes) => self.routes.send_replace(routes),
                Err(error) => {
                    error!("refused to reload: {error}");
                    return false;
                }
            };
        }
        let (channels, probes) = loaded.plan.size();
        self.plans.send_replace(Arc::new(loaded.plan));
        info!(channels, probes, "reloaded the configuration");
        true
    }

    fn refuse(&mut self, problems: Problems) -> bool {
        for problem in problems.report.lines() {
            error!("{problem}");
        }
        let count = problems.report.errors();
        error!(
            problems = count,
            "refused to reload: the configuration has errors; the present one stays in force"
        );
        self.sources = problems.sources;
        false
    }
}

/// The settings that differ and that only a restart can change.
fn fixed_settings(present: &Boot, wanted: &Boot) -> Vec<&'static str> {
    let differs = [
        ("`location`", present.location != wanted.location),
        ("`listen`", present.listen != wanted.listen),
        ("`listen` under [public]", present.public_listen != wanted.public_listen),
        ("`store`", present.store != wanted.store),
        ("`tls`", present.is_encrypted != wanted.is_encrypted),
        // Where nothing else is said it lies beside the store.
        ("`evidence`", present.evidence != wanted.evidence && present.store == wanted.store),
    ];
    differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

/// The stamp of every source; none where there is no such file.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

fn stamps(sources: Vec<PathBuf>) -> Stamps {
    sources.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect()
}

/// By what a changed file is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed_at: (i64, i64),
    modified_at: (i64, i64),
}

impl Stamp {
    /// The stamp of what a path leads to; none where it leads nowhere.
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed_at: (found.ctime(), found.ctime_nsec()),
            modified_at: (found.mtime(), found.mtime_nsec()),
        })
    }
}
