//! The real program with several ways of telling people: none holds up another, and what cannot be told is said aloud.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    hooks::{Hooks, Manner},
    running::{Running, Target, until},
    smtp_sink::{Protection, Sink},
};

const MONITOR: &str = "[monitor]\nlisten = \"127.0.0.1:0\"\n";

/// A door that is always broken, of a team that is told by these ways.
fn door(target: &Target, team: &str) -> String {
    format!(
        "[team.oncall]\n{team}\n[channel.chat]\nkind = \"chat\"\ntitle = \"Chat\"\nteam = \"oncall\"\n\
         [channel.chat.probe.door]\nevery = \"100ms\"\nhttp = {{ url = \"http://{}/broken\" }}\n",
        target.address
    )
}

fn mail(port: u16) -> String {
    format!("[mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{port}\"\n")
}

fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn count(running: &Running, route: &str, result: &str) -> f64 {
    running.sum(&format!("lamplighter_notifications_total{{result=\"{result}\",route=\"{route}\"}}")).await
}

#[tokio::test]
async fn an_endpoint_that_hangs_and_one_that_is_away_hold_up_nobody() {
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    let (hanging, well) = (Hooks::start().await, Hooks::start().await);
    hanging.behave(Manner::Hang);
    let webhooks = format!(
        "[webhook.away]\nurl = \"http://127.0.0.1:{}/\"\n[webhook.hanging]\nurl = \"{}\"\n[webhook.well]\nurl = \"{}\"\n",
        closed_port(),
        hanging.url("/"),
        well.url("/")
    );
    let team = "mail = [\"anna@example.com\"]\nwebhook = [\"away\", \"hanging\", \"well\"]";
    let config = MONITOR.to_owned() + &mail(sink.port()) + &webhooks + &door(&target, team);
    let running = Running::start(&config, &[]).await;
    until("the one that hangs is told", async || !hanging.requests().is_empty()).await;
    let asked = Instant::now();
    until("the one that is well has been told", async || !well.requests().is_empty()).await;
    sink.wait_for_ids(1).await;
    println!("told {:.2} s after the request that hangs", asked.elapsed().as_secs_f64());
    // It hangs for 10 s.
    assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
    assert_eq!(well.requests()[0].json()["type"], "incident.opened");
    until("the way that is away is in the log", async || {
        running.has_event(&["the route does not work", "\"away\"", "Connection refused"])
    })
    .await;
    until("both wait", async || running.sum("lamplighter_outbox_pending{route=\"webhook\"}").await == 2.0)
        .await;
    hanging.behave(Manner::Say("200 OK", "", String::new()));
    until("the one that hung has it", async || count(&running, "webhook", "delivered").await == 2.0).await;
    assert_eq!(well.requests().len(), 1, "nothing is doubled");
}

#[tokio::test]
async fn a_webhook_that_refuses_is_told_once_and_the_log_says_so_aloud() {
    let (target, hooks) = (Target::start().await, Hooks::start().await);
    hooks.behave(Manner::Say("404 Not Found", "", "no_team".to_owned()));
    let webhook = "[webhook.ops]\nurl = { env = \"HOOK_URL\" }\ntemplate = \"slack\"\n";
    let config = MONITOR.to_owned() + webhook + &door(&target, "webhook = [\"ops\"]");
    let running = Running::start(&config, &[("HOOK_URL", &hooks.url("/services/T000/B000/XXXX"))]).await;
    until("it is in the log", async || {
        running.has_event(&["\"ERROR\"", "gave up a notification", "\"ops\"", "404 no_team"])
    })
    .await;
    assert_eq!(count(&running, "webhook", "refused").await, 1.0);
    assert_eq!(hooks.requests().len(), 1);
    assert_eq!(hooks.requests()[0].line, "POST /services/T000/B000/XXXX HTTP/1.1");
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_taken_out_is_given_up_aloud() {
    let target = Target::start().await;
    let webhook = format!("[webhook.away]\nurl = \"http://127.0.0.1:{}/\"\n", closed_port());
    let config = MONITOR.to_owned() + &webhook + &door(&target, "webhook = [\"away\"]");
    let running = Running::start(&config, &[]).await;
    until("it waits", async || running.sum("lamplighter_outbox_pending{route=\"webhook\"}").await == 1.0)
        .await;
    std::fs::write(running.config(), MONITOR.to_owned() + &door(&target, "")).unwrap();
    running.signal(Signal::SIGHUP);
    until("it is in the log", async || {
        running.has_event(&["\"ERROR\"", "gave up notifications", "webhook away", "not in the configuration"])
    })
    .await;
    assert_eq!(count(&running, "webhook", "given_up").await, 1.0);
}

#[tokio::test]
async fn mail_goes_by_the_fallback_while_the_first_server_is_away() {
    let (target, second) = (Target::start().await, Sink::start(Protection::None).await);
    let fallback =
        format!("[mail.fallback]\nsmtp = \"smtp+plain://127.0.0.1:{}\"\nafter = \"2s\"\n", second.port());
    let team = "mail = [{ to = [\"anna@example.com\"], cc = [\"lead@example.com\"] }]";
    let config = MONITOR.to_owned() + &mail(closed_port()) + &fallback + &door(&target, team);
    let running = Running::start(&config, &[]).await;
    until("the first server is found to be away", async || running.has_said("the route does not work")).await;
    let away = Instant::now();
    second.wait_for_ids(1).await;
    println!("by the fallback {:.2} s after the first try, with after = 2 s", away.elapsed().as_secs_f64());
    assert_eq!(second.taken()[0].to, "anna@example.com, lead@example.com");
    until("it is in the log", async || {
        running.has_event(&["\"WARN\"", "[mail.fallback]", "Connection refused"])
    })
    .await;
    until("it is counted", async || count(&running, "mail", "delivered").await == 1.0).await;
}
