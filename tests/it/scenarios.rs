//! Judgement by scenario: each file of `tests/scenarios` is a timeline of outcomes with the transitions and mails that
//! must come of it, played through the pure domain second by second.
//!
//! A probe's runs are letters, one per interval: `o`k, `d`egraded, `f`ailed, `i`nconclusive, and `.` where no run was
//! made. Of a run that waits for a person they are `a`nswered, `l`ate, and `q`ueued in vain. Blanks are for the eye. A run of the first interval ends at second 0.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use lamplighter::domain::{
    casebook::{Announcement, Casebook},
    channel::{ChannelId, ChannelKind, ProbeKey, ProbeName, TeamId},
    contact::Contact,
    decision::{Decision, Kept, decide},
    escalation::{Ladder, Step},
    evaluation::{ChannelState, Moment, Opening, Quorum, Rules, State, Waiting, Watched},
    happening::Doorplate,
    hours::{Hours, read_daily},
    incident::{Incident, IncidentEvent, IncidentId},
    notification::{
        Notification, Recipient,
        facts::{Facts, HeldFacts},
    },
    outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Outcome, Reason, Stage, Verdict},
    shared::Shared,
    urgency::{Urgencies, Urgency},
};
use serde::Deserialize;

use crate::neighbourhood::{Doorway, Neighbourhood, doorplate};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// Seconds between two runs of a probe.
    #[serde(default = "thirty")]
    every: u64,
    /// Failures, of so many runs.
    #[serde(default = "three_of_five")]
    dark_after: (u32, u32),
    /// Successes, of so many runs.
    #[serde(default = "two_of_two")]
    up_after: (u32, u32),
    #[serde(default)]
    alert_on_degraded: bool,
    /// How often one may wait in vain: thousandths, the window in seconds, the least runs.
    waiting: Option<(u16, u64, u32)>,
    /// Channel, probe, runs.
    channels: BTreeMap<String, BTreeMap<String, String>>,
    /// Who is told, from which second on.
    #[serde(default)]
    recipients: BTreeMap<String, Vec<String>>,
    /// Seconds at which the daemon is killed and started again.
    #[serde(default)]
    restarts: Vec<u64>,
    /// From which to which second the store refuses to commit.
    #[serde(default)]
    store_down: Vec<(u64, u64)>,
    /// What a channel stands on.
    #[serde(default)]
    stands_on: BTreeMap<String, Vec<String>>,
    /// Dependencies with probes of their own, and from which to which second those find it broken.
    #[serde(default)]
    dependencies: BTreeMap<String, Vec<(u64, u64)>>,
    /// When the team is told of nothing that can wait, in UTC, from which second on; nothing written is never.
    #[serde(default)]
    quiet: BTreeMap<String, String>,
    /// How urgent it is that a channel is dark, and degraded; where nothing is said critical and warning.
    #[serde(default)]
    severity: BTreeMap<String, (Urgency, Urgency)>,
    /// The channels of a second team, "desk", that is never quiet.
    #[serde(default)]
    of_the_desk: Vec<String>,
    /// Those of the recipients that keep an alert for each incident.
    #[serde(default)]
    keep_alerts: Vec<String>,
    /// What is told of what stays dark.
    ladder: Option<Steps>,
    /// Seconds at which somebody takes the open cases in hand.
    #[serde(default)]
    acknowledged: Vec<u64>,
    /// So many seconds pass after the last run.
    #[serde(default)]
    after: u64,
    /// From which to which second it is outside the hours of every channel.
    #[serde(default)]
    out_of_hours: Vec<(u64, u64)>,
    /// From which to which second every channel is under maintenance.
    #[serde(default)]
    maintenance: Vec<(u64, u64)>,
    /// `second channel from -> to`, then what is told to whom.
    expected: Vec<String>,
}

/// A ladder, in seconds after the beginning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    remind_after: Option<u64>,
    /// Who is told besides.
    #[serde(default)]
    steps: Vec<(u64, String)>,
    summary_after: Option<u64>,
}

impl Steps {
    fn ladder(&self) -> Ladder {
        let after = Duration::from_secs;
        let step = |(secs, to): &(u64, String)| Step {
            after: after(*secs),
            to: vec![Recipient::mail(to)],
            is_summary: false,
        };
        let summary = |secs| Step { after: after(secs), to: Vec::new(), is_summary: true };
        Ladder {
            remind_after: self.remind_after.map(after),
            steps: self.steps.iter().map(step).chain(self.summary_after.map(summary)).collect(),
        }
    }
}

fn thirty() -> u64 {
    30
}

fn three_of_five() -> (u32, u32) {
    (3, 5)
}

fn two_of_two() -> (u32, u32) {
    (2, 2)
}

/// One channel as the daemon keeps it.
struct Seat {
    id: ChannelId,
    /// By probe: the letters of its runs.
    runs: BTreeMap<ProbeName, Vec<char>>,
    state: ChannelState,
    incident: Option<Incident>,
}

impl Seat {
    fn watched(&self, every: u64) -> Vec<Watched> {
        let watched = |probe: &ProbeName| Watched {
            key: key(&self.id, probe),
            silence: Duration::from_secs(3 * every + 10),
            fingerprint: 1,
        };
        self.runs.keys().map(watched).collect()
    }

    /// What a restart leaves: what has been committed, as the store keeps it.
    fn restart(&mut self, every: u64, now: Moment) {
        let state: State = through_json(&self.state.state());
        let since: Timestamp = through_json(&self.state.since());
        self.incident = through_json(&self.incident);
        let outage = self.incident.as_ref().map(Incident::outage);
        self.state = ChannelState::restore(state, since, outage);
        let watched = self.watched(every);
        self.state.watch(watched, now.monotonic);
    }
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn key(channel: &ChannelId, probe: &ProbeName) -> Arc<ProbeKey> {
    Arc::new(ProbeKey { channel: channel.clone(), probe: probe.clone() })
}

fn moment(second: u64) -> Moment {
    let origin: Timestamp = "2026-11-21T02:00:00Z".parse().unwrap();
    let monotonic = Duration::from_secs(second);
    Moment { wall: origin + monotonic, monotonic }
}

fn outcome(key: Arc<ProbeKey>, letter: char, ended: Moment) -> Outcome {
    let duration = Duration::from_millis(500);
    let failure = Failure {
        stage: Stage::Expect,
        step: None,
        reason: Reason::Disabled,
        cause: None,
        detail: Detail::new("the button is grey"),
    };
    let of = |reason| Failure { reason, ..failure.clone() };
    let verdict = match letter {
        'o' | 'a' => Verdict::Ok,
        'd' => Verdict::Degraded(failure),
        'l' => Verdict::Degraded(of(Reason::Late)),
        'f' => Verdict::Failed(failure),
        'q' => Verdict::Failed(of(Reason::QueueTimeout)),
        'i' => Verdict::Inconclusive(Inconclusive {
            reason: InconclusiveReason::MonitorLocal,
            detail: Detail::default(),
        }),
        other => panic!("no outcome is written {other:?}"),
    };
    Outcome {
        probe: key,
        started_at: ended.wall - duration,
        duration,
        verdict,
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: "alq".contains(letter).then(|| {
            Box::new(Contact { person_asked: true, waited_in_vain: letter != 'a', ..Contact::default() })
        }),
        met: Vec::new(),
    }
}

impl Scenario {
    fn rules(&self) -> Rules {
        let quorum = |(count, of)| Quorum { count, of };
        Rules {
            dark_after: quorum(self.dark_after),
            up_after: quorum(self.up_after),
            alert_on_degraded: self.alert_on_degraded,
            waiting: self.waiting.map(|(timeouts_permille, window, runs_min)| Waiting {
                timeouts_permille,
                window: Duration::from_secs(window),
                runs_min,
            }),
        }
    }

    fn opening_at(&self, second: u64) -> Opening {
        let is_in = |spans: &[(u64, u64)]| spans.iter().any(|(from, to)| (*from..*to).contains(&second));
        match (is_in(&self.out_of_hours), is_in(&self.maintenance)) {
            (true, _) => Opening::OutOfHours,
            (false, true) => Opening::Maintenance,
            (false, false) => Opening::Open,
        }
    }

    fn quiet_at(&self, second: u64) -> Option<Hours> {
        let from = |key: &String| key.parse::<u64>().unwrap();
        let current =
            self.quiet.iter().filter(|(key, _)| from(key) <= second).max_by_key(|(key, _)| from(key));
        let (_, text) = current.filter(|(_, text)| !text.is_empty())?;
        Some(Hours::new(read_daily(text).unwrap().spans, Arc::default(), TimeZone::UTC))
    }

    fn team(&self, channel: &str) -> TeamId {
        TeamId::new(if self.of_the_desk.iter().any(|id| id == channel) { "desk" } else { "oncall" })
    }

    fn urgencies(&self, channel: &str) -> Urgencies {
        let given = self.severity.get(channel);
        given.map_or_else(Urgencies::default, |(dark, degraded)| Urgencies {
            dark: *dark,
            degraded: *degraded,
        })
    }

    fn recipients_at(&self, second: u64) -> Vec<String> {
        let from = |key: &String| key.parse::<u64>().unwrap();
        let current =
            self.recipients.iter().filter(|(key, _)| from(key) <= second).max_by_key(|(key, _)| from(key));
        current.map_or_else(|| vec!["oncall".to_owned()], |(_, recipients)| recipients.clone())
    }

    fn seats(&self) -> Vec<Seat> {
        let seat = |(id, probes): (&String, &BTreeMap<String, String>)| {
            let letters = |runs: &String| runs.chars().filter(|letter| !letter.is_whitespace()).collect();
            let runs = probes.iter().map(|(probe, runs)| (ProbeName::new(probe), letters(runs))).collect();
            let mut seat = Seat {
                id: ChannelId::new(id),
                runs,
                state: ChannelState::new(moment(0).wall),
                incident: None,
            };
            let watched = seat.watched(self.every);
            seat.state.watch(watched, Duration::ZERO);
            seat
        };
        self.channels.iter().map(seat).collect()
    }

    /// Plays the timeline to its end; gives what was decided and what was told.
    fn play(&self) -> Vec<String> {
        let mut seats = self.seats();
        let mut book = Casebook::default();
        let mut history = Vec::new();
        let intervals = seats.iter().flat_map(|seat| seat.runs.values().map(Vec::len)).max().unwrap() as u64;
        for second in 0..intervals * self.every + self.after {
            let now = moment(second);
            let refused = self.store_down.iter().any(|(from, to)| (*from..*to).contains(&second));
            if self.restarts.contains(&second) {
                book = Casebook::restore(through_json(&book.cases().cloned().collect()), Vec::new(), now);
            }
            let from = history.len();
            for seat in &mut seats {
                if self.restarts.contains(&second) {
                    seat.restart(self.every, now);
                }
                seat.state.attend(self.opening_at(second), now);
                if second.is_multiple_of(self.every) {
                    self.run_probes(seat, (second / self.every) as usize, now);
                }
                while let Some(transition) = seat.state.judge(&self.rules(), now).filter(|_| !refused) {
                    let incident = seat.incident.as_ref();
                    let door = Doorplate {
                        team: Some(self.team(seat.id.as_str())),
                        urgencies: self.urgencies(seat.id.as_str()),
                        ..doorplate("A door", ChannelKind::Chat)
                    };
                    let kept = Kept { door, bundle: None, picture: None };
                    let decision = decide(&seat.id, &self.rules(), incident, &transition, kept, now.wall);
                    history.push(decided(second, &transition.from, &decision));
                    seat.state.adopt(decision.state, decision.since);
                    seat.incident = decision.incident.filter(|incident| incident.resolved_at.is_none());
                    decision.happening.into_iter().for_each(|happening| book.take(happening, now));
                }
            }
            if self.acknowledged.contains(&second) {
                let ids: Vec<IncidentId> = book.cases().map(|case| case.id.clone()).collect();
                for id in ids {
                    let announcement = book.acknowledge(&id, "somebody", now).expect("it is open");
                    book.adopt(&announcement, now);
                }
            }
            let world = self.neighbourhood(&seats, second);
            while let Some(announcement) = book.settle(&world, now).filter(|_| !refused) {
                book.adopt(&announcement, now);
                tell(second, &announcement, &mut history, from);
            }
        }
        history
    }

    /// The doors as they are at a second.
    fn neighbourhood(&self, seats: &[Seat], second: u64) -> Neighbourhood {
        let doorway = |seat: &Seat| Doorway {
            title: "A door".to_owned(),
            kind: ChannelKind::Chat,
            team: self.team(seat.id.as_str()),
            labels: BTreeMap::new(),
            stands_on: self
                .stands_on
                .get(seat.id.as_str())
                .into_iter()
                .flatten()
                .map(|word| shared(word))
                .collect(),
            state: seat.state.outlook(),
            is_suspect: seat.state.is_suspect(),
        };
        let dependency = |(id, down): (&String, &Vec<(u64, u64)>)| {
            let is_dark = down.iter().any(|(from, to)| (*from..*to).contains(&second));
            (ChannelId::new(id), Some(is_dark))
        };
        Neighbourhood {
            teams: BTreeMap::from([
                (
                    TeamId::new("oncall"),
                    self.recipients_at(second).into_iter().map(Recipient::mail).collect(),
                ),
                (TeamId::new("desk"), vec![Recipient::mail("desk")]),
            ]),
            quiet: self.quiet_at(second).map(|quiet| (TeamId::new("oncall"), quiet)).into_iter().collect(),
            alerts: self.keep_alerts.iter().map(Recipient::mail).collect(),
            ladders: self.ladder.iter().map(|steps| (TeamId::new("oncall"), steps.ladder())).collect(),
            doors: seats.iter().map(|seat| (seat.id.clone(), doorway(seat))).collect(),
            dependencies: self.dependencies.iter().map(dependency).collect(),
            ..Neighbourhood::default()
        }
    }

    fn run_probes(&self, seat: &mut Seat, interval: usize, now: Moment) {
        for (probe, letters) in &seat.runs {
            if let Some(&letter) = letters.get(interval).filter(|letter| **letter != '.') {
                let seen = outcome(key(&seat.id, probe), letter, now);
                seat.state.record(&seen, &self.rules(), now.monotonic);
                let _ = seat.state.judge(&self.rules(), now);
            }
        }
    }
}

/// `crm` is a dependency, what has a dot is a host.
fn shared(word: &str) -> Shared {
    if word.contains('.') { Shared::Host(word.into()) } else { Shared::Dependency(ChannelId::new(word)) }
}

/// `120 web-chat up -> dark, opened`.
fn decided(second: u64, from: &State, decision: &Decision) -> String {
    let mut line = format!("{second} {} {} -> {}", decision.channel, from.as_str(), decision.state.as_str());
    if let Some(event) = decision.event() {
        line += &format!(", {}", event.as_str());
    }
    line
}

/// Adds who is told behind what was decided in the same second, `: oncall`, or where it is told later, or of several
/// channels, a line of its own: `150 opened hotline web-chat: oncall`.
fn tell(second: u64, announcement: &Announcement, history: &mut Vec<String>, from: usize) {
    for case in &announcement.cases {
        let mut events: Vec<IncidentEvent> = Vec::new();
        let mails = announcement.notifications.iter().filter(|mail| mail.incident == case.id);
        for mail in mails.clone() {
            if !events.contains(&mail.event) {
                events.push(mail.event);
            }
        }
        for event in events {
            let recipients: Vec<&str> = mails
                .clone()
                .filter(|mail| mail.event == event)
                .map(|mail| mail.recipient.as_str())
                .collect();
            let recipients = recipients.join(" ");
            let mut channels: Vec<&str> = case.members.iter().map(|member| member.channel.as_str()).collect();
            channels.dedup();
            let decided = |line: &&mut String| {
                line.starts_with(&format!("{second} {} ", channels[0]))
                    && line.ends_with(&format!(", {}", event.as_str()))
            };
            match history[from..].iter_mut().find(decided).filter(|_| channels.len() == 1) {
                Some(line) => *line += &format!(": {recipients}"),
                None => {
                    history.push(format!("{second} {} {}: {recipients}", event.as_str(), channels.join(" ")))
                }
            }
        }
    }
    let is_of_none = |mail: &&Notification| announcement.cases.iter().all(|case| case.id != mail.incident);
    for mail in announcement.notifications.iter().filter(is_of_none) {
        let line = format!("{second} {} {}: ", mail.event.as_str(), held(&mail.content.facts));
        match history[from..].iter_mut().find(|known| known.starts_with(&line)) {
            Some(known) => *known += &format!(" {}", mail.recipient),
            None => history.push(line + &mail.recipient),
        }
    }
}

/// `chat, ticket over`: what was held, each incident with its channels.
fn held(facts: &Facts) -> String {
    let one = |held: &HeldFacts| {
        let ids: Vec<&str> = held.channels.iter().map(|channel| channel.id.as_str()).collect();
        format!("{}{}", ids.join(" "), if held.resolved_at.is_some() { " over" } else { "" })
    };
    facts.held.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn scenarios() -> Vec<(PathBuf, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut found: Vec<(PathBuf, Scenario)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let scenario =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, scenario)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn every_scenario_leads_where_it_says() {
    let mut wrong = String::new();
    for (path, scenario) in scenarios() {
        let played = scenario.play();
        if played != scenario.expected {
            wrong += &format!("{}:\n{played:#?}\n", path.file_name().unwrap().to_string_lossy());
        }
    }
    assert!(wrong.is_empty(), "other than expected, this was played:\n{wrong}");
}

#[test]
fn no_scenario_tells_of_a_recovery_without_an_outage_or_of_one_twice() {
    for (path, scenario) in scenarios() {
        let mut open: BTreeMap<String, bool> = BTreeMap::new();
        for line in scenario.play() {
            let channel = line.split(' ').nth(1).unwrap().to_owned();
            let is_open = open.entry(channel).or_default();
            assert!(!line.contains(", opened") || !*is_open, "{}: {line}", path.display());
            assert!(!line.contains(", resolved") || *is_open, "{}: {line}", path.display());
            *is_open = (*is_open || line.contains(", opened")) && !line.contains(", resolved");
        }
    }
}
