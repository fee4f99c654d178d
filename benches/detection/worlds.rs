//! The worlds of the tables.

use super::simulation::{
    measure::Trouble,
    world::{Climate, DEADLINE, Faults, MINUTE, QUICK, SECOND},
};

/// What is played in a world.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Months in which nothing is broken.
    Quiet,
    /// Outages.
    Outage(Trouble),
    /// The records of real targets.
    Traces,
}

/// One world.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// By what it is chosen on the command line.
    pub id: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// What is played.
    pub kind: Kind,
    /// What it is made of.
    pub climate: Climate,
}

/// Loss that is nearly none.
const CALM: f64 = 0.001;
/// Loss in the background of outages.
const BACKGROUND: f64 = 0.005;

const fn loss(loss: f64) -> Climate {
    Climate { loss, faults: None, failing: QUICK }
}

const fn bursts(shared: f64) -> Climate {
    let faults = Faults { a_day: 12.0, mean: 30 * SECOND, severity: 0.6, shared };
    Climate { faults: Some(faults), ..loss(CALM) }
}

const fn path_faults(a_day: f64, shared: f64) -> Climate {
    Climate { faults: Some(Faults { a_day, mean: MINUTE, severity: 1.0, shared }), ..loss(CALM) }
}

/// The same where a run fails by its deadline of 10 s.
const fn slow(climate: Climate) -> Climate {
    Climate { failing: DEADLINE, ..climate }
}

const fn quiet(id: &'static str, title: &'static str, climate: Climate) -> Named {
    Named { id, title, kind: Kind::Quiet, climate }
}

const fn outage(id: &'static str, title: &'static str, trouble: Trouble, climate: Climate) -> Named {
    Named { id, title, kind: Kind::Outage(trouble), climate }
}

/// Every world, in the order of the tables.
pub const WORLDS: &[Named] = &[
    quiet("loss-0.5", "loss 0.5 %", loss(0.005)),
    quiet("loss-2", "loss 2 %", loss(0.02)),
    quiet("bursts-shared", "bursts on our side", bursts(1.0)),
    quiet("bursts-beyond", "bursts beyond", bursts(0.0)),
    quiet("faults-1-100", "1 fault a day, all shared", path_faults(1.0, 1.0)),
    quiet("faults-1-95", "1 a day, 95 % shared", path_faults(1.0, 0.95)),
    quiet("faults-1-80", "1 a day, 80 % shared", path_faults(1.0, 0.8)),
    quiet("faults-8-100", "8 a day, all shared", path_faults(8.0, 1.0)),
    quiet("faults-8-95", "8 a day, 95 % shared", path_faults(8.0, 0.95)),
    quiet("faults-8-80", "8 a day, 80 % shared", path_faults(8.0, 0.8)),
    quiet("faults-1-slow", "1 a day, all shared, runs time out", slow(path_faults(1.0, 1.0))),
    outage("total", "Total outage of 20 min, runs fail at once", Trouble::Total, loss(BACKGROUND)),
    outage(
        "total-slow",
        "Total outage of 20 min, runs fail by their deadline of 10 s",
        Trouble::Total,
        slow(loss(BACKGROUND)),
    ),
    outage("half", "Half outage of 20 min: every other run fails", Trouble::Half, loss(BACKGROUND)),
    outage(
        "rising",
        "Slow degradation: from none to all runs fail within 60 min, then all for 10 min",
        Trouble::Rising,
        loss(BACKGROUND),
    ),
    Named {
        id: "traces",
        title: "Real targets: each record played against the policy",
        kind: Kind::Traces,
        climate: loss(BACKGROUND),
    },
];
