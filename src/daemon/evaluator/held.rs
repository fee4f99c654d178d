//! What is held of runs that did not go well, until it is known whether anybody must hear of it: of each probe the first
//! such run since it was last well, and the latest. The first is what an outage began with.

use std::sync::Arc;

use crate::domain::exhibit::Exhibit;

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
        let exhibits: Arc<[Exhibit]> = exhibits.into();
        let before = held.as_ref().map_or(0, |held| held.own_bytes());
        let first = held.as_ref().map_or_else(|| Arc::clone(&exhibits), |held| Arc::clone(&held.first));
        let next = Held { first, latest: exhibits, well: 0 };
        let after = next.own_bytes();
        if self.0 - before + after > BYTES_MAX {
            return;
        }
        self.0 = self.0 - before + after;
        *held = Some(Box::new(next));
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
        vec![Exhibit::text("answer", "x".repeat(length))]
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
}
