//! The demo's support centre: a shop page with a chat, a hotline that calls back, a ticket form and the agents' side
//! of it, with a switch on each door to break it. [`desk`] is what happens behind the counter, [`fault`] the
//! switches, [`doors`] the HTTP in front.

mod chat;
mod desk;
mod doors;
pub mod fault;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{sync::watch, time::Instant};

use self::{
    desk::Desk,
    fault::{Door, Fault, Switches},
};
use crate::secret::Secret;

/// The support centre. Cheap to share.
#[derive(Clone, Debug)]
pub struct SupportCentre(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    opened_at: Instant,
    desk: Mutex<Desk>,
    /// Watched, so that a request that hangs is let go by the mending.
    switches: watch::Sender<Switches>,
    agents_secret: Secret,
}

impl SupportCentre {
    /// Opens with every door working. Whoever shows `agents_secret` is an agent.
    #[must_use]
    pub fn open(agents_secret: Secret) -> Self {
        Self(Arc::new(Shared {
            opened_at: Instant::now(),
            desk: Mutex::default(),
            switches: watch::Sender::default(),
            agents_secret,
        }))
    }

    /// Everything it answers over HTTP.
    pub fn routes(&self) -> axum::Router {
        doors::routes(self)
    }

    /// Breaks a door; what was wrong with it before is over.
    pub fn break_door(&self, door: Door, fault: Fault) {
        self.0.switches.send_modify(|switches| switches.set(door, Some(fault)));
    }

    /// Mends a door.
    pub fn mend(&self, door: Door) {
        self.0.switches.send_modify(|switches| switches.set(door, None));
    }

    /// What is wrong with a door.
    #[must_use]
    pub fn fault(&self, door: Door) -> Option<Fault> {
        self.0.switches.borrow().get(door)
    }

    /// How many tickets lie on the agents' side.
    #[must_use]
    pub fn tickets(&self) -> usize {
        let now = self.now();
        self.desk().tickets(None, now).len()
    }

    /// How many callbacks are asked for and not cancelled.
    #[must_use]
    pub fn callbacks(&self) -> usize {
        self.desk().callbacks()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the opening.
    fn now(&self) -> std::time::Duration {
        self.0.opened_at.elapsed()
    }
}
