//! What is held of runs that did not go well, until it is known whether anybody must hear of it: of each probe the first
//! such run since it was last well, and the latest. The first is what an outage began with.

use std::sync::Arc;

use crate::domain::exhibit::{Exhibit, Medium};

/// So many runs in a row that went well, and what was held is let go.
const WELL_MAX: u32 = 8;

/// What all probes hold together, in bytes, at most: of an outage of everything not every probe keeps its answer.
const BYTES_MAX: usize = 16 << 20;

/// What one probe holds.
#[derive(Debug)]
pub(crate) struct Held {
    /// Of the first run that did not go well.
    pub(crate) first: Arc<[Exhibit]>,
    /// Of the latest; the same as the first while there was no other.
    pub(crate) latest: Arc<[Exhibit]>,
    well: u32,
}

/// How much all probes hold.
#[derive(Debug, Default)]
pub(crate) struct Weight(usize);

impl Weight {
    /// What these hold.
    pub(crate) fn of<'h>(all: impl Iterator<Item = &'h Held>) -> Self {
        Self(all.map(Held::own_bytes).sum())
    }

    /// A run went well.
    pub(crate) fn well(&mut self, held: &mut Option<Box<Held>>) {
        if let Some(kept) = held {
            kept.well += 1;
            if kept.well >= WELL_MAX {
                self.let_go(held);
            }
        }
    }

    /// A run did not go well.
    pub(crate) fn hold(&mut self, held: &mut Option<Box<Held>>, exhibits: Vec<Exhibit>) {
        if exhibits.is_empty() {
            return;
        }
        // What the window showed is the largest by far, and there is a small picture of it as well.
        let small = exhibits.iter().filter(|exhibit| exhibit.medium != Medium::Png).cloned().collect();
        let is_held = [exhibits, small].into_iter().any(|exhibits| self.take(held, exhibits));
        if let Some(held) = held.as_mut().filter(|_| !is_held) {
            // An older run must not stand for this one.
            self.0 -= held.own_bytes();
            held.latest = Arc::default();
            held.well = 0;
            self.0 += held.own_bytes();
        }
    }

    /// Holds them, if there is room.
    fn take(&mut self, held: &mut Option<Box<Held>>, exhibits: Vec<Exhibit>) -> bool {
        let exhibits: Arc<[Exhibit]> = exhibits.into();
        let before = held.as_ref().map_or(0, |held| held.own_bytes());
        let first = held.as_ref().map_or_else(|| Arc::clone(&exhibits), |held| Arc::clone(&held.first));
        let next = Held { first, latest: exhibits, well: 0 };
        let after = next.own_bytes();
        if self.0 - before + after > BYTES_MAX {
            return false;
        }
        self.0 = self.0 - before + after;
        *held = Some(Box::new(next));
        true
    }

    /// Nothing is held of a probe any more.
    pub(crate) fn let_go(&mut self, held: &mut Option<Box<Held>>) {
        if let Some(gone) = held.take() {
            self.0 -= gone.own_bytes();
        }
    }
}

impl Held {
    fn own_bytes(&self) -> usize {
        let latest = if Arc::ptr_eq(&self.first, &self.latest) { 0 } else { bytes(&self.latest) };
        bytes(&self.first) + latest
    }
}

fn bytes(exhibits: &[Exhibit]) -> usize {
    exhibits.iter().map(|exhibit| exhibit.bytes.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(length: usize) -> Vec<Exhibit> {
        vec![Exhibit::text("answer", &"x".repeat(length))]
    }

    #[test]
    fn the_first_failure_is_held_beside_the_latest_until_all_has_long_been_well() {
        let (mut weight, mut held) = (Weight::default(), None);
        for length in [10, 20, 30] {
            weight.hold(&mut held, answer(length));
            weight.well(&mut held);
        }
        let kept = held.as_ref().unwrap();
        assert_eq!((kept.first[0].bytes.len(), kept.latest[0].bytes.len()), (10, 30));
        assert_eq!(weight.0, 40);
        for _ in 1..WELL_MAX {
            weight.well(&mut held);
        }
        assert!(held.is_none());
        assert_eq!(weight.0, 0);
    }

    #[test]
    fn all_probes_together_hold_so_much_and_no_more() {
        let mut weight = Weight::default();
        let mut all: Vec<Option<Box<Held>>> = (0..100).map(|_| None).collect();
        for _ in 0..3 {
            for held in &mut all {
                weight.hold(held, answer(1 << 20));
                assert!(weight.0 <= BYTES_MAX);
            }
        }
        assert!(all.iter().flatten().count() >= 8);
        all.iter_mut().for_each(|held| weight.let_go(held));
        assert_eq!(weight.0, 0);
    }

    #[test]
    fn where_there_is_no_room_an_older_run_does_not_stand_for_a_later_one() {
        let picture =
            |bytes: usize| Exhibit { name: "screen", medium: Medium::Png, bytes: vec![0; bytes].into() };
        let (mut weight, mut held, mut other) = (Weight::default(), None, None);
        weight.hold(&mut held, answer(10));
        weight.hold(&mut held, answer(20));
        weight.hold(&mut other, vec![picture(BYTES_MAX - 30)]);
        weight.hold(&mut held, [answer(15), vec![picture(100)]].concat());
        assert_eq!(held.as_ref().unwrap().latest[..], answer(15));
        weight.hold(&mut held, answer(100));
        let kept = held.as_ref().unwrap();
        assert_eq!((&kept.first[..], kept.latest.len()), (&answer(10)[..], 0));
        weight.let_go(&mut held);
        assert_eq!(weight.0, BYTES_MAX - 30);
    }
}
