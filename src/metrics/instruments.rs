//! What exists once per process: kept by the `prometheus` crate, with a handle for whoever counts.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

use crate::{
    domain::health::{Health, Waiting},
    metrics::{self, Family},
};

/// Bounds of the scheduler's lag, in seconds. 0.05 is the promise, 0.002 the aim on a quiet machine.
const LAG_BOUNDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The revision the program was built from, where the build says so.
const REVISION: &str = match option_env!("LAMPLIGHTER_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// A number that only grows.
pub type Count = prometheus::IntCounter;
/// A number that goes up and down.
pub type Level = IntGauge;
/// Measured values in buckets.
pub type Spread = Histogram;

/// Handles to everything that exists once per process. Label values are words of closed sets.
#[derive(Debug)]
pub struct Instruments {
    /// From due to begun.
    pub scheduler_lag: Histogram,
    /// Runs under way, by kind of probe.
    pub runs_in_flight: IntGaugeVec,
    /// Runs not made, by reason.
    pub runs_skipped: IntCounterVec,
    /// Whether the last reload succeeded.
    pub reload_successful: IntGauge,
    /// When a reload last succeeded, in seconds since the epoch.
    pub reload_success_at: Gauge,
    /// Notifications waiting, by route.
    pub outbox_pending: IntGaugeVec,
    /// Age of the oldest waiting notification in seconds, by route.
    pub outbox_oldest_age: GaugeVec,
    /// Tries, by route and result.
    pub notifications: IntCounterVec,
    /// Whether the store refuses work.
    pub store_degraded: IntGauge,
    /// When the store was last restored, in seconds since the epoch.
    pub store_restored_at: Gauge,
    /// Backups, by result.
    pub store_backups: IntCounterVec,
    /// When the newest backup was made, in seconds since the epoch.
    pub store_backup_at: Gauge,
    /// Heartbeats, by result.
    pub heartbeats: IntCounterVec,
    /// Why heartbeats are withheld.
    pub heartbeat_withheld: IntGaugeVec,
    /// Whether the last canary arrived, by mail server.
    pub canary_up: IntGaugeVec,
    /// When one last arrived, in seconds since the epoch, by mail server.
    pub canary_success_at: GaugeVec,
    /// How long that one took in seconds, by mail server.
    pub canary_travel: GaugeVec,
    /// Whether not one probe can look, by cause.
    pub blind: IntGaugeVec,
    /// Whether each sentinel answered when it was asked last, by its name.
    pub sentinel_up: IntGaugeVec,
    registry: Registry,
}

impl Instruments {
    /// Creates and registers all of them.
    #[must_use]
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let build_info =
            keep(&registry, IntGaugeVec::new(opts(metrics::BUILD_INFO), &["version", "revision"]));
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION]).set(1);
        let lag = HistogramOpts::new(metrics::SCHEDULER_LAG.name, metrics::SCHEDULER_LAG.help)
            .buckets(LAG_BOUNDS.to_vec());
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("its names begin with process_, ours never do");
        Self {
            scheduler_lag: keep(&registry, Histogram::with_opts(lag)),
            runs_in_flight: keep(&registry, IntGaugeVec::new(opts(metrics::RUNS_IN_FLIGHT), &["kind"])),
            runs_skipped: keep(&registry, IntCounterVec::new(opts(metrics::RUNS_SKIPPED), &["reason"])),
            reload_successful: keep(&registry, IntGauge::with_opts(opts(metrics::RELOAD_SUCCESSFUL))),
            reload_success_at: keep(&registry, Gauge::with_opts(opts(metrics::RELOAD_SUCCESS_AT))),
            outbox_pending: keep(&registry, IntGaugeVec::new(opts(metrics::OUTBOX_PENDING), &["route"])),
            outbox_oldest_age: keep(&registry, GaugeVec::new(opts(metrics::OUTBOX_OLDEST_AGE), &["route"])),
            notifications: keep(
                &registry,
                IntCounterVec::new(opts(metrics::NOTIFICATIONS), &["route", "result"]),
            ),
            store_degraded: keep(&registry, IntGauge::with_opts(opts(metrics::STORE_DEGRADED))),
            store_restored_at: keep(&registry, Gauge::with_opts(opts(metrics::STORE_RESTORED_AT))),
            store_backups: keep(&registry, IntCounterVec::new(opts(metrics::STORE_BACKUPS), &["result"])),
            store_backup_at: keep(&registry, Gauge::with_opts(opts(metrics::STORE_BACKUP_AT))),
            heartbeats: keep(&registry, IntCounterVec::new(opts(metrics::HEARTBEATS), &["result"])),
            heartbeat_withheld: keep(
                &registry,
                IntGaugeVec::new(opts(metrics::HEARTBEAT_WITHHELD), &["reason"]),
            ),
            canary_up: keep(&registry, IntGaugeVec::new(opts(metrics::CANARY_UP), &["route"])),
            canary_success_at: keep(&registry, GaugeVec::new(opts(metrics::CANARY_SUCCESS_AT), &["route"])),
            canary_travel: keep(&registry, GaugeVec::new(opts(metrics::CANARY_TRAVEL), &["route"])),
            blind: keep(&registry, IntGaugeVec::new(opts(metrics::BLIND), &["cause"])),
            sentinel_up: keep(&registry, IntGaugeVec::new(opts(metrics::SENTINEL_UP), &["sentinel"])),
            registry,
        }
    }

    /// What they say of how the monitor fares.
    #[must_use]
    pub fn health(&self) -> Health {
        let oldest: BTreeMap<String, f64> = by_label(&self.outbox_oldest_age).into_iter().collect();
        let waiting = |(route, pending): (String, f64)| {
            let oldest = oldest.get(&route).copied().unwrap_or_default();
            let oldest = Duration::try_from_secs_f64(oldest).unwrap_or_default();
            Waiting { route, pending: pending.max(0.0) as u64, oldest }
        };
        let blind = by_label(&self.blind).into_iter().filter(|(_, is_so)| *is_so > 0.0);
        Health {
            outbox: by_label(&self.outbox_pending).into_iter().map(waiting).collect(),
            blind: blind.map(|(cause, _)| cause).collect(),
            store_fails: self.store_degraded.get() != 0,
            reload_successful: self.reload_successful.get() != 0,
            reloaded_at: moment(&self.reload_success_at),
            backup_at: moment(&self.store_backup_at),
        }
    }

    /// The present values as text.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(8 * 1024);
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to memory succeeds, and a registry gathers only well-formed families");
        text
    }
}

/// The values of a family with one label, by the label's value.
fn by_label(family: &impl Collector) -> Vec<(String, f64)> {
    let collected = family.collect();
    let samples = collected.iter().flat_map(|family| family.get_metric());
    let value = |sample: &prometheus::proto::Metric| {
        let label = sample.get_label().first().map(|label| label.value().to_owned());
        (label.unwrap_or_default(), sample.get_gauge().get_value())
    };
    samples.map(value).collect()
}

/// A moment that a gauge tells in seconds since the epoch; none before it has been set.
fn moment(gauge: &Gauge) -> Option<Timestamp> {
    let seconds = gauge.get();
    if seconds <= 0.0 {
        return None;
    }
    Timestamp::from_second(seconds as i64).ok()
}

fn opts(family: Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let instrument = made.expect("names and labels are constants of metrics.rs, checked by its tests");
    debug_assert!(
        instrument.desc().iter().all(|desc| {
            let is_it = |family: &&Family| family.name == desc.fq_name;
            metrics::FAMILIES.iter().find(is_it).is_some_and(|family| family.labels == desc.variable_labels)
        }),
        "metrics.rs says which labels each has"
    );
    registry.register(Box::new(instrument.clone())).expect("each family is registered once");
    instrument
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_say_of_the_monitor_is_read_back_by_route_and_cause() {
        let instruments = Instruments::new();
        assert_eq!(instruments.health(), Health::default(), "nothing is known yet");
        instruments.outbox_pending.with_label_values(&["mail"]).set(2);
        instruments.outbox_oldest_age.with_label_values(&["mail"]).set(61.5);
        instruments.outbox_pending.with_label_values(&["webhook"]).set(0);
        instruments.blind.with_label_values(&["line"]).set(1);
        instruments.blind.with_label_values(&["link"]).set(0);
        instruments.store_degraded.set(1);
        instruments.reload_successful.set(1);
        instruments.reload_success_at.set(1_700_000_000.25);
        let waiting = |route: &str, pending, ms| Waiting {
            route: route.to_owned(),
            pending,
            oldest: Duration::from_millis(ms),
        };
        let told = Health {
            outbox: vec![waiting("mail", 2, 61_500), waiting("webhook", 0, 0)],
            blind: vec!["line".to_owned()],
            store_fails: true,
            reload_successful: true,
            reloaded_at: Timestamp::from_second(1_700_000_000).ok(),
            backup_at: None,
        };
        assert_eq!(instruments.health(), told);
    }
}
