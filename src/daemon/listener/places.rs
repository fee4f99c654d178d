//! Who has which of the places for connections, and whose is given up for the next.

use std::collections::{BTreeMap, HashMap};

use tokio_util::sync::CancellationToken;

use crate::web::rates::Who;

/// The number of a place; later ones have higher numbers.
pub(super) type Place = u64;

/// All places that are taken.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    next: Place,
    taken: BTreeMap<Place, (Who, CancellationToken)>,
    shares: HashMap<Who, usize>,
}

impl Places {
    /// So many places, none of which is taken.
    pub(super) fn new(most: usize) -> Self {
        Self { most, next: 0, taken: BTreeMap::new(), shares: HashMap::new() }
    }

    /// Takes a place. What it gives besides says when the place is given up for somebody else.
    pub(super) fn take(&mut self, who: Who) -> (Place, CancellationToken) {
        // Half of them are enough for one: a proxy that stands for many people has each of its connections but for a moment.
        if self.shares.get(&who).is_some_and(|share| *share >= self.most / 2) {
            self.give_up(&who.clone());
        } else if self.taken.len() >= self.most {
            // Of those who have equally many, the one who has had his for longest.
            let most = self.taken.values().rev().max_by_key(|(who, _)| self.shares.get(who));
            if let Some((whose, _)) = most.cloned() {
                self.give_up(&whose);
            }
        }
        let (place, given_up) = (self.next, CancellationToken::new());
        self.next += 1;
        *self.shares.entry(who.clone()).or_default() += 1;
        self.taken.insert(place, (who, given_up.clone()));
        (place, given_up)
    }

    /// Whoever had it is gone.
    pub(super) fn leave(&mut self, place: Place) {
        let Some((who, _)) = self.taken.remove(&place) else { return };
        if let Some(share) = self.shares.get_mut(&who) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&who);
            }
        }
    }

    /// The oldest place of somebody is free from now on.
    fn give_up(&mut self, whose: &Who) {
        let oldest = self.taken.iter().find(|(_, (who, _))| who == whose);
        let Some((place, given_up)) = oldest.map(|(place, (_, given_up))| (*place, given_up.clone())) else {
            return;
        };
        given_up.cancel();
        self.leave(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES_MAX: usize = 64;
    const SHARE_MAX: usize = PLACES_MAX / 2;

    fn at(number: u32) -> Who {
        Who::at(std::net::Ipv4Addr::from_bits(number).into())
    }

    fn standing(all: &[(Place, CancellationToken)]) -> Vec<bool> {
        all.iter().map(|(_, given_up)| !given_up.is_cancelled()).collect()
    }

    #[test]
    fn whoever_takes_more_than_his_share_gives_up_his_own_oldest() {
        let mut places = Places::new(PLACES_MAX);
        let other = places.take(at(1));
        let greedy: Vec<_> = (0..=SHARE_MAX).map(|_| places.take(at(2))).collect();
        let expected: Vec<bool> = (0..=SHARE_MAX).map(|number| number > 0).collect();
        assert_eq!(standing(&greedy), expected);
        assert!(!other.1.is_cancelled());
        assert_eq!(places.taken.len(), 1 + SHARE_MAX);
    }

    #[test]
    fn when_all_are_taken_the_one_who_has_most_gives_one_up() {
        let mut places = Places::new(PLACES_MAX);
        let modest: Vec<_> = (0..8).map(|number| places.take(at(number))).collect();
        let greedy: Vec<_> = (8..PLACES_MAX).map(|_| places.take(at(99))).collect();
        let greedy_places = standing(&greedy).into_iter().filter(|stands| *stands).count();
        assert_eq!(greedy_places, SHARE_MAX);
        let many: Vec<_> = (100..160).map(|number| places.take(at(number))).collect();
        assert_eq!(places.taken.len(), PLACES_MAX);
        assert!(standing(&many).into_iter().filter(|stands| *stands).count() >= 50, "{:?}", standing(&many));
        assert!(standing(&greedy).into_iter().filter(|stands| *stands).count() <= 2);
        drop(modest);
    }

    #[test]
    fn a_place_that_was_left_is_free() {
        let mut places = Places::new(PLACES_MAX);
        for _ in 0..1_000 {
            let (place, given_up) = places.take(at(1));
            places.leave(place);
            places.leave(place);
            assert!(!given_up.is_cancelled());
        }
        assert!(places.taken.is_empty() && places.shares.is_empty());
    }
}
