//! When the doors of a replay open and close: by their published hours, and under windows of maintenance.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use jiff::{Timestamp, ToSpan};

use crate::domain::{
    channel::ChannelId,
    evaluation::Opening,
    maintenance::{Announced, Calendar},
    replay::{Entrance, Scene},
};

/// What is known of all of them at a moment.
#[derive(Debug)]
pub(super) struct Openings {
    calendar: Calendar,
    /// When the windows begin that were begun by command.
    begun: Vec<Timestamp>,
    /// The windows under way.
    active: Vec<Announced>,
    windows_turn_at: Timestamp,
    /// Whether each is within its hours, by its place.
    within_hours: Vec<bool>,
    /// When the hours of which turn next.
    hours_turn_at: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl Openings {
    /// Nothing has been looked at.
    pub(super) fn new(scene: &Scene) -> Self {
        let mut calendar = Calendar::new(scene.stints.clone());
        calendar.plan(scene.maintenance.clone());
        let places = 0..scene.entrances.len();
        Self {
            calendar,
            begun: scene.stints.iter().map(|stint| stint.from).collect(),
            active: Vec::new(),
            windows_turn_at: Timestamp::MIN,
            within_hours: places.clone().map(|_| true).collect(),
            hours_turn_at: places.map(|place| Reverse((Timestamp::MIN, place))).collect(),
        }
    }

    /// The next moment at which something turns.
    pub(super) fn next(&self) -> Timestamp {
        let hours = self.hours_turn_at.peek().map_or(Timestamp::MAX, |Reverse((at, _))| *at);
        hours.min(self.windows_turn_at)
    }

    /// How those stand whose hours or windows have turned by a moment.
    pub(super) fn turn(
        &mut self,
        entrances: &BTreeMap<ChannelId, Entrance>,
        at: Timestamp,
    ) -> Vec<(usize, Opening)> {
        let windows = at >= self.windows_turn_at;
        if windows {
            let announced = self.calendar.announced(at);
            let edges = announced.iter().map(|it| if it.is_active() { it.until } else { it.from });
            let begun = self.begun.iter().copied().filter(|from| *from > at);
            self.windows_turn_at = edges.chain(begun).min().unwrap_or(Timestamp::MAX);
            self.active = announced.into_iter().filter(Announced::is_active).collect();
        }
        let mut turned = BTreeSet::new();
        while let Some(&Reverse((_, place))) = self.hours_turn_at.peek().filter(|due| due.0.0 <= at) {
            self.hours_turn_at.pop();
            turned.insert(place);
        }
        let mut found = Vec::new();
        for (place, (id, entrance)) in entrances.iter().enumerate() {
            let has_turned = turned.contains(&place);
            if has_turned && let Some(hours) = &entrance.hours {
                self.within_hours[place] = hours.is_open(at);
                let tomorrow = at.saturating_add(24.hours()).unwrap_or(Timestamp::MAX);
                let next = hours.next_change(at).map_or(tomorrow, |next| next.min(tomorrow));
                self.hours_turn_at.push(Reverse((next, place)));
            }
            if windows || has_turned {
                found.push((place, self.opening(place, id, entrance)));
            }
        }
        found
    }

    fn opening(&self, place: usize, id: &ChannelId, entrance: &Entrance) -> Opening {
        let holds = |window: &Announced| window.scope.holds(id, entrance.team.as_ref(), &entrance.labels);
        match (self.within_hours[place], self.active.iter().any(holds)) {
            (false, _) => Opening::OutOfHours,
            (true, true) => Opening::Maintenance,
            (true, false) => Opening::Open,
        }
    }
}
