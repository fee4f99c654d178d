//! Whatever a target, a colleague or a configuration writes where a harmless word is expected: a mail, a report and a log are
//! made of the same parts as with the word, and tell it whole.

use std::{collections::BTreeMap, io::Write, process::Stdio, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use lamplighter::domain::{
    channel::{ChannelId, ChannelKind},
    evaluation::State,
    ledger::Spans,
    notification::Content,
    outcome::{Detail, Reason, Stage},
    report::{ChannelReport, Report, Week, csv, html, text},
};
use scraper::Html;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};

use crate::{
    mails::situations::{Situation, answered, failure, neighbour},
    payloads::payloads,
    running::{PATIENCE, command, write_config},
};

/// How often each element stands in a page, and each attribute on which element.
pub(crate) fn counted(page: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in Html::parse_document(page).tree.nodes() {
        let Some(element) = node.value().as_element() else { continue };
        *counts.entry(element.name().to_owned()).or_default() += 1;
        for (attribute, _) in element.attrs() {
            *counts.entry(format!("{} {attribute}", element.name())).or_default() += 1;
        }
    }
    counts
}

/// Characters that move, hide or end what stands around them.
const UNSEEN: [char; 10] =
    ['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}', '\u{0}', '\u{2028}', '\u{85}', '\r', '\u{b}', '\u{feff}'];

/// The mails of an outage in which everything is called so.
fn mails(words: &str) -> Vec<Content> {
    let situation = Situation {
        title: words.to_owned(),
        neighbours: vec![neighbour("ticket", words, State::Up, false)],
        failure: failure(Stage::Expect, Some(words), Reason::Content, None, words),
        phases: answered(Some(words)),
        ..Situation::chat()
    };
    let opened = situation.opened(State::Dark);
    let resolved = situation.followed(&opened, State::Up, 600);
    let told = |story: &crate::mails::situations::Story| story.announcement.notifications[0].content.clone();
    vec![told(&opened), told(&resolved)]
}

#[test]
fn no_text_from_outside_changes_what_a_mail_is_made_of() {
    for payload in payloads() {
        // As long and broken where it is, so that a line has no other reason to be another one.
        let escaped = Detail::new(&payload);
        let harmless: String =
            escaped.as_str().chars().map(|c| if c.is_whitespace() { ' ' } else { 'x' }).collect();
        for (mail, word) in mails(&payload).iter().zip(mails(&harmless)) {
            assert_eq!(counted(&mail.html), counted(&word.html), "{payload:?}");
            assert_eq!(mail.text.lines().count(), word.text.lines().count(), "{payload:?}: {}", mail.text);
            assert!(!mail.subject.contains(char::is_control), "{payload:?}: {:?}", mail.subject);
            for needle in UNSEEN {
                let said = [&mail.subject, &mail.text, &mail.html];
                assert!(said.iter().all(|part| !part.contains(needle)), "{payload:?} brings {needle:?}");
            }
        }
    }
}

/// A report on channels that are called so.
fn report(titles: &[String]) -> Report {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let spans = Spans { up: Duration::from_secs(3_600), ..Spans::default() };
    let channel = |(number, title): (usize, &String)| ChannelReport {
        id: ChannelId::new(&format!("channel-{number}")),
        title: Detail::new(title),
        kind: ChannelKind::Chat,
        spans,
        before: spans,
        budget: None,
        incidents: Vec::new(),
        incidents_before: 0,
        probes: Vec::new(),
        week: Week::default(),
    };
    Report {
        team: None,
        from: at("2026-11-16T00:00:00Z"),
        until: at("2026-11-23T00:00:00Z"),
        time_zone: TimeZone::UTC,
        total: spans,
        total_before: spans,
        channels: titles.iter().enumerate().map(channel).collect(),
        left_out: 0,
        unreadable: 0,
    }
}

#[test]
fn no_title_changes_what_a_report_is_made_of() {
    let titles = payloads();
    let harmless = report(&titles.iter().map(|_| "harmless".to_owned()).collect::<Vec<_>>());
    let hostile = report(&titles);
    assert_eq!(counted(&html::write(&hostile)), counted(&html::write(&harmless)));
    assert_eq!(text::write(&hostile).lines().count(), text::write(&harmless).lines().count());
    for needle in UNSEEN {
        assert!(
            !html::write(&hostile).contains(needle) && !text::write(&hostile).contains(needle),
            "{needle:?}"
        );
    }
}

/// The rows that Python's reader finds in comma-separated values.
fn read_by_python(csv: &str) -> Vec<Vec<String>> {
    let read = "import csv, io, json, sys; text = io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8', newline='')\n\
                csv.field_size_limit(1 << 20); print(json.dumps(list(csv.reader(text))))";
    let mut python = std::process::Command::new("python3")
        .args(["-c", read])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(csv.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_spreadsheet_finds_every_title_in_its_cell_and_none_that_it_would_reckon() {
    let titles = payloads();
    let rows = read_by_python(&csv::write(&report(&titles)));
    assert_eq!(rows.len(), titles.len() + 1);
    for (row, title) in rows[1..].iter().zip(&titles) {
        assert_eq!(row.len(), rows[0].len(), "{title:?}");
        let (cell, kept) = (&row[1], Detail::new(title));
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t']), "{cell}");
        assert!(cell == kept.as_str() || *cell == format!("'{kept}"), "{cell:?} instead of {kept:?}");
    }
}

/// Answers `/N` with the payload of that number where a word is expected.
async fn answering(serving: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let all = std::sync::Arc::new(payloads());
    let answer = move |axum::extract::Path(number): axum::extract::Path<usize>| {
        let all = std::sync::Arc::clone(&all);
        async move { axum::Json(serde_json::json!({ "state": all[number] })) }
    };
    let pages = axum::Router::new().route("/{number}", axum::routing::get(answer));
    serving.spawn(async move { axum::serve(listener, pages).await.unwrap() });
    target
}

#[tokio::test]
async fn an_event_in_the_log_is_one_line_whatever_a_target_says() {
    let mut serving = JoinSet::new();
    let target = answering(&mut serving).await;
    let mut config = "[monitor]\nlisten = \"127.0.0.1:0\"\n[defaults]\nevery = \"10s\"\ntimeout = \"9s\"\n\
                      recheck = \"off\"\ndark_after = { failures = 1 }\n"
        .to_owned();
    let count = payloads().len();
    for number in 0..count {
        config += &format!(
            "[channel.door-{number}]\nkind = \"chat\"\nprobe.look.http = {{ url = \"{target}/{number}\", \
             expect = {{ json = [{{ path = \"$.state\", equals = \"open\" }}] }} }}\n"
        );
    }
    for format in ["text", "json"] {
        let directory = tempfile::tempdir().unwrap();
        write_config(directory.path(), &config);
        let mut command = command(directory.path());
        let mut daemon =
            command.args(["run", "--log-format", format]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines();
        // Before it watches it quotes the configuration, over several lines.
        let (mut is_watching, mut dark) = (false, 0);
        while dark < count {
            let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
            is_watching |= line.contains("watching");
            if !is_watching {
                continue;
            }
            let is_event = match format {
                "text" => {
                    let moment = line.split_whitespace().next().unwrap_or_default();
                    moment.parse::<Timestamp>().is_ok() && !line.contains(char::is_control)
                }
                _ => serde_json::from_str::<serde_json::Value>(&line)
                    .is_ok_and(|it| it["timestamp"].is_string()),
            };
            assert!(is_event, "{format}: {line:?}");
            assert!(UNSEEN.iter().all(|needle| !line.contains(*needle)), "{format}: {line:?}");
            if line.contains("channel changed its state") && line.contains("dark") {
                let is_for_what_it_said =
                    line.contains("reason=\"content\"") || line.contains("\"reason\":\"content\"");
                assert!(is_for_what_it_said, "{line}");
                dark += 1;
            }
        }
        daemon.kill().await.unwrap();
    }
}
