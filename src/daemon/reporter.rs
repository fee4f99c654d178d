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
    config::plan::{Channel, Plan, Team},
    daemon::evaluator::world::letterhead,
    domain::{
        channel::{ChannelKind, TeamId},
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
                Ok(is_new) => {
                    if is_new {
                        info!(team = %id, from = %period.from, until = %period.until, "made a report");
                    }
                    sent.insert(id.clone(), period);
                }
                Err(error) => {
                    error!(team = %id, %error, "a report could not be made; it is tried again in a minute");
                }
            }
        }
    }
}

/// Makes the report and puts it into the outbox, unless it has been made before.
async fn send(
    it: &Connections,
    plan: &Plan,
    (id, team): (&TeamId, &Team),
    every: Every,
    period: Period,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if it.store.has_told(Mail::about(id, every, period)).await? {
        return Ok(false);
    }
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
    Ok(true)
}

/// The channels of a team, or all, as a report asks for them. What channels stand on is none by which customers reach anybody.
pub(crate) fn asked<'p>(plan: &'p Plan, team: Option<&'p TeamId>) -> impl Iterator<Item = AskedChannel> + 'p {
    let is_asked = move |channel: &Channel| {
        channel.kind != ChannelKind::Dependency && (team.is_none() || channel.team.as_ref() == team)
    };
    plan.channels.iter().filter(move |(_, channel)| is_asked(channel)).map(|(id, channel)| AskedChannel {
        id: id.clone(),
        title: channel.title.clone(),
        kind: channel.kind,
        slo: channel.slo,
    })
}
