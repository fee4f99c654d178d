//! One probe as several personas: some are refused, or all.

use super::*;

/// What three personas meet, one run each a second, and the states that the channel goes through.
#[test]
fn only_some_personas_refused_is_degraded_and_all_refused_is_an_ordinary_outage() {
    let personas = ["door@guest", "door@new", "door@old"];
    use State::{Dark, Degraded};
    for (guest, new, old, states) in [
        ("ooooooooo", "ooooooooo", "ooooooooo", vec![]),
        // One of them is refused.
        ("ooooooooo", "ooofffffo", "ooooooooo", vec![Degraded]),
        ("fffffffff", "ooooooooo", "ooooooooo", vec![Degraded]),
        // Two of three are.
        ("ooooooooo", "ooofffff", "ooofffff", vec![Degraded]),
        // All are: an ordinary outage, without a word of personas on the way.
        ("ooofffff", "ooofffff", "ooofffff", vec![Dark]),
        // First one, then all.
        ("oooooooofffff", "ooofffffffffff", "oooooooofffff", vec![Degraded, Dark]),
        // All, then all but one are served again.
        ("ooofffffoooo", "ooofffffffff", "ooofffffoooo", vec![Dark, Degraded]),
        // A single refusal is none.
        ("ooooooooo", "ooofooooo", "ooooooooo", vec![]),
    ] {
        let mut trial = Trial::up(&personas, rules(3, 5, 2));
        for at in 0..guest.len() {
            for (persona, runs) in personas.iter().zip([guest, new, old]) {
                if let Some(letter) = runs.get(at..=at) {
                    trial.see(persona, letter);
                }
            }
        }
        assert_eq!(trial.states(), states, "{guest} {new} {old}");
    }
}

#[test]
fn who_is_refused_and_who_is_served_is_told_as_the_reason() {
    let personas = ["door@guest", "door@new"];
    let mut trial = Trial::up(&personas, rules(3, 5, 2));
    for _ in 0..2 {
        trial.see("door@new", "f").see("door@guest", "o");
    }
    trial.now += 1;
    let now = moment(trial.now);
    trial.channel.record(&outcome("door@new", 'f', trial.now), &trial.rules, now.monotonic);
    let transition = trial.judge().expect("it is degraded");
    assert_eq!(transition.to, State::Degraded);
    let failure = transition.evidence.failure.unwrap();
    assert_eq!(failure.reason, Reason::Restricted);
    assert!(failure.cause.is_some());
    assert!(failure.detail.as_str().starts_with("only new, while guest is served: "), "{failure:?}");
    assert_eq!(transition.evidence.probe.unwrap().probe.persona(), Some("new"));
    trial.settle();
    assert_eq!(trial.channel.failure().unwrap().reason, Reason::Restricted);
}
