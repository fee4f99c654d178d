//! Every metric name and label, once, and the values behind them.
//!
//! Two sorts live side by side. What exists once per process ([`instruments`]) is kept by the `prometheus` crate. What
//! exists once per probe or channel ([`series`]) is kept in plain atomics behind handles, because ten thousand probes
//! make three hundred thousand lines: they are written as text straight from the handles ([`exposition`]), piece by
//! piece, so that a scrape needs neither the evaluator nor much memory. This module never computes a value; whoever
//! owns a value sets it.

pub mod dashboards;
pub mod exposition;
pub mod instruments;
pub mod rules;
pub mod series;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::metrics::{
    exposition::Exposition,
    instruments::Instruments,
    series::{ChannelSeries, ProbeSeries},
};

/// What sort of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric: its name, its sort and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its full name.
    pub name: &'static str,
    /// Its sort.
    pub kind: Kind,
    /// The labels of each of its series, besides those that the operator adds to `support_channel_info`, `persona` where a
    /// probe runs as several, and `le` of a histogram.
    pub labels: &'static [&'static str],
    /// One sentence for `# HELP`.
    pub help: &'static str,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal $(by $($label:literal)+)?, $help:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $constant: Family =
                Family { name: $name, kind: Kind::$kind, labels: &[$($($label),+)?], help: $help };
        )+

        /// Every metric of ours; `process_*` comes from the client library.
        pub const FAMILIES: &[Family] = &[$($constant),+];
    };
}

families! {
    CHANNEL_UP = Gauge "support_channel_up" by "channel",
        "1 while the channel is up or degraded, 0 while it is dark; absent while it is closed or unknown.";
    CHANNEL_STATE = Gauge "support_channel_state" by "channel" "state",
        "1 for the judged state of the channel, 0 for the other states.";
    CHANNEL_STATE_SINCE = Gauge "support_channel_state_since_timestamp_seconds" by "channel",
        "When the channel entered its present state, in seconds since the epoch.";
    CHANNEL_INFO = Gauge "support_channel_info" by "channel" "kind" "title" "team",
        "Always 1; carries the channel's kind, title, team and configured labels for joins.";
    INCIDENTS = Counter "support_incidents_total" by "channel" "severity",
        "Incidents opened since the process began, by their severity; one that worsens counts as dark too.";
    INCIDENT_OPEN = Gauge "support_incident_open" by "channel" "severity",
        "1 while an incident of this severity is open on the channel.";
    PROBE_RUNS = Counter "support_probe_runs_total" by "channel" "probe" "location" "outcome",
        "Finished runs by outcome: ok, degraded, failed or inconclusive.";
    PROBE_FAILURES = Counter "support_probe_failures_total" by "channel" "probe" "location" "reason",
        "Degraded and failed runs by reason; a reason appears when it is first seen.";
    PROBE_TIMEOUTS = Counter "support_probe_timeouts_total" by "channel" "probe" "location",
        "Runs whose reason is one of the timeouts.";
    PROBE_TIMEOUT_RATIO = Gauge "support_probe_timeout_ratio" by "channel" "probe" "location" "window",
        "Share of the conclusive runs in the window that were timeouts, from 0 to 1; absent while there were none.";
    PROBE_DURATION = Histogram "support_probe_duration_seconds" by "channel" "probe" "location",
        "How long conclusive runs took.";
    PROBE_LATENCY = Gauge "support_probe_latency_seconds" by "channel" "probe" "location" "quantile" "window",
        "Quantiles of the duration of runs that were answered or timed out, over the last hour; absent while there were none.";
    PROBE_PHASE = Gauge "support_probe_phase_seconds" by "channel" "probe" "location" "phase",
        "How long each phase of the last conclusive run took; absent for a phase it did not have.";
    PROBE_LAST_RUN = Gauge "support_probe_last_run_timestamp_seconds" by "channel" "probe" "location",
        "When the last finished run began, in seconds since the epoch; absent before the first.";
    FIRST_RESPONSE = Histogram "support_first_response_seconds" by "channel" "probe" "responder",
        "How long a bot or a person took to answer first; who never did is counted in the timeouts.";
    STEPS_TO_PERSON = Gauge "support_steps_to_person" by "channel" "probe",
        "What a customer had to do until a person was reached, when that last succeeded; absent before.";
    CERTIFICATE_EXPIRY = Gauge "support_certificate_expiry_timestamp_seconds" by "channel" "probe",
        "Earliest end of validity among the certificates last presented, in seconds since the epoch.";
    BUILD_INFO = Gauge "lamplighter_build_info" by "version" "revision",
        "Always 1; carries the version and revision of the program.";
    RELOAD_SUCCESSFUL = Gauge "lamplighter_config_last_reload_successful",
        "1 if the last attempt to load the configuration succeeded, 0 if it was refused.";
    RELOAD_SUCCESS_AT = Gauge "lamplighter_config_last_reload_success_timestamp_seconds",
        "When the configuration was last loaded, in seconds since the epoch.";
    SCHEDULER_LAG = Histogram "lamplighter_scheduler_lag_seconds",
        "From the moment a run was due to the moment it began.";
    RUNS_IN_FLIGHT = Gauge "lamplighter_runs_in_flight" by "kind",
        "Runs under way by kind of probe.";
    RUNS_SKIPPED = Counter "lamplighter_runs_skipped_total" by "reason",
        "Runs that were due and not made, by reason.";
    OUTBOX_PENDING = Gauge "lamplighter_outbox_pending" by "route",
        "Notifications not yet delivered, by route.";
    OUTBOX_OLDEST_AGE = Gauge "lamplighter_outbox_oldest_age_seconds" by "route",
        "Age of the oldest notification not yet delivered, by route; 0 while there is none.";
    NOTIFICATIONS = Counter "lamplighter_notifications_total" by "route" "result",
        "Tries to deliver a notification, by route and result.";
    STORE_DEGRADED = Gauge "lamplighter_store_degraded",
        "1 while the store refuses what it is given or does not answer; after ten seconds verdicts and mails do without it.";
    STORE_RESTORED_AT = Gauge "lamplighter_store_restored_timestamp_seconds",
        "When a damaged store was last set aside and replaced, in seconds since the epoch; 0 if not since the start.";
    STORE_BACKUPS = Counter "lamplighter_store_backups_total" by "result",
        "Backups of the store, by result.";
    STORE_BACKUP_AT = Gauge "lamplighter_store_backup_timestamp_seconds",
        "When the newest backup of the store was made, in seconds since the epoch; 0 without any.";
    HEARTBEATS = Counter "lamplighter_heartbeats_total" by "result",
        "Heartbeats that were due, by result: sent, failed or withheld.";
    HEARTBEAT_WITHHELD = Gauge "lamplighter_heartbeat_withheld" by "reason",
        "1 while heartbeats are withheld for this reason.";
    CANARY_UP = Gauge "lamplighter_canary_up" by "route",
        "1 if the last canary by this mail server arrived, 0 if it was lost; absent before the first.";
    CANARY_SUCCESS_AT = Gauge "lamplighter_canary_last_success_timestamp_seconds" by "route",
        "When a canary by this mail server last arrived, in seconds since the epoch; absent before the first.";
    CANARY_TRAVEL = Gauge "lamplighter_canary_travel_seconds" by "route",
        "How long the last canary that arrived took: to its mailbox, or until the mail server had taken it.";
    BLIND = Gauge "lamplighter_blind" by "cause",
        "1 while not one probe can look, for this cause: the last run of each was inconclusive, or no sentinel answers.";
    SENTINEL_UP = Gauge "lamplighter_sentinel_up" by "sentinel",
        "1 if the sentinel answered when it was asked last, 0 if it did not; absent before it was asked.";
}

/// The series of everything configured, at one moment. A reload puts another set in its place.
#[derive(Debug, Default)]
pub struct Series {
    /// One per channel, in the order of their ids.
    pub channels: Vec<Arc<ChannelSeries>>,
    /// One per probe, in the order of their keys.
    pub probes: Vec<Arc<ProbeSeries>>,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    /// What exists once per process.
    pub instruments: Instruments,
    series: RwLock<Arc<Series>>,
}

impl Metrics {
    /// Metrics of a process that has nothing configured yet.
    #[must_use]
    pub fn new() -> Self {
        Self { instruments: Instruments::new(), series: RwLock::default() }
    }

    /// Puts another set of series in place of the present one; what is not in it vanishes.
    pub fn publish(&self, series: Series) {
        *self.series.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(series);
    }

    /// The present values as text, in pieces.
    #[must_use]
    pub fn expose(&self) -> Exposition {
        let series = Arc::clone(&self.series.read().unwrap_or_else(PoisonError::into_inner));
        Exposition::new(self.instruments.encode(), series)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// How many series a channel makes.
pub const SERIES_PER_CHANNEL: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for family in FAMILIES {
            assert!(
                family.name.starts_with("support_") || family.name.starts_with("lamplighter_"),
                "{}",
                family.name
            );
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }

    #[test]
    fn the_page_for_operators_lists_every_metric_with_its_type_and_labels_and_none_besides() {
        let page = include_str!("../docs/metrics.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let (name, kind, labels) = (cells.next()?.trim_end_matches('`'), cells.next()?, cells.next()?);
            Some((name, kind, labels.trim_end_matches(" and the channel's own `labels`").to_owned()))
        });
        let mut listed: Vec<(&str, &str, String)> = rows.collect();
        let made =
            FAMILIES.iter().map(|family| (family.name, family.kind.as_str(), family.labels.join(", ")));
        let mut made: Vec<(&str, &str, String)> = made.collect();
        listed.sort_unstable();
        made.sort_unstable();
        assert_eq!(listed, made);
    }
}
