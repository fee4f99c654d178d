//! People are asked so often a day and no more, whatever becomes of the daemon meanwhile.

use lamplighter::metrics;
use nix::sys::signal::Signal;
use serde_json::json;

use super::service::{Act, Service};
use crate::running::{Running, until, write_config};

/// The probe with an address and what distinguishes it from another.
fn config(base: &str, within: &str) -> String {
    format!(
        r#"
[monitor]
listen = "127.0.0.1:0"

[channel.web-chat]
kind = "chat"

[channel.web-chat.probe.person]
every = "100ms"

[channel.web-chat.probe.person.chat]
websocket = {{ http = {{ url = "{base}/socket" }}, say = {{ json = {{ text = "{{text}}" }} }} }}
text = "$.text"
steps = [{{ name = "person", say = "human please", from = "person", within = "{within}" }}]
signs = {{ person = [{{ json = "$.agent" }}] }}
asks_per_day_max = 2
"#
    )
}

fn asked(service: &Service) -> usize {
    service.heard().iter().filter(|said| said["text"] == "human please").count()
}

async fn until_capped(running: &Running) {
    until("it may ask no more", async || {
        running.sum("support_probe_runs_total{channel=\"web-chat\",probe=\"person\",location=\"local\",outcome=\"inconclusive\"").await >= 3.0
    })
    .await;
}

#[tokio::test]
async fn the_cap_of_a_day_outlives_a_reload_and_a_restart_and_is_no_blindness() {
    let service = Service::open(vec![vec![Act::Say(json!({ "agent": "Kim" }))]]).await;
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), &config(&service.base, "5s"));
    let mut running = Running::start_in(directory, &[]).await;
    until_capped(&running).await;
    assert_eq!(asked(&service), 2);
    assert_eq!(running.sum(metrics::BLIND.name).await, 0.0, "it could look, and was not let");

    std::fs::write(running.config(), config(&service.base, "4s")).unwrap();
    until("the reload", async || running.has_said("reloaded")).await;
    until_capped(&running).await;
    assert_eq!(asked(&service), 2, "a changed probe goes on where it was");

    running.signal(Signal::SIGTERM);
    assert!(running.ended().await.success());
    let running = Running::start_in(running.directory, &[]).await;
    until_capped(&running).await;
    assert_eq!(asked(&service), 2, "a restart forgets nothing");
}
