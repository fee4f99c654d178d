//! The sentinels: addresses that answer if our own network works. They are looked at in rounds, all at once; one round
//! more follows a run that has failed.
//!
//! A failed run counts once a round that began after its end has found one of them. Where a round that overlapped the
//! run or followed it found none, nothing has been seen: the run counts neither way.

use super::{
    chance::Chance,
    world::{Micros, SECOND, World},
};

/// How often they are looked at.
const EVERY: Micros = 5 * SECOND;
/// How long a look waits.
const TIMEOUT: Micros = 2 * SECOND;
/// How long a look takes that is answered.
const ANSWERED: Micros = 50_000;
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

struct Round {
    none_answered: bool,
    ends: Micros,
}

impl Sentinels {
    /// Sentinels somewhere in their interval.
    pub fn new(chance: &mut Chance) -> Self {
        Self { offset: chance.below(EVERY) }
    }

    /// Looks whether it was our own network that made a run fail.
    pub fn say(&self, world: &mut World, began: Micros, ended: Micros) -> Word {
        let mut counts = true;
        let mut free = ended;
        let earliest = began.saturating_sub(TIMEOUT);
        let mut starts = earliest + (EVERY + self.offset - earliest % EVERY) % EVERY;
        while starts <= ended {
            let round = look(world, starts);
            if round.ends > began {
                counts &= !round.none_answered;
                free = free.max(round.ends);
            }
            starts += EVERY;
        }
        let following = look(world, free);
        Word { counts: counts && !following.none_answered, at: following.ends }
    }
}

fn look(world: &mut World, at: Micros) -> Round {
    let answers = (0..ADDRESSES).filter(|_| world.sentinel_answers(at)).count();
    let took = if answers == ADDRESSES { ANSWERED } else { TIMEOUT };
    Round { none_answered: answers == 0, ends: at + took }
}
