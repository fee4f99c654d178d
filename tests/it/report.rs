//! Reports by the real program, from a store in which two weeks have happened.

use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use expect_test::expect_file;
use jiff::{SignedDuration, Timestamp};
use lamplighter::{
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        contact::Contact,
        escalation::Acknowledgement,
        incident::{Incident, IncidentEvent},
        ledger::{Condition, Turn, Watch},
        outcome::{Detail, Failure, Outcome, Reason, Stage, Verdict},
    },
    store::Store,
};
use tempfile::TempDir;

use crate::samples::{announcement, decision};

const CONFIG: &str = r#"
[monitor]
time_zone = "Europe/Berlin"
[mail]
from = "lamplighter@example.com"
smtp = "smtp+plain://127.0.0.1:25"
[team.shop]
mail = ["anna@example.com"]
[team.phones]
mail = ["bert@example.com"]
[channel.hotline]
title = "=cmd|' /C calc'!A1, \"the hotline\" <b>&"
kind = "hotline"
team = "phones"
probe.answers.http = { url = "http://127.0.0.1:1/call" }
[channel.web-chat]
title = "Chat button, web shop"
kind = "chat"
team = "shop"
slo = { availability = 99.9, window = "7d" }
probe.launcher.http = { url = "http://127.0.0.1:1/chat" }
probe.person.http = { url = "http://127.0.0.1:1/chat" }
"#;

/// The end of the two weeks.
fn end() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

fn at(day: i64, hour: i64, minute: i64) -> Timestamp {
    end() - SignedDuration::from_hours(14 * 24)
        + SignedDuration::from_mins(day * 24 * 60 + hour * 60 + minute)
}

/// The runs of a probe every ten minutes over two weeks. The chat does not answer on the second Friday evening.
fn runs(channel: &str, probe: &str) -> Vec<Outcome> {
    let key = Arc::new(ProbeKey { channel: ChannelId::new(channel), probe: ProbeName::new(probe) });
    let failure = Failure {
        stage: Stage::Wait,
        step: None,
        reason: Reason::FirstByteTimeout,
        cause: None,
        detail: Detail::new("no answer within 10 s"),
    };
    let run = |number: i64| {
        let started_at = at(0, 0, number * 10);
        let is_out = channel == "web-chat" && (at(11, 18, 0)..at(11, 18, 50)).contains(&started_at);
        let is_slow = number % 97 == 0;
        let millis = u64::try_from(120 + (number * 37) % 90 + if number > 1000 { 40 } else { 0 }).unwrap();
        Outcome {
            probe: Arc::clone(&key),
            started_at,
            duration: if is_out { Duration::from_secs(10) } else { Duration::from_millis(millis) },
            verdict: match (is_out, is_slow) {
                (true, _) => Verdict::Failed(failure.clone()),
                (false, true) => Verdict::Degraded(Failure { reason: Reason::TooSlow, ..failure.clone() }),
                (false, false) => Verdict::Ok,
            },
            phases: Vec::new(),
            certificate_expires_at: None,
            contact: (probe == "person").then(|| {
                Box::new(Contact {
                    bot: Some(Duration::from_secs(2)),
                    person: (!is_out).then(|| Duration::from_secs(60 + u64::try_from(number % 60).unwrap())),
                    steps: Some(3),
                    person_asked: true,
                    waited_in_vain: is_out,
                    ..Contact::default()
                })
            }),
            met: Vec::new(),
        }
    };
    (0..14 * 24 * 6).map(run).collect()
}

fn turn(channel: &str, at: Timestamp, to: Condition) -> Turn {
    Turn { channel: ChannelId::new(channel), at, to }
}

/// Writes down an incident that somebody took in hand, from its beginning to its end.
async fn outage(store: &Store, incident: &str, began_at: Timestamp, resolved_at: Option<Timestamp>) {
    let confirmed_at = began_at + Duration::from_secs(43);
    let mut opened = decision("web-chat", incident, IncidentEvent::Opened, confirmed_at);
    let happening = opened.happening.as_mut().unwrap();
    happening.incident = Incident { began_at, ..happening.incident.clone() };
    opened.incident = Some(happening.incident.clone());
    let mut told = announcement(&opened, &["anna@example.com"]);
    if resolved_at.is_some() {
        let by = Acknowledgement { by: Detail::new("Anna"), at: confirmed_at + Duration::from_secs(240) };
        told.cases[0].ascent.acknowledged = Some(by);
    }
    store.commit(vec![opened.clone()]).await.unwrap();
    store.announce(told, confirmed_at).await.unwrap();
    if let Some(resolved_at) = resolved_at {
        let incident = Incident { resolved_at: Some(resolved_at), ..opened.incident.clone().unwrap() };
        let mut over = decision("web-chat", &incident.id.0, IncidentEvent::Resolved, resolved_at);
        over.incident = Some(incident);
        over.happening = None;
        store.commit(vec![over]).await.unwrap();
    }
}

/// Two weeks in a store, and the configuration beside it.
async fn two_weeks() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("probes.toml"), CONFIG).unwrap();
    let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
    for (channel, probe) in [("hotline", "answers"), ("web-chat", "launcher"), ("web-chat", "person")] {
        store.append(runs(channel, probe).into()).await.unwrap();
    }
    store.roll_up().await.unwrap();
    let turns = [
        turn("web-chat", at(0, 0, 0), Condition::Up),
        turn("web-chat", at(3, 9, 0), Condition::Dark),
        turn("web-chat", at(3, 9, 5), Condition::Up),
        turn("web-chat", at(11, 18, 0), Condition::Dark),
        turn("web-chat", at(11, 18, 50), Condition::Up),
        turn("web-chat", at(12, 1, 0), Condition::Maintenance),
        turn("web-chat", at(12, 3, 0), Condition::Up),
        turn("web-chat", at(13, 23, 40), Condition::Dark),
        turn("hotline", at(0, 0, 0), Condition::Closed),
        turn("hotline", at(7, 8, 0), Condition::Up),
    ];
    for (from, until) in [(at(0, 0, 0), at(9, 12, 0)), (at(9, 12, 7), end())] {
        store.note(turns.as_slice().into(), Watch { from, until }).await.unwrap();
    }
    outage(&store, "20261112T090043Z-web-chat-0000", at(3, 9, 0), Some(at(3, 9, 5))).await;
    outage(&store, "20261120T180043Z-web-chat-1111", at(11, 18, 0), Some(at(11, 18, 50))).await;
    outage(&store, "20261122T234043Z-web-chat-2222", at(13, 23, 40), None).await;
    directory
}

fn report(directory: &Path, arguments: &[&str]) -> Output {
    report_until(directory, end(), arguments)
}

fn report_until(directory: &Path, until: Timestamp, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(["report", "--since", "7d", "--until", &until.to_string()])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_report_tells_a_week_in_every_format() {
    let directory = two_weeks().await;
    for format in ["text", "html", "csv", "json"] {
        let told = printed(&report(directory.path(), &["--format", format]));
        let ends = if format == "csv" { "\r\n" } else { "\n" };
        assert_eq!(told.matches('\n').count(), told.matches(ends).count(), "as RFC 4180 has it");
        let told = told.replace("\r\n", "\n");
        expect_file![format!("{}/tests/golden/report/week.{format}", env!("CARGO_MANIFEST_DIR"))]
            .assert_eq(&told);
        match format {
            "text" => assert!(told.lines().all(|line| line.chars().count() <= 90), "{told}"),
            "json" => {
                let told: serde_json::Value = serde_json::from_str(&told).unwrap();
                assert_eq!(told["channels"][1]["spans"]["dark"], 70.0 * 60.0, "seconds, as the page says");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_report_of_a_team_or_of_a_channel_tells_nothing_of_others() {
    let directory = two_weeks().await;
    let told = printed(&report(directory.path(), &["--team", "shop"]));
    assert!(told.contains("web-chat") && !told.contains("hotline"), "{told}");
    let told = printed(&report(directory.path(), &["--channel", "hotline"]));
    assert!(!told.contains("web-chat") && told.contains("hotline"), "{told}");
    for (option, word, expected) in [
        ("--team", "shops", "there is no team \"shops\"; did you mean --team shop?\n"),
        ("--channel", "hotlien", "there is no channel \"hotlien\"; did you mean --channel hotline?\n"),
    ] {
        let refused = report(directory.path(), &[option, word]);
        assert_eq!(String::from_utf8(refused.stderr).unwrap(), expected);
        assert_eq!(refused.status.code(), Some(1));
    }
}

#[tokio::test]
async fn a_title_is_no_formula_in_a_spreadsheet_and_no_tag_in_a_page() {
    let directory = two_weeks().await;
    let csv = printed(&report(directory.path(), &["--format", "csv"]));
    assert!(csv.contains("\"'=cmd|' /C calc'!A1, \"\"the hotline\"\" <b>&\""), "{csv}");
    let columns = csv.lines().next().unwrap().split(',').count();
    for line in csv.lines().filter(|line| !line.starts_with("\"hotline")) {
        assert_eq!(line.replace("button, web", "button").split(',').count(), columns, "{line}");
    }
    let html = printed(&report(directory.path(), &["--format", "html"]));
    assert!(html.contains("&lt;b&gt;&amp;") && !html.contains("<b>"), "{html}");
}

#[tokio::test]
async fn a_time_of_which_nothing_is_known_says_so() {
    let directory = two_weeks().await;
    let told = printed(&report_until(directory.path(), "2025-01-01T00:00:00Z".parse().unwrap(), &[]));
    assert!(told.contains("nothing was seen"), "{told}");
}
