//! Sends the canaries: each day a mail by each mail server alone, past the outbox and by the same route as all mails, and
//! sees whether it arrives. What comes of it is told by every way, once when canaries are lost and once when they arrive
//! again ([`crate::domain::canary`]).
//!
//! What is known is kept before the first try and after each change, so that a restart goes on with the canary that is
//! under way, by the same Message-ID.

use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    clock::Clock,
    config::plan::{CanaryPlan, CanaryWay, Plan, Team},
    daemon::{evaluator::world::letterhead, vitals::Vitals},
    domain::{
        canary::{APART_MIN, Canaries, Flight, MailWay, RETRY_EVERY, SET_BACK_FOR},
        network::{Network, Sight},
        notification::{
            Notification, Route,
            canary::{CanaryNews, CanarySubject},
        },
    },
    metrics::Metrics,
    notify::{Delivery, mail::mailbox::Wanted},
    store::{Restored, Store},
};

/// It looks at the time of day at least this often, in case that is set.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A mail that was put off is tried again so soon.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// The mailbox is looked into so soon after the mail was taken, then after twice the time, up to this one.
const SEARCH_FIRST: Duration = Duration::from_secs(1);
const SEARCH_EVERY: Duration = Duration::from_secs(15);
/// A store that has not answered by then is taken for one that fails.
const STORE_MAX: Duration = Duration::from_secs(7);
/// How soon a store that failed is asked again.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// What the loop is connected to.
pub(crate) struct Connections {
    /// By what, when and to whom canaries go, and who is told.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// What is known from before.
    pub(crate) remembered: BTreeMap<MailWay, Canaries>,
    /// Whether our own network is lost: then nothing is learnt of a mail server.
    pub(crate) network: watch::Receiver<Network>,
    /// Where it is kept.
    pub(crate) store: Store,
    /// The way past the store.
    pub(crate) direct: mpsc::Sender<Notification>,
    /// Rung when something has been put into the outbox.
    pub(crate) outbox: Arc<Notify>,
    /// Where it shows that mail is lost and there is no other way.
    pub(crate) vitals: Arc<Vitals>,
    /// Where it shows how canaries fare.
    pub(crate) metrics: Arc<Metrics>,
    /// Says which day it is.
    pub(crate) clock: Clock,
}

/// Sends canaries until it is told to stop.
pub(crate) async fn run(mut connections: Connections, stop: CancellationToken) {
    let mut remembered = mem::take(&mut connections.remembered);
    let [first, second] = MailWay::ALL.map(|by| Course::new(&connections, by, remembered.remove(&by)));
    tokio::select! {
        () = stop.cancelled() => {}
        _ = async { tokio::join!(first.run(), second.run()) } => {}
    }
}

/// The canaries by one mail server.
struct Course<'a> {
    it: &'a Connections,
    by: MailWay,
    plans: watch::Receiver<Arc<Plan>>,
    restored: watch::Receiver<Option<Arc<Restored>>>,
    canaries: Canaries,
    /// Whether the store has what is known.
    is_kept: bool,
    /// What people are told and the store does not have yet, and how much of it was handed on past the store.
    owed: Vec<Notification>,
    handed_on: usize,
    /// Before this none is begun.
    not_before: Instant,
    /// Since when the machine's clock is far behind the day of the latest one.
    set_back_at: Option<Instant>,
    /// Of the one under way; none where there is none, or it was begun before the process.
    attempt: Option<Attempt>,
}

/// How the canary under way fares.
struct Attempt {
    /// By then it must have arrived.
    deadline: Instant,
    /// When the try began in which the server took it.
    taken: Option<Instant>,
    /// How soon the mailbox is looked into again.
    pause: Duration,
    /// The server's words when it took it.
    words: String,
}

impl<'a> Course<'a> {
    fn new(it: &'a Connections, by: MailWay, remembered: Option<Canaries>) -> Self {
        let canaries = remembered.unwrap_or_else(|| Canaries::new(format!("{:08x}", rand::random::<u32>())));
        let since = canaries.began_at.map(|at| it.clock.now().duration_since(at));
        let since = since.and_then(|since| Duration::try_from(since).ok()).unwrap_or(RETRY_EVERY);
        let rest = if canaries.loss.is_some() { RETRY_EVERY.saturating_sub(since) } else { Duration::ZERO };
        Self {
            plans: it.plans.clone(),
            restored: it.store.restored(),
            canaries,
            is_kept: true,
            owed: Vec::new(),
            handed_on: 0,
            not_before: Instant::now() + rest,
            set_back_at: None,
            attempt: None,
            it,
            by,
        }
    }

    async fn run(mut self) {
        loop {
            let plan = Arc::clone(&self.plans.borrow_and_update());
            let way = plan.canary.as_ref().and_then(|canary| Some((canary, canary.ways.get(&self.by)?)));
            let wait = match way {
                Some((canary, way)) => self.turn(&plan, canary, way).await,
                None => self.withdraw(&plan),
            };
            self.show(&plan, way.is_some());
            if !self.is_kept {
                self.keep().await;
            }
            let wait = if self.is_kept { wait } else { wait.min(STORE_RETRY) };
            tokio::select! {
                changed = self.plans.changed() => if changed.is_err() { return },
                // What was restored is older than what is known here.
                Ok(()) = self.restored.changed() => self.is_kept = false,
                () = sleep(wait) => {}
            }
        }
    }

    /// Does what is to be done now; gives how long there is nothing to do.
    async fn turn(&mut self, plan: &Plan, canary: &CanaryPlan, way: &CanaryWay) -> Duration {
        let now = self.it.clock.now();
        if self.it.network.borrow().sight() == Some(Sight::Blind) {
            // It is given its time again when something can be seen.
            if let Some(attempt) = &mut self.attempt {
                attempt.deadline = Instant::now() + canary.within;
            }
            return LOOK_EVERY;
        }
        if !self.canaries.is_ahead(&canary.daily, now) {
            self.set_back_at = None;
        } else if self.set_back_at.get_or_insert_with(Instant::now).elapsed() >= SET_BACK_FOR {
            self.canaries.follow_clock(&canary.daily, now);
            self.is_kept = false;
        }
        if self.canaries.flight.is_none() {
            let is_due = self.canaries.loss.is_some() || self.canaries.is_due(&canary.daily, now);
            let rest = self.not_before.saturating_duration_since(Instant::now());
            if !is_due || !rest.is_zero() {
                return if is_due { rest.min(LOOK_EVERY) } else { LOOK_EVERY };
            }
            self.canaries.begin(self.by, &canary.daily, letterhead(plan).mail_host, now);
            self.not_before = Instant::now() + APART_MIN;
            self.keep().await;
        }
        self.follow(plan, canary, way, now).await
    }

    /// Brings the canary under way a step further.
    async fn follow(
        &mut self,
        plan: &Plan,
        canary: &CanaryPlan,
        way: &CanaryWay,
        now: Timestamp,
    ) -> Duration {
        let Some(flight) = self.canaries.flight.clone() else { return Duration::ZERO };
        let mut attempt = self.attempt.take().unwrap_or_else(|| Attempt::resume(&flight, canary.within, now));
        let why = match attempt.taken {
            None => match self.send(plan, canary, way, &flight, &mut attempt).await {
                Ok(None) if canary.mailbox.is_some() => {
                    self.attempt = Some(attempt);
                    return SEARCH_FIRST;
                }
                Ok(None) => return self.arrived(plan, way, &attempt),
                Ok(Some(why)) => why,
                Err(why) => return self.lost(plan, way, &why),
            },
            Some(_) => match self.look(canary, &flight).await {
                Ok(true) => return self.arrived(plan, way, &attempt),
                Ok(false) if attempt.words.is_empty() => "it is not in its mailbox".to_owned(),
                Ok(false) => format!("it is not in its mailbox; the server took it: {}", attempt.words),
                Err(why) => format!("its mailbox cannot be looked into: {why}"),
            },
        };
        let left = attempt.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return self.lost(plan, way, &why);
        }
        let pause = match attempt.taken {
            None => TRY_AGAIN,
            Some(_) => {
                attempt.pause = (attempt.pause * 2).min(SEARCH_EVERY);
                attempt.pause
            }
        };
        self.attempt = Some(attempt);
        pause.min(left)
    }

    /// Tries to hand it over. Gives why it was not taken yet, or that it never will be.
    async fn send(
        &mut self,
        plan: &Plan,
        canary: &CanaryPlan,
        way: &CanaryWay,
        flight: &Flight,
        attempt: &mut Attempt,
    ) -> Result<Option<String>, String> {
        let began = Instant::now();
        let mail = self.subject(plan, way).mail(flight, &canary.to);
        let delivery = way.notifier.send(&mail, Duration::ZERO).await;
        way.notifier.rest().await;
        match delivery {
            Delivery::Accepted(words) => {
                (attempt.taken, attempt.words) = (Some(began), words);
                let taken_at = Some(self.it.clock.now());
                self.canaries.flight = Some(Flight { taken_at, ..flight.clone() });
                self.keep().await;
                Ok(None)
            }
            Delivery::Permanent(words) => Err(words),
            Delivery::Deferred(words) | Delivery::Transient(words) | Delivery::Busy(words, _) => {
                Ok(Some(words))
            }
        }
    }

    async fn look(&self, canary: &CanaryPlan, flight: &Flight) -> Result<bool, String> {
        let wanted = Wanted { message_id: flight.message_id.clone(), mark: self.canaries.mark(self.by) };
        match &canary.mailbox {
            Some(mailbox) => mailbox.look(&wanted).await,
            None => Ok(true),
        }
    }

    fn arrived(&mut self, plan: &Plan, way: &CanaryWay, attempt: &Attempt) -> Duration {
        let travel = attempt.taken.map(|taken| taken.elapsed()).unwrap_or_default();
        info!(route = self.by.as_str(), travel_s = travel.as_secs_f64(), "a canary has arrived");
        self.is_kept = false;
        if let Some(loss) = self.canaries.arrive(travel, self.it.clock.now()) {
            warn!(route = self.by.as_str(), since = %loss.since, "canaries arrive again");
            self.tell(plan, way, &CanaryNews::Back { loss: &loss, travel });
        }
        Duration::ZERO
    }

    fn lost(&mut self, plan: &Plan, way: &CanaryWay, why: &str) -> Duration {
        let began_at = self.canaries.began_at;
        let Some(loss) = self.canaries.lose(self.by, why).cloned() else {
            warn!(route = self.by.as_str(), why, "another canary was lost");
            self.is_kept = false;
            return self.rest_after_loss(began_at);
        };
        let others = self.other_ways(plan).join(", ");
        error!(
            route = self.by.as_str(),
            server = way.host,
            why,
            others,
            "a canary was lost: mails by this server may reach nobody; look after it"
        );
        self.is_kept = false;
        self.tell(plan, way, &CanaryNews::Lost { loss: &loss, others: &others });
        self.rest_after_loss(began_at)
    }

    /// Another one follows some time after the last one was begun.
    fn rest_after_loss(&mut self, began_at: Option<Timestamp>) -> Duration {
        let since = began_at.map(|at| self.it.clock.now().duration_since(at));
        let since = since.and_then(|since| Duration::try_from(since).ok()).unwrap_or_default();
        let rest = RETRY_EVERY.saturating_sub(since);
        self.not_before = Instant::now() + rest;
        rest
    }

    /// None goes by this server any more: a loss that was told of is over, as far as anybody looks.
    fn withdraw(&mut self, plan: &Plan) -> Duration {
        self.attempt = None;
        if self.canaries.flight.take().is_some() {
            self.is_kept = false;
        }
        if let Some(loss) = self.canaries.loss.take() {
            info!(
                route = self.by.as_str(),
                "no canary is sent by this server any more; that they were lost is over"
            );
            self.is_kept = false;
            self.tell_by(plan, "", &CanaryNews::Withdrawn { loss: &loss });
        }
        LOOK_EVERY
    }

    fn tell(&mut self, plan: &Plan, way: &CanaryWay, news: &CanaryNews<'_>) {
        self.tell_by(plan, &way.host, news);
    }

    fn tell_by(&mut self, plan: &Plan, host: &str, news: &CanaryNews<'_>) {
        let recipients = plan.teams.values().flat_map(Team::recipients);
        let told = self.subject_at(plan, host).tell(news, recipients);
        self.owed.extend(told);
    }

    fn subject<'p>(&self, plan: &'p Plan, way: &'p CanaryWay) -> CanarySubject<'p> {
        self.subject_at(plan, &way.host)
    }

    fn subject_at<'p>(&self, plan: &'p Plan, host: &'p str) -> CanarySubject<'p> {
        let canary = plan.canary.as_ref();
        CanarySubject {
            by: self.by,
            host,
            within: canary.map(|canary| canary.within).unwrap_or_default(),
            is_looked_for: canary.is_some_and(|canary| canary.mailbox.is_some()),
            location: &plan.boot.location,
            letterhead: letterhead(plan),
            now: self.it.clock.now(),
        }
    }

    /// By what else people are told, in words.
    fn other_ways(&self, plan: &Plan) -> Vec<&'static str> {
        let ways = plan.canary.iter().flat_map(|canary| canary.ways.keys());
        let others = ways.filter(|by| **by != self.by).map(|by| by.table());
        others.chain(endpoints(plan)).collect()
    }

    /// Keeps what is known, and what people are told of it; what the store does not take is told past it.
    async fn keep(&mut self) {
        let keeping = self.it.store.keep_canaries(self.by, self.canaries.clone(), self.owed.clone());
        match timeout(STORE_MAX, keeping).await {
            Ok(Ok(())) => {
                self.is_kept = true;
                self.handed_on = 0;
                if !mem::take(&mut self.owed).is_empty() {
                    self.it.outbox.notify_one();
                }
            }
            refused => {
                if mem::replace(&mut self.is_kept, false) {
                    let why = refused.map(|refused| refused.err().map(|error| error.to_string()));
                    warn!(?why, "what is known of the canaries is not kept yet; it is tried again");
                }
                for notification in self.owed.iter().skip(self.handed_on) {
                    if self.it.direct.try_send(notification.clone()).is_err() {
                        break;
                    }
                    self.handed_on += 1;
                }
            }
        }
    }

    fn show(&self, plan: &Plan, is_sent: bool) {
        let (instruments, labels) = (&self.it.metrics.instruments, [self.by.as_str()]);
        let Canaries { arrived_at, travel, loss, .. } = &self.canaries;
        let is_alone = endpoints(plan).next().is_none();
        self.it.vitals.show_canaries(self.by, is_sent.then(|| loss.is_some() && is_alone));
        // A series that is not there cannot be removed, and need not.
        if !is_sent {
            instruments.canary_up.remove_label_values(&labels).ok();
            instruments.canary_success_at.remove_label_values(&labels).ok();
            instruments.canary_travel.remove_label_values(&labels).ok();
            return;
        }
        if arrived_at.is_some() || loss.is_some() {
            instruments.canary_up.with_label_values(&labels).set(loss.is_none().into());
        }
        if let (Some(arrived_at), Some(travel)) = (arrived_at, travel) {
            let at = arrived_at.as_duration().as_secs_f64();
            instruments.canary_success_at.with_label_values(&labels).set(at);
            instruments.canary_travel.with_label_values(&labels).set(travel.as_secs_f64());
        }
    }
}

impl Attempt {
    /// One that has just begun, or was begun before the process, at the moment that is known of it.
    fn resume(flight: &Flight, within: Duration, now: Timestamp) -> Self {
        // A clock that was set back meanwhile makes it a new one, one that was set forward one that is over soon.
        let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let present = Instant::now();
        let taken = flight.taken_at.map(|at| present.checked_sub(age(at)).unwrap_or(present));
        // One that the server may not have taken is only sent now.
        let flown = flight.taken_at.map_or(Duration::ZERO, |_| age(flight.began_at));
        let deadline = present + within.saturating_sub(flown);
        Self { deadline, taken, pause: SEARCH_FIRST, words: String::new() }
    }
}

/// The routes besides mail by which anybody is told, in words.
fn endpoints(plan: &Plan) -> impl Iterator<Item = &'static str> {
    let has = |route: Route| {
        plan.teams.values().any(|team| team.recipients().iter().any(|recipient| recipient.route == route))
    };
    [(Route::Webhook, "webhooks"), (Route::Alertmanager, "Alertmanagers")]
        .into_iter()
        .filter(move |(route, _)| has(*route))
        .map(|(_, words)| words)
}

#[cfg(test)]
mod tests;
