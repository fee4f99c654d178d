//! Whether the monitor does its work, so that its heartbeat may go out. Pure: what the loops show goes in, the reason to
//! withhold the heartbeat comes out.

use std::time::Duration;

/// A loop that has not turned for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(10);
/// The same for the dispatcher, for which a mail server may take its time.
const MAILER_STANDSTILL: Duration = Duration::from_secs(30);
/// A route that works again within this time was no trouble.
const ROUTE_DOWN: Duration = Duration::from_secs(30);
/// A notification that waits longer than this is stuck, though its route may work.
const STUCK: Duration = Duration::from_secs(15 * 60);
/// A store that works again within this time was no trouble.
const STORE_FAILING: Duration = Duration::from_secs(10);
/// So many percent of the probes must have been heard of lately.
const FRESH_PERCENT: usize = 95;

/// What the loops show of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// How long ago the scheduler turned.
    pub scheduler: Duration,
    /// How long ago the evaluator turned.
    pub evaluator: Duration,
    /// How long ago the dispatcher turned, or began a try to deliver.
    pub dispatcher: Duration,
    /// How many probes there are.
    pub probes: usize,
    /// Of how many of them something was heard within three intervals and a timeout.
    pub fresh: usize,
    /// How long the oldest notification has been pending.
    pub oldest_pending: Option<Duration>,
    /// How long a route has not worked.
    pub routes_down: Option<Duration>,
    /// How long the store has taken nothing.
    pub store_failing: Option<Duration>,
    /// Whether the canaries of every mail server are lost, and nobody is told by anything but mail.
    pub canaries_lost: bool,
}

/// Why a heartbeat is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// The scheduler stands still.
    Scheduler,
    /// The evaluator stands still.
    Evaluator,
    /// The dispatcher stands still.
    Dispatcher,
    /// Too many probes have not been heard of lately.
    Probes,
    /// Notifications do not get through.
    Outbox,
    /// The store takes nothing.
    Store,
    /// Mails do not arrive, and there is no other way.
    Canary,
}

impl Ailment {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Scheduler,
        Self::Evaluator,
        Self::Dispatcher,
        Self::Probes,
        Self::Outbox,
        Self::Store,
        Self::Canary,
    ];

    /// The word used in metrics and in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Evaluator => "evaluator",
            Self::Dispatcher => "dispatcher",
            Self::Probes => "probes",
            Self::Outbox => "outbox",
            Self::Store => "store",
            Self::Canary => "canary",
        }
    }
}

impl Signs {
    /// Everything that is wrong; nothing where the heartbeat may go out.
    #[must_use]
    pub fn ailments(&self) -> Vec<Ailment> {
        let longer = |span: Option<Duration>, max| span.is_some_and(|span| span >= max);
        let wrong = |ailment: &Ailment| match ailment {
            Ailment::Scheduler => self.scheduler > STANDSTILL,
            Ailment::Evaluator => self.evaluator > STANDSTILL,
            Ailment::Dispatcher => self.dispatcher > MAILER_STANDSTILL,
            Ailment::Probes => self.fresh * 100 < self.probes * FRESH_PERCENT,
            Ailment::Outbox => longer(self.oldest_pending, STUCK) || longer(self.routes_down, ROUTE_DOWN),
            Ailment::Store => longer(self.store_failing, STORE_FAILING),
            Ailment::Canary => self.canaries_lost,
        };
        Ailment::ALL.into_iter().filter(wrong).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Signs {
        let turned = Duration::from_secs(1);
        Signs {
            scheduler: turned,
            evaluator: turned,
            dispatcher: turned,
            probes: 100,
            fresh: 95,
            oldest_pending: None,
            routes_down: None,
            store_failing: None,
            canaries_lost: false,
        }
    }

    #[test]
    fn a_monitor_that_does_its_work_has_no_ailment_and_each_failing_has_one() {
        let secs = Duration::from_secs;
        let table = [
            (well(), None),
            (Signs { probes: 0, fresh: 0, ..well() }, None),
            (Signs { scheduler: secs(11), ..well() }, Some(Ailment::Scheduler)),
            (Signs { evaluator: secs(11), ..well() }, Some(Ailment::Evaluator)),
            (Signs { dispatcher: secs(29), ..well() }, None),
            (Signs { dispatcher: secs(31), ..well() }, Some(Ailment::Dispatcher)),
            (Signs { fresh: 94, ..well() }, Some(Ailment::Probes)),
            (Signs { oldest_pending: Some(secs(899)), ..well() }, None),
            (Signs { oldest_pending: Some(secs(900)), ..well() }, Some(Ailment::Outbox)),
            (Signs { routes_down: Some(secs(29)), ..well() }, None),
            (Signs { routes_down: Some(secs(30)), ..well() }, Some(Ailment::Outbox)),
            (Signs { store_failing: Some(secs(9)), ..well() }, None),
            (Signs { store_failing: Some(secs(10)), ..well() }, Some(Ailment::Store)),
            (Signs { canaries_lost: true, ..well() }, Some(Ailment::Canary)),
        ];
        for (signs, ailment) in table {
            assert_eq!(signs.ailments(), ailment.into_iter().collect::<Vec<_>>(), "{signs:?}");
        }
    }
}
