//! The times in which our own network was lost, as they are kept and told: what was not watched meanwhile, and the mail
//! to everybody when sight is back.
//!
//! A time without sight is written down when it is noticed, so that a restart does not forget it, and again together with
//! its mails when it is over. What the store refuses is put to it again; mails do not wait for it for longer than those
//! about channels do.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use crate::{
    config::plan::{Plan, Team},
    daemon::{
        evaluator::{
            roster::Roster,
            storeless::{self, Storeless},
            world::letterhead,
        },
        trouble::{Trouble, Work},
    },
    domain::{
        channel::ChannelId,
        decision::Decision,
        evaluation::State,
        network::{Blindness, Cause, Kind, Network, Sight, Spell},
        notification::{Notification, Recipient, Unwatched, blind::Return},
        outcome::{Outcome, Verdict},
    },
    store::{Store, StoreError},
};

/// What is still to be written, oldest first. More than this means a store that refuses for hours; then the oldest is
/// given up, but never one with mails.
const OWED_MAX: usize = 1_000;

/// A channel that has been unknown for so long when sight is lost, since the monitor has only just begun, is one that was
/// not watched for want of sight.
const JUST_BEFORE: Duration = Duration::from_secs(60);

/// From so long after sight was lost on, a channel that works is odd; before, it may have been seen just in time.
const ODD_FROM: Duration = Duration::from_secs(10);

/// The account of lost sight.
pub(crate) struct Account {
    network: watch::Receiver<Network>,
    /// The time that is not over.
    open: Option<Open>,
    owed: VecDeque<Entry>,
    writing: Option<Writing>,
    /// Since when the store has taken nothing of what is owed.
    waiting_since: Option<Instant>,
}

type Writing = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Something to be dealt with.
pub(crate) enum News {
    /// Something about our own network has been found out.
    Found,
    /// What was being written is in the store, or was refused; whether with mails.
    Written(Result<bool, StoreError>),
}

struct Open {
    kept: Blindness,
    /// When it began, by the monotonic clock; none if that was before the process.
    began: Option<Instant>,
    /// Channels that became unknown in it, and since when.
    unwatched: BTreeMap<ChannelId, Timestamp>,
    /// A channel was found to work all the same, which has been said.
    is_doubtful: bool,
}

#[derive(Clone)]
struct Entry {
    blindness: Blindness,
    /// When it was over, and what people are told; none while it is not.
    over: Option<(Timestamp, Vec<Notification>)>,
    /// Its mails have left already, past the store.
    has_left: bool,
}

impl Account {
    /// Goes on where the store has a time that is not over.
    pub(crate) fn new(network: watch::Receiver<Network>, remembered: Option<Blindness>) -> Self {
        let open =
            remembered.map(|kept| Open { kept, began: None, unwatched: BTreeMap::new(), is_doubtful: false });
        Self { network, open, owed: VecDeque::new(), writing: None, waiting_since: None }
    }

    /// Waits for the next thing to be dealt with.
    pub(crate) async fn news(&mut self) -> News {
        let Self { network, owed, writing, waiting_since, .. } = self;
        tokio::select! {
            // Where nobody looks any more, the daemon ends.
            Ok(()) = network.changed() => News::Found,
            written = written(writing, owed, waiting_since) => News::Written(written),
        }
    }

    /// How much can be seen, where addresses tell.
    pub(crate) fn sight(&self) -> Option<Sight> {
        let network = self.network.borrow();
        network.sight().filter(|_| network.kinds().contains(&Kind::Address))
    }

    /// Takes note of what has been found out.
    pub(crate) fn follow(&mut self, roster: &Roster, plan: &Plan, now: Timestamp) {
        let network = self.network.borrow_and_update().clone();
        let is_over = match (&self.open, network.spell()) {
            (None, None) => return,
            (Some(open), Some(spell)) => open.began.is_some() && open.kept.began_at != spell.began.wall,
            // After a start it lasts until somebody has looked.
            (Some(_), None) => network.sight() == Some(Sight::Clear) || network.kinds().is_empty(),
            (None, Some(_)) => false,
        };
        if is_over {
            let until = network.cleared_at().map_or(now, |at| at.wall);
            self.close(roster, plan, until);
        }
        if let Some(spell) = network.spell() {
            self.note_spell(spell, plan);
        }
    }

    /// A channel has changed its state.
    pub(crate) fn note(&mut self, decision: &Decision) {
        if let Some(open) = self.open.as_mut().filter(|_| decision.state == State::Unknown) {
            open.unwatched.insert(decision.channel.clone(), decision.since);
        }
    }

    /// A run worked. Where nothing can be seen that is odd, unless the channel stands in our own network: the sentinels may
    /// be the ones that are gone.
    pub(crate) fn note_run(&mut self, outcome: &Outcome) {
        let Some(open) = self.open.as_mut().filter(|open| !open.is_doubtful) else { return };
        let is_odd = outcome.verdict == Verdict::Ok && outcome.started_at > open.kept.began_at + ODD_FROM;
        if is_odd && self.network.borrow().sight() == Some(Sight::Blind) {
            open.is_doubtful = true;
            let probe = &outcome.probe;
            warn!(%probe, "works, though no sentinel answers; if it is not in our own network, choose other sentinels");
        }
    }

    fn note_spell(&mut self, spell: &Spell, plan: &Plan) {
        let is_new = self.open.is_none();
        let open = self.open.get_or_insert_with(|| Open {
            kept: Blindness {
                began_at: spell.began.wall,
                causes: BTreeSet::new(),
                sentinels: BTreeSet::new(),
            },
            began: Some(Instant::now()),
            unwatched: BTreeMap::new(),
            is_doubtful: false,
        });
        let before = open.kept.clone();
        open.kept.causes.extend(&spell.causes);
        let failed = spell.failed.iter().filter_map(|place| plan.network.sentinels.get(*place));
        open.kept.sentinels.extend(failed.map(|one| format!("{} ({})", one.name, one.kind.as_str())));
        if is_new || open.kept != before {
            self.owed.push_back(Entry { blindness: open.kept.clone(), over: None, has_left: false });
        }
    }

    fn close(&mut self, roster: &Roster, plan: &Plan, until: Timestamp) {
        let Some(mut open) = self.open.take() else { return };
        let by_wall = || Duration::try_from(until.duration_since(open.kept.began_at)).unwrap_or_default();
        let lasted = open.began.map_or_else(by_wall, |began| began.elapsed());
        let from = open.kept.began_at - JUST_BEFORE;
        let is_meant = |state, since| state == State::Unknown && since >= from;
        let still = roster.posts().iter().filter(|post| is_meant(post.state.state(), post.state.since()));
        open.unwatched.extend(still.map(|post| (post.id.clone(), post.state.since())));
        let is_told = lasted >= plan.network.mail_after && is_news(&open);
        let mails = if is_told { mails(&open, roster, plan, until, lasted) } else { Vec::new() };
        info!(
            since = %open.kept.began_at,
            lasted_s = lasted.as_secs(),
            cause = open.kept.cause().map(Cause::as_str),
            unwatched = open.unwatched.len(),
            mails = mails.len(),
            "sight is back"
        );
        self.owed.push_back(Entry { blindness: open.kept, over: Some((until, mails)), has_left: false });
    }

    /// Begins to write what is owed next, if nothing is being written.
    pub(crate) fn write_next(&mut self, store: &Store, trouble: &Arc<Trouble>) {
        while self.owed.len() > OWED_MAX {
            // The first may be on its way to the store.
            let Some(at) = self.owed.iter().skip(1).position(|entry| !entry.has_mails()) else { break };
            self.owed.remove(at + 1);
        }
        if self.writing.is_some() {
            return;
        }
        let Some(Entry { blindness, over, .. }) = self.owed.front().cloned() else { return };
        self.waiting_since.get_or_insert_with(Instant::now);
        let (store, trouble) = (store.clone(), Arc::clone(trouble));
        self.writing = Some(Box::pin(async move {
            trouble.attend(Work::Verdict, store.keep_blindness(blindness, over)).await
        }));
    }

    /// Has mails leave past a store that has taken nothing for long. They are put into the outbox all the same, where they
    /// are known by their Message-IDs and not sent again.
    pub(crate) fn tell_past_the_store(&mut self, storeless: &Storeless) {
        if self.waiting_since.is_none_or(|since| since.elapsed() < storeless::AFTER) {
            return;
        }
        for entry in self.owed.iter_mut().filter(|entry| !entry.has_left) {
            if let Some((_, mails)) = &entry.over {
                entry.has_left = storeless.send(mails);
            }
        }
    }

    /// Waits for what is being written; for ever if there is nothing. Says whether mails have been put into the outbox.
    pub(crate) async fn written(&mut self) -> Result<bool, StoreError> {
        written(&mut self.writing, &mut self.owed, &mut self.waiting_since).await
    }

    /// Whether something is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }
}

async fn written(
    writing: &mut Option<Writing>,
    owed: &mut VecDeque<Entry>,
    waiting_since: &mut Option<Instant>,
) -> Result<bool, StoreError> {
    let Some(under_way) = writing else { return std::future::pending().await };
    let result = under_way.await;
    *writing = None;
    result?;
    *waiting_since = None;
    Ok(owed.pop_front().is_some_and(|entry| entry.has_mails()))
}

impl Entry {
    fn has_mails(&self) -> bool {
        self.over.as_ref().is_some_and(|(_, mails)| !mails.is_empty())
    }
}

/// Where only names could not be looked up, and every channel was seen all the same, nobody need hear of it.
fn is_news(open: &Open) -> bool {
    !open.unwatched.is_empty() || open.kept.causes.iter().any(|cause| *cause != Cause::Names)
}

/// One mail to every recipient of every team.
fn mails(open: &Open, roster: &Roster, plan: &Plan, until: Timestamp, lasted: Duration) -> Vec<Notification> {
    let title = |id: &ChannelId| {
        roster.place(id).map_or_else(|| id.to_string(), |place| roster.posts()[place].plan.title.clone())
    };
    let unwatched = open.unwatched.iter();
    let unwatched: Vec<Unwatched> = unwatched
        .map(|(id, since)| Unwatched { channel: id.clone(), title: title(id), since: *since })
        .collect();
    let recipients: BTreeSet<Recipient> = plan.teams.values().flat_map(Team::recipients).collect();
    if recipients.is_empty() {
        warn!("nobody is configured who could be told of it");
    }
    let back = Return {
        blindness: &open.kept,
        until,
        lasted,
        unwatched: &unwatched,
        channels: roster.posts().len(),
        location: &plan.boot.location,
        letterhead: letterhead(plan),
    };
    back.mails(recipients)
}
