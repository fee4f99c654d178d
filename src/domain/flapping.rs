//! Doors that come and go: when a channel counts as flapping, and what is told while it does.
//!
//! Each fall and each recovery of a channel adds 1 to its score, which halves in [`HALF_LIFE`] and never exceeds
//! [`SCORE_MAX`]. A fall that brings it to [`ENTERS_AT`] begins the flapping, and below [`LEAVES_BELOW`] it is over. Two
//! outages never reach the first threshold where half an hour or more lies between their beginnings; what falls as
//! often as six mails an hour would tell does so by its third fall. Nothing here asks the time; spans are measured on the
//! monotonic clock.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{evaluation::Moment, happening::Doorplate, incident::IncidentEvent};

/// In this time a score halves.
pub const HALF_LIFE: Duration = Duration::from_secs(30 * 60);

/// The highest score: however fast a channel flapped, this bounds the calm after which it is steady.
pub const SCORE_MAX: f64 = 4.0;

/// A fall that brings the score here begins the flapping.
pub const ENTERS_AT: f64 = 3.0;

/// With a score below this it is over: after 30 to 43 minutes without a change.
pub const LEAVES_BELOW: f64 = 1.5;

/// Below this what was before is forgotten: the next fall is the first that is counted.
const FORGOTTEN_BELOW: f64 = 0.5;

/// While a channel flaps people are told at least so often, if there is anything to tell.
pub const DIGEST_EVERY: Duration = Duration::from_secs(30 * 60);

/// That a fall lasts is told at most once within this time.
pub const SUSTAINED_EVERY: Duration = Duration::from_secs(30 * 60);

/// About a channel that flaps there are never more mails than this within [`HOUR`], with those that told its falls and
/// recoveries one by one before; what is due beyond waits.
pub const MAILS_PER_HOUR: usize = 6;

/// The time over which mails are counted.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// So many falls of a flapping channel are remembered one by one; the others are only counted.
pub const FALLS_KEPT: usize = 50;

/// How often a channel fell, and for how long it was dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// From when it is counted.
    pub since: Timestamp,
    /// So often it fell.
    pub falls: u32,
    /// For so long it was dark, without a fall that still stands.
    pub dark: Duration,
}

impl Tally {
    fn from(since: Timestamp) -> Self {
        Self { since, falls: 0, dark: Duration::ZERO }
    }

    /// For so long it has been dark by now; `fell_at` is when the fall that stands began.
    #[must_use]
    pub fn dark_by(&self, fell_at: Option<Timestamp>, now: Timestamp) -> Duration {
        self.dark + fell_at.map(|at| between(at.max(self.since), now)).unwrap_or_default()
    }

    fn rose(&mut self, fell_at: Timestamp, at: Timestamp) {
        self.dark += between(fell_at.max(self.since), at);
    }
}

/// How much a channel has changed of late.
#[derive(Clone, Debug)]
pub struct Score {
    /// As it was at the last change.
    value: f64,
    /// When that was.
    changed_at: Duration,
    tally: Tally,
    /// The latest times at which people were told of it.
    told: Vec<Timestamp>,
}

impl Score {
    /// Of a channel that has not changed yet.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self { value: 0.0, changed_at: now.monotonic, tally: Tally::from(now.wall), told: Vec::new() }
    }

    /// What is left of it.
    #[must_use]
    pub fn at(&self, now: Duration) -> f64 {
        let halvings = now.saturating_sub(self.changed_at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.value * (-halvings).exp2()
    }

    /// The channel fell.
    pub fn fell(&mut self, began_at: Timestamp, now: Moment) {
        if self.at(now.monotonic) < FORGOTTEN_BELOW {
            self.tally = Tally::from(began_at);
        }
        self.tally.falls += 1;
        self.change(now);
    }

    /// The channel works again.
    pub fn rose(&mut self, fell_at: Timestamp, at: Timestamp, now: Moment) {
        self.tally.rose(fell_at, at);
        self.change(now);
    }

    fn change(&mut self, now: Moment) {
        self.value = (self.at(now.monotonic) + 1.0).min(SCORE_MAX);
        self.changed_at = now.monotonic;
    }

    /// People have been told of it.
    pub fn told(&mut self, now: Timestamp) {
        keep(&mut self.told, now);
    }

    /// Whether a fall that was its last change begins the flapping.
    #[must_use]
    pub fn enters(&self) -> bool {
        self.value >= ENTERS_AT
    }

    /// When it is too low for flapping, if nothing changes until then.
    fn leaves_at(&self) -> Duration {
        let halvings = (self.value / LEAVES_BELOW).log2().max(0.0);
        self.changed_at + HALF_LIFE.mul_f64(halvings)
    }
}

/// A channel that flaps, as its case keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// All of it, from the first fall on that was counted.
    pub total: Tally,
    /// What came since people were told last.
    pub latest: Tally,
    /// The channel as people know it.
    pub door: Doorplate,
    /// So long it takes to confirm a fall of it.
    pub confirmation: Duration,
    /// Whether people have been told that the fall that stands lasts.
    pub is_sustained: bool,
    /// When they were last told so of any.
    pub sustained_at: Option<Timestamp>,
    /// When people were told, of that and before of single changes: the latest times.
    told: Vec<Timestamp>,
    /// The score at the last change, in thousandths.
    score: u32,
    /// Measured by the clock of one run of the daemon.
    #[serde(skip)]
    clocks: Clocks,
}

/// When what is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clocks {
    /// When it is over, if nothing changes until then.
    leaves_at: Duration,
    /// When the next digest is due, if there is anything to tell.
    digest_at: Duration,
    /// Before this it is not told again that a fall lasts.
    sustained_from: Duration,
    /// Before this nothing more is told: there have been enough mails within the hour.
    rests_until: Duration,
    /// When the fall that stands was taken in.
    fell_at: Option<Duration>,
}

impl Flapping {
    /// It has just fallen once too often. Of several channels these are the scores of those that have, one at least.
    ///
    /// # Panics
    /// Without a score.
    #[must_use]
    pub fn begin(scores: &[&Score], door: Doorplate, confirmation: Duration, now: Moment) -> Self {
        let score = scores[0];
        let told: BTreeSet<Timestamp> = scores.iter().flat_map(|score| score.told.iter().copied()).collect();
        let surplus = told.len().saturating_sub(MAILS_PER_HOUR);
        let clocks = Clocks {
            leaves_at: score.leaves_at(),
            digest_at: now.monotonic + DIGEST_EVERY,
            fell_at: Some(score.changed_at),
            ..Clocks::default()
        };
        Self {
            total: score.tally,
            latest: Tally::from(now.wall),
            door,
            confirmation,
            is_sustained: false,
            sustained_at: None,
            told: told.into_iter().skip(surplus).collect(),
            score: thousandths(score),
            clocks,
        }
    }

    /// What goes on after a restart, of which spans begin anew; gives the score to go on with. What was due by the clock
    /// on the wall comes as if there had been none.
    pub fn resume(&mut self, told_at: Timestamp, is_dark: bool, now: Moment) -> Score {
        let left = |every: Duration, at| every.saturating_sub(between(at, now.wall));
        let tally = self.total;
        let (value, told) = (f64::from(self.score) / 1e3, self.told.clone());
        let score = Score { value, changed_at: now.monotonic, tally, told };
        self.clocks = Clocks {
            leaves_at: score.leaves_at(),
            digest_at: now.monotonic + left(DIGEST_EVERY, told_at),
            sustained_from: now.monotonic
                + self.sustained_at.map(|at| left(SUSTAINED_EVERY, at)).unwrap_or_default(),
            rests_until: self.rests_until(now),
            fell_at: is_dark.then_some(now.monotonic),
        };
        score
    }

    /// It fell again.
    pub fn fell(&mut self, score: &Score, door: Doorplate, confirmation: Duration) {
        (self.door, self.confirmation) = (door, confirmation);
        self.total.falls += 1;
        self.latest.falls += 1;
        self.worsened(score.changed_at);
        self.change(score);
    }

    /// One of several channels changed while others of them are dark: that is neither a fall of all of it nor its end.
    pub fn stirred(&mut self, score: &Score) {
        self.change(score);
    }

    /// None of it is dark any more, since nobody looks.
    pub fn lost_sight(&mut self) {
        self.clocks.fell_at = None;
    }

    /// The fall that stands is worse than it was: that it lasts has to be told anew.
    pub fn worsened(&mut self, now: Duration) {
        self.is_sustained = false;
        self.clocks.fell_at = Some(now);
    }

    /// It works again.
    pub fn rose(&mut self, score: &Score, fell_at: Timestamp, at: Timestamp) {
        self.total.rose(fell_at, at);
        self.latest.rose(fell_at, at);
        self.clocks.fell_at = None;
        self.change(score);
    }

    fn change(&mut self, score: &Score) {
        self.score = thousandths(score);
        self.clocks.leaves_at = score.leaves_at();
    }

    /// When the next mail is due, if nothing changes until then.
    #[must_use]
    pub fn next_at(&self) -> Duration {
        let dues = [self.sustained_due(), self.digest_due()];
        dues.into_iter().flatten().fold(self.clocks.leaves_at, Duration::min).max(self.clocks.rests_until)
    }

    /// What is to be told by now.
    #[must_use]
    pub fn due(&self, now: Duration) -> Option<IncidentEvent> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        match () {
            () if self.clocks.rests_until > now => None,
            () if self.clocks.leaves_at <= now => Some(IncidentEvent::Steady),
            () if is_due(self.sustained_due()) => Some(IncidentEvent::Sustained),
            () if is_due(self.digest_due()) => Some(IncidentEvent::Digest),
            () => None,
        }
    }

    /// A fall lasts when it stands for as long again as it took to confirm it.
    fn sustained_due(&self) -> Option<Duration> {
        let fell_at = self.clocks.fell_at.filter(|_| !self.is_sustained)?;
        Some((fell_at + self.confirmation).max(self.clocks.sustained_from))
    }

    fn digest_due(&self) -> Option<Duration> {
        let has_news =
            self.latest.falls > 0 || self.latest.dark > Duration::ZERO || self.clocks.fell_at.is_some();
        has_news.then_some(self.clocks.digest_at)
    }

    /// Until when nothing more is told.
    fn rests_until(&self, now: Moment) -> Duration {
        let full = self.told.first().filter(|_| self.told.len() >= MAILS_PER_HOUR);
        let rest = full.map(|first| HOUR.saturating_sub(between(*first, now.wall)));
        rest.map(|rest| now.monotonic + rest).unwrap_or_default()
    }

    /// People have been told.
    pub fn told(&mut self, event: IncidentEvent, now: Moment) {
        self.latest = Tally::from(now.wall);
        self.clocks.digest_at = now.monotonic + DIGEST_EVERY;
        keep(&mut self.told, now.wall);
        self.clocks.rests_until = self.rests_until(now);
        if event == IncidentEvent::Sustained {
            self.is_sustained = true;
            self.sustained_at = Some(now.wall);
            self.clocks.sustained_from = now.monotonic + SUSTAINED_EVERY;
        }
    }
}

/// Keeps the latest moments, as many as there may be mails within the hour.
fn keep(moments: &mut Vec<Timestamp>, now: Timestamp) {
    let surplus = (moments.len() + 1).saturating_sub(MAILS_PER_HOUR);
    moments.drain(..surplus);
    moments.push(now);
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score is between 0 and 4")]
fn thousandths(score: &Score) -> u32 {
    (score.value * 1e3).round() as u32
}

/// The time between two moments; none where the clock was set back in between.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: f64) -> Duration {
        Duration::from_secs_f64(minutes * 60.0)
    }

    /// The highest score of a channel that falls at these minutes, each time for so many minutes, right after a fall; and
    /// the number of the fall that begins the flapping.
    fn play(falls: &[f64], lasts: f64) -> (f64, Option<usize>) {
        let begin = Moment { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };
        let at = |after| Moment { wall: begin.wall + after, monotonic: after };
        let mut score = Score::new(begin);
        let (mut highest, mut enters) = (0.0_f64, None);
        for (index, fall) in falls.iter().enumerate() {
            let (fell, rose) = (minutes(*fall), minutes(fall + lasts));
            score.fell(begin.wall + fell, at(fell));
            highest = highest.max(score.value);
            enters = enters.or_else(|| score.enters().then_some(index + 1));
            score.rose(begin.wall + fell, begin.wall + rose, at(rose));
        }
        (highest, enters)
    }

    #[test]
    fn two_outages_half_an_hour_apart_and_outages_by_the_hour_are_no_flapping() {
        for lasts in [0.1, 1.0, 10.0, 25.0] {
            assert_eq!(play(&[0.0], lasts).1, None);
            assert_eq!(play(&[0.0, 30.0], lasts).1, None);
            let hourly: Vec<f64> = (0..100).map(|hour| f64::from(hour) * 60.0).collect();
            let (highest, enters) = play(&hourly, lasts);
            assert!(enters.is_none() && highest < 2.7, "{lasts}: {highest}");
        }
    }

    #[test]
    fn whatever_falls_often_enough_for_six_mails_an_hour_flaps_by_its_third_fall() {
        for half in [0.2, 1.0, 2.0, 5.0, 7.0, 9.0, 10.0, 12.0] {
            let falls: Vec<f64> = (0..10).map(|fall| f64::from(fall) * 2.0 * half).collect();
            assert_eq!(play(&falls, half).1, Some(3), "{half}");
        }
    }

    #[test]
    fn it_is_over_after_half_an_hour_to_three_quarters_without_a_change() {
        for value in [ENTERS_AT, SCORE_MAX] {
            let tally = Tally::from(Timestamp::UNIX_EPOCH);
            let calm = Score { value, changed_at: Duration::ZERO, tally, told: Vec::new() }.leaves_at();
            assert!(calm >= minutes(30.0) && calm < minutes(43.0), "{calm:?}");
        }
    }
}
