//! The real binary in a network of its own that is lost in every way we know of. Behind a cable and a gateway stand two
//! hundred doors and a name server. While the network is lost one of the doors breaks. Nobody may hear of any other door,
//! everybody must hear of this one when the network is back, and once that nothing was seen meanwhile.
//!
//! Each way is gone once. `LAMPLIGHTER_ROUNDS` repeats; this prints the table:
//! `LAMPLIGHTER_ROUNDS=10 cargo nextest run --no-capture -E 'test(/^blind::/)' | grep '^blind/'`

pub mod lab;

use std::{collections::BTreeMap, time::Duration};

use lab::{Lab, Loss};
use tokio::time::{Instant, sleep};

use crate::running::{PATIENCE, until};

/// Half of them are looked for by name.
const DOORS: usize = 200;
/// So long nothing may be told of a door after all are well again.
const AFTERMATH: Duration = Duration::from_millis(700);

/// What has come of one way to lose the network.
#[derive(Debug, Default)]
struct Tally {
    cycles: usize,
    false_mails: usize,
    missed: usize,
    blind_mails: usize,
    found_after: Vec<Duration>,
    causes: BTreeMap<String, usize>,
}

#[test]
fn the_loss_of_the_network_is_told_once_and_hides_no_outage() {
    if !lab::is_inside() {
        return lab::enter("blind::the_loss_of_the_network_is_told_once_and_hides_no_outage");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tallies = runtime.block_on(every_way());
    for (loss, tally) in &tallies {
        println!("blind/{:<20} {tally}", loss.name());
    }
    for (loss, tally) in tallies {
        let causes = BTreeMap::from([(loss.cause().to_owned(), tally.cycles)]);
        assert_eq!((tally.false_mails, tally.missed), (0, 0), "{loss:?}: {tally}");
        assert_eq!((tally.blind_mails, tally.causes), (tally.cycles, causes), "{loss:?}");
        let slowest = tally.found_after.iter().max().unwrap();
        assert!(*slowest < Duration::from_secs(10), "{loss:?}: {slowest:?}");
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut found: Vec<f64> = self.found_after.iter().map(Duration::as_secs_f64).collect();
        found.sort_by(f64::total_cmp);
        let [half, slowest] =
            [found.get(found.len() / 2), found.last()].map(|span| span.copied().unwrap_or(f64::NAN));
        write!(
            f,
            "{:>3} cycles  {} false mails  {} missed  {:>3} blind mails  found {half:.1} s after return (p50), {slowest:.1} s (max)  {:?}",
            self.cycles, self.false_mails, self.missed, self.blind_mails, self.causes
        )
    }
}

async fn every_way() -> Vec<(Loss, Tally)> {
    let asked = std::env::var_os("LAMPLIGHTER_ROUNDS").map(|rounds| rounds.into_string().unwrap());
    let rounds: usize = asked.map_or(1, |rounds| rounds.parse().unwrap());
    let lab = Lab::build(DOORS).await;
    until("all doors are up", async || lab.doors_in("up").await == DOORS).await;
    let mut tallies: Vec<(Loss, Tally)> = Loss::ALL.map(|loss| (loss, Tally::default())).into();
    for round in 0..rounds {
        for (number, (loss, tally)) in tallies.iter_mut().enumerate() {
            // Looked for by name where that is what is lost, and else by turns.
            let broken = 2 * ((17 * round + 31 * number) % (DOORS / 2))
                + usize::from(!loss.is_of_names() && round % 2 == 1);
            cycle(&lab, *loss, broken, tally).await;
        }
    }
    tallies
}

/// Loses the network, breaks a door, brings the network back, and mends the door.
async fn cycle(lab: &Lab, loss: Loss, broken: usize, tally: &mut Tally) {
    let before = lab.mails();
    let door = lab::door(broken);
    lab.lose(loss);
    let unseen = if loss.is_of_names() { DOORS / 2 } else { DOORS };
    until("what cannot be seen is unknown", async || lab.doors_in("unknown").await == unseen).await;
    assert_eq!(lab.doors_in("dark").await, 0, "{loss:?}");
    let is_blind = lab.sum("lamplighter_blind{cause=\"own_network\"}").await == 1.0;
    assert_eq!(is_blind, !loss.is_of_names(), "{loss:?}: doors with an address are seen without names");
    lab.break_door(broken);
    // So long the outage lasts unseen.
    sleep(AFTERMATH).await;
    lab.find(loss);
    let back = Instant::now();
    let opened = || lab.mails().split_off(before.len()).iter().any(|mail| mail.opens(&door));
    while !opened() && back.elapsed() < PATIENCE {
        sleep(Duration::from_millis(20)).await;
    }
    tally.found_after.push(back.elapsed());
    until("the other doors are up", async || lab.doors_in("up").await == DOORS - 1).await;
    lab.mend_door(broken);
    until("all doors are up", async || lab.doors_in("up").await == DOORS).await;
    sleep(AFTERMATH).await;
    let told = lab.mails().split_off(before.len());
    tally.cycles += 1;
    tally.missed += usize::from(!told.iter().any(|mail| mail.opens(&door)));
    tally.false_mails += told.iter().filter(|mail| mail.is_of_a_door() && !mail.is_of(&door)).count();
    tally.blind_mails += told.iter().filter(|mail| mail.event == "blind").count();
    *tally.causes.entry(lab.last_cause()).or_default() += 1;
}
