//! Sends each team the report that it wants, when the week or the month is over. What was sent is known by its Message-ID in
//! the outbox, so a restart sends nothing twice; a monitor that was away makes up for what was due of late.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    clock::Clock,
    config::plan::{Plan, Team},
    daemon::evaluator::world::letterhead,
    domain::{
        channel::TeamId,
        report::{
            mail::{CHANNELS_MAX, Mail},
            period::{Every, LATE_MAX, Period},
        },
    },
    store::{
        Store, StoreError,
        explain::Archive,
        report::{Ask, AskedChannel},
    },
};

/// The time of day is looked at so often, since it can be set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the loop is connected to.
pub(crate) struct Connections {
    /// Which team wants which report.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// Where the history is, and the outbox.
    pub(crate) store: Store,
    /// Rung when mails have been put into the outbox.
    pub(crate) outbox: Arc<Notify>,
    /// Says what week it is.
    pub(crate) clock: Clock,
}

/// Sends them until it is told to stop.
pub(crate) async fn run(it: Connections, stop: CancellationToken) {
    let mut sent: BTreeMap<TeamId, Period> = BTreeMap::new();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep_until(next) => {}
        }
        next = Instant::now() + LOOK_EVERY;
        let plan = Arc::clone(&it.plans.borrow());
        for (id, team) in &plan.teams {
            let Some(every) = team.report else { continue };
            let now = it.clock.now();
            let period = every.last(now, &plan.time_zone);
            let is_late =
                Duration::try_from(now.duration_since(period.due_at)).is_ok_and(|late| late > LATE_MAX);
            if is_late || sent.get(id) == Some(&period) {
                continue;
            }
            match send(&it, &plan, (id, team), every, period, now).await {
                Ok(()) => {
                    info!(team = %id, from = %period.from, until = %period.until, "made a report");
                    sent.insert(id.clone(), period);
                }
                Err(error) => {
                    error!(team = %id, %error, "a report could not be made; it is tried again in a minute");
                }
            }
        }
    }
}

async fn send(
    it: &Connections,
    plan: &Plan,
    (id, team): (&TeamId, &Team),
    every: Every,
    period: Period,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ask = Ask {
        team: Some(id.to_string()),
        from: period.from,
        until: period.until,
        time_zone: plan.time_zone.clone(),
        channels: asked(plan, Some(id)).collect(),
    };
    let path = it.store.path().to_owned();
    let reading = spawn_blocking(move || Archive::open(&path)?.report(&ask));
    let report = match reading.await {
        Ok(report) => report?.with_the_worst(CHANNELS_MAX),
        Err(lost) => match lost.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(_) => std::future::pending().await,
        },
    };
    let mail = Mail {
        report: &report,
        team: id,
        every,
        period,
        location: &plan.boot.location,
        letterhead: letterhead(plan),
    };
    it.store.enqueue(mail.to(team.recipients(), now)).await?;
    it.outbox.notify_one();
    Ok(())
}

/// The channels of a team, or all, as a report asks for them.
pub(crate) fn asked<'p>(plan: &'p Plan, team: Option<&'p TeamId>) -> impl Iterator<Item = AskedChannel> + 'p {
    let is_asked = move |own: Option<&TeamId>| team.is_none() || own == team;
    plan.channels.iter().filter(move |(_, channel)| is_asked(channel.team.as_ref())).map(|(id, channel)| {
        AskedChannel { id: id.clone(), title: channel.title.clone(), kind: channel.kind, slo: channel.slo }
    })
}
