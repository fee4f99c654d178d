//! Looks after the store: a backup every hour, a damaged store replaced while the daemon runs, and everybody told of
//! either trouble. Nothing here holds up a verdict: a backup is made beside the commits, and a directory that takes none
//! is said in the log and a metric.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    clock::Clock,
    config::plan::{Plan, Team},
    daemon::{
        evaluator::world::letterhead,
        trouble::{Failing, Trouble},
    },
    domain::notification::{
        Notification,
        upkeep::{self, Origin, Restoration, StoreNews},
    },
    metrics::Metrics,
    store::{Restored, Source, Store, StoreError, backup::BackupError},
};

/// How often a backup is made.
const BACKUP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How soon another is tried after one that failed.
const BACKUP_RETRY: Duration = Duration::from_secs(5 * 60);
/// How soon it is tried again to put the store right, or to tell of it.
const RETRY: Duration = Duration::from_secs(1);
/// A store that takes nothing for so long is told of.
const FAILING_TOLD_AFTER: Duration = Duration::from_secs(10);
/// One that fails again and again is told of once in this time.
const FAILING_TOLD_EVERY: Duration = Duration::from_secs(60 * 60);

/// The results of a backup, as the label says them.
const MADE: &str = "made";
const FAILED: &str = "failed";

/// What the loop is connected to.
pub(crate) struct Connections {
    /// The store to look after.
    pub(crate) store: Store,
    /// Whom to tell, and in which words.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// Where it is seen that the store takes nothing.
    pub(crate) trouble: Arc<Trouble>,
    /// The way past the store.
    pub(crate) direct: mpsc::Sender<Notification>,
    /// Rung when mails have been put into the outbox.
    pub(crate) outbox: Arc<Notify>,
    /// Where it counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Labels what happens.
    pub(crate) clock: Clock,
}

/// Looks after the store until it is told to stop.
pub(crate) async fn run(connections: Connections, stop: CancellationToken) {
    let mut caretaker = Caretaker::new(connections);
    loop {
        let retry_at = caretaker.tell_restored().await;
        let failing_at = caretaker.failing_at();
        let or_never = |at: Option<Instant>| async move {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            found = caretaker.it.store.damaged() => caretaker.heal(found).await,
            () = sleep_until(caretaker.backup_at) => caretaker.back_up().await,
            () = or_never(retry_at) => {}
            () = or_never(failing_at) => caretaker.tell_failing(),
            Ok(()) = caretaker.restored.changed() => {}
            Ok(()) = caretaker.failing.changed() => {}
        }
    }
}

struct Caretaker {
    it: Connections,
    restored: watch::Receiver<Option<Arc<Restored>>>,
    failing: watch::Receiver<Option<Failing>>,
    /// What was told last.
    told: Option<Arc<Restored>>,
    /// It was there before the loops were.
    at_the_opening: Option<Arc<Restored>>,
    backup_at: Instant,
    /// Since when the store was failing that was told of last, and when it was told.
    failing_told: Option<(Instant, Instant)>,
    /// A store that cannot be put right is said once.
    cannot_heal: bool,
}

impl Caretaker {
    fn new(it: Connections) -> Self {
        let instruments = &it.metrics.instruments;
        for result in [MADE, FAILED] {
            instruments.store_backups.with_label_values(&[result]).reset();
        }
        let last = it.store.last_backup_at();
        instruments.store_backup_at.set(last.map_or(0.0, seconds));
        // One of tomorrow is one before the clock was set back.
        let age = last.and_then(|last| Duration::try_from(it.clock.now().duration_since(last)).ok());
        let restored = it.store.restored();
        let at_the_opening = restored.borrow().clone();
        Self {
            backup_at: Instant::now() + age.map_or(Duration::ZERO, |age| BACKUP_EVERY.saturating_sub(age)),
            at_the_opening,
            restored,
            failing: it.trouble.failing(),
            told: None,
            failing_told: None,
            cannot_heal: false,
            it,
        }
    }

    async fn back_up(&mut self) {
        let now = self.it.clock.now();
        let instruments = &self.it.metrics.instruments;
        match self.it.store.back_up(now).await {
            Ok(path) => {
                info!(path = %path.display(), "made a backup of the store");
                instruments.store_backups.with_label_values(&[MADE]).inc();
                instruments.store_backup_at.set(seconds(now));
                self.backup_at = Instant::now() + BACKUP_EVERY;
            }
            Err(error) => {
                if let BackupError::Copy(StoreError::Damaged { what, .. }) = &error {
                    self.it.store.note_damage(what);
                }
                error!(
                    ?error,
                    "no backup of the store was made; another is tried in {} min",
                    BACKUP_RETRY.as_secs() / 60
                );
                instruments.store_backups.with_label_values(&[FAILED]).inc();
                self.backup_at = Instant::now() + BACKUP_RETRY;
            }
        }
    }

    /// Puts the store right; the evaluator, which sees that, writes down again what it knows.
    async fn heal(&mut self, found: String) {
        match self.it.store.heal(found, self.it.clock.now()).await {
            Ok(_) => self.cannot_heal = false,
            Err(error) => {
                if !std::mem::replace(&mut self.cannot_heal, true) {
                    error!(%error, "the store is damaged and nothing can be put in its place; it is tried again");
                }
                sleep(RETRY).await;
            }
        }
    }

    /// Tells of a store that was restored; gives when to try again.
    async fn tell_restored(&mut self) -> Option<Instant> {
        let restored = self.restored.borrow_and_update().clone()?;
        if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &restored)) {
            return None;
        }
        let was_running = !self.at_the_opening.as_ref().is_some_and(|first| Arc::ptr_eq(first, &restored));
        let mails = self.mails(&StoreNews::Restored(restoration(&restored, was_running)));
        match self.it.store.enqueue(mails).await {
            Ok(()) => {
                self.it.outbox.notify_one();
                self.it.metrics.instruments.store_restored_at.set(seconds(restored.at));
                // A backup of what it goes on from is made at once, unless there is one.
                if restored.from == Source::Nothing {
                    self.backup_at = Instant::now();
                }
                log(&restored);
                self.told = Some(restored);
                None
            }
            Err(_) => Some(Instant::now() + RETRY),
        }
    }

    /// When a store that fails is to be told of; none while it does not, or has been told of.
    fn failing_at(&mut self) -> Option<Instant> {
        let since = self.failing.borrow_and_update().as_ref()?.since;
        let told_of_this = self.failing_told.is_some_and(|(of, _)| of == since);
        let not_before = self.failing_told.map(|(_, at)| at + FAILING_TOLD_EVERY);
        let at = since + FAILING_TOLD_AFTER;
        (!told_of_this).then(|| not_before.map_or(at, |not_before| at.max(not_before)))
    }

    /// Tells of a store that takes nothing, past the store.
    fn tell_failing(&mut self) {
        let Some(Failing { since, why }) = self.failing.borrow().clone() else { return };
        let wall = self.it.clock.now() - since.elapsed();
        error!(since = %wall, why, "the store takes nothing; judging and telling go on from memory");
        for mail in self.mails(&StoreNews::Failing { since: wall, why: &why }) {
            if let Err(error) = self.it.direct.try_send(mail) {
                warn!(%error, "there is no room to tell of it");
            }
        }
        self.failing_told = Some((since, Instant::now()));
    }

    fn mails(&self, news: &StoreNews<'_>) -> Vec<Notification> {
        let plan = Arc::clone(&self.it.plans.borrow());
        let recipients = plan.teams.values().flat_map(Team::recipients);
        let letterhead = letterhead(&plan);
        upkeep::mails(news, recipients, &plan.boot.location, &letterhead, self.it.clock.now())
    }
}

fn restoration(restored: &Restored, was_running: bool) -> Restoration<'_> {
    Restoration {
        at: restored.at,
        found: &restored.found,
        is_newer: restored.is_newer,
        aside: restored.aside.as_deref(),
        from: match restored.from {
            Source::Itself => Origin::Itself,
            Source::Backup(at) => Origin::Backup(at),
            Source::Nothing => Origin::Nothing,
        },
        backups_skipped: restored.backups_skipped,
        taken_over: restored.waiting.taken_over,
        took_all: restored.waiting.is_complete,
        was_running,
    }
}

fn log(restored: &Restored) {
    let backup = match restored.from {
        Source::Backup(at) => Some(at.to_string()),
        Source::Itself | Source::Nothing => None,
    };
    error!(
        found = restored.found,
        aside = restored.aside.as_ref().map(|path| path.display().to_string()),
        backup,
        backups_skipped = restored.backups_skipped,
        mails_taken_over = restored.waiting.taken_over,
        all_mails_read = restored.waiting.is_complete,
        "{}",
        match restored.from {
            Source::Itself => "the store was not closed in order; its last commits may be missing",
            Source::Backup(_) => "the store was damaged, set aside and restored from a backup",
            Source::Nothing => "the store was damaged and set aside; without a good backup it begins anew",
        }
    );
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
