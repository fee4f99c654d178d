//! What one probe has seen, and in which condition it finds its channel: `k` of the last `n` conclusive runs either
//! way. A run that has served to leave a state does not count again, so that a recovery starts with a clean sheet.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::domain::{
    channel::ProbeKey,
    evaluation::{
        Quorum, RECENT_MAX, RecentRun, Rules, RunWord, State, Watched,
        waits::{Line, Waits, was_in_vain},
    },
    outcome::{Failure, Outcome, Phase, Verdict},
};

/// One probe's evidence.
#[derive(Debug)]
pub(super) struct ProbeEvidence {
    pub(super) key: Arc<ProbeKey>,
    pub(super) silence: Duration,
    pub(super) fingerprint: u64,
    /// `Up`, `Degraded`, `Dark`, or `Unknown` before the first evidence.
    pub(super) condition: State,
    pub(super) turned: Turned,
    /// Of the latest run that was not ok.
    pub(super) failure: Option<Failure>,
    /// Of the latest conclusive run.
    pub(super) phases: Vec<Phase>,
    /// The last conclusive runs, as many as the rules look at, oldest first.
    looks: VecDeque<Look>,
    /// How the waits for a person went.
    // Boxed: few probes wait for one.
    waits: Option<Box<Waits>>,
    /// The last runs of any kind, oldest first.
    recent: VecDeque<RecentRun>,
    /// When the last run began that worked, if only slowly.
    pub(super) worked_at: Option<Timestamp>,
    /// When the last conclusive run was taken in.
    heard_at: Duration,
    /// Bad before a silence, and since then neither bad again nor proven good.
    in_doubt: bool,
}

/// How a probe begins that has seen nothing yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The state of its channel.
    pub(super) state: State,
    pub(super) since: Timestamp,
    /// The channel was in this state when it fell silent.
    pub(super) in_doubt: bool,
}

/// When and by what a probe came into its condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turned {
    pub(super) from: State,
    /// Start of the first run that agreed.
    pub(super) since: Timestamp,
    /// End of the run that completed the quorum.
    pub(super) at: Timestamp,
    pub(super) agreeing: u32,
    pub(super) of: u32,
}

impl Turned {
    /// A turn that no run brought about.
    pub(super) fn without_run(at: Timestamp) -> Self {
        Self { from: State::Unknown, since: at, at, agreeing: 0, of: 0 }
    }
}

/// Whether a run may have changed the channel's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Turned,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    saw: Saw,
    started_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Saw {
    /// Counts for nothing any more.
    Spent,
    Ok,
    Slow,
    Failed,
}

impl ProbeEvidence {
    /// A probe of which nothing is known but the state of its channel.
    pub(super) fn new(watched: Watched, beginning: Beginning, now: Duration) -> Self {
        let Beginning { state: channel, since, in_doubt } = beginning;
        Self {
            key: watched.key,
            silence: watched.silence,
            fingerprint: watched.fingerprint,
            condition: if channel == State::Closed { State::Unknown } else { channel },
            turned: Turned { from: channel, ..Turned::without_run(since) },
            failure: None,
            phases: Vec::new(),
            looks: VecDeque::new(),
            waits: None,
            recent: VecDeque::new(),
            worked_at: None,
            heard_at: now,
            in_doubt,
        }
    }

    /// The moment from which it says nothing any more.
    pub(super) fn silent_at(&self) -> Duration {
        self.heard_at.saturating_add(self.silence)
    }

    pub(super) fn is_silent(&self, now: Duration) -> bool {
        now >= self.silent_at()
    }

    /// Whether its condition holds at present.
    pub(super) fn speaks(&self, now: Duration) -> bool {
        self.condition != State::Unknown && !self.in_doubt && !self.is_silent(now)
    }

    pub(super) fn recent(&self) -> impl DoubleEndedIterator<Item = &RecentRun> {
        self.recent.iter()
    }

    pub(super) fn record(&mut self, outcome: &Outcome, rules: &Rules, now: Duration) -> Effect {
        let saw = self.witness(outcome);
        let Some(saw) = saw else { return Effect::Nothing };
        let broke_silence = self.is_silent(now);
        if broke_silence {
            self.forget_what_was_before_silence();
        }
        self.heard_at = now;
        if saw < Saw::Failed {
            self.worked_at = Some(outcome.started_at);
        }
        self.phases.clone_from(&outcome.phases);
        if let Some(failure) = outcome.verdict.failure() {
            self.failure = Some(failure.clone());
        }
        let saw = if self.waits_in_vain(outcome, rules, now) { None } else { Some(saw) };
        if let Some(saw) = saw {
            self.looks.push_back(Look { saw, started_at: outcome.started_at });
        }
        let window = rules.dark_after.of.max(rules.up_after.of) as usize;
        while self.looks.len() > window {
            self.looks.pop_front();
        }
        let dispels_doubt = self.in_doubt && saw.is_none_or(|saw| self.is_confirmed_by(saw));
        self.in_doubt &= !dispels_doubt;
        let line = match (rules.waiting, &self.waits) {
            (Some(rule), Some(waits)) => waits.line(rule, now),
            _ => Line::Within,
        };
        let turns = self.turn(saw, line, rules, outcome);
        if turns || broke_silence || dispels_doubt { Effect::Turned } else { Effect::Nothing }
    }

    /// Remembers a run, whether it counts or not; what it saw, if it could look.
    pub(super) fn witness(&mut self, outcome: &Outcome) -> Option<Saw> {
        let (word, saw) = match &outcome.verdict {
            Verdict::Ok => (RunWord::Ok, Some(Saw::Ok)),
            Verdict::Degraded(_) => (RunWord::Degraded, Some(Saw::Slow)),
            Verdict::Failed(_) => (RunWord::Failed, Some(Saw::Failed)),
            Verdict::Inconclusive(_) => (RunWord::Inconclusive, None),
        };
        self.remember(outcome, word);
        saw
    }

    /// Nothing that was seen so far counts any more; the runs are still remembered.
    pub(super) fn begin_anew(&mut self, beginning: Beginning, now: Duration) {
        let watched =
            Watched { key: Arc::clone(&self.key), silence: self.silence, fingerprint: self.fingerprint };
        let recent = std::mem::take(&mut self.recent);
        *self = Self { recent, ..Self::new(watched, beginning, now) };
    }

    /// Takes note of a wait for a person, if the rules have a line for such; whether it was in vain.
    fn waits_in_vain(&mut self, outcome: &Outcome, rules: &Rules, now: Duration) -> bool {
        let (Some(rule), Some(was_in_vain)) = (rules.waiting, was_in_vain(outcome)) else { return false };
        self.waits.get_or_insert_default().record(outcome, was_in_vain, rule, now);
        was_in_vain
    }

    fn remember(&mut self, outcome: &Outcome, word: RunWord) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(RecentRun {
            probe: self.key.clone(),
            started_at: outcome.started_at,
            duration: outcome.duration,
            outcome: word,
            reason: outcome.verdict.failure().map(|failure| failure.reason),
        });
    }

    /// Old successes prove nothing after a silence; a bad condition stays until successes end it.
    fn forget_what_was_before_silence(&mut self) {
        self.looks.clear();
        if let Some(waits) = &mut self.waits {
            waits.forget();
        }
        match self.condition {
            State::Up => self.condition = State::Unknown,
            State::Degraded | State::Dark => self.in_doubt = true,
            State::Closed | State::Unknown => {}
        }
    }

    /// Whether a run is as bad as the condition says.
    fn is_confirmed_by(&self, saw: Saw) -> bool {
        match self.condition {
            State::Dark => saw == Saw::Failed,
            _ => saw >= Saw::Slow,
        }
    }

    /// Changes the condition if the runs seen call for it, and the line of waits.
    fn turn(&mut self, latest: Option<Saw>, line: Line, rules: &Rules, outcome: &Outcome) -> bool {
        let found = latest.and_then(|latest| self.found(latest, rules, outcome));
        let found = match (self.condition, line) {
            (State::Dark, Line::Always(_)) => None,
            (_, Line::Always(tally)) => Some((State::Dark, tally)),
            (State::Dark, Line::Over(_)) => found.map(|(_, tally)| (State::Degraded, tally)),
            (State::Degraded, Line::Over(_)) => found.filter(|(state, _)| *state == State::Dark),
            (_, Line::Over(tally)) => {
                found.filter(|(state, _)| *state != State::Up).or(Some((State::Degraded, tally)))
            }
            (_, Line::Within) => found,
        };
        let Some((condition, tally)) = found else { return false };
        let end = outcome.started_at.checked_add(outcome.duration).unwrap_or(outcome.started_at);
        self.turned = Turned {
            from: self.condition,
            since: tally.first_at,
            at: end,
            agreeing: tally.agreeing,
            of: tally.of,
        };
        self.spend(condition);
        self.condition = condition;
        self.in_doubt = false;
        true
    }

    /// The condition that the runs seen call for.
    fn found(&self, latest: Saw, rules: &Rules, outcome: &Outcome) -> Option<(State, Tally)> {
        let dark = |saw| saw == Saw::Failed;
        let bad = |saw| saw >= Saw::Slow;
        let works = |saw| saw == Saw::Ok || saw == Saw::Slow;
        let fine = |saw| saw == Saw::Ok;
        let up_after = rules.up_after;
        let dark_after = rules.dark_after;
        match self.condition {
            State::Dark => self
                .agree(up_after, fine)
                .map(|tally| (State::Up, tally))
                .or_else(|| self.agree(up_after, works).map(|tally| (State::Degraded, tally))),
            State::Degraded => self
                .agree(dark_after, dark)
                .map(|tally| (State::Dark, tally))
                .or_else(|| self.agree(up_after, fine).map(|tally| (State::Up, tally))),
            State::Up | State::Unknown | State::Closed => self
                .agree(dark_after, dark)
                .map(|tally| (State::Dark, tally))
                .or_else(|| self.agree(dark_after, bad).map(|tally| (State::Degraded, tally)))
                .or_else(|| self.first_proof(latest, outcome)),
        }
    }

    /// One run that works proves a channel of which nothing was known.
    fn first_proof(&self, latest: Saw, outcome: &Outcome) -> Option<(State, Tally)> {
        let proves = self.condition != State::Up && latest < Saw::Failed;
        proves.then_some((State::Up, Tally { agreeing: 1, of: 1, first_at: outcome.started_at }))
    }

    /// Whether enough of the last runs agree.
    fn agree(&self, quorum: Quorum, counts: impl Fn(Saw) -> bool) -> Option<Tally> {
        let window = self.looks.len().min(quorum.of as usize);
        let looked_at = self.looks.range(self.looks.len() - window..);
        let mut agreeing = looked_at.filter(|look| counts(look.saw));
        let first_at = agreeing.next()?.started_at;
        let count = 1 + u32::try_from(agreeing.count()).unwrap_or(u32::MAX);
        let of = u32::try_from(window).unwrap_or(u32::MAX);
        (count >= quorum.count).then_some(Tally { agreeing: count, of, first_at })
    }

    /// Strikes out the runs that must not count in the new condition: what led into it from the other side.
    fn spend(&mut self, condition: State) {
        let spent = |saw: Saw| match (self.condition, condition) {
            (State::Unknown | State::Closed, State::Up) => false,
            (_, State::Up) => saw >= Saw::Slow,
            (_, State::Dark) => saw <= Saw::Slow,
            (State::Dark, _) => saw == Saw::Failed,
            (_, _) => saw == Saw::Ok,
        };
        for look in &mut self.looks {
            if spent(look.saw) {
                look.saw = Saw::Spent;
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) agreeing: u32,
    pub(super) of: u32,
    pub(super) first_at: Timestamp,
}
