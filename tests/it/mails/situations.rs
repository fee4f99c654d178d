//! The situations whose mails are golden: every kind of door, every sort of news, and what a target may put into it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use lamplighter::domain::{
    casebook::{Announcement, Casebook},
    channel::{ChannelId, ChannelKind, ProbeKey, ProbeName, TeamId},
    decision::{Decision, Kept, decide, withdraw},
    evaluation::{Evidence, Moment, Quorum, RecentRun, Rules, RunWord, State, Transition},
    happening::Doorplate,
    notification::{Neighbour, Recipient},
    outcome::{Detail, Failure, Phase, PhaseKind, Reason, Stage},
    urgency::Urgencies,
};

use lamplighter::store::Store;

use crate::neighbourhood::{Doorway, Neighbourhood, doorplate};

/// Everything that goes into one mail, with harmless values.
pub struct Situation {
    pub channel: &'static str,
    pub title: String,
    pub kind: ChannelKind,
    pub probe: &'static str,
    pub neighbours: Vec<Neighbour>,
    pub public_url: Option<&'static str>,
    pub recipients: Vec<Recipient>,
    pub alert_on_degraded: bool,
    pub urgencies: Urgencies,
    pub failure: Failure,
    pub phases: Vec<Phase>,
    pub quorum: (u32, u32),
}

/// 03:04:12 on a Saturday in Berlin.
pub fn began() -> Timestamp {
    "2026-11-21T02:04:12Z".parse().unwrap()
}

pub fn neighbour(channel: &str, title: &str, state: State, shares_host: bool) -> Neighbour {
    Neighbour {
        channel: ChannelId::new(channel),
        title: title.to_owned(),
        state,
        is_proven: true,
        shares_host,
    }
}

pub fn failure(
    stage: Stage,
    step: Option<&str>,
    reason: Reason,
    cause: Option<Reason>,
    detail: &str,
) -> Failure {
    Failure { stage, step: step.map(Arc::from), reason, cause, detail: Detail::new(detail) }
}

/// Phases with what each took, in microseconds.
pub fn phases(step: Option<&str>, parts: &[(PhaseKind, u64)]) -> Vec<Phase> {
    let phase = |&(kind, micros): &(PhaseKind, u64)| Phase {
        step: step.map(Arc::from),
        hop: 0,
        kind,
        offset: Duration::ZERO,
        duration: Duration::from_micros(micros),
    };
    parts.iter().map(phase).collect()
}

/// The same phases, each beginning where the one before ends.
fn one_after_the_other(phases: &[Phase]) -> Vec<Phase> {
    let mut offset = Duration::ZERO;
    let mut laid = Vec::new();
    for phase in phases {
        laid.push(Phase { offset, ..phase.clone() });
        offset += phase.duration;
    }
    laid
}

/// An answered request of 212 ms.
pub fn answered(step: Option<&str>) -> Vec<Phase> {
    use PhaseKind::{Connect, Resolve, Send, Tls, Transfer, Wait};
    let parts =
        [(Resolve, 3_100), (Connect, 12_400), (Tls, 40_800), (Send, 90), (Wait, 155_000), (Transfer, 640)];
    phases(step, &parts)
}

/// What was decided, and what was told of it.
pub struct Story {
    pub decision: Decision,
    pub announcement: Announcement,
}

impl Story {
    /// Puts both into a store.
    pub async fn commit(&self, store: &Store) {
        store.commit(vec![self.decision.clone()]).await.unwrap();
        store.announce(self.announcement.clone(), self.decision.since).await.unwrap();
    }
}

impl Situation {
    /// A grey chat button, with two other doors.
    pub fn chat() -> Self {
        Self {
            channel: "web-chat",
            title: "Chat button, web shop".to_owned(),
            kind: ChannelKind::Chat,
            probe: "launcher",
            neighbours: vec![
                neighbour("hotline", "Hotline call-back", State::Up, false),
                neighbour("shop-bot", "Bot on the shop page", State::Up, true),
                neighbour("ticket", "Ticket form", State::Up, false),
            ],
            public_url: Some("https://lamplighter.example.com/"),
            recipients: vec![Recipient::mail("oncall@example.com")],
            alert_on_degraded: false,
            urgencies: Urgencies::default(),
            failure: failure(
                Stage::Expect,
                None,
                Reason::Disabled,
                Some(Reason::Content),
                "$.enabled is false, expected true",
            ),
            phases: answered(None),
            quorum: (3, 5),
        }
    }

    /// What is told when the channel goes bad.
    pub fn opened(&self, to: State) -> Story {
        self.tell(None, &self.transition(State::Up, to, 0), 61)
    }

    /// What follows a story when the channel changes to `to` so many seconds after the outage began.
    pub fn followed(&self, story: &Story, to: State, after: u64) -> Story {
        self.tell(Some(story), &self.transition(State::Dark, to, after), after + 31)
    }

    /// What follows a story when the channel is no longer watched: missed since so many seconds after the outage began,
    /// withdrawn at so many.
    pub fn withdrawn(&self, story: &Story, missed: u64, after: u64) -> Story {
        let at = |after| began() + Duration::from_secs(after);
        let decision = withdraw(story.decision.incident.as_ref().unwrap(), at(missed), at(after));
        self.play(Some(story), decision, after)
    }

    fn tell(&self, before: Option<&Story>, transition: &Transition, after: u64) -> Story {
        let rules = Rules {
            dark_after: Quorum { count: 3, of: 5 },
            up_after: Quorum { count: 2, of: 2 },
            alert_on_degraded: self.alert_on_degraded,
            waiting: None,
        };
        let standing = before.and_then(|story| story.decision.incident.as_ref());
        let now = began() + Duration::from_secs(after);
        let channel = ChannelId::new(self.channel);
        let kept = Kept {
            door: Doorplate {
                team: Some(TeamId::new("support")),
                urgencies: self.urgencies,
                ..doorplate(&self.title, self.kind)
            },
            bundle: None,
            picture: None,
        };
        let decision = decide(&channel, &rules, standing, transition, kept, now);
        self.play(before, decision, after)
    }

    fn play(&self, before: Option<&Story>, decision: Decision, after: u64) -> Story {
        let spent = Duration::from_secs(after);
        let now = Moment { wall: began() + spent, monotonic: spent };
        let cases = before.map(|story| story.announcement.cases.clone()).unwrap_or_default();
        let mut book = Casebook::restore(cases, Vec::new(), now);
        book.take(decision.happening.clone().unwrap(), now);
        let announcement = book.settle(&self.neighbourhood(), now).unwrap();
        Story { decision, announcement }
    }

    fn neighbourhood(&self) -> Neighbourhood {
        let is_other = |neighbour: &&Neighbour| neighbour.channel.as_str() != self.channel;
        let doorway = Doorway {
            title: self.title.clone(),
            kind: self.kind,
            team: TeamId::new("support"),
            labels: BTreeMap::from([("product".to_owned(), "shop".to_owned())]),
            stands_on: BTreeSet::new(),
            state: State::Dark,
            is_suspect: false,
        };
        Neighbourhood {
            teams: BTreeMap::from([(TeamId::new("support"), self.recipients.clone())]),
            doors: BTreeMap::from([(ChannelId::new(self.channel), doorway)]),
            neighbours: Some(self.neighbours.iter().filter(is_other).cloned().collect()),
            public_url: self.public_url,
            ..Neighbourhood::default()
        }
    }

    fn transition(&self, from: State, to: State, after: u64) -> Transition {
        let since = began() + Duration::from_secs(after);
        let (agreeing, of) = if to == State::Up { (2, 2) } else { self.quorum };
        let confirmed = Duration::from_secs(30 * (u64::from(of) - 1)) + Duration::from_millis(212);
        Transition {
            from,
            to,
            at: since + confirmed,
            since,
            evidence: Evidence {
                probe: Some(self.key()),
                agreeing,
                of,
                failure: Some(self.failure.clone()),
                phases: one_after_the_other(&self.phases),
                recent: self.runs(since, to, of),
            },
        }
    }

    fn key(&self) -> Arc<ProbeKey> {
        Arc::new(ProbeKey { channel: ChannelId::new(self.channel), probe: ProbeName::new(self.probe) })
    }

    /// Two runs of the state before, one in which we could not look, then those that decided.
    fn runs(&self, since: Timestamp, to: State, of: u32) -> Vec<RecentRun> {
        let bad = if self.alert_on_degraded { RunWord::Degraded } else { RunWord::Failed };
        let (before, after) = match to {
            State::Up => (bad, RunWord::Ok),
            State::Degraded => (RunWord::Ok, RunWord::Degraded),
            _ => (RunWord::Ok, RunWord::Failed),
        };
        let spread = self.quorum.0 < self.quorum.1 && to != State::Up;
        let decided = (0..of).map(|index| if spread && index % 2 == 1 { before } else { after });
        let words = [before, RunWord::Inconclusive].into_iter().chain(decided);
        let took = self.phases.iter().map(|phase| phase.duration).sum();
        let run = |(index, outcome): (usize, RunWord)| RecentRun {
            probe: self.key(),
            started_at: since - Duration::from_secs(60) + Duration::from_secs(30 * index as u64),
            duration: took,
            outcome,
            reason: matches!(outcome, RunWord::Failed | RunWord::Degraded).then_some(self.failure.reason),
        };
        words.enumerate().map(run).collect()
    }
}
