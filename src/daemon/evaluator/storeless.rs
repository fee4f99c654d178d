//! Goes on from memory while the store takes nothing. A verdict that could not be committed for [`AFTER`] is adopted all
//! the same, its mails are handed to the dispatcher past the store, and it is owed to the store: everything owed is
//! committed in its order as soon as the store works again. What has been told by then is known by its Message-ID and not
//! told again.
//!
//! What is owed is in memory alone. A daemon that ends before the store works has told people of incidents that it does
//! not know after its next start: they are told again, as new ones.

use std::{collections::VecDeque, time::Duration};

use tokio::sync::mpsc;

use crate::domain::{decision::Decision, notification::Notification};

/// After so long a refusal, or without an answer for so long, nothing waits for the store any more.
pub(crate) const AFTER: Duration = Duration::from_secs(10);

/// So many decisions are owed at most; with more the rest waits for the store.
const OWED_MAX: usize = 10_000;

/// What is owed to a store that takes nothing. Moments are those of the monotonic clock.
pub(crate) struct Storeless {
    failing_since: Option<Duration>,
    owed: VecDeque<Decision>,
    /// So many of them, from the first on, are under way to the store.
    under_way: usize,
    direct: mpsc::Sender<Notification>,
}

impl Storeless {
    /// The store works. `direct` leads past it.
    pub(crate) fn new(direct: mpsc::Sender<Notification>) -> Self {
        Self { failing_since: None, owed: VecDeque::new(), under_way: 0, direct }
    }

    /// The store has refused, or has not answered since that moment.
    pub(crate) fn note_failure(&mut self, since: Duration) {
        self.failing_since.get_or_insert(since);
    }

    /// What was under way has been refused, and is owed still.
    pub(crate) fn note_refusal(&mut self, now: Duration) {
        self.note_failure(now);
        self.under_way = 0;
    }

    /// What was under way has been committed; gives how many decisions of those owed.
    pub(crate) fn note_success(&mut self) -> usize {
        self.failing_since = None;
        let settled = std::mem::take(&mut self.under_way);
        self.owed.drain(..settled);
        settled
    }

    /// Whether nothing waits for the store: it has failed for long, or what came meanwhile is not in it yet, which
    /// nothing may overtake.
    pub(crate) fn is_on(&self, now: Duration) -> bool {
        !self.owed.is_empty() || self.failing_since.is_some_and(|since| now.saturating_sub(since) >= AFTER)
    }

    /// Takes a decision that is to be adopted without the store: hands its mails over and owes it. False where there is
    /// no room; nothing has happened then.
    pub(crate) fn take(&mut self, decision: &Decision) -> bool {
        if self.owed.len() >= OWED_MAX || self.direct.capacity() < decision.notifications.len() {
            return false;
        }
        for notification in &decision.notifications {
            // There is room, and nobody else fills it meanwhile but the one mail about the store itself.
            if self.direct.try_send(notification.clone()).is_err() {
                return false;
            }
        }
        self.owed.push_back(decision.clone());
        true
    }

    /// What was under way when the store ceased to answer has been taken: it is the first that is owed, and under way
    /// still.
    pub(crate) fn is_under_way(&mut self) {
        self.under_way = self.owed.len();
    }

    /// What is to be committed next of that which is owed.
    pub(crate) fn next(&mut self, most: usize) -> Vec<Decision> {
        let next: Vec<Decision> = self.owed.iter().take(most).cloned().collect();
        self.under_way = next.len();
        next
    }

    /// How many decisions are owed.
    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        channel::ChannelId,
        evaluation::State,
        incident::{IncidentEvent, IncidentId},
        notification::{Content, Route},
    };

    fn decision(channel: &str, mails: usize) -> Decision {
        let mail = |number: usize| Notification {
            incident: IncidentId(channel.to_owned()),
            event: IncidentEvent::Opened,
            route: Route::Mail,
            recipient: format!("{number}@example.com"),
            message_id: format!("{channel}.{number}@example.com"),
            in_reply_to: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            content: Content {
                subject: String::new(),
                text: String::new(),
                html: String::new(),
                picture: None,
            },
        };
        Decision {
            channel: ChannelId::new(channel),
            state: State::Dark,
            since: jiff::Timestamp::UNIX_EPOCH,
            incident: None,
            event: None,
            notifications: (0..mails).map(mail).collect(),
        }
    }

    #[test]
    fn it_begins_after_ten_seconds_and_ends_when_nothing_is_owed_any_more() {
        let (direct, mut past) = mpsc::channel(8);
        let mut storeless = Storeless::new(direct);
        let at = Duration::from_secs;
        assert!(!storeless.is_on(at(100)));
        storeless.note_refusal(at(100));
        storeless.note_refusal(at(105));
        assert!(!storeless.is_on(at(109)));
        assert!(storeless.is_on(at(110)));
        assert!(storeless.take(&decision("chat", 2)));
        assert!(storeless.take(&decision("hotline", 1)));
        assert_eq!((past.len(), storeless.owed()), (3, 2));

        assert_eq!(storeless.next(1), [decision("chat", 2)]);
        storeless.note_refusal(at(111));
        assert_eq!(storeless.next(1), [decision("chat", 2)], "it is owed still");
        assert_eq!(storeless.note_success(), 1);
        assert!(storeless.is_on(at(112)), "nothing overtakes what is owed");
        assert_eq!(storeless.next(9), [decision("hotline", 1)]);
        assert_eq!(storeless.note_success(), 1);
        assert!(!storeless.is_on(at(113)));
        assert_eq!(past.try_recv().unwrap().message_id, "chat.0@example.com");
    }

    #[test]
    fn what_finds_no_room_waits_for_the_store() {
        let (direct, past) = mpsc::channel(2);
        let mut storeless = Storeless::new(direct);
        assert!(storeless.take(&decision("chat", 2)));
        assert!(!storeless.take(&decision("hotline", 1)));
        assert!(storeless.take(&decision("ticket", 0)));
        assert_eq!((past.len(), storeless.owed()), (2, 2));
    }
}
