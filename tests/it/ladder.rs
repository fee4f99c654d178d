//! Who is told what of a case that stays dark, over many hours, on a clock that is an argument: reminders, escalation, the
//! summary; across restarts, acknowledgement and a time of day that leaps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use lamplighter::domain::{
    case::Case,
    casebook::{Announcement, Casebook},
    channel::{ChannelId, ChannelKind, TeamId},
    decision::{Kept, decide},
    escalation::{Ladder, Step},
    evaluation::{Evidence, Moment, Quorum, Rules, State, Transition},
    happening::Doorplate,
    incident::{Incident, IncidentId},
    notification::{Content, Notification, Recipient, Route},
    outcome::{Detail, Failure, Reason, Stage},
    shared::Shared,
    urgency::Urgencies,
};

use crate::neighbourhood::{Doorway, Neighbourhood, doorplate};

const HOUR: u64 = 3_600;

/// 03:04:12 on a Saturday in Berlin.
fn began() -> Timestamp {
    "2026-11-21T02:04:12Z".parse().unwrap()
}

fn years(years: i64) -> SignedDuration {
    SignedDuration::from_hours(years * 365 * 24)
}

/// Doors of one team, and what is told of them.
pub struct Play {
    pub world: Neighbourhood,
    book: Casebook,
    standing: BTreeMap<ChannelId, Incident>,
    /// Seconds on the monotonic clock since the beginning.
    spent: u64,
    /// By so much the time of day has leapt.
    pub leapt: SignedDuration,
    /// The monotonic clock of the process, which begins anew with it.
    started: u64,
    /// `hour:minute event: recipients`.
    told: Vec<String>,
    mails: Vec<Notification>,
    pub urgencies: Urgencies,
}

impl Play {
    pub fn new(ladder: Ladder) -> Self {
        let doorway = |kind, host: &str| Doorway {
            title: "Chat button, web shop".to_owned(),
            kind,
            team: TeamId::new("oncall"),
            stands_on: BTreeSet::from([Shared::Host(host.into())]),
            state: State::Up,
            is_suspect: false,
            labels: BTreeMap::new(),
        };
        let doors = BTreeMap::from([
            (ChannelId::new("web-chat"), doorway(ChannelKind::Chat, "shop.example.com")),
            (ChannelId::new("ticket"), doorway(ChannelKind::Ticket, "shop.example.com")),
            (ChannelId::new("hotline"), doorway(ChannelKind::Hotline, "pbx.example.com")),
        ]);
        let team = TeamId::new("oncall");
        let teams = BTreeMap::from([(team.clone(), vec![Recipient::mail("oncall@example.com")])]);
        let ladders = BTreeMap::from([(team, ladder)]);
        Self {
            world: Neighbourhood { doors, teams, ladders, ..Neighbourhood::default() },
            book: Casebook::default(),
            standing: BTreeMap::new(),
            spent: 0,
            leapt: SignedDuration::ZERO,
            started: 0,
            told: Vec::new(),
            mails: Vec::new(),
            urgencies: Urgencies::default(),
        }
    }

    pub fn now(&self) -> Moment {
        let wall = began() + Duration::from_secs(self.spent) + self.leapt;
        Moment { wall, monotonic: Duration::from_secs(self.spent - self.started) }
    }

    /// A channel comes into a state now.
    pub fn becomes(&mut self, id: &str, to: State) {
        let channel = ChannelId::new(id);
        let now = self.now();
        let probe = lamplighter::domain::channel::ProbeKey {
            channel: channel.clone(),
            probe: lamplighter::domain::channel::ProbeName::new("launcher@new-account"),
        };
        let failure = Failure {
            stage: Stage::Expect,
            step: None,
            reason: Reason::Disabled,
            cause: None,
            detail: Detail::new("$.enabled is false, expected true"),
        };
        let evidence = Evidence {
            probe: Some(probe.into()),
            agreeing: 3,
            of: 5,
            failure: Some(failure),
            phases: Vec::new(),
            recent: Vec::new(),
        };
        let since = now.wall - Duration::from_secs(60);
        let transition = Transition { from: State::Up, to, at: now.wall, since, evidence };
        let rules = Rules {
            dark_after: Quorum { count: 3, of: 5 },
            up_after: Quorum { count: 2, of: 2 },
            alert_on_degraded: true,
            waiting: None,
        };
        let door = self.world.doors.get_mut(&channel).unwrap();
        door.state = to;
        let bundle = Some(format!("20261121T020412Z-{id}-{}", to.as_str()));
        let plate = Doorplate { urgencies: self.urgencies, ..doorplate(&door.title, door.kind) };
        let kept = Kept { door: plate, bundle, picture: None };
        let decision = decide(&channel, &rules, self.standing.get(&channel), &transition, kept, now.wall);
        let incident = decision.incident.unwrap();
        match incident.resolved_at {
            Some(_) => self.standing.remove(&channel),
            None => self.standing.insert(channel, incident),
        };
        self.book.take(decision.happening.unwrap(), now);
        self.settle();
    }

    fn settle(&mut self) {
        let now = self.now();
        while let Some(announcement) = self.book.settle(&self.world, now) {
            assert_eq!(
                self.book.settle(&self.world, now).as_ref(),
                Some(&announcement),
                "proposed until adopted"
            );
            self.adopt(&announcement);
        }
    }

    fn adopt(&mut self, announcement: &Announcement) {
        self.book.adopt(announcement, self.now());
        let mut events: Vec<(&str, Vec<&str>)> = Vec::new();
        for mail in &announcement.notifications {
            match events.last_mut().filter(|(event, _)| *event == mail.event.as_str()) {
                Some((_, to)) => to.push(&mail.recipient),
                None => {
                    events.push((mail.event.as_str(), vec![&mail.recipient]));
                    self.mails.push(mail.clone());
                }
            }
        }
        for (event, to) in events {
            let names: Vec<&str> = to.iter().map(|address| address.split('@').next().unwrap()).collect();
            let (hours, minutes) = (self.spent / HOUR, self.spent / 60 % 60);
            self.told.push(format!("{hours:02}:{minutes:02} {event}: {}", names.join(" ")));
        }
    }

    /// Lets time pass, looking every minute.
    pub fn pass(&mut self, secs: u64) {
        for _ in 0..secs / 60 {
            self.spent += 60;
            self.settle();
        }
    }

    /// The process ends; another begins after so many seconds.
    pub fn restart(&mut self, after: u64) {
        self.spent += after;
        self.started = self.spent;
        let cases: Vec<Case> = self.book.cases().cloned().collect();
        let kept: Vec<Case> = serde_json::from_str(&serde_json::to_string(&cases).unwrap()).unwrap();
        self.book = Casebook::restore(kept, Vec::new(), self.now());
        self.settle();
    }

    pub fn id(&self) -> IncidentId {
        self.book.cases().find(|case| !case.is_done()).unwrap().id.clone()
    }

    pub fn acknowledge(&mut self, by: &str) {
        let announcement = self.book.acknowledge(&self.id(), by, self.now()).unwrap();
        assert!(announcement.notifications.is_empty());
        self.adopt(&announcement);
    }

    /// What has been told since it was last asked.
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// Whether nothing is open and nothing owed.
    pub fn is_all_told(&self) -> bool {
        self.book.cases().next().is_none() && self.book.owed().next().is_none()
    }

    /// The mail that was told last.
    pub fn last_mail(&self) -> Content {
        self.last_notification().content
    }

    /// The first of the notifications that were told last.
    pub fn last_notification(&self) -> Notification {
        self.mails.last().unwrap().clone()
    }
}

/// The lead after 15 minutes, the manager after an hour, the summary after a day; reminders from an hour on.
pub fn usual() -> Ladder {
    let step = |after, to: &[&str], is_summary| Step {
        after: Duration::from_secs(after),
        to: to.iter().map(|address| Recipient::mail(*address)).collect(),
        is_summary,
    };
    Ladder {
        remind_after: Some(Duration::from_secs(HOUR)),
        steps: vec![
            step(900, &["lead@example.com"], false),
            step(HOUR, &["manager@example.com"], false),
            step(24 * HOUR, &[], true),
        ],
    }
}

/// What the usual ladder tells of an outage that lasts.
const OVER_THIRTY_HOURS: [&str; 8] = [
    "00:00 opened: oncall",
    "00:15 escalated: lead",
    "01:00 reminder: oncall lead",
    "01:00 escalated: manager",
    "03:00 reminder: oncall lead manager",
    "07:00 reminder: oncall lead manager",
    "15:00 reminder: oncall lead manager",
    "24:00 summary: oncall",
];

#[test]
fn over_thirty_hours_each_is_told_in_time_and_all_who_know_hear_of_the_end() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Dark);
    play.pass(30 * HOUR);
    assert_eq!(play.told(), OVER_THIRTY_HOURS);
    play.pass(60 * HOUR);
    let later = ["31:00", "55:00", "79:00"].map(|at| format!("{at} reminder: oncall lead manager"));
    assert_eq!(play.told(), later);
    play.becomes("web-chat", State::Up);
    assert_eq!(play.told(), ["90:00 resolved: oncall lead manager"]);
    play.pass(48 * HOUR);
    assert!(play.told().is_empty());
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Dark);
    for _ in 0..10 {
        play.pass(3 * HOUR - 600);
        play.restart(600);
    }
    assert_eq!(play.told()[..8], OVER_THIRTY_HOURS);
}

#[test]
fn what_became_due_while_nothing_ran_is_told_once() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Dark);
    play.pass(600);
    play.restart(10 * HOUR);
    assert_eq!(
        play.told(),
        ["00:00 opened: oncall", "10:10 reminder: oncall", "10:10 escalated: lead manager"],
        "one mail each, not one for each step and each reminder"
    );
    play.pass(2 * HOUR);
    assert_eq!(play.told(), ["12:10 reminder: oncall lead manager"]);
    play.restart(40 * HOUR);
    assert_eq!(play.told(), ["52:10 reminder: lead manager", "52:10 summary: oncall"]);
}

#[test]
fn a_time_of_day_that_leaps_by_ten_years_neither_silences_nor_storms() {
    for leap in [years(10), years(-10)] {
        let mut play = Play::new(usual());
        play.becomes("web-chat", State::Dark);
        play.pass(30 * 60);
        play.leapt = leap;
        play.pass(29 * HOUR + 30 * 60);
        assert_eq!(play.told(), OVER_THIRTY_HOURS, "{leap:?}");
        assert!(!play.last_mail().text.contains("3650 d"), "{}", play.last_mail().text);
    }
}

#[test]
fn a_restart_after_such_a_leap_tells_at_most_once_and_goes_on() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Dark);
    play.pass(2 * HOUR);
    assert_eq!(play.told(), OVER_THIRTY_HOURS[..4]);
    play.leapt = years(-10);
    play.restart(60);
    play.pass(2 * HOUR);
    assert_eq!(
        play.told(),
        ["04:01 reminder: oncall lead manager"],
        "what passed since the last mail is lost"
    );
    play.leapt = years(10);
    play.restart(60);
    let told = play.told();
    assert_eq!(told, ["04:02 reminder: lead manager", "04:02 summary: oncall"]);
    play.leapt = SignedDuration::ZERO;
    play.restart(60);
    play.pass(24 * HOUR);
    let told = play.told();
    assert_eq!(told.len(), 2, "reminders go on: {told:?}");
}

#[test]
fn an_acknowledgement_ends_it_for_that_case_and_later_mails_say_so() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Degraded);
    play.pass(2 * HOUR);
    assert_eq!(play.told(), ["00:00 opened: oncall"], "what is only degraded is told once");
    play.acknowledge("Anna\r\nBcc: everybody@example.com");
    assert!(play.book.acknowledge(&play.id(), "Ben", play.now()).is_none(), "it is in hand");
    assert!(
        play.book.acknowledge(&IncidentId("20261121T020412Z-other-1".into()), "Ben", play.now()).is_none()
    );
    play.becomes("web-chat", State::Dark);
    play.pass(40 * HOUR);
    play.restart(HOUR);
    assert_eq!(play.told(), ["02:00 worsened: oncall"], "the news itself is told");
    let text = play.last_mail().text;
    let first = "Acknowledged by Anna\\u{d}\\u{a}Bcc: everybody@example.com at 05:04:12\nEurope/Berlin (04:04:12 UTC), Sat 21 Nov.";
    assert_eq!(text.split("\n\n").nth(1), Some(first), "below the first five lines: {text}");
    play.becomes("web-chat", State::Up);
    play.pass(HOUR);
    play.becomes("web-chat", State::Dark);
    play.pass(2 * HOUR);
    assert_eq!(
        play.told(),
        [
            "43:00 resolved: oncall",
            "44:00 opened: oncall",
            "44:15 escalated: lead",
            "45:00 reminder: oncall lead",
            "45:00 escalated: manager"
        ],
        "a new incident is not acknowledged"
    );
    assert!(!play.last_mail().text.contains("Acknowledged by"));
}

#[test]
fn a_case_that_was_only_degraded_begins_to_climb_when_it_is_dark() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Degraded);
    play.pass(5 * HOUR);
    play.becomes("web-chat", State::Dark);
    play.pass(20 * 60);
    assert_eq!(play.told(), ["00:00 opened: oncall", "05:00 worsened: oncall", "05:15 escalated: lead"]);
}

#[test]
fn a_case_that_spreads_goes_on_climbing_and_what_is_gathered_is_told_in_time() {
    let mut play = Play::new(usual());
    play.becomes("web-chat", State::Dark);
    play.pass(8 * 60);
    play.becomes("ticket", State::Dark);
    play.pass(20 * 60);
    let told = play.told();
    assert_eq!(told, ["00:00 opened: oncall", "00:08 spread: oncall", "00:15 escalated: lead"]);
    play.acknowledge("Anna");
    play.becomes("ticket", State::Up);
    play.pass(600);
    assert_eq!(play.told(), ["00:33 eased: oncall lead"]);
}

#[test]
fn a_team_without_a_ladder_is_told_nothing_more() {
    let mut play = Play::new(Ladder::default());
    play.becomes("web-chat", State::Dark);
    play.pass(100 * HOUR);
    assert_eq!(play.told(), ["00:00 opened: oncall"]);
}

#[test]
fn a_pager_that_is_a_step_rings_when_nobody_answers_and_hears_of_the_end() {
    let pager = Recipient { route: Route::Webhook, address: "pager".to_owned() };
    let manager = Recipient { route: Route::Alertmanager, address: "main".to_owned() };
    let step = Step { after: Duration::from_secs(900), to: vec![pager, manager], is_summary: false };
    let mut play = Play::new(Ladder { remind_after: Some(Duration::from_secs(HOUR)), steps: vec![step] });
    play.becomes("web-chat", State::Dark);
    play.pass(10 * 60);
    play.becomes("web-chat", State::Up);
    assert_eq!(play.told(), ["00:00 opened: oncall", "00:10 resolved: oncall"], "it never rang");
    play.becomes("web-chat", State::Dark);
    play.pass(HOUR);
    play.becomes("web-chat", State::Up);
    assert_eq!(
        play.told(),
        [
            "00:10 opened: oncall",
            "00:25 escalated: pager main",
            "01:10 reminder: oncall pager main",
            "01:10 resolved: oncall pager main"
        ]
    );
}
