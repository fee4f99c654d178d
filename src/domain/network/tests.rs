//! Rounds of sentinels as they may come, and what becomes of the runs around them.

use jiff::Timestamp;

use super::*;
use crate::domain::outcome::{Detail, Inconclusive, InconclusiveReason};

/// A network and the questions of its latest round.
struct Play {
    network: Network,
    questions: Vec<Question>,
}

const ALL: [Kind; 4] = [Kind::Address, Kind::Address, Kind::Gateway, Kind::Resolver];
// The places of them.
const FAR: usize = 0;
const OTHER: usize = 1;
const GATEWAY: usize = 2;
const NAMES: usize = 3;

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

fn at(time: f64) -> Moment {
    let start: Timestamp = "2026-11-21T10:02:00Z".parse().unwrap();
    Moment { wall: start + secs(time), monotonic: secs(time) }
}

impl Play {
    fn new(kinds: &[Kind]) -> Self {
        Self { network: Network::new(kinds.to_vec()), questions: Vec::new() }
    }

    fn begin(&mut self, time: f64) {
        assert!(self.network.may_ask());
        self.questions = self.network.ask(at(time));
    }

    fn hear(&mut self, place: usize, answer: Answer, time: f64) {
        let question = *self.questions.iter().find(|question| question.place == place).unwrap();
        self.network.hear(question, answer, at(time));
    }

    /// A whole round in which only these answer, within a tenth of a second.
    fn round(&mut self, time: f64, answering: &[usize]) {
        self.begin(time);
        for question in self.questions.clone() {
            let answers = answering.contains(&question.place);
            let (answer, took) = if answers { (Answer::Prompt, 0.1) } else { (Answer::None, 2.0) };
            self.network.hear(question, answer, at(time + took));
        }
    }

    fn ruling(&self, began: f64, ended: f64) -> Ruling {
        self.network.ruling(Broke::Elsewhere, secs(began), secs(ended))
    }

    fn ruling_by_name(&self, began: f64, ended: f64) -> Ruling {
        self.network.ruling(Broke::ByName, secs(began), secs(ended))
    }

    fn causes(&self) -> Vec<Cause> {
        self.network.spell().unwrap().causes.iter().copied().collect()
    }
}

const BLIND: Ruling = Ruling::Doubted(Sight::Blind);
const NAMELESS: Ruling = Ruling::Doubted(Sight::Nameless);

#[test]
fn without_sentinels_every_run_counts_at_once() {
    let play = Play::new(&[]);
    assert_eq!(play.ruling(0.0, 1.0), Ruling::Counts);
    assert_eq!(play.network.sight(), Some(Sight::Clear));
    let gateway_alone = Play::new(&[Kind::Gateway]);
    assert_eq!(gateway_alone.ruling(0.0, 1.0), Ruling::Counts, "it says where, not whether");
}

#[test]
fn a_failed_run_waits_for_a_round_that_began_after_it() {
    let mut play = Play::new(&ALL);
    play.round(0.0, &[FAR, OTHER, GATEWAY, NAMES]);
    assert_eq!(play.ruling(1.0, 3.0), Ruling::Waits);
    play.begin(2.0);
    play.hear(FAR, Answer::Prompt, 3.5);
    assert_eq!(play.ruling(1.0, 3.0), Ruling::Waits, "it began before the run ended");
    play.hear(NAMES, Answer::Prompt, 3.5);
    play.begin(4.0);
    assert_eq!(play.ruling(1.0, 3.0), Ruling::Waits);
    play.hear(FAR, Answer::Prompt, 4.1);
    assert_eq!(
        play.ruling(1.0, 3.0),
        Ruling::Counts,
        "one address that answers is enough, and nobody waits longer"
    );
    assert_eq!(play.ruling_by_name(1.0, 3.0), Ruling::Waits);
    play.hear(NAMES, Answer::Prompt, 4.2);
    assert_eq!(play.ruling_by_name(1.0, 3.0), Ruling::Counts);
}

#[test]
fn what_fails_around_a_blind_round_does_not_count() {
    let mut play = Play::new(&ALL);
    play.round(0.0, &[FAR, OTHER, GATEWAY, NAMES]);
    play.round(5.0, &[]);
    assert_eq!(play.network.sight(), Some(Sight::Blind));
    for (began, ended, why) in [
        (5.5, 6.0, "within it"),
        (4.0, 5.5, "it began before"),
        (1.0, 4.9, "it ended before, and no good round began since"),
        (7.5, 7.9, "nobody knows yet whether it is over"),
    ] {
        assert_eq!(play.ruling(began, ended), BLIND, "{why}");
    }
    play.round(8.0, &[FAR, OTHER, GATEWAY, NAMES]);
    assert_eq!(play.network.sight(), Some(Sight::Clear));
    for (began, ended) in [(5.5, 6.0), (4.0, 5.5), (1.0, 4.9), (7.5, 7.9), (7.9, 12.0)] {
        assert_eq!(play.ruling(began, ended), BLIND, "{began} to {ended}, also when sight is back");
    }
    assert_eq!(play.ruling(8.5, 9.0), Ruling::Waits, "it began afterwards");
    play.round(9.5, &[FAR]);
    assert_eq!(play.ruling(8.5, 9.0), Ruling::Counts);
}

#[test]
fn a_fault_of_a_second_is_known_by_the_packet_that_was_lost() {
    let mut play = Play::new(&ALL);
    play.round(0.0, &[FAR, OTHER, GATEWAY, NAMES]);
    // A long run breaks at once when the path does; the path is back before the sentinels give up.
    play.begin(3.2);
    for place in [FAR, OTHER, GATEWAY, NAMES] {
        play.hear(place, Answer::Late, 4.3);
    }
    assert_eq!(play.ruling(0.5, 3.2), BLIND);
    assert_eq!(play.network.sight(), Some(Sight::Clear), "it works now");
    assert!(play.network.is_in_doubt(), "the next round is to come soon");
    assert_eq!(play.network.spell(), None);
    play.round(4.5, &[FAR, OTHER, GATEWAY, NAMES]);
    assert!(!play.network.is_in_doubt());
    assert_eq!(play.ruling(0.5, 3.2), BLIND);
    play.round(6.0, &[FAR]);
    assert_eq!(play.ruling(5.0, 5.5), Ruling::Counts);
}

#[test]
fn the_loss_of_one_packet_casts_no_doubt() {
    let mut play = Play::new(&ALL);
    play.begin(0.0);
    play.hear(FAR, Answer::Prompt, 0.1);
    for place in [OTHER, GATEWAY, NAMES] {
        play.hear(place, Answer::Late, 1.1);
    }
    assert!(!play.network.is_in_doubt());
    assert_eq!(play.ruling_by_name(0.0, 0.0), Ruling::Counts);
}

#[test]
fn a_sentinel_that_fails_alone_changes_nothing() {
    for silent in [FAR, OTHER, GATEWAY] {
        let mut play = Play::new(&ALL);
        let others: Vec<usize> = (0..ALL.len()).filter(|place| *place != silent).collect();
        play.round(1.0, &others);
        assert_eq!(play.ruling_by_name(0.1, 0.9), Ruling::Counts, "{silent}");
        assert_eq!(play.network.spell(), None, "{silent}");
    }
}

#[test]
fn a_sentinel_that_is_silent_holds_up_no_round() {
    let mut play = Play::new(&ALL);
    play.begin(0.0);
    play.hear(FAR, Answer::Prompt, 0.1);
    assert!(!play.network.may_ask(), "the name server may still answer");
    play.hear(NAMES, Answer::Prompt, 0.1);
    play.begin(0.3);
    let asked: Vec<usize> = play.questions.iter().map(|question| question.place).collect();
    assert_eq!(asked, [FAR, NAMES], "the others are still being asked");
    play.hear(FAR, Answer::None, 2.3);
    assert_eq!(
        play.network.sight(),
        Some(Sight::Blind),
        "who is silent from before does not answer now either"
    );
    play.hear(NAMES, Answer::None, 2.3);
    assert!(play.network.may_ask());
}

#[test]
fn without_name_servers_only_what_broke_by_name_does_not_count() {
    let mut play = Play::new(&ALL);
    play.round(0.0, &[FAR, OTHER, GATEWAY, NAMES]);
    play.round(5.0, &[FAR, OTHER, GATEWAY]);
    assert_eq!(play.network.sight(), Some(Sight::Nameless));
    assert_eq!(play.causes(), [Cause::Names]);
    assert_eq!(play.ruling_by_name(3.0, 4.0), NAMELESS);
    assert_eq!(play.ruling(3.0, 4.0), Ruling::Counts);
    play.round(8.0, &[FAR, NAMES]);
    assert_eq!(play.network.sight(), Some(Sight::Clear));
    assert_eq!(play.ruling_by_name(6.0, 7.0), NAMELESS);
    assert_eq!(play.ruling(6.0, 7.0), Ruling::Counts);
}

#[test]
fn the_gateway_tells_where_it_is_broken() {
    let without = [Kind::Address, Kind::Address];
    for (kinds, answering, cause) in
        [(&ALL[..], &[][..], Cause::Link), (&ALL, &[GATEWAY], Cause::Line), (&without, &[], Cause::Network)]
    {
        let mut play = Play::new(kinds);
        play.round(0.0, answering);
        assert_eq!(play.causes(), [cause]);
        assert_eq!(play.network.spell().unwrap().began, at(0.0));
    }
}

#[test]
fn a_time_without_sight_ends_with_the_first_address_and_name_that_answer() {
    let mut play = Play::new(&ALL);
    play.round(0.0, &[]);
    play.round(3.0, &[GATEWAY]);
    let spell = play.network.spell().unwrap();
    assert_eq!((spell.began, spell.failed.len()), (at(0.0), 4));
    assert_eq!(play.causes(), [Cause::Link, Cause::Line]);
    play.begin(6.0);
    play.hear(FAR, Answer::Prompt, 6.1);
    assert!(play.network.spell().is_some(), "names are still to be seen");
    play.hear(NAMES, Answer::Prompt, 6.2);
    assert_eq!(play.network.spell(), None);
    assert_eq!(play.network.cleared_at(), Some(at(6.2)));
}

#[test]
fn doubts_are_remembered_for_as_long_as_a_run_may_last_and_no_longer() {
    let mut play = Play::new(&[Kind::Address]);
    play.round(0.0, &[]);
    play.round(10.0, &[0]);
    play.round(1_800.0, &[0]);
    assert_eq!(play.ruling(9.0, 1_790.0), BLIND);
    for turn in 0..1_000_u32 {
        play.round(10_000.0 + f64::from(turn) * 2.0, if turn % 2 == 0 { &[] } else { &[0] });
    }
    assert!(play.network.addresses.doubts.len() <= DOUBTS_MAX);
    assert_eq!(play.ruling(10_001.0, 10_001.5), BLIND, "those that were put together still doubt");
}

#[test]
fn only_what_our_own_network_may_have_done_is_kept_back() {
    let failure =
        |stage, reason, cause| Failure { stage, step: None, reason, cause, detail: Detail::default() };
    let slow = failure(Stage::Expect, Reason::TooSlow, None);
    let expiring = failure(Stage::Expect, Reason::CertificateExpired, None);
    let unresolved = failure(Stage::Resolve, Reason::DnsServfail, None);
    let part = failure(Stage::Expect, Reason::Missing, Some(Reason::DnsTimeout));
    let lack = Inconclusive { reason: InconclusiveReason::MonitorLocal, detail: Detail::default() };
    for (verdict, broke) in [
        (Verdict::Ok, None),
        (Verdict::Inconclusive(lack), None),
        (Verdict::Degraded(expiring.clone()), None),
        (Verdict::Degraded(slow), Some(Broke::Elsewhere)),
        (Verdict::Failed(expiring), Some(Broke::Elsewhere)),
        (Verdict::Failed(unresolved), Some(Broke::ByName)),
        (Verdict::Failed(part), Some(Broke::ByName)),
    ] {
        assert_eq!(Broke::of(&verdict), broke, "{verdict:?}");
    }
}
