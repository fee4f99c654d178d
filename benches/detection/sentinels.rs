//! The sentinels: addresses that answer if our own network works. They are asked in rounds, all at once; one round more
//! follows a run that has failed.
//!
//! A round is well if one of them answers its first packet. A failed run counts once a round that began after its end is
//! well, and if every round was that overlapped the run, and the last one before it. Otherwise our own network may have
//! been at fault: the run counts neither way.

use super::{
    chance::Chance,
    world::{Answer, Micros, SECOND, World},
};

/// How often they are asked.
const EVERY: Micros = 5 * SECOND;
/// How soon again after a round that was not well.
const IN_DOUBT: Micros = SECOND;
/// A round begins no sooner after another.
const GAP: Micros = 200_000;
/// How long an answer takes.
const ANSWERED: Micros = 50_000;
/// How long none is waited for.
const TIMEOUT: Micros = 2 * SECOND;
/// How many addresses there are, of different operators.
const ADDRESSES: usize = 2;

/// The sentinels of one place.
#[derive(Debug)]
pub struct Sentinels {
    /// Their place in their interval.
    offset: Micros,
}

/// What the sentinels say of a failed run.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Whether our own network worked, so that the run counts.
    pub counts: bool,
    /// When that is known.
    pub at: Micros,
}

impl Sentinels {
    /// Sentinels somewhere in their interval.
    pub fn new(chance: &mut Chance) -> Self {
        Self { offset: chance.below(EVERY) }
    }

    /// Says whether it may have been our own network that made a run fail.
    pub fn say(&self, world: &mut World, began: Micros, ended: Micros) -> Word {
        let mut latest = began.saturating_sub((began + EVERY - self.offset) % EVERY);
        let mut well = is_well(world, latest);
        while !well && latest + IN_DOUBT <= began {
            latest += IN_DOUBT;
            well = is_well(world, latest);
        }
        let mut next = latest + EVERY - (latest + EVERY - self.offset) % EVERY;
        while well && next <= ended {
            latest = next;
            well = is_well(world, latest);
            next += EVERY;
        }
        if !well {
            return Word { counts: false, at: ended };
        }
        let following = ended.max(latest + GAP);
        match is_well(world, following) {
            true => Word { counts: true, at: following + ANSWERED },
            false => Word { counts: false, at: following + TIMEOUT },
        }
    }
}

fn is_well(world: &mut World, at: Micros) -> bool {
    // Each is asked, so that the chances of the world do not depend on who answers first.
    (0..ADDRESSES).filter(|_| world.sentinel(at) == Answer::Prompt).count() > 0
}
