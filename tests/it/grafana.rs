//! Every query of every dashboard, asked of a real Prometheus that has scraped the demo through outages, and beside it a
//! second monitor that has what the demo has not: a door with a certificate, sentinels, heartbeats, a canary. The table
//! of all answers is printed; `--no-capture` shows it.

mod answers;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use lamplighter::metrics::dashboards::Dashboard;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use self::answers::{Answer, Rows, expected};
use crate::{
    demo::process::Demo,
    loopback::{Server, certificates::Authority, read_request},
    prometheus::Prometheus,
    running::{Running, Target, until, write_config},
    smtp_sink::{Protection, Sink},
};

/// What Grafana would fill in: the time shown, and over how many scrapes a rate is taken at least.
const FILLED_IN: [(&str, &str); 2] = [("$__rate_interval", "20s"), ("$__range", "10m")];

/// A monitor with everything that the demo does without.
struct Second {
    running: Running,
    _parts: (Target, Sink, Server),
}

impl Second {
    async fn start() -> Self {
        let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let acceptor = authority.sign(&["127.0.0.1"], |_| {}).acceptor(&["http/1.1"]);
        let door = Server::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                read_request(&mut stream).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                stream.write_all(answer).await.ok();
                stream.shutdown().await.ok();
            }
        })
        .await;
        let config = format!(
            "[monitor]\nlisten = \"127.0.0.1:0\"\nlocation = \"ber-1\"\n\
             [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n\
             [mail.canary]\nto = \"canary@example.com\"\n\
             [heartbeat]\nurl = \"http://{1}/beat\"\nevery = \"1s\"\n\
             [[sentinel]]\nname = \"near\"\naddress = \"{1}\"\nevery = \"1s\"\ntimeout = \"500ms\"\n\
             [[sentinel]]\nname = \"far\"\naddress = \"{2}\"\nevery = \"1s\"\ntimeout = \"500ms\"\n\
             [channel.help]\nkind = \"help\"\ntitle = \"Help centre\"\n\
             [channel.help.probe.door]\nevery = \"1s\"\n\
             http = {{ url = \"https://{2}/\", tls = {{ root_ca = \"ca.pem\" }} }}\n",
            sink.port(),
            target.address,
            door.address
        );
        write_config(folder.path(), &config);
        let running = Running::start_in(folder, &[]).await;
        Self { running, _parts: (target, sink, door) }
    }
}

/// The rules for what the demo's channels promise, evaluated as often as the others.
fn slo_rules(demo: &Demo, folder: &TempDir) -> std::path::PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(["rules", "--config"])
        .arg(demo.config())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = folder.path().join("slo.rules.yml");
    let rules = String::from_utf8(output.stdout).unwrap();
    assert!(rules.contains("interval: 5m"));
    fs::write(&file, rules.replace("interval: 5m", "interval: 1s")).unwrap();
    file
}

/// Breaks the demo's doors, and mends two of them.
async fn outages(demo: &Demo, prometheus: &Prometheus) {
    let state = async |channel: &str, state: &str| {
        let query = format!("support_channel_state{{channel=\"{channel}\",state=\"{state}\"}} == 1");
        until(&format!("{channel} is {state}"), async || prometheus.one(&query).await.is_some()).await;
    };
    for channel in ["web-chat", "hotline", "ticket-form"] {
        state(channel, "up").await;
    }
    let answered = "support_first_response_seconds_count{responder=\"person\"} > 2";
    until("people have answered", async || prometheus.one(answered).await.is_some()).await;
    for (channel, how, becomes) in [
        ("hotline", "busy", "dark"),
        ("ticket-form", "slow", "degraded"),
        ("web-chat", "refuse", "degraded"),
        ("web-chat", "hang", "dark"),
        ("web-chat", "queue", "dark"),
    ] {
        demo.post("/demo/break", &json!({ "channel": channel, "how": how })).await;
        state(channel, becomes).await;
    }
    let queued = "support_probe_failures_total{reason=\"queue_timeout\"} > 1";
    until("customers queue without end", async || prometheus.one(queued).await.is_some()).await;
    for channel in ["web-chat", "ticket-form"] {
        demo.post("/demo/mend", &json!({ "channel": channel })).await;
        state(channel, "up").await;
    }
    for known in [
        "lamplighter_canary_up == 1",
        "lamplighter_heartbeats_total{result=\"sent\"} > 3",
        "min(lamplighter_sentinel_up) == 1",
        "support_certificate_expiry_timestamp_seconds",
        "channel:support_error_budget_left:ratio",
        "lamplighter_store_backup_timestamp_seconds > 0",
        "ALERTS{alertname=\"SupportChannelDark\", channel=\"hotline\", alertstate=\"firing\"}",
        "ALERTS{alertname=\"SupportErrorBudgetBurnsFast\", channel=\"hotline\", alertstate=\"firing\"}",
    ] {
        until(known, async || prometheus.one(known).await.is_some()).await;
    }
}

/// The values of the variables of a dashboard, as Grafana would find them; `channel` is chosen where one must be.
async fn variables(dashboard: &Value, prometheus: &Prometheus, channel: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let value = match variable["type"].as_str().unwrap() {
            "query" => {
                let query = filled(variable["query"]["query"].as_str().unwrap(), &values);
                let (series, label) = query
                    .strip_prefix("label_values(")
                    .unwrap()
                    .trim_end_matches(')')
                    .rsplit_once(", ")
                    .unwrap();
                let found = prometheus.label_values(label, series).await;
                assert!(!found.is_empty(), "{name}: {query}");
                match (variable["multi"] == true, variable["allValue"].as_str()) {
                    (false, _) => {
                        assert!(found.iter().any(|value| value == channel), "{name}: {found:?}");
                        channel.to_owned()
                    }
                    (true, Some(all)) => all.to_owned(),
                    (true, None) => found.join("|"),
                }
            }
            "custom" => variable["options"][0]["value"].as_str().unwrap().to_owned(),
            _ => continue,
        };
        values.insert(name.to_owned(), value);
    }
    values
}

/// The longer names first, so that no name is taken for the beginning of another.
fn filled(query: &str, values: &BTreeMap<String, String>) -> String {
    let mut names: Vec<_> = values.iter().map(|(name, value)| (format!("${name}"), value.as_str())).collect();
    names.extend(FILLED_IN.map(|(name, value)| (name.to_owned(), value)));
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value))
}

/// Asks every query of a dashboard.
async fn asked(which: Dashboard, prometheus: &Prometheus, channel: &str) -> Rows {
    let dashboard: Value = serde_json::from_str(&which.json()).unwrap();
    let values = variables(&dashboard, prometheus, channel).await;
    let mut rows = Rows::of(which);
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let targets = panels
        .flat_map(|panel| {
            panel["targets"].as_array().unwrap().iter().map(move |target| (&panel["title"], target))
        })
        .chain(annotations.iter().map(|annotation| (&annotation["name"], &annotation["target"])));
    for (title, target) in targets {
        let query = filled(target["expr"].as_str().unwrap(), &values);
        assert!(!query.contains('$'), "{query}");
        let answer = match target["range"] == true {
            true => prometheus.range(&query).await,
            false => prometheus.now(&query).await,
        };
        rows.add(title.as_str().unwrap(), &query, Answer::of(&answer));
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_panel_is_empty_after_outages_and_each_shows_what_was() {
    let folder = tempfile::tempdir().unwrap();
    let (demo, second) = (Demo::start().await, Second::start().await);
    let rules = slo_rules(&demo, &folder);
    let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/lamplighter.rules.yml"));
    let prometheus = Prometheus::start_with(
        folder.path(),
        &[&demo.address, &second.running.url],
        "500ms",
        &[&rules, shipped],
    )
    .await;
    outages(&demo, &prometheus).await;
    let mut all = Vec::new();
    for (which, channels) in [
        (Dashboard::Overview, &["web-chat"][..]),
        (Dashboard::Channel, &["web-chat", "hotline", "help"]),
        (Dashboard::Monitor, &["web-chat"]),
    ] {
        let mut rows: Option<Rows> = None;
        for channel in channels {
            let found = asked(which, &prometheus, channel).await;
            found.print(channel);
            rows = Some(match rows {
                Some(before) => before.or(found),
                None => found,
            });
        }
        all.push(rows.unwrap());
    }
    let empty: Vec<&str> = all.iter().flat_map(Rows::empty).collect();
    assert!(empty.is_empty(), "empty panels: {empty:#?}");
    let wrong: Vec<String> = all.iter().flat_map(expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    demo.stop_and_leave_nothing_behind().await;
}
