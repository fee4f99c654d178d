//! What a channel was like over a long time: its turns from one condition to another, as they were noted, and the times in
//! which the monitor itself was at work. From both follows how long it was available, and how much of the time counts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::domain::{channel::ChannelId, evaluation::State, notification::tell::between};

/// What a channel is like, as far as it counts for its availability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It works.
    Up,
    /// It works, over a budget.
    Degraded,
    /// It does not work.
    Dark,
    /// It is outside its published hours.
    Closed,
    /// It is under announced maintenance.
    Maintenance,
    /// We cannot tell.
    Unknown,
    /// It is not watched, since it is not configured.
    Gone,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 7] =
        [Self::Up, Self::Degraded, Self::Dark, Self::Closed, Self::Maintenance, Self::Unknown, Self::Gone];

    /// A state; one that is closed since it is under maintenance is not closed by its hours.
    #[must_use]
    pub fn of(state: State, is_out_of_hours: bool) -> Self {
        match state {
            State::Up => Self::Up,
            State::Degraded => Self::Degraded,
            State::Dark => Self::Dark,
            State::Closed if is_out_of_hours => Self::Closed,
            State::Closed => Self::Maintenance,
            State::Unknown => Self::Unknown,
        }
    }

    /// The state that a channel of this condition is in; none where it is in none.
    #[must_use]
    pub fn state(self) -> Option<State> {
        match self {
            Self::Up => Some(State::Up),
            Self::Degraded => Some(State::Degraded),
            Self::Dark => Some(State::Dark),
            Self::Closed | Self::Maintenance => Some(State::Closed),
            Self::Unknown => Some(State::Unknown),
            Self::Gone => None,
        }
    }

    /// The word used in columns and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Dark => "dark",
            Self::Closed => "closed",
            Self::Maintenance => "maintenance",
            Self::Unknown => "unknown",
            Self::Gone => "gone",
        }
    }

    /// The condition of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.as_str() == word)
    }
}

/// A channel's turn to another condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The channel.
    pub channel: ChannelId,
    /// Since when. What is confirmed later begins with the first sign of it, so this may lie before an earlier turn, which
    /// then never was.
    pub at: Timestamp,
    /// What it turned to.
    pub to: Condition,
}

/// A time in which the monitor was at work, from its start to the last sign of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Its start.
    pub from: Timestamp,
    /// The last sign of it.
    pub until: Timestamp,
}

/// How long a channel was what, in a window of time. What lies before its first turn, or while it was not configured, is in
/// none of these.
/// Serialised in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spans {
    /// It worked.
    #[serde(serialize_with = "seconds")]
    pub up: Duration,
    /// It worked, over a budget.
    #[serde(serialize_with = "seconds")]
    pub degraded: Duration,
    /// It did not work.
    #[serde(serialize_with = "seconds")]
    pub dark: Duration,
    /// It was outside its published hours.
    #[serde(serialize_with = "seconds")]
    pub closed: Duration,
    /// It was under announced maintenance.
    #[serde(serialize_with = "seconds")]
    pub maintenance: Duration,
    /// Nobody knows: we could not tell, or the monitor was not at work.
    #[serde(serialize_with = "seconds")]
    pub blind: Duration,
}

impl Spans {
    /// The time that counts: it was open and seen.
    #[must_use]
    pub fn counted(&self) -> Duration {
        self.up + self.degraded + self.dark
    }

    /// Which part of the time that counts it worked, 0 to 1; none where none counts.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        let counted = self.counted();
        let worked = self.up + self.degraded;
        (!counted.is_zero()).then(|| worked.as_secs_f64() / counted.as_secs_f64())
    }

    /// Adds what was in another window, or of another channel.
    pub fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.degraded += other.degraded;
        self.dark += other.dark;
        self.closed += other.closed;
        self.maintenance += other.maintenance;
        self.blind += other.blind;
    }

    fn count(&mut self, condition: Condition, span: Duration) {
        match condition {
            Condition::Up => self.up += span,
            Condition::Degraded => self.degraded += span,
            Condition::Dark => self.dark += span,
            Condition::Closed => self.closed += span,
            Condition::Maintenance => self.maintenance += span,
            Condition::Unknown => self.blind += span,
            Condition::Gone => {}
        }
    }
}

/// A time in which a channel was of one condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// From.
    pub from: Timestamp,
    /// Until, without this moment itself.
    pub until: Timestamp,
    /// What it was like; [`Condition::Unknown`] also where the monitor was not at work.
    pub condition: Condition,
}

/// One channel's time, in stretches that follow one another without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline(Vec<Stretch>);

impl Timeline {
    /// The time of one channel up to a moment: its turns in the order in which they were noted, and the times in which the
    /// monitor was at work, in any order.
    #[must_use]
    pub fn new<'a>(turns: impl IntoIterator<Item = &'a Turn>, watches: &[Watch], until: Timestamp) -> Self {
        let mut noted: Vec<(Timestamp, Condition)> = Vec::new();
        for turn in turns {
            while noted.last().is_some_and(|(at, _)| *at >= turn.at) {
                noted.pop();
            }
            noted.push((turn.at, turn.to));
        }
        let ends = noted.iter().skip(1).map(|(at, _)| *at).chain([until]).collect::<Vec<_>>();
        let mut watched = merged(watches);
        if let Some(last) = watched.last_mut().filter(|last| between(last.until, until) <= SIGN_WITHIN) {
            last.until = last.until.max(until);
        }
        let mut stretches = Vec::with_capacity(noted.len());
        for ((from, condition), end) in noted.into_iter().zip(ends) {
            let end = end.min(until);
            if from >= end {
                continue;
            }
            if condition == Condition::Gone {
                push(&mut stretches, from, end, condition);
            } else {
                push_watched(&mut stretches, from, end, condition, &watched);
            }
        }
        Self(stretches)
    }

    /// All stretches, oldest first.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch] {
        &self.0
    }

    /// From when on customers met what began at a moment and was confirmed at another: since the channel was last closed,
    /// under maintenance or unseen between the two.
    #[must_use]
    pub fn met_from(&self, began_at: Timestamp, confirmed_at: Timestamp) -> Timestamp {
        let counts = |condition| matches!(condition, Condition::Up | Condition::Degraded | Condition::Dark);
        let before = |stretch: &&Stretch| !counts(stretch.condition) && stretch.from < confirmed_at;
        let last = self.0.iter().rev().find(before);
        last.map_or(began_at, |last| last.until.clamp(began_at, confirmed_at.max(began_at)))
    }

    /// How long the channel was what between two moments.
    #[must_use]
    pub fn within(&self, from: Timestamp, until: Timestamp) -> Spans {
        let first = self.0.partition_point(|stretch| stretch.until <= from);
        let mut spans = Spans::default();
        for stretch in self.0[first..].iter().take_while(|stretch| stretch.from < until) {
            spans.count(stretch.condition, between(stretch.from.max(from), stretch.until.min(until)));
        }
        spans
    }
}

/// That it is at work is noted four times a minute, and written when the store has time for it: a last sign that is so young
/// is no end.
const SIGN_WITHIN: Duration = Duration::from_secs(60);

/// The times of work in order, those that touch or overlap as one.
fn merged(watches: &[Watch]) -> Vec<Watch> {
    let mut ordered: Vec<Watch> = watches.iter().copied().filter(|watch| watch.from < watch.until).collect();
    ordered.sort_by_key(|watch| watch.from);
    let mut merged: Vec<Watch> = Vec::with_capacity(ordered.len());
    for watch in ordered {
        match merged.last_mut() {
            Some(last) if watch.from <= last.until => last.until = last.until.max(watch.until),
            _ => merged.push(watch),
        }
    }
    merged
}

/// Puts down a stretch; where nobody watched, nobody knows.
fn push_watched(
    stretches: &mut Vec<Stretch>,
    mut from: Timestamp,
    until: Timestamp,
    condition: Condition,
    watched: &[Watch],
) {
    let first = watched.partition_point(|watch| watch.until <= from);
    for watch in watched[first..].iter().take_while(|watch| watch.from < until) {
        push(stretches, from, watch.from, Condition::Unknown);
        from = from.max(watch.from);
        push(stretches, from, watch.until.min(until), condition);
        from = watch.until.min(until);
    }
    push(stretches, from, until, Condition::Unknown);
}

fn push(stretches: &mut Vec<Stretch>, from: Timestamp, until: Timestamp, condition: Condition) {
    if from >= until {
        return;
    }
    match stretches.last_mut() {
        Some(last) if last.condition == condition && last.until == from => last.until = until,
        _ => stretches.push(Stretch { from, until, condition }),
    }
}

/// Spans are told in seconds.
pub(super) fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    span.as_secs_f64().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn turns(turns: &[(i64, Condition)]) -> Vec<Turn> {
        let channel = ChannelId::new("chat");
        turns.iter().map(|(minute, to)| Turn { channel: channel.clone(), at: at(*minute), to: *to }).collect()
    }

    fn watch(from: i64, until: i64) -> Watch {
        Watch { from: at(from), until: at(until) }
    }

    fn minutes(spans: &Spans) -> [u64; 6] {
        [spans.up, spans.degraded, spans.dark, spans.closed, spans.maintenance, spans.blind]
            .map(|span| span.as_secs() / 60)
    }

    #[test]
    fn customers_meet_an_outage_from_when_the_channel_is_open_and_seen() {
        let turns = turns(&[
            (0, Condition::Up),
            (10, Condition::Maintenance),
            (30, Condition::Dark),
            (60, Condition::Up),
        ]);
        let timeline = Timeline::new(&turns, &[watch(0, 40), watch(50, 90)], at(90));
        for (began, confirmed, met_from, why) in [
            (5, 7, 5, "it was open"),
            (20, 30, 30, "it began in the window"),
            (32, 33, 32, "the window is over"),
            (35, 55, 50, "nobody watched in between"),
            (12, 20, 20, "never later than it was confirmed"),
        ] {
            assert_eq!(timeline.met_from(at(began), at(confirmed)), at(met_from), "{why}");
        }
    }

    #[test]
    fn only_the_time_in_which_a_channel_was_open_and_seen_counts() {
        let turns = turns(&[
            (0, Condition::Unknown),
            (1, Condition::Up),
            (60, Condition::Degraded),
            (70, Condition::Dark),
            (80, Condition::Up),
            (100, Condition::Closed),
            (160, Condition::Maintenance),
            (180, Condition::Up),
        ]);
        let timeline = Timeline::new(&turns, &[watch(0, 200)], at(200));
        let spans = timeline.within(at(-50), at(300));
        assert_eq!(minutes(&spans), [59 + 20 + 20, 10, 10, 60, 20, 1]);
        let availability = spans.availability().unwrap();
        assert!((availability - 109.0 / 119.0).abs() < 1e-12, "{availability}");
        assert_eq!(minutes(&timeline.within(at(65), at(75))), [0, 5, 5, 0, 0, 0]);
        assert_eq!(timeline.within(at(100), at(180)).availability(), None, "nothing of that counts");
    }

    #[test]
    fn what_nobody_watched_is_blind_and_what_was_not_configured_is_nothing() {
        let turns = turns(&[(0, Condition::Up), (100, Condition::Gone), (200, Condition::Up)]);
        let timeline = Timeline::new(&turns, &[watch(250, 300), watch(0, 50), watch(40, 60)], at(400));
        assert_eq!(minutes(&timeline.within(at(0), at(100))), [60, 0, 0, 0, 0, 40]);
        assert_eq!(minutes(&timeline.within(at(100), at(200))), [0; 6]);
        assert_eq!(minutes(&timeline.within(at(200), at(400))), [50, 0, 0, 0, 0, 150]);
    }

    #[test]
    fn a_monitor_that_was_at_work_a_moment_ago_still_is() {
        let turns = turns(&[(0, Condition::Dark)]);
        let until = at(100);
        for (last_sign, blind) in [(0, 0), (60, 0), (61, 61)] {
            let watch = Watch { from: at(0), until: until - Duration::from_secs(last_sign) };
            let spans = Timeline::new(&turns, &[watch], until).within(at(0), until);
            assert_eq!(spans.blind.as_secs(), blind, "{last_sign} s ago");
        }
    }

    #[test]
    fn what_is_confirmed_later_begins_with_its_first_sign() {
        let turns = turns(&[
            (0, Condition::Up),
            (50, Condition::Degraded),
            (45, Condition::Dark),
            (60, Condition::Up),
        ]);
        let timeline = Timeline::new(&turns, &[watch(0, 100)], at(100));
        assert_eq!(minutes(&timeline.within(at(0), at(100))), [45 + 40, 0, 15, 0, 0, 0]);
    }

    #[test]
    fn the_parts_of_a_window_add_up_to_it() {
        let mut seed = 7_u64;
        let mut random = |below: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from(seed >> 33).unwrap() % below
        };
        for _ in 0..200 {
            let turns = turns(
                &(0..20)
                    .map(|_| (random(1000), Condition::ALL[usize::try_from(random(7)).unwrap()]))
                    .collect::<Vec<_>>(),
            );
            let watches: Vec<_> = (0..5).map(|_| random(1000)).map(|it| watch(it, it + 200)).collect();
            let timeline = Timeline::new(&turns, &watches, at(1000));
            for pair in timeline.stretches().windows(2) {
                assert_eq!(pair[0].until, pair[1].from, "no gap, no overlap");
            }
            let whole = timeline.within(at(0), at(1000));
            let mut parts = Spans::default();
            (0..100).for_each(|part| parts.add(&timeline.within(at(part * 10), at(part * 10 + 10))));
            assert_eq!(whole, parts);
        }
    }
}
