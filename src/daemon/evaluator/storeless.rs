//! Goes on from memory while the store takes nothing. A verdict that could not be committed for [`AFTER`] is adopted all
//! the same, and so is what people are told of it: the notifications are handed to the dispatcher past the store. Both are
//! owed to the store: everything owed is committed in its order as soon as the store works again. What has been told by
//! then is known by its Message-ID and not told again.
//!
//! What is owed is in memory alone. A daemon that ends before the store works has told people of incidents that it does
//! not know after its next start: they are told again, as new ones.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::domain::{casebook::Announcement, decision::Decision, notification::Notification};

/// After so long a refusal, or without an answer for so long, nothing waits for the store any more.
pub(crate) const AFTER: Duration = Duration::from_secs(10);

/// So much is owed at most; with more the rest waits for the store.
const OWED_MAX: usize = 10_000;

/// What is owed to a store that takes nothing. Moments are those of the monotonic clock.
pub(crate) struct Storeless {
    failing_since: Option<Duration>,
    owed: VecDeque<Owed>,
    /// So many of them, from the first on, are under way to the store.
    under_way: usize,
    direct: mpsc::Sender<Notification>,
}

/// Something that was adopted without the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// A verdict.
    Decision(Box<Decision>),
    /// What people have been told, and when that was decided.
    Announcement(Announcement, Timestamp),
}

/// What is committed in one transaction of that which is owed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Verdicts, one after the other.
    Decisions(Vec<Decision>),
    /// What people have been told, and when that was decided.
    Announcement(Announcement, Timestamp),
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

    /// What was under way has been committed; gives how much of it was owed.
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

    /// Whether more may be owed.
    pub(crate) fn has_room(&self) -> bool {
        self.owed.len() < OWED_MAX
    }

    /// Hands notifications over past the store. False where there is no room for all of them; none has left then.
    pub(crate) fn send(&self, notifications: &[Notification]) -> bool {
        let Ok(permits) = self.direct.try_reserve_many(notifications.len()) else { return false };
        permits.zip(notifications).for_each(|(permit, notification)| permit.send(notification.clone()));
        true
    }

    /// Owes what is adopted without the store.
    pub(crate) fn owe(&mut self, owed: Owed) {
        self.owed.push_back(owed);
    }

    /// What was under way when the store ceased to answer is owed from now on, before all else, and under way still.
    pub(crate) fn are_under_way(&mut self, count: usize) {
        debug_assert!(self.owed.is_empty(), "what is owed is committed before anything else");
        self.under_way = count;
    }

    /// What is to be committed next of that which is owed: verdicts, so many at most, or what people have been told.
    pub(crate) fn next(&mut self, most: usize) -> Option<Next> {
        if let Owed::Announcement(announcement, at) = self.owed.front()? {
            self.under_way = 1;
            return Some(Next::Announcement(announcement.clone(), *at));
        }
        let decision = |owed: &Owed| match owed {
            Owed::Decision(decision) => Some((**decision).clone()),
            Owed::Announcement(..) => None,
        };
        let decisions: Vec<Decision> = self.owed.iter().take(most).map_while(decision).collect();
        self.under_way = decisions.len();
        Some(Next::Decisions(decisions))
    }

    /// How much is owed.
    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Nothing is owed any more: it is decided anew. Gives how much that was.
    pub(crate) fn forget(&mut self) -> usize {
        self.under_way = 0;
        std::mem::take(&mut self.owed).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        channel::ChannelId,
        evaluation::State,
        incident::{IncidentEvent, IncidentId},
        notification::{Content, Route, facts::Facts},
    };

    fn mails(channel: &str, count: usize) -> Vec<Notification> {
        let incident = IncidentId(channel.to_owned());
        let (event, at) = (IncidentEvent::Opened, Timestamp::UNIX_EPOCH);
        let mail = |number: usize| Notification {
            incident: incident.clone(),
            event,
            route: Route::Mail,
            recipient: format!("{number}@example.com"),
            message_id: format!("{channel}.{number}@example.com"),
            in_reply_to: None,
            created_at: at,
            content: Content {
                subject: String::new(),
                text: String::new(),
                html: String::new(),
                picture: None,
                facts: Facts::unknown(incident.clone(), event, at),
            },
        };
        (0..count).map(mail).collect()
    }

    fn decision(channel: &str) -> Decision {
        Decision {
            channel: ChannelId::new(channel),
            state: State::Dark,
            since: Timestamp::UNIX_EPOCH,
            incident: None,
            happening: None,
        }
    }

    fn announcement(channel: &str) -> Announcement {
        Announcement { notifications: mails(channel, 1), ..Announcement::default() }
    }

    #[test]
    fn it_begins_after_ten_seconds_and_ends_when_nothing_is_owed_any_more() {
        let mut storeless = Storeless::new(mpsc::channel(8).0);
        let at = Duration::from_secs;
        assert!(!storeless.is_on(at(100)));
        storeless.note_refusal(at(100));
        storeless.note_refusal(at(105));
        assert!(!storeless.is_on(at(109)));
        assert!(storeless.is_on(at(110)));
        storeless.owe(Owed::Decision(Box::new(decision("chat"))));
        assert_eq!(storeless.next(1), Some(Next::Decisions(vec![decision("chat")])));
        storeless.note_refusal(at(111));
        assert_eq!(storeless.next(1), Some(Next::Decisions(vec![decision("chat")])), "it is owed still");
        storeless.owe(Owed::Decision(Box::new(decision("hotline"))));
        assert_eq!(storeless.note_success(), 1);
        assert!(storeless.is_on(at(112)), "nothing overtakes what is owed");
        assert_eq!(storeless.next(9), Some(Next::Decisions(vec![decision("hotline")])));
        assert_eq!(storeless.note_success(), 1);
        assert!(!storeless.is_on(at(113)));
    }

    #[test]
    fn verdicts_and_what_was_told_of_them_are_committed_in_their_order() {
        let mut storeless = Storeless::new(mpsc::channel(8).0);
        for owed in [
            Owed::Decision(Box::new(decision("chat"))),
            Owed::Decision(Box::new(decision("hotline"))),
            Owed::Announcement(announcement("chat"), Timestamp::UNIX_EPOCH),
            Owed::Decision(Box::new(decision("chat"))),
        ] {
            storeless.owe(owed);
        }
        assert_eq!(storeless.next(9), Some(Next::Decisions(vec![decision("chat"), decision("hotline")])));
        assert_eq!(storeless.note_success(), 2);
        let told = || Some(Next::Announcement(announcement("chat"), Timestamp::UNIX_EPOCH));
        assert_eq!(storeless.next(9), told());
        storeless.note_refusal(Duration::ZERO);
        assert_eq!(storeless.next(9), told());
        assert_eq!(storeless.note_success(), 1);
        assert_eq!(storeless.next(9), Some(Next::Decisions(vec![decision("chat")])));
        assert_eq!((storeless.note_success(), storeless.next(9), storeless.owed()), (1, None, 0));
    }

    #[test]
    fn of_an_announcement_every_notification_leaves_or_none() {
        let (direct, mut past) = mpsc::channel(2);
        let storeless = Storeless::new(direct);
        assert!(!storeless.send(&mails("chat", 3)));
        assert!(past.is_empty());
        assert!(storeless.send(&mails("chat", 2)));
        assert!(!storeless.send(&mails("hotline", 1)));
        assert!(storeless.send(&[]));
        assert_eq!(past.try_recv().unwrap().message_id, "chat.0@example.com");
    }
}
