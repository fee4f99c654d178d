//! Channels of which something is known and that are not in the plan. One that comes back is in the state in which it
//! left. Where an incident is open, those who were told of it wait for its end; so a channel that stays away for
//! [`WITHDRAWN_AFTER`] has its incident withdrawn. A slip of an editor, or a file that is moved in two steps, is over
//! by then and tells nobody anything.

use std::{collections::BTreeMap, time::Duration};

use tracing::warn;

use crate::{
    domain::{channel::ChannelId, decision::Decision, evaluation::Moment},
    store::RememberedChannel,
};

/// After so long an absence an open incident is withdrawn.
pub(crate) const WITHDRAWN_AFTER: Duration = Duration::from_secs(600);

/// The channels that are away.
pub(crate) struct Absent(BTreeMap<ChannelId, Absentee>);

/// One of them.
pub(crate) struct Absentee {
    /// How it left.
    pub(crate) memory: RememberedChannel,
    /// When it was first missed; none until [`Absent::miss`].
    pub(crate) since: Option<Moment>,
}

impl Absent {
    /// Everything that was remembered; the first plan takes what it knows.
    pub(crate) fn new(remembered: BTreeMap<ChannelId, RememberedChannel>) -> Self {
        let absentee = |(id, memory)| (id, Absentee { memory, since: None });
        Self(remembered.into_iter().map(absentee).collect())
    }

    /// A channel comes back: what is known of it.
    pub(crate) fn take(&mut self, id: &ChannelId) -> Option<RememberedChannel> {
        self.0.remove(id).map(|absentee| absentee.memory)
    }

    /// What is to be known of a channel that has left, or that something was committed about since.
    pub(crate) fn remember(&mut self, id: ChannelId, memory: RememberedChannel) {
        let since = self.0.get(&id).and_then(|absentee| absentee.since);
        self.0.insert(id, Absentee { memory, since });
    }

    /// A plan has taken what it knows; what is left is away from now on, if it was not before.
    pub(crate) fn miss(&mut self, now: Moment) {
        for (id, absentee) in self.0.iter_mut().filter(|(_, absentee)| absentee.since.is_none()) {
            absentee.since = Some(now);
            if let Some(incident) = &absentee.memory.incident {
                warn!(
                    channel = %id,
                    incident = %incident.id,
                    "a channel with an open incident is not in the configuration; in {} min the incident is withdrawn \
                     and those who were told of it are told so, unless the channel comes back",
                    WITHDRAWN_AFTER.as_secs() / 60
                );
            }
        }
    }

    /// What is known of all of them, in the form in which it is committed.
    pub(crate) fn standing(&self) -> impl Iterator<Item = Decision> {
        self.0.iter().map(|(id, absentee)| Decision {
            channel: id.clone(),
            state: absentee.memory.state,
            since: absentee.memory.since,
            incident: absentee.memory.incident.clone(),
            happening: None,
        })
    }

    /// One that is away.
    pub(crate) fn get(&self, id: &ChannelId) -> Option<&Absentee> {
        self.0.get(id)
    }

    /// Those whose incident is to be withdrawn.
    pub(crate) fn overdue(&self, now: Moment) -> impl Iterator<Item = &ChannelId> {
        let is_overdue = move |absentee: &Absentee| {
            let away = |since: Moment| now.monotonic.saturating_sub(since.monotonic);
            absentee.memory.incident.is_some()
                && absentee.since.is_some_and(|since| away(since) >= WITHDRAWN_AFTER)
        };
        self.0.iter().filter(move |(_, absentee)| is_overdue(absentee)).map(|(id, _)| id)
    }
}
