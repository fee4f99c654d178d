//! `lamplighter test-mail` as an operator runs it.

use std::{fs, process::Output};

use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    hooks::{Hooks, Manner},
    smtp_sink::{Fault, Protection, Sink, Step},
};

fn configuration(port: u16) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
[monitor]
location = "test"

[mail]
from = "Lamplighter <lamplighter@example.com>"
smtp = "smtp+plain://127.0.0.1:{port}"

[team.oncall]
mail = ["anna@example.com", "bert@example.com"]

[channel.web-chat]
kind = "chat"
title = "Chat"
team = "oncall"

[channel.web-chat.probe.page]
http = {{ url = "http://127.0.0.1:9/" }}
"#
    );
    fs::write(directory.path().join("probes.toml"), text).unwrap();
    directory
}

async fn test_mail(directory: &TempDir, team: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.args(["test-mail", team, "--config"]).arg(directory.path().join("probes.toml"));
    command.output().await.unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn every_recipient_of_the_team_gets_a_mail_and_the_servers_words_are_printed() {
    let sink = Sink::start(Protection::None).await;
    let directory = configuration(sink.port());
    let (code, printed, _) = said(&test_mail(&directory, "oncall").await);
    assert_eq!(
        printed,
        "taken    anna@example.com: 250 2.0.0 taken\ntaken    bert@example.com: 250 2.0.0 taken\n"
    );
    assert_eq!(code, Some(0));
    let taken = sink.taken();
    assert_eq!(taken.len(), 2);
    assert_ne!(taken[0].message_id, taken[1].message_id);
    assert!(String::from_utf8_lossy(&taken[0].data).contains("Subject: [TEST] Lamplighter writes to oncall"));
}

#[tokio::test]
async fn a_refusal_and_a_server_that_is_away_have_exit_codes_of_their_own() {
    let sink = Sink::start(Protection::None).await;
    let directory = configuration(sink.port());
    sink.answer_recipient("bert@example.com", "550 5.1.1 no such user");
    let (code, printed, _) = said(&test_mail(&directory, "oncall").await);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("refused  bert@example.com: 127.0.0.1:"), "{printed}");
    assert!(printed.contains("RCPT TO: the server said 550 5.1.1 no such user"), "{printed}");

    sink.fault(Step::Connect, Fault::say("421 too busy"));
    let (code, printed, _) = said(&test_mail(&directory, "oncall").await);
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("not now  anna@example.com"), "{printed}");
}

#[tokio::test]
async fn a_team_that_does_not_exist_is_met_with_the_nearest_one() {
    let sink = Sink::start(Protection::None).await;
    let directory = configuration(sink.port());
    let (code, _, complaint) = said(&test_mail(&directory, "onkall").await);
    assert_eq!(code, Some(1));
    assert_eq!(complaint, "there is no team \"onkall\"; did you mean oncall?\n");
    assert_eq!(sink.connects(), 0);
}

#[tokio::test]
async fn webhooks_are_told_of_a_test_and_of_its_end_and_mails_go_by_the_fallback_if_it_is_asked_for() {
    let (first, second) = (Sink::start(Protection::None).await, Sink::start(Protection::None).await);
    let hooks = Hooks::start().await;
    let directory = configuration(first.port());
    let path = directory.path().join("probes.toml");
    let text = fs::read_to_string(&path).unwrap().replace(
        "[team.oncall]",
        &format!(
            "[mail.fallback]\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n[webhook.ops]\nurl = \"{}\"\n\
             [team.oncall]\nwebhook = [\"ops\"]",
            second.port(),
            hooks.url("/")
        ),
    );
    fs::write(&path, text).unwrap();
    let (code, printed, _) = said(&test_mail(&directory, "oncall").await);
    assert!(
        printed.ends_with("taken    webhook ops: 200 ok\ntaken    webhook ops, end of the test: 200 ok\n"),
        "{printed}"
    );
    assert_eq!((code, first.taken_count(), second.taken_count()), (Some(0), 2, 0));
    let told: Vec<_> = hooks.requests().iter().map(|request| request.json()).collect();
    let events = told.iter().map(|event| event["type"].as_str().unwrap());
    assert_eq!(events.collect::<Vec<_>>(), ["incident.opened", "incident.resolved"]);
    assert_eq!(told[0]["data"]["incident"], told[1]["data"]["incident"]);

    hooks.behave(Manner::Say("403 No", "", "wrong key".to_owned()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.args(["test-mail", "oncall", "--fallback", "--config"]).arg(&path);
    let (code, printed, _) = said(&command.output().await.unwrap());
    assert!(printed.contains("refused  webhook ops: 403 wrong key"), "{printed}");
    assert_eq!((code, first.taken_count(), second.taken_count()), (Some(1), 2, 2));
}
