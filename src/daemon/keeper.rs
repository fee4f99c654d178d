//! Keeps evidence before anybody is told of what it shows. What cannot be kept is said in the log, and holds up nobody:
//! people must hear of an outage whatever the disk does.

use std::{
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tracing::error;

use crate::{
    clock::Clock,
    evidence::{Archive, Bundle, Durability},
};

/// So long one commit waits for the disk. What is left then is written without waiting: when everything fails at once,
/// the mails are not to be late for it.
const WAITS_MAX: Duration = Duration::from_secs(1);

/// A disk that has not taken all by then is no longer waited for.
const DISK_MAX: Duration = Duration::from_secs(5);

/// The archive, shared with the threads that write to it; one at a time does.
#[derive(Clone, Debug)]
pub(crate) struct Keeper(Arc<Mutex<Archive>>);

impl Keeper {
    pub(crate) fn new(archive: Archive) -> Self {
        Self(Arc::new(Mutex::new(archive)))
    }

    /// Keeps bundles, in their order. Ends when they are kept, or when the disk has had time enough.
    pub(crate) async fn keep(self, bundles: Vec<Bundle>, clock: Clock) {
        let Self(archive) = self;
        let began = Instant::now();
        if matches!(archive.try_lock(), Err(TryLockError::WouldBlock)) {
            let names: Vec<String> = bundles.into_iter().map(|bundle| bundle.name).collect();
            error!(bundles = ?names, "no evidence is kept of these, because the disk has not yet taken what came before");
            return;
        }
        let keeping = move || {
            let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
            for bundle in bundles {
                let durability =
                    if began.elapsed() < WAITS_MAX { Durability::OnDisk } else { Durability::OnItsWay };
                if let Err(problem) = archive.keep(&bundle, durability) {
                    error!(bundle = %bundle.name, %problem, "no evidence is kept of this");
                } else if let Err(problem) = archive.settle(durability, clock.now()) {
                    error!(%problem, "the evidence is kept, but its directory cannot be kept in order");
                }
            }
        };
        match timeout(DISK_MAX, spawn_blocking(keeping)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => error!("keeping evidence broke; this is a bug of ours, please report it"),
            Err(_) => error!("the disk does not take the evidence; people are told without waiting for it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidencePlan;

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_answer_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(EvidencePlan::in_directory(directory.path().join("evidence"))).unwrap();
        let keeper = Keeper::new(archive);
        let bundle = || Bundle {
            name: "20260131T120000Z-web-chat-dark".to_owned(),
            channel: "web-chat".to_owned(),
            incident: None,
            at: "2026-01-31T12:00:00Z".parse().unwrap(),
            files: Vec::new(),
        };
        let kept = directory.path().join("evidence/00000001-20260131T120000Z-web-chat-dark");
        let (held, let_go) = (Arc::clone(&keeper.0), std::sync::Barrier::new(2));
        let let_go = Arc::new(let_go);
        let (is_held, until_held) = tokio::sync::oneshot::channel();
        let waiting = Arc::clone(&let_go);
        let stuck = spawn_blocking(move || {
            let _archive = held.lock().unwrap();
            is_held.send(()).unwrap();
            waiting.wait();
        });
        until_held.await.unwrap();
        keeper.clone().keep(vec![bundle()], Clock::system()).await;
        assert!(!kept.exists());
        let_go.wait();
        stuck.await.unwrap();
        keeper.keep(vec![bundle()], Clock::system()).await;
        assert!(kept.exists());
    }
}
