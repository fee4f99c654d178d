//! What is written for Prometheus.

use std::time::Duration;

use super::*;
use crate::{
    domain::{
        channel::{ChannelId, Location, ProbeKey, ProbeName},
        contact::{Contact, Responder},
        incident::Severity,
        outcome::{Detail, Failure, Outcome, Phase, PhaseKind, PhaseWords, Reason, Stage, Verdict},
    },
    metrics::{Metrics, SERIES_PER_CHANNEL, series::Measures},
};

const TIMEOUT: Duration = Duration::from_secs(10);

fn key(index: usize) -> ProbeKey {
    ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new(&format!("probe-{index}")) }
}

fn request_phases() -> PhaseWords {
    PhaseKind::ALL[..6].iter().map(|kind| kind.as_str().into()).collect()
}

fn measures(phases: &PhaseWords) -> Measures<'_> {
    Measures { phases, timeout: TIMEOUT, responders: &[], counts_steps: false }
}

fn probe_series(index: usize) -> Arc<ProbeSeries> {
    Arc::new(ProbeSeries::new(&key(index), &Location::new("fra-1"), measures(&request_phases())))
}

fn outcome(verdict: Verdict) -> Outcome {
    let phase = |kind, ms| Phase {
        step: None,
        hop: 0,
        kind,
        offset: Duration::ZERO,
        duration: Duration::from_millis(ms),
    };
    Outcome {
        probe: Arc::new(key(0)),
        started_at: "2026-11-21T03:04:12.5Z".parse().unwrap(),
        duration: Duration::from_micros(260_050),
        verdict,
        phases: vec![phase(PhaseKind::Connect, 50), phase(PhaseKind::Wait, 200), phase(PhaseKind::Wait, 10)],
        certificate_expires_at: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        contact: None,
        met: Vec::new(),
    }
}

fn failed(reason: Reason) -> Verdict {
    Verdict::Failed(Failure {
        stage: Stage::Wait,
        step: None,
        reason,
        cause: None,
        detail: Detail::default(),
    })
}

fn text(metrics: &Metrics) -> String {
    metrics.expose().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
}

fn support_lines(metrics: &Metrics) -> Vec<String> {
    text(metrics).lines().filter(|line| line.starts_with("support_")).map(str::to_owned).collect()
}

#[test]
fn a_probe_that_has_not_run_has_its_counters_at_zero() {
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![], probes: vec![probe_series(0)] });
    let lines = support_lines(&metrics);
    assert_eq!(lines.len(), 4 + 1 + 8 + 3, "{lines:#?}");
    assert!(lines.iter().all(|line| line.ends_with(" 0")), "{lines:#?}");
}

#[test]
fn a_probe_shows_what_its_runs_did() {
    let series = probe_series(0);
    series.record(&outcome(Verdict::Ok));
    series.record(&outcome(failed(Reason::FirstByteTimeout)));
    series.set_timeout_ratios([Some(0.5), Some(0.25), None]);
    series.set_latency(Some([Duration::from_millis(1), Duration::from_micros(1), Duration::from_secs(2)]));
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![], probes: vec![series] });
    expect_test::expect_file!["../../../tests/golden/metrics/probe.txt"]
        .assert_eq(&support_lines(&metrics).join("\n"));
}

#[test]
fn a_channel_shows_its_state_and_its_incident() {
    let channel = ChannelSeries::new(
        "web-chat",
        [("title", "Chat \"24/7\"\n\\o/"), ("team", "oncall"), ("tier", "gold")],
    );
    channel.set_state(State::Dark, "2026-11-21T03:04:12.5Z".parse().unwrap(), Some(Severity::Dark));
    channel.count_incident(Severity::Dark);
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![Arc::new(channel)], probes: vec![] });
    let lines = support_lines(&metrics);
    expect_test::expect_file!["../../../tests/golden/metrics/channel.txt"].assert_eq(&lines.join("\n"));
    assert_eq!(lines.len(), SERIES_PER_CHANNEL);
}

/// Everything that a probe shows after a run with these phases.
fn whole(series: Arc<ProbeSeries>, phases: Vec<Phase>) -> Vec<String> {
    series.record(&Outcome { phases, ..outcome(Verdict::Ok) });
    series.set_timeout_ratios([Some(0.0); 3]);
    series.set_latency(Some([Duration::ZERO; 3]));
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![], probes: vec![series] });
    support_lines(&metrics)
}

#[test]
fn a_probe_makes_as_many_series_as_check_says() {
    let connect = &outcome(Verdict::Ok).phases[0];
    let phases = PhaseKind::ALL[..6].iter().map(|&kind| Phase { kind, ..connect.clone() });
    let lines = whole(probe_series(0), phases.collect());
    assert_eq!(lines.len(), measures(&request_phases()).series());
}

#[test]
fn a_long_journey_shows_its_first_steps_each_and_the_others_together() {
    let steps: PhaseWords = (1..=10).map(|number| format!("step-{number}").into()).collect();
    let series = ProbeSeries::new(&key(0), &Location::new("fra-1"), measures(&steps));
    let connect = &outcome(Verdict::Ok).phases[0];
    let phases = steps.iter().map(|step| Phase { step: Some((**step).into()), ..connect.clone() });
    let lines = whole(Arc::new(series), phases.collect());
    assert_eq!(lines.len(), measures(&steps).series());
    let shows = |words: &str| lines.iter().any(|line| line.contains(words));
    assert!(shows("phase=\"step-7\"} 0.05") && shows("phase=\"_others\"} 0.15"), "{lines:#?}");
    assert!(!shows("step-8"));
}

#[test]
fn many_probes_come_in_pieces_with_each_family_named_once() {
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![], probes: (0..1_000).map(probe_series).collect() });
    let pieces: Vec<Bytes> = metrics.expose().collect();
    assert!(pieces.len() > 10);
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES + SPARE_BYTES));
    let text = text(&metrics);
    for family in metrics::FAMILIES.iter().filter(|family| family.name.starts_with("support_")) {
        assert_eq!(text.matches(&format!("# TYPE {} ", family.name)).count(), 1, "{}", family.name);
    }
}

#[test]
fn a_removed_probe_takes_its_series_along() {
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![], probes: vec![probe_series(0), probe_series(1)] });
    assert!(text(&metrics).contains("probe-1"));
    metrics.publish(Series { channels: vec![], probes: vec![probe_series(0)] });
    assert!(!text(&metrics).contains("probe-1"));
}

#[test]
fn a_chat_shows_who_answered_how_soon_and_after_how_much() {
    let phases: PhaseWords = ["open", "ask", "person"].map(Into::into).into_iter().collect();
    let measures = Measures { responders: &Responder::ALL, counts_steps: true, ..measures(&phases) };
    let series = Arc::new(ProbeSeries::new(&key(0), &Location::new("fra-1"), measures));
    let secs = Duration::from_secs;
    for (bot, person, steps) in [(Some(secs(1)), Some(secs(120)), Some(3)), (Some(secs(7)), None, None)] {
        let contact = Contact { bot, person, steps, ..Contact::default() };
        series.record(&Outcome { contact: Some(Box::new(contact)), ..outcome(Verdict::Ok) });
    }
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![], probes: vec![series] });
    let lines = support_lines(&metrics);
    let shown = lines.iter().filter(|line| line.contains("first_response") || line.contains("steps"));
    let shown: Vec<&str> = shown.map(String::as_str).collect();
    expect_test::expect_file!["../../../tests/golden/metrics/chat.txt"].assert_eq(&shown.join("\n"));
}

#[test]
fn every_line_has_the_labels_that_its_family_says() {
    let phases: PhaseWords = ["ask"].map(Into::into).into_iter().collect();
    let measures = Measures { responders: &Responder::ALL, counts_steps: true, ..measures(&phases) };
    let series = ProbeSeries::new(&key(0), &Location::new("fra-1"), measures);
    let contact = Contact { bot: Some(TIMEOUT), person: Some(TIMEOUT), steps: Some(1), ..Contact::default() };
    let ask = Phase { step: Some("ask".into()), ..outcome(Verdict::Ok).phases[0].clone() };
    series.record(&Outcome {
        contact: Some(Box::new(contact)),
        phases: vec![ask],
        ..outcome(failed(Reason::Late))
    });
    series.set_timeout_ratios([Some(0.5); 3]);
    series.set_latency(Some([TIMEOUT; 3]));
    let channel = ChannelSeries::new("web-chat", [("kind", "chat"), ("title", "Chat"), ("team", "oncall")]);
    channel.set_state(State::Dark, "2026-11-21T03:04:12.5Z".parse().unwrap(), Some(Severity::Dark));
    let metrics = Metrics::new();
    metrics.publish(Series { channels: vec![Arc::new(channel)], probes: vec![Arc::new(series)] });
    let mut seen = std::collections::BTreeSet::new();
    for line in support_lines(&metrics) {
        let (name, labels) = line.split_once('{').unwrap();
        let whole = |family: &&Family| {
            let part = name.strip_prefix(family.name);
            part.is_some_and(|part| ["", "_bucket", "_sum", "_count"].contains(&part))
        };
        let family = metrics::FAMILIES.iter().find(whole).unwrap();
        let labels =
            labels.split_once('}').unwrap().0.split(',').map(|label| label.split_once('=').unwrap().0);
        let labels: Vec<&str> = labels.filter(|label| *label != "le").collect();
        assert_eq!(labels, family.labels, "{line}");
        seen.insert(family.name);
    }
    let of_channels = metrics::FAMILIES.iter().filter(|family| family.name.starts_with("support_"));
    assert_eq!(seen.len(), of_channels.count(), "{seen:?}");
}
