//! What is committed: first what has been decided about channels, then what people are told of it. Adopted is what the
//! store has taken, or what waits for it in memory where it takes nothing ([`super::storeless`]).

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tracing::info;

use crate::{
    daemon::{
        evaluator::{
            Evaluator,
            ruling::{self, Keeps},
            storeless::{self, Owed},
            world::Surroundings,
        },
        trouble,
    },
    domain::{
        case::Case,
        casebook::Announcement,
        decision::Decision,
        evaluation::{Moment, State},
        incident::{IncidentEvent, Severity},
    },
    evidence::Bundle,
    store::StoreError,
};

/// So many verdicts are committed in one transaction: to commit ten thousand one by one takes a quarter of a minute, and
/// to decide more at once would hold up the intake.
const VERDICTS_PER_COMMIT: usize = 64;

/// So long after it was looked through what is to be told, it is not looked through again, unless mails left: a thousand
/// doors that fall one after the other are one case, which is written down whole each time.
const TELLING_RESTS: Duration = Duration::from_secs(1);
/// What is to be told waits for verdicts under way, which may belong to it, no longer than this.
const TELLING_WAITS_MAX: Duration = Duration::from_secs(1);

/// A transaction under way.
pub(crate) struct Commit {
    /// When it began, on the monotonic clock.
    began: Duration,
    what: Work,
    done: Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>,
}

/// What is committed in one transaction.
enum Work {
    /// What has been decided, each with the state that its channel leaves; no channel twice.
    Verdicts(Vec<(Decision, State)>),
    /// What people are told.
    Announcement(Announcement),
    /// What has been adopted already: it is owed to the store, or was lost with the store before.
    Adopted,
}

/// Waits for the commit under way; for ever if there is none.
pub(super) async fn finished(commit: &mut Option<Commit>) -> Result<(), StoreError> {
    match commit {
        Some(commit) => commit.done.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Evaluator {
    /// Begins the next commit, if none is under way: of what is owed, of verdicts, or where there are none, of what people
    /// are told of them.
    pub(super) fn commit_next(&mut self) {
        // What is under way may still be committed, and is decided by that.
        let is_undecided = self.commit.as_ref().is_some_and(|commit| !matches!(commit.what, Work::Adopted));
        if !is_undecided && self.storeless.is_on(self.origin.elapsed()) {
            self.go_on_from_memory();
        }
        if self.commit.is_some() || self.refused {
            return;
        }
        let now = self.now();
        self.commit = self.pass_owed(now);
        // Nothing overtakes what is owed.
        if self.commit.is_some() || self.storeless.owed() > 0 {
            return;
        }
        self.commit = self.acknowledge(now);
        if self.commit.is_some() {
            return;
        }
        let waits = |since: Duration| since + TELLING_WAITS_MAX <= now.monotonic;
        let is_telling_late = self.casebook.waiting_since().is_some_and(waits);
        self.commit = match is_telling_late {
            true => self.announce(now).or_else(|| self.pass_verdicts()),
            false => self.pass_verdicts().or_else(|| self.announce(now)),
        };
    }

    fn acknowledge(&mut self, now: Moment) -> Option<Commit> {
        let announcement = self.acknowledging.next(&self.casebook, now)?;
        Some(self.commit_announcement(announcement, now))
    }

    /// So many verdicts are put to the store at once.
    fn most(&self) -> usize {
        if self.doubted { 1 } else { VERDICTS_PER_COMMIT }
    }

    /// Begins to commit what is known in memory alone.
    fn pass_owed(&mut self, now: Moment) -> Option<Commit> {
        let (store, trouble) = (self.store.clone(), Arc::clone(&self.trouble));
        let standing = self.rewriting.next(&mut self.roster, &mut self.casebook, &mut self.storeless, now);
        let done: Pin<Box<dyn Future<Output = _> + Send>> =
            if let Some(standing) = standing {
                self.ledger.forget();
                Box::pin(async move {
                    trouble.attend(trouble::Work::Verdict, store.rewrite(standing, now.wall)).await
                })
            } else {
                let most = self.most();
                match self.storeless.next(most)? {
                    storeless::Next::Decisions(decisions) => Box::pin(async move {
                        trouble.attend(trouble::Work::Verdict, store.commit(decisions)).await
                    }),
                    storeless::Next::Announcement(announcement, at) => Box::pin(async move {
                        trouble.attend(trouble::Work::Verdict, store.announce(announcement, at)).await
                    }),
                }
            };
        Some(Commit { began: now.monotonic, what: Work::Adopted, done })
    }

    fn pass_verdicts(&mut self) -> Option<Commit> {
        let most = self.most();
        let (mut verdicts, mut bundles) = (Vec::new(), Vec::new());
        for (verdict, bundle) in std::iter::from_fn(|| self.next_decision()).take(most) {
            verdicts.push(verdict);
            bundles.extend(bundle);
        }
        if verdicts.is_empty() {
            return None;
        }
        let keeping = self.evidence.clone().filter(|_| !bundles.is_empty());
        let clock = self.clock;
        let (store, trouble) = (self.store.clone(), Arc::clone(&self.trouble));
        let decisions = verdicts.iter().map(|(decision, _)| decision.clone()).collect();
        let done = Box::pin(async move {
            if let Some(keeper) = keeping {
                keeper.keep(bundles, clock).await;
            }
            trouble.attend(trouble::Work::Verdict, store.commit(decisions)).await
        });
        Some(Commit { began: self.origin.elapsed(), what: Work::Verdicts(verdicts), done })
    }

    fn announce(&mut self, now: Moment) -> Option<Commit> {
        let announcement = self.settle(now)?;
        Some(self.commit_announcement(announcement, now))
    }

    fn commit_announcement(&self, announcement: Announcement, now: Moment) -> Commit {
        let (store, trouble) = (self.store.clone(), Arc::clone(&self.trouble));
        let committed = announcement.clone();
        let done = Box::pin(async move {
            trouble.attend(trouble::Work::Verdict, store.announce(committed, now.wall)).await
        });
        Commit { began: now.monotonic, what: Work::Announcement(announcement), done }
    }

    /// What is to be told now.
    fn settle(&mut self, now: Moment) -> Option<Announcement> {
        let has_news = self.has_become_due || self.casebook.has_news(now);
        if now.monotonic < self.telling_from || !has_news {
            return None;
        }
        let world = Surroundings { roster: &self.roster, plan: &self.plan, now: now.wall };
        let announcement = self.casebook.settle(&world, now);
        let leave = announcement.as_ref().is_some_and(|it| !it.notifications.is_empty());
        self.telling_from = if leave { Duration::ZERO } else { now.monotonic + TELLING_RESTS };
        announcement
    }

    /// Adopts what is decided although the store takes nothing, and tells people of it, as far as there is room to owe it.
    fn go_on_from_memory(&mut self) {
        for _ in 0..VERDICTS_PER_COMMIT {
            if !self.storeless.has_room() {
                return;
            }
            let Some(((decision, from), _)) = self.next_decision() else { break };
            self.storeless.owe(Owed::Decision(Box::new(decision.clone())));
            self.adopt_decision(decision, from);
        }
        let now = self.now();
        if !self.wanting.is_empty() || !self.storeless.has_room() {
            return;
        }
        if let Some(announcement) = self.settle(now)
            && self.storeless.send(&announcement.notifications)
        {
            self.owe_announcement(&announcement, now);
        }
        while self.storeless.has_room()
            && let Some(announcement) = self.acknowledging.next(&self.casebook, now)
        {
            self.owe_announcement(&announcement, now);
            self.acknowledging.conclude(None);
        }
    }

    fn owe_announcement(&mut self, announcement: &Announcement, now: Moment) {
        self.storeless.owe(Owed::Announcement(announcement.clone(), now.wall));
        self.adopt_announcement(announcement, now);
    }

    /// A commit that has been under way for too long is waited for no more: what is in it is the first that is owed, and
    /// under way still.
    pub(super) fn note_stall(&mut self, now: Moment) {
        let Some(commit) = &mut self.commit else { return };
        if now.monotonic.saturating_sub(commit.began) < storeless::AFTER {
            return;
        }
        if let Some(result) = (&mut commit.done).now_or_never() {
            self.conclude(result);
            return;
        }
        self.storeless.note_failure(commit.began);
        match std::mem::replace(&mut commit.what, Work::Adopted) {
            Work::Adopted => {}
            Work::Verdicts(verdicts) => {
                self.storeless.are_under_way(verdicts.len());
                for (decision, from) in verdicts {
                    self.storeless.owe(Owed::Decision(Box::new(decision.clone())));
                    self.adopt_decision(decision, from);
                }
            }
            Work::Announcement(announcement) => {
                if !self.storeless.send(&announcement.notifications) {
                    // There is no room: it is waited for after all.
                    commit.what = Work::Announcement(announcement);
                    return;
                }
                self.storeless.are_under_way(1);
                self.owe_announcement(&announcement, now);
                self.acknowledging.conclude(None);
            }
        }
    }

    /// What is to be decided next, the state that the channel leaves by it, and the evidence.
    fn next_decision(&mut self) -> Option<((Decision, State), Option<Bundle>)> {
        let now = self.now();
        while let Some(place) = self.wanting.pop_first() {
            let Some(transition) = self.roster.judge(place, now) else { continue };
            // A disk that does not take the store would not take the evidence.
            let keeps = if self.evidence.is_some() && !self.storeless.is_on(now.monotonic) {
                Keeps::Evidence
            } else {
                Keeps::Nothing
            };
            let (decision, bundle) =
                ruling::decide(&self.roster.posts()[place], &transition, keeps, now.wall);
            return Some(((decision, transition.from), bundle));
        }
        let id = self.leaving.pop()?;
        ruling::withdraw(&self.roster, &id, now.wall).map(|verdict| (verdict, None))
    }

    /// Takes what was committed for its own.
    pub(super) fn conclude(&mut self, result: Result<(), StoreError>) {
        let Some(Commit { what, .. }) = self.commit.take() else { return };
        self.acknowledging.conclude(result.as_ref().err().map(ToString::to_string));
        if result.is_err() {
            // The evidence stands, and proposes the change again.
            (self.refused, self.doubted) = (true, true);
            self.rewriting.note(false);
            self.storeless.note_refusal(self.origin.elapsed());
            return;
        }
        self.doubted = false;
        self.rewriting.note(true);
        if self.storeless.note_success() > 0 {
            // What has been sent meanwhile is to be marked.
            self.outbox.notify_one();
        }
        match what {
            Work::Adopted => {}
            Work::Verdicts(verdicts) => {
                for (decision, from) in verdicts {
                    self.adopt_decision(decision, from);
                }
                self.tell_status();
            }
            Work::Announcement(announcement) => {
                if !announcement.notifications.is_empty() {
                    self.outbox.notify_one();
                }
                let now = self.now();
                self.adopt_announcement(&announcement, now);
            }
        }
    }

    fn adopt_announcement(&mut self, announcement: &Announcement, now: Moment) {
        announcement.cases.iter().for_each(|case| log_case(case, announcement));
        self.casebook.adopt(announcement, now);
        self.has_become_due = false;
    }

    fn adopt_decision(&mut self, decision: Decision, from: State) {
        log_change(&decision, from);
        self.blindness.note(&decision);
        let now = self.now();
        if let Some(happening) = decision.happening.clone() {
            self.casebook.take(happening, now);
        }
        let Some(place) = self.roster.place(&decision.channel) else {
            self.roster.remember(&decision);
            return;
        };
        let post = self.roster.post_mut(place);
        match (decision.event(), &decision.incident) {
            (Some(IncidentEvent::Opened), Some(incident)) => post.series.count_incident(incident.severity),
            (Some(IncidentEvent::Worsened), _) => post.series.count_incident(Severity::Dark),
            _ => {}
        }
        post.adopt(&decision, now);
        if decision.event() == Some(IncidentEvent::Resolved) {
            self.roster.let_go(place);
        }
        self.wanting.insert(place);
    }
}

fn log_change(decision: &Decision, from: State) {
    let incident = decision.incident.as_ref();
    let failure = incident.and_then(|incident| incident.evidence.failure.as_ref());
    info!(
        channel = %decision.channel,
        from = from.as_str(),
        to = decision.state.as_str(),
        since = %decision.since,
        incident = incident.map(|incident| incident.id.0.as_str()),
        event = decision.event().map(IncidentEvent::as_str),
        reason = failure.map(|failure| failure.reason.as_str()),
        detail = failure.map(|failure| failure.detail.as_str()),
        "channel changed its state"
    );
}

fn log_case(case: &Case, announcement: &Announcement) {
    let mails = announcement.notifications.iter().filter(|mail| mail.incident == case.id).count();
    info!(
        incident = %case.id,
        channels = case.members.len(),
        cause = case.cause().map(ToString::to_string),
        mails,
        "decided whom to tell"
    );
}
