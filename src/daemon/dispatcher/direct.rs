//! What is sent past the outbox, because the store does not take it: kept in memory, tried like everything else, each
//! Message-ID once. When the store works again the same notification comes into the outbox; it is then marked by how it
//! has ended here, and not sent again.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::{
    DELIVERED, Dispatcher, Ending, GIVE_UP_AFTER, How, JITTER, POSTPONED, REFUSED, TRIES_MIN, age,
    retry_after,
};
use crate::{
    domain::notification::{Notification, Route},
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
    ended: HashMap<String, Ending>,
    /// The keys of `ended`, in the order in which they came; some have been taken out since.
    order: VecDeque<String>,
}

/// One that has not ended yet.
pub(super) struct Waiting {
    /// What to send.
    pub(super) notification: Notification,
    /// How often it has been tried in vain.
    pub(super) tries: u32,
    due_at: Instant,
}

impl Direct {
    pub(super) fn new(input: mpsc::Receiver<Notification>) -> Self {
        Self { input: Some(input), ..Self::default() }
    }

    /// Waits for one that is handed over; for ever where none can come or there is no room.
    pub(super) async fn next(&mut self) -> Notification {
        if self.waiting.len() < WAITING_MAX
            && let Some(input) = &mut self.input
        {
            if let Some(notification) = input.recv().await {
                return notification;
            }
            self.input = None;
        }
        std::future::pending().await
    }

    /// Takes in what has been handed over meanwhile.
    pub(super) fn take_all(&mut self) {
        while self.waiting.len() < WAITING_MAX
            && let Some(Ok(notification)) = self.input.as_mut().map(mpsc::Receiver::try_recv)
        {
            self.take(notification);
        }
    }

    /// Takes one in, if it is not known already.
    pub(super) fn take(&mut self, notification: Notification) {
        let id = &notification.message_id;
        let is_known = self.ended.contains_key(id)
            || self.waiting.iter().any(|waiting| waiting.notification.message_id == *id);
        if !is_known {
            self.waiting.push_back(Waiting { notification, tries: 0, due_at: Instant::now() });
        }
    }

    /// Takes out the next one that is due on a route: what was decided later about an incident waits for what was
    /// decided earlier, for each recipient.
    pub(super) fn take_due(&mut self, route: Route, now: Instant) -> Option<Waiting> {
        let place = (0..self.waiting.len()).find(|&place| {
            let it = &self.waiting[place];
            it.notification.route == route && it.due_at <= now && !self.is_held(place)
        })?;
        self.waiting.remove(place)
    }

    fn is_held(&self, place: usize) -> bool {
        let thread = |at: usize| {
            let it = &self.waiting[at].notification;
            (&it.incident, &it.recipient, it.route)
        };
        (0..place).any(|earlier| thread(earlier) == thread(place))
    }

    /// Puts one back after a try in vain, before all that was handed over later.
    pub(super) fn put_off(&mut self, waiting: Waiting, by: Duration) {
        let Waiting { notification, tries, .. } = waiting;
        let due_at = Instant::now() + by;
        self.waiting.push_front(Waiting { notification, tries: tries.saturating_add(1), due_at });
    }

    /// What was put off is due at once: the route works again.
    pub(super) fn hasten(&mut self, route: Route) {
        let now = Instant::now();
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.notification.route == route) {
            waiting.due_at = waiting.due_at.min(now);
        }
    }

    /// Remembers how one has ended.
    pub(super) fn end(&mut self, message_id: String, ending: Ending) {
        if self.order.len() >= ENDED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        self.order.push_back(message_id.clone());
        self.ended.insert(message_id, ending);
    }

    /// It has come into the outbox, which looks after it from now on; gives how it has ended here, if it has.
    pub(super) fn hand_back(&mut self, message_id: &str) -> Option<Ending> {
        self.waiting.retain(|waiting| waiting.notification.message_id != message_id);
        self.ended.remove(message_id)
    }

    /// How long none is due; none where none waits.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        self.waiting.iter().map(|waiting| waiting.due_at.saturating_duration_since(now)).min()
    }
}

impl Dispatcher {
    /// How long nothing is due that was handed over directly, and no route is to be tried again for it.
    pub(super) fn pause_of_direct(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let until_due = self.direct.pause(now)?;
        let routes: Vec<Route> = self.routes.borrow().keys().copied().collect();
        let until_open = |route| {
            self.gate(route).closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        };
        let until_open = routes.into_iter().map(until_open).min();
        // Without a route nothing can be done before the routes change.
        until_open.map(|until_open| until_due.max(until_open))
    }

    /// Sends what was handed over directly and is due. Asks nothing of the store.
    pub(super) async fn send_directly(&mut self) {
        self.direct.take_all();
        let routes = self.routes.borrow_and_update().clone();
        for (&route, notifier) in &routes {
            while self.gate(route).is_open(Instant::now()) {
                let Some(waiting) = self.direct.take_due(route, Instant::now()) else { break };
                self.attempt_directly(route, &**notifier, waiting).await;
            }
            notifier.rest().await;
        }
    }

    async fn attempt_directly(&mut self, route: Route, notifier: &dyn Notifier, waiting: Waiting) {
        let created_at = waiting.notification.created_at;
        let age = age(created_at, self.clock.now());
        self.vitals.dispatcher.beat(Instant::now());
        let delivery = notifier.send(&waiting.notification, age).await;
        let at = self.clock.now();
        let (how, words) = match delivery {
            Delivery::Accepted(words) => (How::Delivered, words),
            Delivery::Permanent(words) => (How::GivenUp, words),
            Delivery::Transient(words) | Delivery::Deferred(words)
                if age > GIVE_UP_AFTER && waiting.tries + 1 >= TRIES_MIN =>
            {
                (How::GivenUp, words)
            }
            Delivery::Transient(words) => {
                self.note_failure(route, words);
                self.count(route, POSTPONED);
                return self.direct.put_off(waiting, Duration::ZERO);
            }
            Delivery::Deferred(words) => {
                tracing::warn!(
                    recipient = waiting.notification.recipient,
                    why = words,
                    "a notification is not taken yet; it is tried again"
                );
                self.count(route, POSTPONED);
                let by = retry_after(waiting.tries, rand::random_range(-JITTER..=JITTER));
                return self.direct.put_off(waiting, by);
            }
        };
        let Waiting { notification, .. } = waiting;
        match how {
            How::Delivered => {
                self.count(route, DELIVERED);
                tracing::info!(
                    incident = %notification.incident, event = notification.event.as_str(),
                    route = route.as_str(), recipient = notification.recipient, late_s = age.as_secs(),
                    answer = words, "delivered a notification past the store"
                );
                self.note_success(route);
            }
            How::GivenUp => {
                self.count(route, REFUSED);
                tracing::error!(
                    incident = %notification.incident, event = notification.event.as_str(),
                    route = route.as_str(), recipient = notification.recipient,
                    why = words, "gave up a notification; tell this recipient by other means"
                );
            }
        }
        self.direct.end(notification.message_id, Ending { at, how, words });
    }
}
