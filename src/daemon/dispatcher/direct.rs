//! What is sent past the outbox, because the store does not take it: kept in memory, tried like everything else, each
//! Message-ID once, in the lane of its way. When the store works again the same notification comes into the outbox; it is
//! then marked by how it has ended here, and not sent again.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::{
    DELIVERED, Dispatcher, GIVE_UP_AFTER, GIVEN_UP, GONE, POSTPONED, REFUSED, age,
    lane::{Ending, How, JITTER, Lane, TRIES_MIN, retry_after},
};
use crate::{
    domain::notification::{Notification, Route, Way},
    notify::{Delivery, Notifier},
};

/// So many wait at most; no more are taken in then, and whoever hands them over sees that.
const WAITING_MAX: usize = 5_000;
/// Of so many it is remembered how they have ended. Beyond that the oldest would be sent again.
const ENDED_MAX: usize = 50_000;

/// The notifications in memory.
#[derive(Default)]
pub(super) struct Direct {
    input: Option<mpsc::Receiver<Notification>>,
    waiting: VecDeque<Waiting>,
    /// The Message-IDs of those that are being tried.
    under_way: HashSet<String>,
    ended: HashMap<String, Ending>,
    /// The keys of `ended`, in the order in which they came; some have been taken out since.
    order: VecDeque<String>,
}

/// One that has not ended yet.
pub(super) struct Waiting {
    notification: Notification,
    /// How often it has been tried in vain.
    tries: u32,
    due_at: Instant,
}

/// The way that a notification goes.
fn way_of(notification: &Notification) -> Way {
    match notification.route {
        Route::Mail => Route::Mail.into(),
        route @ (Route::Webhook | Route::Alertmanager) => Way::to(route, &notification.recipient),
    }
}

impl Direct {
    pub(super) fn new(input: mpsc::Receiver<Notification>) -> Self {
        Self { input: Some(input), ..Self::default() }
    }

    /// Is ready when something that was handed over has been taken in; never where none can come or there is no room.
    pub(super) fn poll_taken(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.len() >= WAITING_MAX {
            return Poll::Pending;
        }
        let Some(input) = &mut self.input else { return Poll::Pending };
        match input.poll_recv(context) {
            Poll::Ready(Some(notification)) => {
                self.take(notification);
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                self.input = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Takes in what has been handed over meanwhile.
    fn take_all(&mut self) {
        while self.waiting.len() < WAITING_MAX
            && let Some(Ok(notification)) = self.input.as_mut().map(mpsc::Receiver::try_recv)
        {
            self.take(notification);
        }
    }

    /// Takes one in, if it is not known already.
    fn take(&mut self, notification: Notification) {
        let id = &notification.message_id;
        let is_known = self.ended.contains_key(id)
            || self.under_way.contains(id)
            || self.waiting.iter().any(|waiting| waiting.notification.message_id == *id);
        if !is_known {
            self.waiting.push_back(Waiting { notification, tries: 0, due_at: Instant::now() });
        }
    }

    /// Takes out the next one that is due on a way: what was decided later about an incident waits for what was decided
    /// earlier, for each recipient.
    fn take_due(&mut self, way: &Way, now: Instant) -> Option<Waiting> {
        self.take_all();
        let place = (0..self.waiting.len()).find(|&place| {
            let it = &self.waiting[place];
            it.due_at <= now && way_of(&it.notification) == *way && !self.is_held(place)
        })?;
        let waiting = self.waiting.remove(place)?;
        self.under_way.insert(waiting.notification.message_id.clone());
        Some(waiting)
    }

    fn is_held(&self, place: usize) -> bool {
        let thread = |at: usize| {
            let it = &self.waiting[at].notification;
            (&it.incident, &it.recipient, it.route)
        };
        (0..place).any(|earlier| thread(earlier) == thread(place))
    }

    /// Puts one back after a try in vain, before all that was handed over later.
    fn put_off(&mut self, waiting: Waiting, by: Duration) {
        let Waiting { notification, tries, .. } = waiting;
        self.under_way.remove(&notification.message_id);
        let due_at = Instant::now() + by;
        self.waiting.push_front(Waiting { notification, tries: tries.saturating_add(1), due_at });
    }

    /// What was put off is due at once: the way works again.
    pub(super) fn hasten(&mut self, way: &Way) {
        let now = Instant::now();
        for waiting in self.waiting.iter_mut().filter(|waiting| way_of(&waiting.notification) == *way) {
            waiting.due_at = waiting.due_at.min(now);
        }
    }

    /// Remembers how one has ended.
    fn end(&mut self, message_id: String, ending: Ending) {
        if self.order.len() >= ENDED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        self.under_way.remove(&message_id);
        self.order.push_back(message_id.clone());
        self.ended.insert(message_id, ending);
    }

    /// It has come into the outbox, which looks after it from now on; gives how it has ended here, if it has.
    pub(super) fn hand_back(&mut self, message_id: &str) -> Option<Ending> {
        self.take_all();
        self.waiting.retain(|waiting| waiting.notification.message_id != message_id);
        self.ended.remove(message_id)
    }

    /// How long none is due on a way; none where none waits.
    fn pause(&self, way: &Way, now: Instant) -> Option<Duration> {
        let own = self.waiting.iter().filter(|waiting| way_of(&waiting.notification) == *way);
        own.map(|waiting| waiting.due_at.saturating_duration_since(now)).min()
    }

    /// Takes out what waits for an endpoint that is none of these ways.
    fn take_gone(&mut self, ways: &BTreeSet<Way>) -> Vec<Notification> {
        let is_gone = |waiting: &Waiting| {
            let way = way_of(&waiting.notification);
            way.endpoint.is_some() && !ways.contains(&way)
        };
        let (gone, rest) = std::mem::take(&mut self.waiting).into_iter().partition(is_gone);
        self.waiting = rest;
        let gone: VecDeque<Waiting> = gone;
        gone.into_iter().map(|waiting| waiting.notification).collect()
    }
}

impl Dispatcher {
    /// Gives up what was handed over directly for an endpoint that the plan does not have.
    pub(super) fn abandon_directly(&self, ways: &BTreeSet<Way>) {
        let gone = self.shared.direct().take_gone(ways);
        for notification in gone {
            self.shared.count(notification.route, GIVEN_UP);
            tracing::error!(
                incident = %notification.incident, event = notification.event.as_str(),
                route = notification.route.as_str(), recipient = notification.recipient,
                why = GONE, "gave up a notification; tell this recipient by other means"
            );
            let ending = Ending { at: self.shared.clock.now(), how: How::GivenUp, words: GONE.to_owned() };
            self.shared.direct().end(notification.message_id, ending);
        }
    }
}

impl Lane {
    /// How long nothing is due that was handed over directly, and the way is not to be tried again for it.
    pub(super) fn pause_of_direct(&self) -> Option<Duration> {
        let now = Instant::now();
        let until_due = self.shared.direct().pause(&self.way, now)?;
        let until_open =
            self.gate.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        Some(until_due.max(until_open))
    }

    /// Sends what was handed over directly and is due. Asks nothing of the store.
    pub(super) async fn send_directly(&mut self, notifier: &dyn Notifier) {
        let mut has_sent = false;
        while self.gate.is_open(Instant::now()) {
            let next = self.shared.direct().take_due(&self.way, Instant::now());
            let Some(waiting) = next else { break };
            self.attempt_directly(notifier, waiting).await;
            has_sent = true;
        }
        if has_sent {
            notifier.rest().await;
        }
    }

    async fn attempt_directly(&mut self, notifier: &dyn Notifier, waiting: Waiting) {
        let age = age(waiting.notification.created_at, self.shared.clock.now());
        self.beat();
        let delivery = notifier.send(&self.shared.leaving(&waiting.notification), age).await;
        let is_too_old = age > GIVE_UP_AFTER && waiting.tries + 1 >= TRIES_MIN;
        let (how, words, result) = match delivery {
            Delivery::Accepted(words) => (How::Delivered, words, DELIVERED),
            Delivery::Permanent(words) => (How::GivenUp, words, REFUSED),
            Delivery::Transient(words) | Delivery::Deferred(words) | Delivery::Busy(words, _)
                if is_too_old =>
            {
                (How::GivenUp, words, GIVEN_UP)
            }
            Delivery::Transient(words) => return self.put_off_directly(waiting, &words, None),
            Delivery::Busy(words, rest) => return self.put_off_directly(waiting, &words, Some(rest)),
            Delivery::Deferred(words) => {
                tracing::warn!(
                    recipient = waiting.notification.recipient,
                    why = words,
                    "a notification is not taken yet; it is tried again"
                );
                self.count(POSTPONED);
                let by = retry_after(waiting.tries, rand::random_range(-JITTER..=JITTER));
                return self.shared.direct().put_off(waiting, by);
            }
        };
        self.count(result);
        let Waiting { notification, .. } = waiting;
        match how {
            How::Delivered => {
                tracing::info!(
                    incident = %notification.incident, event = notification.event.as_str(),
                    route = self.way.route.as_str(), recipient = notification.recipient, late_s = age.as_secs(),
                    answer = words, "delivered a notification past the store"
                );
                self.note_success();
            }
            How::GivenUp => tracing::error!(
                incident = %notification.incident, event = notification.event.as_str(),
                route = self.way.route.as_str(), recipient = notification.recipient,
                why = words, "gave up a notification; tell this recipient by other means"
            ),
        }
        let at = self.shared.clock.now();
        self.shared.direct().end(notification.message_id, Ending { at, how, words });
    }

    /// The way does not work: it is tried again when the way is.
    fn put_off_directly(&mut self, waiting: Waiting, words: &str, rest: Option<Duration>) {
        self.note_failure(words, rest);
        self.count(POSTPONED);
        self.shared.direct().put_off(waiting, Duration::ZERO);
    }
}
