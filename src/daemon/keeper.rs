//! Keeps evidence before anybody is told of what it shows. What cannot be kept is said in the log, and holds up nobody:
//! people must hear of an outage whatever the disk does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::Instant};
use tracing::error;

use crate::{
    clock::Clock,
    evidence::{Archive, Bundle, Durability},
};

/// So long one commit waits for the disk. What is left then is written without waiting: when everything fails at once,
/// the mails are not to be late for it.
const WAITS_MAX: Duration = Duration::from_secs(1);

/// The archive, shared with the threads that write to it; one at a time does.
#[derive(Clone, Debug)]
pub(crate) struct Keeper(Arc<Mutex<Archive>>);

impl Keeper {
    pub(crate) fn new(archive: Archive) -> Self {
        Self(Arc::new(Mutex::new(archive)))
    }

    /// Keeps bundles, in their order.
    pub(crate) async fn keep(self, bundles: Vec<Bundle>, clock: Clock) {
        let Self(archive) = self;
        let began = Instant::now();
        let keeping = move || {
            let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
            for bundle in bundles {
                let durability =
                    if began.elapsed() < WAITS_MAX { Durability::OnDisk } else { Durability::OnItsWay };
                if let Err(problem) = archive.keep(&bundle, durability, clock.now()) {
                    error!(bundle = %bundle.name, %problem, "no evidence is kept of this");
                }
            }
        };
        if spawn_blocking(keeping).await.is_err() {
            error!("keeping evidence broke; this is a bug of ours, please report it");
        }
    }
}
