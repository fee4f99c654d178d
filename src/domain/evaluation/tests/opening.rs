//! Closed on purpose: hours, maintenance and what is seen meanwhile, in every combination.

use super::*;

/// From which second on the channel is closed in the middle of a trial, and until when. Ten runs are made before, during
/// and after.
const CLOSES: u64 = 11;
const OPENS: u64 = 21;

fn attend(trial: &mut Trial, opening: Opening) {
    trial.channel.attend(opening, moment(trial.now));
    trial.settle();
}

/// The turns of a channel that was up: what is seen before, during and after, a run a second.
fn turns(middle: Opening, [before, during, after]: [char; 3]) -> Vec<(u64, State)> {
    let mut trial = Trial::up(&["door"], rules(3, 5, 2));
    trial.see("door", &before.to_string().repeat(9));
    trial.now = CLOSES;
    attend(&mut trial, middle);
    trial.see("door", &during.to_string().repeat(9));
    trial.now = OPENS;
    attend(&mut trial, Opening::Open);
    trial.see("door", &after.to_string().repeat(9)).turns.clone()
}

#[test]
fn outside_the_hours_nothing_that_is_seen_counts_and_at_the_opening_the_evidence_begins_anew() {
    use State::{Closed, Dark, Unknown, Up};
    for during in ['o', 'f', 'd', 'i'] {
        for (before, after, expected) in [
            ('o', 'o', vec![(CLOSES, Closed), (OPENS, Unknown), (22, Up)]),
            ('o', 'f', vec![(CLOSES, Closed), (OPENS, Unknown), (24, Dark)]),
            ('o', 'i', vec![(CLOSES, Closed), (OPENS, Unknown)]),
            // What was dark when it closed is so still with the first failure, which is no news.
            ('f', 'f', vec![(4, Dark), (CLOSES, Closed), (OPENS, Unknown), (22, Dark)]),
            ('f', 'o', vec![(4, Dark), (CLOSES, Closed), (OPENS, Unknown), (23, Up)]),
        ] {
            let seen = [before, during, after];
            assert_eq!(turns(Opening::OutOfHours, seen), expected, "{seen:?}");
        }
    }
}

#[test]
fn under_maintenance_it_is_closed_and_what_is_dark_when_that_ends_is_dark_at_once() {
    use State::{Closed, Dark, Degraded, Up};
    for (seen, expected) in [
        (['o', 'o', 'o'], vec![(CLOSES, Closed), (OPENS, Up)]),
        (['o', 'o', 'f'], vec![(CLOSES, Closed), (OPENS, Up), (24, Dark)]),
        (['o', 'f', 'o'], vec![(CLOSES, Closed), (OPENS, Dark), (23, Up)]),
        (['o', 'f', 'f'], vec![(CLOSES, Closed), (OPENS, Dark)]),
        (['o', 'd', 'd'], vec![(CLOSES, Closed), (OPENS, Degraded)]),
        (['o', 'i', 'o'], vec![(CLOSES, Closed), (OPENS, Up)]),
        (['f', 'o', 'o'], vec![(4, Dark), (CLOSES, Closed), (OPENS, Up)]),
        (['f', 'o', 'f'], vec![(4, Dark), (CLOSES, Closed), (OPENS, Up), (24, Dark)]),
        (['f', 'f', 'o'], vec![(4, Dark), (CLOSES, Closed), (OPENS, Dark), (23, Up)]),
        (['f', 'f', 'f'], vec![(4, Dark), (CLOSES, Closed), (OPENS, Dark)]),
    ] {
        assert_eq!(turns(Opening::Maintenance, seen), expected, "{seen:?}");
    }
}

#[test]
fn an_outage_that_outlives_its_window_began_in_it_and_is_confirmed_at_its_end() {
    let mut trial = Trial::up(&["door"], rules(3, 5, 2));
    attend(&mut trial, Opening::Maintenance);
    trial.see("door", "oofff").wait(10);
    let end = moment(trial.now);
    trial.channel.attend(Opening::Open, end);
    let transition = trial.channel.judge(&trial.rules, moment(trial.now + 1)).unwrap();
    assert_eq!((transition.from, transition.to), (State::Closed, State::Dark));
    assert_eq!((transition.since, transition.at), (moment(4).wall, end.wall));
    assert_eq!(transition.evidence.agreeing, 3);
}

#[test]
fn maintenance_that_lasts_past_the_opening_counts_from_the_opening_on() {
    for (closed, under_maintenance, state) in [
        ("fff", "ff", State::Unknown),
        ("ffff", "fff", State::Dark),
        ("ffff", "ooo", State::Up),
        ("ooo", "f", State::Unknown),
    ] {
        let mut trial = Trial::up(&["door"], rules(3, 5, 2));
        attend(&mut trial, Opening::OutOfHours);
        trial.see("door", closed);
        attend(&mut trial, Opening::Maintenance);
        trial.see("door", under_maintenance);
        assert_eq!(trial.channel.state(), State::Closed);
        attend(&mut trial, Opening::Open);
        assert_eq!(trial.channel.state(), state, "{closed} {under_maintenance}");
    }
}

#[test]
fn a_run_that_was_under_way_at_the_opening_does_not_count() {
    let mut trial = Trial::up(&["door"], rules(1, 1, 1));
    attend(&mut trial, Opening::OutOfHours);
    trial.now = 99;
    attend(&mut trial, Opening::Open);
    // It ends a tenth of a second after the opening, and took half a second.
    let ended = moment(99).monotonic + Duration::from_millis(100);
    trial.channel.record(&outcome("door", 'f', 99), &trial.rules, ended);
    trial.settle();
    assert_eq!(trial.channel.state(), State::Unknown);
    assert_eq!(trial.channel.recent(&ProbeName::new("door")).count(), 2, "it is remembered");
    trial.see("door", "f");
    assert_eq!(trial.channel.state(), State::Dark);
}

#[test]
fn a_restart_while_closed_keeps_what_is_owed_to_those_who_were_told() {
    let outage = Outage { state: State::Dark, since: moment(3).wall };
    for (outage, runs, states) in [
        (Some(outage), "f", vec![State::Unknown, State::Dark]),
        (Some(outage), "oo", vec![State::Unknown, State::Up]),
        (None, "ff", vec![State::Unknown]),
        (None, "o", vec![State::Unknown, State::Up]),
    ] {
        let mut trial = Trial::new(&["door"], rules(3, 5, 2));
        trial.channel = ChannelState::restore(State::Closed, moment(5).wall, outage);
        trial.channel.watch([watched("door")], Duration::ZERO);
        trial.now = 10;
        attend(&mut trial, Opening::OutOfHours);
        trial.see("door", "ff").now = 20;
        assert_eq!(trial.channel.state(), State::Closed);
        attend(&mut trial, Opening::Open);
        trial.see("door", runs);
        let found: Vec<State> = trial.turns.iter().map(|(_, state)| *state).collect();
        assert_eq!(found, states, "{outage:?} {runs}");
    }
}

#[test]
fn an_outage_found_before_the_closing_is_told_even_if_the_store_takes_it_only_afterwards() {
    let mut trial = Trial::up(&["door"], rules(3, 5, 2));
    for second in 2..=4 {
        trial.channel.record(&outcome("door", 'f', second), &trial.rules, moment(second).monotonic);
    }
    assert_eq!(trial.channel.judge(&trial.rules, moment(4)).unwrap().to, State::Dark);
    trial.channel.attend(Opening::OutOfHours, moment(5));
    assert_eq!(trial.channel.judge(&trial.rules, moment(6)).unwrap().to, State::Dark);
    trial.channel.adopt(State::Dark, moment(2).wall);
    let closes = trial.channel.judge(&trial.rules, moment(7)).unwrap();
    assert_eq!((closes.to, closes.since), (State::Closed, moment(5).wall));
}
