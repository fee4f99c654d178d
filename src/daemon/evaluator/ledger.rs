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
pub(crate) struct Ledger(HashMap<ChannelId, Condition>);

impl Ledger {
    /// What was noted before a restart.
    pub(crate) fn new(noted: HashMap<ChannelId, Condition>) -> Self {
        Self(noted)
    }

    /// The store has forgotten what was noted last: all of it is noted anew.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// Every channel that is of another condition than was noted.
    pub(crate) fn look(&mut self, roster: &Roster, now: Timestamp) -> Vec<Turn> {
        let mut turns = Vec::new();
        for post in roster.posts() {
            let to = condition(post);
            let noted = self.0.get(&post.id).copied();
            if noted == Some(to) {
                continue;
            }
            // What has become of its state has been so since it is; a window of maintenance turns when that is seen.
            let is_new_state = noted.and_then(Condition::state) != Some(post.state.state());
            let at = if is_new_state { post.state.since().min(now) } else { now };
            turns.push(Turn { channel: post.id.clone(), at, to });
            self.0.insert(post.id.clone(), to);
        }
        if self.0.len() > roster.posts().len() {
            self.0.retain(|id, _| {
                let is_watched = roster.place(id).is_some();
                if !is_watched {
                    turns.push(Turn { channel: id.clone(), at: now, to: Condition::Gone });
                }
                is_watched
            });
        }
        turns
    }
}

fn condition(post: &Post) -> Condition {
    Condition::of(post.state.state(), post.gate.is_out_of_hours())
}
