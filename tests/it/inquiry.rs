//! Questions about what is kept: pages of runs and incidents out of a real store, beside the daemon that writes into it.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use lamplighter::{
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        contact::Contact,
        evaluation::{RunWord, State},
        incident::{IncidentEvent, IncidentId},
        inquiry::{IncidentInquiry, Occurrence, OutcomeInquiry, OutcomeNumber, Standing},
        notification::Route,
        outcome::{Detail, Failure, Outcome, Phase, PhaseKind, Reason, Stage, Verdict},
    },
    store::Store,
};
use tempfile::TempDir;

use crate::samples::{commit, decision, start};

fn place() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lamplighter.db");
    (directory, path)
}

fn second(second: i64) -> Timestamp {
    start() + SignedDuration::from_secs(second)
}

fn run(channel: &str, began: i64, verdict: Verdict) -> Outcome {
    Outcome {
        probe: Arc::new(ProbeKey { channel: ChannelId::new(channel), probe: ProbeName::new("door") }),
        started_at: second(began),
        duration: Duration::from_millis(120),
        verdict,
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    }
}

fn failed(reason: Reason) -> Verdict {
    Verdict::Failed(Failure {
        stage: Stage::Expect,
        step: None,
        reason,
        cause: None,
        detail: Detail::new("no"),
    })
}

/// Every second run of one of two channels; every tenth failed, in turn for one of two reasons.
async fn history(store: &Store, runs: i64) {
    let verdict = |number: i64| match number % 20 {
        3 => failed(Reason::Missing),
        13 => failed(Reason::Status),
        _ => Verdict::Ok,
    };
    let channel = |number: i64| if number % 2 == 0 { "hotline" } else { "web-chat" };
    let all: Vec<Outcome> = (0..runs).map(|number| run(channel(number), number, verdict(number))).collect();
    store.append(all.into()).await.unwrap();
}

/// Goes through all pages; when the runs began, in seconds.
async fn all_pages(store: &Store, inquiry: OutcomeInquiry) -> Vec<i64> {
    let (mut all, mut before) = (Vec::new(), inquiry.before);
    loop {
        let page = store.outcomes(OutcomeInquiry { before, ..inquiry.clone() }).await.unwrap();
        assert!(page.items.len() <= inquiry.limit);
        all.extend(page.items.iter().map(|kept| (kept.outcome.started_at - start()).get_seconds()));
        match page.next {
            Some(next) => before = Some(next),
            None => return all,
        }
    }
}

#[tokio::test]
async fn pages_of_the_history_together_are_the_runs_that_were_asked_for_the_latest_first() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    history(&store, 200).await;
    let all = OutcomeInquiry { limit: 7, ..OutcomeInquiry::default() };
    let chat = Some(ChannelId::new("web-chat"));
    let descending = |numbers: Vec<i64>| numbers.into_iter().rev().collect::<Vec<_>>();
    assert_eq!(all_pages(&store, all.clone()).await, descending((0..200).collect()));
    for (inquiry, expected) in [
        (OutcomeInquiry { channel: chat.clone(), ..all.clone() }, (0..200).filter(|n| n % 2 == 1).collect()),
        (
            OutcomeInquiry { outcome: Some(RunWord::Failed), ..all.clone() },
            (0..200).filter(|n| n % 10 == 3).collect(),
        ),
        (
            OutcomeInquiry { reason: Some("status".to_owned()), ..all.clone() },
            (0..200).filter(|n| n % 20 == 13).collect(),
        ),
        (
            OutcomeInquiry { from: Some(second(50)), until: Some(second(60)), ..all.clone() },
            (50..60).collect::<Vec<_>>(),
        ),
        (OutcomeInquiry { from: Some(second(60)), until: Some(second(50)), ..all.clone() }, Vec::new()),
        (OutcomeInquiry { probe: Some(ProbeName::new("other")), ..all.clone() }, Vec::new()),
        (OutcomeInquiry { channel: Some(ChannelId::new("unknown")), ..all.clone() }, Vec::new()),
        (OutcomeInquiry { from: Some(Timestamp::MAX), ..all.clone() }, Vec::new()),
        (OutcomeInquiry { until: Some(Timestamp::MIN), ..all.clone() }, Vec::new()),
        (OutcomeInquiry { before: Some(OutcomeNumber(i64::MIN)), ..all.clone() }, Vec::new()),
    ] {
        assert_eq!(all_pages(&store, inquiry.clone()).await, descending(expected), "{inquiry:?}");
    }
}

#[tokio::test]
async fn a_run_is_read_as_it_was_seen() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let phase = |kind, step: Option<&str>, hop| Phase {
        step: step.map(Arc::from),
        hop,
        kind,
        offset: Duration::from_micros(1_500),
        duration: Duration::from_micros(90),
    };
    let seen = Outcome {
        phases: vec![phase(PhaseKind::Resolve, None, 0), phase(PhaseKind::Wait, Some("say \"hi\""), 2)],
        contact: Some(Box::new(Contact { steps: Some(3), ..Contact::default() })),
        ..run("web-chat", 1, failed(Reason::Silent))
    };
    store.append([seen.clone()].into()).await.unwrap();
    let page = store.outcomes(OutcomeInquiry { limit: 10, ..OutcomeInquiry::default() }).await.unwrap();
    assert_eq!(page.items[0].outcome, seen);
}

#[tokio::test]
async fn of_a_large_history_a_bounded_part_is_looked_through_for_one_page() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let ok = |number: i64| run("web-chat", number / 100, Verdict::Ok);
    let mut all: Vec<Outcome> = (0..60_000).map(ok).collect();
    all[5_000] = run("web-chat", 50, failed(Reason::Missing));
    store.append(all.into()).await.unwrap();
    let inquiry = OutcomeInquiry { outcome: Some(RunWord::Failed), limit: 10, ..OutcomeInquiry::default() };
    let first = store.outcomes(inquiry.clone()).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some(), "it says where to go on");
    let second = store.outcomes(OutcomeInquiry { before: first.next, ..inquiry }).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
}

#[tokio::test]
async fn incidents_are_listed_by_channel_standing_and_time() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let id = |number: i64| format!("20261121T{:06}Z-web-chat-0000", number);
    for number in 0..6 {
        let channel = if number % 2 == 0 { "hotline" } else { "web-chat" };
        let opened = decision(channel, &id(number), IncidentEvent::Opened, second(number * 100));
        commit(&store, opened, &["anna@example.com"]).await.unwrap();
        if number < 4 {
            let mut over = decision(channel, &id(number), IncidentEvent::Resolved, second(number * 100 + 50));
            over.incident.as_mut().unwrap().began_at = second(number * 100);
            commit(&store, over, &["anna@example.com"]).await.unwrap();
        }
    }
    let all = IncidentInquiry { limit: 2, ..IncidentInquiry::default() };
    let chat = Some(ChannelId::new("web-chat"));
    for (inquiry, expected) in [
        (all.clone(), vec![5, 4, 3, 2, 1, 0]),
        (IncidentInquiry { channel: chat, ..all.clone() }, vec![5, 3, 1]),
        (IncidentInquiry { standing: Some(Standing::Open), ..all.clone() }, vec![5, 4]),
        (IncidentInquiry { standing: Some(Standing::Closed), ..all.clone() }, vec![3, 2, 1, 0]),
        (IncidentInquiry { from: Some(second(300)), ..all.clone() }, vec![5, 4, 3]),
        (IncidentInquiry { until: Some(second(300)), ..all.clone() }, vec![2, 1, 0]),
        (IncidentInquiry { before: Some(IncidentId(id(1))), ..all.clone() }, vec![0]),
    ] {
        let (mut found, mut before) = (Vec::new(), inquiry.before.clone());
        loop {
            let page = store.incidents(IncidentInquiry { before, ..inquiry.clone() }).await.unwrap();
            found.extend(page.items.into_iter().map(|kept| kept.incident.id.0));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found, expected.into_iter().map(id).collect::<Vec<_>>(), "{inquiry:?}");
    }
}

#[tokio::test]
async fn the_story_of_an_incident_tells_what_happened_and_who_was_told_in_order() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    commit(&store, decision("web-chat", "i1", IncidentEvent::Opened, second(0)), &["anna@example.com"])
        .await
        .unwrap();
    let due = store.due(Route::Mail, second(1), 10).await.unwrap();
    store.delivered(due[0].id, second(2), "250 ok".to_owned()).await.unwrap();
    let mut over = decision("web-chat", "i1", IncidentEvent::Resolved, second(60));
    over.incident.as_mut().unwrap().began_at = second(0);
    commit(&store, over, &[]).await.unwrap();
    let story = store.story(IncidentId("i1".to_owned())).await.unwrap().unwrap();
    assert_eq!(story.kept.told_as, Some(IncidentId("i1".to_owned())));
    let line = |what: &Occurrence| match what {
        Occurrence::Began => "began".to_owned(),
        Occurrence::Happened { event, state, .. } => {
            format!("{} {}", event.as_str(), state.map_or("none", State::as_str))
        }
        Occurrence::Acknowledged { by } => format!("acknowledged by {by}"),
        Occurrence::Told(message) => {
            format!(
                "{} to {}: {} after {} tries",
                message.event, message.recipient, message.status, message.tries
            )
        }
    };
    let lines: Vec<String> = story.timeline.iter().map(|entry| line(&entry.what)).collect();
    assert_eq!(
        lines,
        ["began", "opened dark", "opened to anna@example.com: delivered after 1 tries", "resolved up"]
    );
    assert_eq!(store.story(IncidentId("i2".to_owned())).await.unwrap(), None);
}
