//! Notes what each channel turns to, for the account of how long it was available. It looks at what holds once it has been
//! adopted, so it holds up nothing; what it notes goes to the store with the history.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    daemon::evaluator::roster::{Post, Roster},
    domain::{
        channel::ChannelId,
        ledger::{Condition, Turn},
    },
};

/// What each channel turned to last.
pub(crate) struct Ledger {
    noted: HashMap<ChannelId, Noted>,
    /// When channels left that are not watched any more.
    gone: HashMap<ChannelId, Timestamp>,
    /// When this process began to watch.
    began_at: Timestamp,
}

#[derive(Clone, Copy)]
struct Noted {
    condition: Condition,
    /// Since when, as far as that is known.
    at: Timestamp,
}

impl Ledger {
    /// What was noted before a restart.
    pub(crate) fn new(noted: HashMap<ChannelId, Condition>, began_at: Timestamp) -> Self {
        let before = |(id, condition)| {
            // What was unknown is so until this process sees it; of anything else it is not known since when it is.
            let at = if condition == Condition::Unknown { began_at } else { Timestamp::MIN };
            (id, Noted { condition, at })
        };
        Self { noted: noted.into_iter().map(before).collect(), gone: HashMap::new(), began_at }
    }

    /// The store has forgotten what was noted last: all of it is noted anew.
    pub(crate) fn forget(&mut self) {
        self.noted.clear();
    }

    /// Every channel that is of another condition than was noted.
    pub(crate) fn look(&mut self, roster: &Roster, now: Timestamp) -> Vec<Turn> {
        let mut turns = Vec::new();
        for post in roster.posts() {
            let to = condition(post);
            let noted = self.noted.get(&post.id).copied();
            if noted.is_some_and(|noted| noted.condition == to) {
                continue;
            }
            let at = self.earliest(&post.id, noted, now).max(post.state.since()).min(now);
            turns.push(Turn { channel: post.id.clone(), at, to });
            self.noted.insert(post.id.clone(), Noted { condition: to, at });
            self.gone.remove(&post.id);
        }
        if self.noted.len() > roster.posts().len() {
            let Self { noted, gone, .. } = self;
            noted.retain(|id, _| {
                let is_watched = roster.place(id).is_some();
                if !is_watched {
                    turns.push(Turn { channel: id.clone(), at: now, to: Condition::Gone });
                    gone.insert(id.clone(), now);
                }
                is_watched
            });
        }
        turns
    }

    /// From when on a channel can have been what it turns to. Its state may be older than that: an outage goes on over
    /// closed hours, maintenance, blindness and the absence of its channel, and was none that counts meanwhile.
    fn earliest(&self, id: &ChannelId, noted: Option<Noted>, now: Timestamp) -> Timestamp {
        match noted {
            Some(Noted { condition: Condition::Closed | Condition::Maintenance, .. }) => now,
            Some(Noted { at, .. }) => at,
            None => self.gone.get(id).copied().unwrap_or(self.began_at),
        }
    }
}

fn condition(post: &Post) -> Condition {
    Condition::of(post.state.state(), post.gate.is_out_of_hours())
}
