//! Two mail servers: the second takes what the first has not taken for a while.
//!
//! A mail goes by one of them: by the first as long as it works, by the second from a set time on after it stopped. Only
//! where the first took a mail and its answer was lost can a mail go by both; it has the same Message-ID then.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{MailRoute, MailServer};
use crate::{
    domain::{canary::MailWay, notification::Notification},
    notify::{Delivery, Notifier, RestFuture, SendFuture},
};

/// While mail goes by the second server, the first is tried again this often.
const FIRST_AGAIN: Duration = Duration::from_secs(60);

/// For so long a mail that says that those by the first server are lost is tried by the second alone: the first may take
/// it, and lose it too.
const SECOND_ALONE: Duration = Duration::from_secs(15 * 60);

/// The second mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The server.
    pub server: MailServer,
    /// For how long the first must have taken nothing, or not this mail, before the second is used.
    pub after: Duration,
}

/// The mail route by two servers.
pub struct MailWays {
    first: MailRoute,
    second: MailRoute,
    after: Duration,
    /// None while the first works.
    down: Mutex<Option<Down>>,
}

/// The first server does not work.
#[derive(Clone, Debug)]
struct Down {
    since: Instant,
    tried_at: Instant,
    /// Why, as its last try found.
    words: String,
}

impl MailWays {
    /// The second server is used after the first has not worked for `after`.
    #[must_use]
    pub fn new(first: MailRoute, second: MailRoute, after: Duration) -> Self {
        Self { first, second, after, down: Mutex::default() }
    }

    fn down(&self) -> Option<Down> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a try of the first server, begun at `began`, went.
    fn note(&self, delivery: &Delivery, began: Instant) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        *down = match delivery {
            Delivery::Transient(words) | Delivery::Busy(words, _) => {
                let since = down.as_ref().map_or(began, |down| down.since);
                Some(Down { since, tried_at: Instant::now(), words: words.clone() })
            }
            Delivery::Accepted(_) | Delivery::Deferred(_) | Delivery::Permanent(_) => None,
        };
    }

    /// Whether a mail that is so late may go by the second server, should the first not take it.
    fn is_time(&self, late: Duration) -> bool {
        late >= self.after || self.down().is_some_and(|down| down.since.elapsed() >= self.after)
    }

    /// What says that mails by the first server are lost goes by the second. None if it is nothing of that sort, or the
    /// second has not taken it for too long.
    async fn try_second_alone(&self, notification: &Notification, late: Duration) -> Option<Delivery> {
        if !notification.content.facts.is_loss_of(MailWay::First) {
            return None;
        }
        match self.second.send(notification, late).await {
            Delivery::Accepted(words) => Some(Delivery::Accepted(format!("{words} (by the fallback)"))),
            Delivery::Deferred(words) | Delivery::Transient(words) | Delivery::Busy(words, _)
                if late < SECOND_ALONE =>
            {
                Some(Delivery::Deferred(format!("fallback {words}")))
            }
            _ => None,
        }
    }

    async fn try_both(&self, notification: &Notification, late: Duration) -> Delivery {
        if let Some(delivery) = self.try_second_alone(notification, late).await {
            return delivery;
        }
        let resting = self.down().filter(|down| down.tried_at.elapsed() < FIRST_AGAIN && self.is_time(late));
        let first = match resting {
            Some(down) => down.words,
            None => {
                let began = Instant::now();
                let delivery = self.first.send(notification, late).await;
                self.note(&delivery, began);
                match delivery {
                    Delivery::Deferred(words) | Delivery::Transient(words) | Delivery::Busy(words, _)
                        if self.is_time(late) =>
                    {
                        words
                    }
                    delivery => return delivery,
                }
            }
        };
        match self.second.send(notification, late).await {
            Delivery::Accepted(words) => {
                tracing::warn!(
                    incident = %notification.incident, event = notification.event.as_str(),
                    recipient = notification.recipient, why = first, "a mail went by [mail.fallback]"
                );
                Delivery::Accepted(format!("{words} (by the fallback)"))
            }
            // Whom the second does not know the first may: only the first has the last word.
            Delivery::Deferred(words) | Delivery::Permanent(words) => {
                Delivery::Deferred(format!("{first}; fallback {words}"))
            }
            Delivery::Transient(words) | Delivery::Busy(words, _) => {
                Delivery::Transient(format!("{first}; fallback {words}"))
            }
        }
    }
}

impl Notifier for MailWays {
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a> {
        Box::pin(self.try_both(notification, late))
    }

    fn rest(&self) -> RestFuture<'_> {
        Box::pin(async move {
            self.first.rest().await;
            self.second.rest().await;
        })
    }

    fn second_way_after(&self) -> Option<Duration> {
        Some(self.after)
    }
}
