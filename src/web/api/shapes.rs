//! How things look in JSON: what is answered under `/api/v1`. Names are those of the configuration and the metrics, moments
//! are RFC 3339, spans are seconds. A field is never taken away, and never means something else, while this is version 1.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{
    self,
    channel::ProbeKey,
    contact,
    evaluation::{RunWord, State},
    incident::Severity,
    inquiry::{self, KeptIncident, KeptOutcome, Occurrence},
    maintenance::Announced,
    outcome::{InconclusiveReason, Outcome, Reason, Stage, Verdict},
    snapshot::{ChannelView, ProbeView},
};

/// Why something is refused.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Refusal {
    /// A sentence for whoever asked.
    pub(super) error: String,
}

/// Some of the channels.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Channels {
    /// In the order of their ids.
    pub(super) channels: Vec<Channel>,
    /// The `cursor` of the next page; null on the last.
    pub(super) next: Option<String>,
}

/// A channel as it is judged now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Channel {
    /// Its id.
    id: String,
    /// Its title for people.
    title: String,
    /// What sort of door it is; `dependency` for what stands behind doors.
    #[schemars(extend("enum" = ["chat", "hotline", "ticket", "mail", "help", "bot", "social", "dependency"]))]
    kind: &'static str,
    /// Its state.
    state: State,
    /// Since when.
    since: Timestamp,
    /// The open incident, if there is one.
    incident: Option<String>,
    /// When it opens, if it is outside its published hours.
    opens_at: Option<Timestamp>,
    /// The window of maintenance that it is under, if it is under one.
    maintenance: Option<Announced>,
    /// The latest failure while it is not up.
    failure: Option<Failure>,
    /// Its probes, in the order of their names.
    probes: Vec<Probe>,
}

impl Channel {
    pub(super) fn of(view: &ChannelView) -> Self {
        Self {
            id: view.id.to_string(),
            title: view.title.clone(),
            kind: view.kind.as_str(),
            state: view.state,
            since: view.since,
            incident: view.incident.as_ref().map(ToString::to_string),
            opens_at: view.opens_at,
            maintenance: view.maintenance.as_deref().cloned(),
            failure: view.failure.as_ref().map(Failure::of),
            probes: view.probes.iter().map(|probe| Probe::of(view, probe)).collect(),
        }
    }
}

/// Some of the probes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Probes {
    /// In the order of their channels, then of their names.
    pub(super) probes: Vec<Probe>,
    /// The `cursor` of the next page; null on the last.
    pub(super) next: Option<String>,
}

/// A probe and what it saw lately.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Probe {
    /// Its channel.
    pub(super) channel: String,
    /// Its name; with a persona, `NAME@PERSONA`.
    pub(super) probe: String,
    /// How its last run ended; null before the first.
    last_outcome: Option<String>,
    /// When that began.
    last_run_at: Option<Timestamp>,
    /// How long it took.
    last_duration_seconds: Option<f64>,
    /// For what it failed, where it did.
    last_reason: Option<Reason>,
    /// Half of the runs of the last hour took at most this long.
    p50_seconds: Option<f64>,
    /// 95 of 100 took at most this long.
    p95_seconds: Option<f64>,
    /// Which part of the runs of the last hour ran out of time, 0 to 1.
    timeout_ratio: Option<f64>,
}

impl Probe {
    pub(super) fn of(channel: &ChannelView, probe: &ProbeView) -> Self {
        Self {
            channel: channel.id.to_string(),
            probe: probe.name.to_string(),
            last_outcome: probe.last_outcome.clone(),
            last_run_at: probe.last_run_at,
            last_duration_seconds: probe.last_duration.map(seconds),
            last_reason: probe.last_reason,
            p50_seconds: probe.p50.map(seconds),
            p95_seconds: probe.p95.map(seconds),
            timeout_ratio: probe.timeout_ratio,
        }
    }
}

/// Where it broke, what the customer meets, and why as far as was seen.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Failure {
    /// The stage of the run that broke.
    stage: Stage,
    /// The step of a journey or conversation that broke.
    step: Option<String>,
    /// What the customer meets.
    reason: Reason,
    /// The technical word behind it.
    cause: Option<Reason>,
    /// The evidence in a short sentence. It may quote the target, with control characters escaped.
    detail: String,
}

impl Failure {
    fn of(failure: &domain::outcome::Failure) -> Self {
        Self {
            stage: failure.stage,
            step: failure.step.as_deref().map(str::to_owned),
            reason: failure.reason,
            cause: failure.cause,
            detail: failure.detail.to_string(),
        }
    }
}

/// Why it could not be looked.
#[derive(Debug, Serialize, JsonSchema)]
struct Inconclusive {
    /// The word for it.
    reason: InconclusiveReason,
    /// A short sentence.
    detail: String,
}

/// Some of the runs in the history.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcomes {
    /// The latest first, by the moment at which they were over.
    pub(super) outcomes: Vec<Run>,
    /// The `cursor` of the next page; null on the last. A page may have fewer runs than `limit`, or none, and still not be
    /// the last.
    pub(super) next: Option<i64>,
}

/// One run of a probe.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Outcome")]
pub(super) struct Run {
    /// Its number in the history; null for one that has just been made.
    id: Option<i64>,
    /// Its channel.
    channel: String,
    /// Its probe.
    probe: String,
    /// When it began.
    started_at: Timestamp,
    /// How long it took.
    duration_seconds: f64,
    /// How it ended.
    outcome: RunWord,
    /// What was wrong, where it was degraded or failed.
    failure: Option<Failure>,
    /// Why it was inconclusive, where it was.
    inconclusive: Option<Inconclusive>,
    /// Its timed parts, in the order in which they began.
    phases: Vec<Phase>,
    /// How long it took until somebody answered, where that was looked at.
    first_response: Option<FirstResponse>,
    /// How it went in the queue, where there was one.
    queue: Option<Queue>,
    /// What a customer had to do until a person was reached, where that was counted.
    steps_to_person: Option<u16>,
}

impl Run {
    pub(super) fn kept(kept: &KeptOutcome) -> Self {
        Self { id: Some(kept.number.0), ..Self::of(&kept.outcome) }
    }

    pub(super) fn of(run: &Outcome) -> Self {
        let ProbeKey { channel, probe } = &*run.probe;
        let (outcome, inconclusive) = match &run.verdict {
            Verdict::Ok => (RunWord::Ok, None),
            Verdict::Degraded(_) => (RunWord::Degraded, None),
            Verdict::Failed(_) => (RunWord::Failed, None),
            Verdict::Inconclusive(why) => (
                RunWord::Inconclusive,
                Some(Inconclusive { reason: why.reason, detail: why.detail.to_string() }),
            ),
        };
        let contact = run.contact.as_deref();
        Self {
            id: None,
            channel: channel.to_string(),
            probe: probe.to_string(),
            started_at: run.started_at,
            duration_seconds: seconds(run.duration),
            outcome,
            failure: run.verdict.failure().map(Failure::of),
            inconclusive,
            phases: run.phases.iter().map(Phase::of).collect(),
            first_response: contact.map(FirstResponse::of),
            queue: contact.and_then(Queue::of),
            steps_to_person: contact.and_then(|contact| contact.steps),
        }
    }
}

/// A timed part of a run.
#[derive(Debug, Serialize, JsonSchema)]
struct Phase {
    /// The step of a journey.
    step: Option<String>,
    /// Which request of a chain of redirects, counted from 0.
    hop: u8,
    /// What was done.
    phase: domain::outcome::PhaseKind,
    /// When it began, from the start of the run.
    offset_seconds: f64,
    /// How long it took, or had taken when the run ended.
    duration_seconds: f64,
}

impl Phase {
    fn of(phase: &domain::outcome::Phase) -> Self {
        Self {
            step: phase.step.as_deref().map(str::to_owned),
            hop: phase.hop,
            phase: phase.kind,
            offset_seconds: seconds(phase.offset),
            duration_seconds: seconds(phase.duration),
        }
    }
}

/// How long it took until somebody answered.
#[derive(Debug, Serialize, JsonSchema)]
struct FirstResponse {
    /// Until a bot did.
    bot_seconds: Option<f64>,
    /// Until a person did, from the moment one was asked for.
    person_seconds: Option<f64>,
}

impl FirstResponse {
    fn of(contact: &contact::Contact) -> Self {
        Self { bot_seconds: contact.bot.map(seconds), person_seconds: contact.person.map(seconds) }
    }
}

/// How a run went in the queue.
#[derive(Debug, Serialize, JsonSchema)]
struct Queue {
    /// How long it waited there.
    waited_seconds: f64,
    /// The place that was shown first.
    first_position: Option<u32>,
}

impl Queue {
    fn of(contact: &contact::Contact) -> Option<Self> {
        let waited_seconds = contact.queued.map(seconds)?;
        Some(Self { waited_seconds, first_position: contact.queue_position })
    }
}

/// Some of the incidents.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Incidents {
    /// The latest first, by the moment at which they opened.
    pub(super) incidents: Vec<Incident>,
    /// The `cursor` of the next page; null on the last. A page may have fewer incidents than `limit`, or none, and still not
    /// be the last.
    pub(super) next: Option<String>,
}

/// One outage of one channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Incident {
    /// Its id.
    id: String,
    /// The channel that is or was out.
    channel: String,
    /// Whether it is over.
    #[schemars(extend("enum" = ["open", "closed"]))]
    state: &'static str,
    /// The worst it has been.
    severity: Severity,
    /// When the first run began that failed.
    began_at: Timestamp,
    /// When it was confirmed.
    confirmed_at: Timestamp,
    /// When it was over.
    resolved_at: Option<Timestamp>,
    /// The incident under whose id people are told of it.
    told_as: Option<String>,
    /// Who has taken it in hand.
    acknowledged: Option<Acknowledgement>,
    /// The probe that found it.
    probe: Option<String>,
    /// What broke.
    failure: Option<Failure>,
}

impl Incident {
    pub(super) fn of(kept: &KeptIncident) -> Self {
        let KeptIncident { incident, told_as, acknowledged } = kept;
        Self {
            id: incident.id.to_string(),
            channel: incident.channel.to_string(),
            state: if incident.resolved_at.is_some() { "closed" } else { "open" },
            severity: incident.severity,
            began_at: incident.began_at,
            confirmed_at: incident.confirmed_at,
            resolved_at: incident.resolved_at,
            told_as: told_as.as_ref().map(ToString::to_string),
            acknowledged: acknowledged
                .as_ref()
                .map(|by| Acknowledgement { by: by.by.to_string(), at: by.at }),
            probe: incident.evidence.probe.as_ref().map(|probe| probe.probe.to_string()),
            failure: incident.evidence.failure.as_ref().map(Failure::of),
        }
    }
}

/// Somebody has taken an incident in hand.
#[derive(Debug, Serialize, JsonSchema)]
struct Acknowledgement {
    /// Who.
    by: String,
    /// When.
    at: Timestamp,
}

/// All that is kept of an incident.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Story {
    /// The incident.
    incident: Incident,
    /// The incidents that people are told of as one with it, itself among them.
    told_with: Vec<Member>,
    /// What happened and who was told, in order.
    timeline: Vec<Entry>,
}

impl Story {
    pub(super) fn of(story: &inquiry::Story) -> Self {
        let member = |(incident, channel): &(domain::incident::IncidentId, domain::channel::ChannelId)| {
            Member { incident: incident.to_string(), channel: channel.to_string() }
        };
        Self {
            incident: Incident::of(&story.kept),
            told_with: story.told_with.iter().map(member).collect(),
            timeline: story.timeline.iter().map(Entry::of).collect(),
        }
    }
}

/// An incident and its channel.
#[derive(Debug, Serialize, JsonSchema)]
struct Member {
    /// Its id.
    incident: String,
    /// Its channel.
    channel: String,
}

/// One line of a timeline.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Entry {
    /// When.
    at: Timestamp,
    /// What: the first failed run `began`, something `happened` to an incident, somebody `acknowledged` it, somebody was
    /// `told`.
    #[schemars(extend("enum" = ["began", "happened", "acknowledged", "told"]))]
    what: &'static str,
    /// What happened, or was told of: `opened`, `worsened`, `resolved`, `reminder` and so on.
    event: Option<String>,
    /// The incident to which it happened.
    incident: Option<String>,
    /// Its channel.
    channel: Option<String>,
    /// The state of the channel from then on.
    state: Option<State>,
    /// Who has taken it in hand.
    by: Option<String>,
    /// Who was told, and what has become of that.
    message: Option<Message>,
}

impl Entry {
    fn of(entry: &inquiry::Entry) -> Self {
        let of = |what| Self { at: entry.at, what, ..Self::default() };
        match &entry.what {
            Occurrence::Began => of("began"),
            Occurrence::Happened { incident, channel, event, state } => Self {
                event: Some(event.as_str().to_owned()),
                incident: Some(incident.to_string()),
                channel: Some(channel.to_string()),
                state: *state,
                ..of("happened")
            },
            Occurrence::Acknowledged { by } => Self { by: Some(by.to_string()), ..of("acknowledged") },
            Occurrence::Told(message) => {
                Self { event: Some(message.event.clone()), message: Some(Message::of(message)), ..of("told") }
            }
        }
    }
}

/// A message to somebody.
#[derive(Debug, Serialize, JsonSchema)]
struct Message {
    /// By which way it goes: `mail`, `webhook`, `alertmanager`.
    route: String,
    /// To whom: an address, or the id of a webhook or an Alertmanager.
    recipient: String,
    /// Its subject.
    subject: String,
    /// What has become of it.
    #[schemars(extend("enum" = ["pending", "delivered", "given_up"]))]
    status: String,
    /// How often it has been tried in vain.
    tries: u32,
    /// When it was delivered or given up.
    settled_at: Option<Timestamp>,
    /// What the other side said last.
    answer: Option<String>,
}

impl Message {
    fn of(message: &inquiry::Message) -> Self {
        Self {
            route: message.route.clone(),
            recipient: message.recipient.clone(),
            subject: message.subject.clone(),
            status: message.status.clone(),
            tries: message.tries,
            settled_at: message.settled_at,
            answer: message.answer.as_ref().map(ToString::to_string),
        }
    }
}

/// Whole microseconds, so that a figure has no tail of noise.
fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e6
}
