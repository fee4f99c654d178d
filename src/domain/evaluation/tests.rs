//! The rules of judgement, proven over every short sequence of outcomes.

use super::*;
use crate::domain::{
    channel::{ChannelId, ProbeName},
    outcome::{Detail, Failure, Inconclusive, InconclusiveReason, PhaseKind, Reason, Stage, Verdict},
};

const SILENCE: Duration = Duration::from_secs(100);

fn key(probe: &str) -> Arc<ProbeKey> {
    Arc::new(ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new(probe) })
}

fn watched(probe: &str) -> Watched {
    Watched { key: key(probe), silence: SILENCE, fingerprint: 1 }
}

fn rules(failures: u32, of: u32, successes: u32) -> Rules {
    Rules {
        dark_after: Quorum { count: failures, of },
        up_after: Quorum { count: successes, of: successes },
        alert_on_degraded: false,
        waiting: None,
    }
}

fn moment(second: u64) -> Moment {
    let monotonic = Duration::from_secs(second);
    Moment { wall: Timestamp::UNIX_EPOCH + monotonic, monotonic }
}

/// `o`k, `d`egraded, `f`ailed or `i`nconclusive.
fn outcome(probe: &str, letter: char, second: u64) -> Outcome {
    let failure = Failure {
        stage: Stage::Expect,
        step: None,
        reason: Reason::Disabled,
        cause: None,
        detail: Detail::new(&format!("seen at {second}")),
    };
    let verdict = match letter {
        'o' => Verdict::Ok,
        'd' => Verdict::Degraded(failure),
        'f' => Verdict::Failed(failure),
        'i' => Verdict::Inconclusive(Inconclusive {
            reason: InconclusiveReason::OwnNetwork,
            detail: Detail::default(),
        }),
        other => panic!("no outcome is written {other:?}"),
    };
    let phase = Phase {
        step: None,
        hop: 0,
        kind: PhaseKind::Wait,
        offset: Duration::ZERO,
        duration: Duration::from_millis(second),
    };
    Outcome {
        probe: key(probe),
        started_at: moment(second).wall,
        duration: Duration::from_millis(500),
        verdict,
        phases: vec![phase],
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    }
}

/// A channel that is judged after every run, with a store that never refuses.
struct Trial {
    channel: ChannelState,
    rules: Rules,
    now: u64,
    turns: Vec<(u64, State)>,
}

impl Trial {
    fn new(probes: &[&str], rules: Rules) -> Self {
        let mut channel = ChannelState::new(moment(0).wall);
        channel.watch(probes.iter().map(|probe| watched(probe)), Duration::ZERO);
        Self { channel, rules, now: 0, turns: Vec::new() }
    }

    fn up(probes: &[&str], rules: Rules) -> Self {
        let mut trial = Self::new(probes, rules);
        for probe in probes {
            trial.see(probe, "o");
        }
        assert_eq!(trial.channel.state(), State::Up);
        trial.turns.clear();
        trial
    }

    /// A run a second.
    fn see(&mut self, probe: &str, letters: &str) -> &mut Self {
        for letter in letters.chars() {
            self.now += 1;
            let now = moment(self.now);
            self.channel.record(&outcome(probe, letter, self.now), &self.rules, now.monotonic);
            self.settle();
        }
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds;
        self.settle();
        self
    }

    fn settle(&mut self) {
        while let Some(transition) = self.channel.judge(&self.rules, moment(self.now)) {
            self.channel.adopt(transition.to, transition.since);
            self.turns.push((self.now, transition.to));
        }
    }

    fn judge(&mut self) -> Option<Transition> {
        self.channel.judge(&self.rules, moment(self.now))
    }

    fn states(&self) -> Vec<State> {
        self.turns.iter().map(|turn| turn.1).collect()
    }
}

/// Every word of `length` letters.
fn words(alphabet: &str, length: usize) -> Vec<String> {
    (0..length).fold(vec![String::new()], |words, _| {
        words.iter().flat_map(|word| alphabet.chars().map(move |letter| format!("{word}{letter}"))).collect()
    })
}

#[test]
fn one_failed_look_is_not_an_outage() {
    for word in words("oi", 7) {
        for position in 0..word.len() {
            let mut runs = word.clone();
            runs.replace_range(position..=position, "f");
            let mut trial = Trial::up(&["launcher"], rules(2, 5, 2));
            trial.see("launcher", &runs);
            assert_eq!(trial.turns, [], "{runs}");
        }
    }
}

#[test]
fn a_channel_is_dark_exactly_when_enough_of_its_last_runs_failed() {
    for (failures, of) in [(1, 1), (2, 2), (2, 3), (3, 3), (3, 5)] {
        for word in words("of", 8) {
            let mut trial = Trial::up(&["launcher"], rules(failures, of, 2));
            trial.see("launcher", &word);
            let turned = trial.turns.first().map(|(second, _)| *second - 2);
            let runs: Vec<char> = word.chars().collect();
            let expected = (0..runs.len()).find(|&last| {
                let window = &runs[(last + 1).saturating_sub(of as usize)..=last];
                window.iter().filter(|run| **run == 'f').count() >= failures as usize
            });
            assert_eq!(turned, expected.map(|last| last as u64), "{failures} of {of}: {word}");
        }
    }
}

#[test]
fn an_inconclusive_run_changes_nothing() {
    for word in words("odf", 6) {
        let mut plain = Trial::up(&["launcher"], rules(2, 4, 2));
        plain.see("launcher", &word);
        for position in 0..=word.len() {
            let mut stormy = Trial::up(&["launcher"], rules(2, 4, 2));
            let (before, after) = word.split_at(position);
            stormy.see("launcher", before).see("launcher", "iiiiiiiiiiii").see("launcher", after);
            assert_eq!(stormy.states(), plain.states(), "{word} at {position}");
        }
    }
}

#[test]
fn states_only_follow_one_another_as_they_may() {
    for word in words("odf", 9) {
        let mut trial = Trial::new(&["launcher"], rules(2, 3, 2));
        trial.see("launcher", &word);
        let mut before = State::Unknown;
        for (_, state) in trial.turns {
            assert_ne!(state, before, "{word}");
            assert!(matches!(state, State::Up | State::Degraded | State::Dark), "{word}");
            before = state;
        }
    }
}

#[test]
fn leaving_the_dark_takes_as_many_successes_as_the_rules_say() {
    for word in words("of", 8) {
        let mut trial = Trial::up(&["launcher"], rules(2, 2, 3));
        trial.see("launcher", "ff").see("launcher", &word);
        let recovered = trial.turns.iter().skip(1).find(|turn| turn.1 == State::Up);
        match word.find("ooo") {
            Some(at) => assert_eq!(recovered, Some(&(3 + at as u64 + 3, State::Up)), "{word}"),
            None => assert_eq!(recovered, None, "{word}"),
        }
    }
}

#[test]
fn a_recovery_starts_with_a_clean_sheet() {
    let mut trial = Trial::up(&["launcher"], rules(3, 5, 2));
    trial.see("launcher", "fffoo").see("launcher", "ff");
    assert_eq!(trial.states(), [State::Dark, State::Up]);
    trial.see("launcher", "f");
    assert_eq!(trial.states(), [State::Dark, State::Up, State::Dark]);
}

#[test]
fn a_proposal_is_repeated_unchanged_until_it_is_adopted() {
    let mut trial = Trial::up(&["launcher"], rules(2, 5, 2));
    let runs = ["f", "f"];
    for letter in runs {
        trial.now += 1;
        let seen = outcome("launcher", letter.chars().next().unwrap(), trial.now);
        trial.channel.record(&seen, &trial.rules, moment(trial.now).monotonic);
    }
    let proposed = trial.judge().unwrap();
    trial.now += 40;
    assert_eq!(trial.judge().as_ref(), Some(&proposed));
    assert_eq!(trial.channel.state(), State::Up);
    assert_eq!((proposed.evidence.agreeing, proposed.evidence.of), (2, 3));
    assert_eq!(proposed.since, moment(2).wall);
    assert_eq!(proposed.at, moment(3).wall + Duration::from_millis(500));
    trial.channel.adopt(proposed.to, proposed.since);
    assert_eq!(trial.judge(), None);
}

#[test]
fn an_outage_that_ends_before_it_was_committed_is_still_told_and_then_its_end() {
    let mut trial = Trial::up(&["launcher"], rules(2, 2, 2));
    for letter in "ffoooo".chars() {
        trial.now += 1;
        let seen = outcome("launcher", letter, trial.now);
        trial.channel.record(&seen, &trial.rules, moment(trial.now).monotonic);
        let _ = trial.judge();
    }
    trial.settle();
    assert_eq!(trial.states(), [State::Dark, State::Up]);
}

#[test]
fn a_channel_is_as_bad_as_its_worst_probe() {
    let mut trial = Trial::up(&["launcher", "page"], rules(2, 2, 2));
    trial.see("launcher", "ff").see("page", "dd").see("page", "ooo");
    assert_eq!(trial.states(), [State::Dark]);
    trial.see("page", "dd").see("launcher", "oo");
    assert_eq!(trial.states(), [State::Dark, State::Degraded]);
    trial.see("page", "oo");
    assert_eq!(trial.states(), [State::Dark, State::Degraded, State::Up]);
}

#[test]
fn a_channel_of_which_nothing_is_heard_is_unknown() {
    let mut trial = Trial::up(&["launcher"], rules(2, 2, 2));
    trial.see("launcher", "iiii").wait(94);
    assert_eq!(trial.turns, []);
    trial.wait(2);
    assert_eq!(trial.states(), [State::Unknown]);
    trial.see("launcher", "i");
    assert_eq!(trial.states(), [State::Unknown]);
    trial.see("launcher", "o");
    assert_eq!(trial.states(), [State::Unknown, State::Up]);
}

#[test]
fn a_dark_channel_that_falls_silent_needs_no_new_proof_to_be_dark_again() {
    let mut trial = Trial::up(&["launcher"], rules(2, 2, 2));
    trial.see("launcher", "ff").wait(101).see("launcher", "f");
    assert_eq!(trial.states(), [State::Dark, State::Unknown, State::Dark]);
    let mut trial = Trial::up(&["launcher"], rules(2, 2, 2));
    trial.see("launcher", "ffo").wait(101).see("launcher", "o");
    assert_eq!(trial.states(), [State::Dark, State::Unknown], "one success proves neither");
    trial.see("launcher", "o");
    assert_eq!(trial.states(), [State::Dark, State::Unknown, State::Up]);
}

#[test]
fn failures_from_before_a_silence_do_not_count_after_it() {
    let mut trial = Trial::up(&["launcher"], rules(2, 2, 2));
    trial.see("launcher", "f").wait(101).see("launcher", "f");
    assert_eq!(trial.states(), [State::Unknown]);
    trial.see("launcher", "f");
    assert_eq!(trial.states(), [State::Unknown, State::Dark]);
}

#[test]
fn a_probe_that_went_silent_while_dark_does_not_make_its_channel_look_up() {
    let mut trial = Trial::up(&["launcher", "page"], rules(2, 2, 2));
    trial.see("launcher", "ff");
    for _ in 0..20 {
        trial.see("page", "o").wait(9);
    }
    assert_eq!(trial.states(), [State::Dark, State::Unknown]);
    trial.see("launcher", "oo");
    assert_eq!(trial.states(), [State::Dark, State::Unknown, State::Up]);
}

#[test]
fn a_silent_probe_beside_a_speaking_one_is_no_matter() {
    let mut trial = Trial::up(&["launcher", "page"], rules(2, 2, 2));
    for _ in 0..20 {
        trial.see("page", "o").wait(9);
    }
    assert_eq!(trial.turns, []);
}

#[test]
fn after_a_restart_a_channel_stays_as_it_was_until_proven_otherwise() {
    for state in [State::Dark, State::Degraded] {
        let mut trial = Trial::new(&["launcher"], rules(2, 2, 2));
        trial.channel = ChannelState::restore(state, moment(0).wall, None);
        trial.channel.watch([watched("launcher")], Duration::ZERO);
        trial.settle();
        trial.see("launcher", "o");
        assert_eq!(trial.turns, [], "one success is no recovery");
        trial.see("launcher", "o");
        assert_eq!(trial.states(), [State::Up]);
    }
    let mut trial = Trial::new(&["launcher"], rules(2, 2, 2));
    trial.channel = ChannelState::restore(State::Up, moment(0).wall, None);
    trial.channel.watch([watched("launcher")], Duration::ZERO);
    trial.see("launcher", "f");
    assert_eq!(trial.turns, []);
    trial.wait(101);
    assert_eq!(trial.states(), [State::Unknown]);
}

#[test]
fn a_reload_keeps_the_evidence_of_unchanged_probes_and_drops_that_of_changed_ones() {
    let mut trial = Trial::up(&["launcher", "page"], rules(3, 3, 2));
    trial.see("launcher", "ff").see("page", "ff");
    let changed = Watched { fingerprint: 2, ..watched("page") };
    trial.channel.watch([changed, watched("launcher")], moment(trial.now).monotonic);
    trial.see("page", "ff");
    assert_eq!(trial.turns, []);
    trial.see("launcher", "f");
    assert_eq!(trial.states(), [State::Dark]);
}

#[test]
fn a_probe_that_changes_while_a_verdict_waits_for_its_commit_does_not_contradict_it() {
    for (state, runs, recommitted) in [(State::Up, "ff", State::Dark), (State::Dark, "oo", State::Up)] {
        for settles_first in [false, true] {
            let mut trial = Trial::new(&["launcher"], rules(2, 2, 2));
            trial.channel = ChannelState::restore(state, moment(0).wall, None);
            trial.channel.watch([watched("launcher")], Duration::ZERO);
            for letter in runs.chars() {
                trial.now += 1;
                let seen = outcome("launcher", letter, trial.now);
                trial.channel.record(&seen, &trial.rules, moment(trial.now).monotonic);
            }
            let waiting = trial.judge().unwrap();
            assert_eq!(waiting.to, recommitted);
            let changed = Watched { fingerprint: 2, ..watched("launcher") };
            trial.channel.watch([changed], moment(trial.now).monotonic);
            if settles_first {
                let again = trial.judge().unwrap();
                assert_eq!(again.to, waiting.to, "it is proposed as before");
            }
            trial.channel.adopt(waiting.to, waiting.since);
            trial.settle();
            assert_eq!(trial.turns, [], "{state:?} to {recommitted:?}: no change without a run behind it");
        }
    }
}

#[test]
fn an_outage_in_doubt_takes_full_evidence_to_end_after_a_restart_and_after_a_change_of_its_probe() {
    let began = Outage { state: State::Dark, since: moment(0).wall };
    let restarted = |trial: &mut Trial| {
        trial.channel = ChannelState::restore(State::Unknown, trial.channel.since(), Some(began));
        trial.channel.watch([watched("launcher")], moment(trial.now).monotonic);
    };
    let changed = |trial: &mut Trial| {
        let changed = Watched { fingerprint: 2, ..watched("launcher") };
        trial.channel.watch([changed], moment(trial.now).monotonic);
    };
    for interrupt in [&restarted as &dyn Fn(&mut Trial), &changed] {
        for (runs, expected) in [("o", vec![]), ("oo", vec![State::Up]), ("f", vec![State::Dark])] {
            let mut trial = Trial::up(&["launcher"], rules(2, 2, 2));
            trial.see("launcher", "ff").wait(101);
            assert_eq!(trial.states(), [State::Dark, State::Unknown]);
            trial.turns.clear();
            interrupt(&mut trial);
            trial.settle();
            assert_eq!(trial.turns, [], "the interruption itself changes nothing");
            trial.see("launcher", runs);
            assert_eq!(trial.states(), expected, "{runs}");
        }
    }
}

#[test]
fn a_channel_whose_dark_probe_is_taken_out_is_as_its_other_probes_say() {
    let mut trial = Trial::up(&["launcher", "page"], rules(2, 2, 2));
    trial.see("launcher", "ff").see("page", "o");
    trial.channel.watch([watched("page")], moment(trial.now).monotonic);
    let transition = trial.judge().unwrap();
    assert_eq!((transition.to, transition.since), (State::Up, moment(trial.now).wall));
    assert_eq!(transition.evidence.agreeing, 0);
}

#[test]
fn an_outcome_of_a_probe_that_is_not_watched_is_ignored() {
    let mut trial = Trial::up(&["launcher"], rules(1, 1, 1));
    trial.see("stranger", "ffff");
    assert_eq!(trial.turns, []);
}

#[test]
fn the_evidence_names_probe_failure_timings_and_last_runs() {
    let mut trial = Trial::up(&["launcher", "page"], rules(2, 3, 2));
    trial.see("launcher", "iof");
    trial.now += 1;
    let seen = outcome("launcher", 'f', trial.now);
    trial.channel.record(&seen, &trial.rules, moment(trial.now).monotonic);
    let evidence = trial.judge().unwrap().evidence;
    assert_eq!(evidence.probe, Some(key("launcher")));
    assert_eq!(evidence.failure.unwrap().detail.as_str(), "seen at 6");
    assert_eq!(evidence.phases[0].duration, Duration::from_millis(6));
    let runs: Vec<(&str, RunWord)> =
        evidence.recent.iter().map(|run| (run.probe.probe.as_str(), run.outcome)).collect();
    let launcher = |word| ("launcher", word);
    assert_eq!(
        runs,
        [
            launcher(RunWord::Ok),
            ("page", RunWord::Ok),
            launcher(RunWord::Inconclusive),
            launcher(RunWord::Ok),
            launcher(RunWord::Failed),
            launcher(RunWord::Failed),
        ]
    );
}

#[test]
fn the_first_failure_of_the_evidence_is_since_when_it_is_dark() {
    let mut trial = Trial::up(&["launcher"], rules(3, 5, 2));
    trial.see("launcher", "fooooffof");
    assert_eq!(trial.states(), [State::Dark]);
    assert_eq!(trial.channel.since(), moment(7).wall);
}

#[test]
fn what_is_remembered_of_a_probe_is_bounded() {
    let mut trial = Trial::up(&["launcher"], rules(3, 5, 2));
    trial.see("launcher", &"foi".repeat(1_000));
    assert_eq!(trial.channel.recent(&ProbeName::new("launcher")).count(), RECENT_MAX);
    assert!(size_of::<evidence::ProbeEvidence>() <= 384, "{}", size_of::<evidence::ProbeEvidence>());
}

mod opening;
mod personas;
