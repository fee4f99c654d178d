//! What happens behind the counter: forms handed out, tickets on their way to the agents, callbacks in their queue.
//! Time is an argument; every collection is bounded, the oldest makes room.

use std::{collections::VecDeque, time::Duration};

/// How long a ticket travels to the agents' side.
const TICKET_TRAVEL: Duration = Duration::from_millis(150);

/// How long a caller waits in the queue before the telephone rings.
const QUEUE_WAIT: Duration = Duration::from_millis(150);

/// The most of anything that is kept.
const KEPT_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Desk {
    numbers: u64,
    forms: VecDeque<Form>,
    tickets: VecDeque<Ticket>,
    callbacks: VecDeque<Callback>,
}

/// A form handed out and not yet sent in.
#[derive(Debug)]
struct Form {
    session: String,
    csrf: String,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) number: u64,
    pub(super) subject: String,
    arrives_at: Duration,
}

#[derive(Debug)]
struct Callback {
    number: u64,
    asked_at: Duration,
}

/// Where a callback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallbackStatus {
    Queued,
    Ringing,
}

/// Why a form was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The token does not belong to the session, or has been used.
    Csrf,
    /// The subject is empty.
    Subject,
}

impl Desk {
    /// Hands out a form for a session.
    pub(super) fn hand_out(&mut self, session: String, csrf: String) {
        push_bounded(&mut self.forms, Form { session, csrf });
    }

    /// Takes a form; each can be sent in once. `keep` is false where tickets are lost on the way.
    pub(super) fn take(
        &mut self,
        session: &str,
        csrf: &str,
        subject: &str,
        now: Duration,
        keep: bool,
    ) -> Result<(), Refused> {
        let known = self.forms.iter().position(|form| form.session == session && form.csrf == csrf);
        let form = known.ok_or(Refused::Csrf)?;
        if subject.trim().is_empty() {
            return Err(Refused::Subject);
        }
        self.forms.remove(form);
        if keep {
            let number = self.number();
            let ticket = Ticket { number, subject: subject.to_owned(), arrives_at: now + TICKET_TRAVEL };
            push_bounded(&mut self.tickets, ticket);
        }
        Ok(())
    }

    /// What has arrived on the agents' side, oldest first; only those with this subject, if one is given.
    pub(super) fn tickets(&self, subject: Option<&str>, now: Duration) -> Vec<Ticket> {
        let arrived = self.tickets.iter().filter(|ticket| ticket.arrives_at <= now);
        arrived.filter(|ticket| subject.is_none_or(|subject| ticket.subject == subject)).cloned().collect()
    }

    /// Deletes a ticket; false if there is none.
    pub(super) fn delete_ticket(&mut self, number: u64) -> bool {
        let before = self.tickets.len();
        self.tickets.retain(|ticket| ticket.number != number);
        self.tickets.len() < before
    }

    /// Takes a caller's number; the number of the callback.
    pub(super) fn ask_for_callback(&mut self, now: Duration) -> u64 {
        let number = self.number();
        push_bounded(&mut self.callbacks, Callback { number, asked_at: now });
        number
    }

    /// Where a callback is; none if there is no such callback.
    pub(super) fn callback(&self, number: u64, now: Duration) -> Option<CallbackStatus> {
        let callback = self.callbacks.iter().find(|callback| callback.number == number)?;
        let waited = now.saturating_sub(callback.asked_at);
        Some(if waited < QUEUE_WAIT { CallbackStatus::Queued } else { CallbackStatus::Ringing })
    }

    /// Cancels a callback; false if there is none.
    pub(super) fn cancel_callback(&mut self, number: u64) -> bool {
        let before = self.callbacks.len();
        self.callbacks.retain(|callback| callback.number != number);
        self.callbacks.len() < before
    }

    /// How many callbacks are pending.
    pub(super) fn callbacks(&self) -> usize {
        self.callbacks.len()
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

fn push_bounded<T>(kept: &mut VecDeque<T>, item: T) {
    if kept.len() == KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    #[test]
    fn a_ticket_arrives_after_its_travel_and_can_be_deleted() {
        let mut desk = Desk::default();
        desk.hand_out("s".into(), "t".into());
        assert_eq!(desk.take("s", "t", "hello", START, true), Ok(()));
        assert_eq!(desk.tickets(None, START), []);
        let arrived = desk.tickets(Some("hello"), START + TICKET_TRAVEL);
        assert_eq!(arrived.len(), 1);
        assert_eq!(desk.tickets(Some("other"), START + TICKET_TRAVEL), []);
        assert!(desk.delete_ticket(arrived[0].number));
        assert!(!desk.delete_ticket(arrived[0].number));
    }

    #[test]
    fn a_form_is_taken_once_and_only_with_its_own_session_and_token() {
        let mut desk = Desk::default();
        desk.hand_out("s".into(), "t".into());
        assert_eq!(desk.take("other", "t", "hello", START, true), Err(Refused::Csrf));
        assert_eq!(desk.take("s", "other", "hello", START, true), Err(Refused::Csrf));
        assert_eq!(desk.take("s", "t", " ", START, true), Err(Refused::Subject));
        assert_eq!(desk.take("s", "t", "hello", START, true), Ok(()));
        assert_eq!(desk.take("s", "t", "hello", START, true), Err(Refused::Csrf));
    }

    #[test]
    fn a_ticket_that_is_not_kept_never_arrives() {
        let mut desk = Desk::default();
        desk.hand_out("s".into(), "t".into());
        assert_eq!(desk.take("s", "t", "hello", START, false), Ok(()));
        assert_eq!(desk.tickets(None, Duration::MAX), []);
    }

    #[test]
    fn a_caller_is_queued_then_rung_then_may_cancel() {
        let mut desk = Desk::default();
        let number = desk.ask_for_callback(START);
        assert_eq!(desk.callback(number, START), Some(CallbackStatus::Queued));
        assert_eq!(desk.callback(number, START + QUEUE_WAIT), Some(CallbackStatus::Ringing));
        assert!(desk.cancel_callback(number));
        assert_eq!(desk.callback(number, START), None);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let mut desk = Desk::default();
        for _ in 0..KEPT_MAX * 2 {
            desk.hand_out("s".into(), "t".into());
            desk.take("s", "t", "hello", START, true).unwrap();
            desk.ask_for_callback(START);
        }
        assert_eq!((desk.tickets.len(), desk.callbacks.len()), (KEPT_MAX, KEPT_MAX));
    }
}
