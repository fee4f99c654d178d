//! Records as the store gives them.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::domain::{
    case::Member,
    channel::{ChannelId, ChannelKind, ProbeKey, ProbeName, TeamId},
    decision::{Kept, decide},
    evaluation::{Quorum, Rules, State},
    happening::Doorplate,
    incident::IncidentId,
    notification::Recipient,
    outcome::{Reason, Stage},
    urgency::Urgencies,
};

fn transition(from: State, to: State, minute: i64, reason: Reason) -> Transition {
    let at = Timestamp::from_second(minute * 60).unwrap();
    let failure =
        Failure { stage: Stage::Wait, step: None, reason, cause: None, detail: Detail::new("seen") };
    let probe = ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("page") };
    let evidence = Evidence {
        probe: Some(Arc::new(probe)),
        agreeing: 3,
        of: 5,
        failure: Some(failure),
        phases: Vec::new(),
        recent: Vec::new(),
    };
    Transition { from, to, at, since: at, evidence }
}

/// An incident that began as degraded, and its record.
fn worsened() -> Record {
    let rules = Rules {
        dark_after: Quorum { count: 3, of: 5 },
        up_after: Quorum { count: 2, of: 2 },
        alert_on_degraded: true,
        waiting: None,
    };
    let (mut incident, mut happenings) = (None, Vec::new());
    for transition in [
        transition(State::Up, State::Degraded, 10, Reason::TooSlow),
        transition(State::Degraded, State::Dark, 20, Reason::FirstByteTimeout),
    ] {
        let door = Doorplate {
            title: "Chat".to_owned(),
            kind: ChannelKind::Chat,
            team: None,
            urgencies: Urgencies::default(),
        };
        let kept = Kept { door, bundle: None, picture: None };
        let channel = ChannelId::new("web-chat");
        let decision = decide(&channel, &rules, incident.as_ref(), &transition, kept, transition.at);
        incident = decision.incident;
        let happening = decision.happening.unwrap();
        happenings.push(Settled { happening, told_in: None, told_at: None });
    }
    let id = incident.as_ref().unwrap().id.clone();
    Record { id, incident, case: None, happenings, letters: Vec::new(), runs: Vec::new() }
}

#[test]
fn who_is_told_after_quiet_hours_is_named() {
    let record = worsened();
    let member = Member::of(&record.happenings[0].happening, BTreeSet::new());
    let mut case = Case::open(vec![member], Timestamp::from_second(600).unwrap());
    case.held.push(Held {
        team: TeamId::new("support"),
        since: Timestamp::from_second(660).unwrap(),
        to: vec![Recipient::mail("anna@example.com")],
    });
    let text = write(&Record { case: Some(case), ..record }, &TimeZone::UTC, None);
    let told = "WHO WAS TOLD\n  nobody that the outbox remembers\n  00:11:00  held in the quiet hours of support from\n    anna@example.com\n";
    assert!(text.contains(told), "{text}");
}

fn letter(number: usize) -> Letter {
    Letter {
        event: "opened".to_owned(),
        route: "mail".to_owned(),
        recipient: format!("{number}@example.com"),
        message_id: number.to_string(),
        subject: "word ".repeat(40),
        created_at: Timestamp::UNIX_EPOCH,
        status: "given_up".to_owned(),
        due_at: Timestamp::UNIX_EPOCH,
        tries: 9,
        settled_at: Some(Timestamp::UNIX_EPOCH),
        answer: Some(Detail::new(&"no".repeat(200))),
    }
}

#[test]
fn an_incident_that_became_worse_says_what_led_to_either() {
    let text = write(&worsened(), &TimeZone::UTC, None);
    let (opened, worse) = text.split_once("WHY IT BECAME WORSE").unwrap();
    assert!(opened.contains("from up to degraded") && opened.contains("too_slow"), "{text}");
    assert!(worse.contains("from degraded to dark") && worse.contains("first_byte_timeout"), "{text}");
    assert!(opened.contains("it is open") && worse.contains("not told yet"), "{text}");
    assert!(worse.contains("nobody that the outbox remembers"), "{text}");
}

#[test]
fn a_long_list_is_cut_and_no_line_is_wider_than_a_terminal() {
    let letters: Vec<Letter> = (0..LINES_MAX + 60).map(letter).collect();
    let id = IncidentId(format!("20261121T020412Z-{}-31f2", "x".repeat(63)));
    let record = Record { id, letters, ..worsened() };
    let text = write(&record, &TimeZone::UTC, None);
    assert!(text.contains("WHO WAS TOLD   100 given up"), "{text}");
    assert!(text.contains("and 60 more, all in --json"), "{text}");
    assert_eq!(text.matches("given up 00:00:00 after 9 tries:").count(), LINES_MAX, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
