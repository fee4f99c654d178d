//! After a damaged store was replaced while the daemon ran: what is known in memory is written down again. Where mails
//! may have been lost with it, the channels concerned and all cases go on as the store knows them, as after a restart: what
//! was decided since is decided again, and told once more rather than never.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{error, warn};

use crate::{
    daemon::evaluator::{roster::Roster, storeless::Storeless},
    domain::{
        casebook::Casebook,
        channel::ChannelId,
        evaluation::{Moment, State},
        incident::Incident,
    },
    store::{RememberedChannel, Restored, Standing},
};

/// Whether the store is to be written down again.
pub(crate) struct Rewriting {
    restored: watch::Receiver<Option<Arc<Restored>>>,
    is_owed: bool,
    is_under_way: bool,
}

impl Rewriting {
    /// What was restored before the loops began is known to the memory.
    pub(crate) fn new(mut restored: watch::Receiver<Option<Arc<Restored>>>) -> Self {
        restored.mark_unchanged();
        Self { restored, is_owed: false, is_under_way: false }
    }

    /// What is to be written down, if the store has been replaced and does not have it yet.
    pub(crate) fn next(
        &mut self,
        roster: &mut Roster,
        casebook: &mut Casebook,
        storeless: &mut Storeless,
        now: Moment,
    ) -> Option<Standing> {
        if self.restored.has_changed().unwrap_or(false) {
            let restored = self.restored.borrow_and_update().clone()?;
            self.is_owed = true;
            if !restored.waiting.is_complete {
                let forgotten = storeless.forget();
                if forgotten > 0 {
                    error!(forgotten, "what the store did not take before it was damaged is decided again");
                }
                forget_what_may_be_untold(roster, &restored, now);
                let (cases, owed) = (restored.remembered.cases.clone(), restored.remembered.owed.clone());
                casebook.go_back(cases, owed, now);
            }
        }
        self.is_under_way = self.is_owed;
        self.is_owed.then(|| Standing {
            channels: roster.standing(),
            cases: casebook.cases().cloned().collect(),
            owed: casebook.owed().cloned().collect(),
        })
    }

    /// Notes how the commit under way has ended.
    pub(crate) fn note(&mut self, is_committed: bool) {
        if std::mem::take(&mut self.is_under_way) && is_committed {
            self.is_owed = false;
        }
    }
}

/// Has every channel whose incident is not the one that the store knows go on as the store knows it.
fn forget_what_may_be_untold(roster: &mut Roster, restored: &Restored, now: Moment) {
    let id = |incident: Option<&Incident>| incident.map(|incident| incident.id.clone());
    let unknown = || RememberedChannel { state: State::Unknown, since: now.wall, incident: None };
    let ids: Vec<ChannelId> = roster.posts().iter().map(|post| post.id.clone()).collect();
    for channel in ids {
        let Some(place) = roster.place(&channel) else { continue };
        let known = restored.remembered.channels.get(&channel);
        let post = roster.post_mut(place);
        if id(post.incident.as_deref()) != id(known.and_then(|known| known.incident.as_ref())) {
            warn!(%channel, "the mails about its last change may be lost with the store; it is judged and told again");
            post.resume(known.cloned().unwrap_or_else(unknown), now);
        }
    }
}
