//! A real Prometheus scrapes the real daemon, and what PromQL answers is what the probes did.

use std::{net::TcpListener, path::Path, process::Stdio};

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};

use crate::running::{Running, Target, until};

/// A Prometheus that scrapes the programs of the tests.
pub struct Prometheus {
    _child: Child,
    url: String,
}

impl Prometheus {
    async fn start(directory: &Path, scraped: &str) -> Self {
        Self::start_with(directory, &[scraped], "100ms", &[]).await
    }

    /// One that scrapes several addresses so often, and evaluates rules every second.
    pub async fn start_with(directory: &Path, scraped: &[&str], every: &str, rules: &[&Path]) -> Self {
        let targets: Vec<String> =
            scraped.iter().map(|url| format!("\"{}\"", url.trim_start_matches("http://"))).collect();
        let rules: String = rules.iter().map(|file| format!("- \"{}\"\n", file.display())).collect();
        let rules = if rules.is_empty() { rules } else { format!("rule_files:\n{rules}") };
        let config = format!(
            "global: {{ scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: 1s }}\n{rules}\
             scrape_configs:\n- job_name: lamplighter\n  static_configs: [ {{ targets: [ {} ] }} ]\n",
            targets.join(", ")
        );
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("tsdb").display()))
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is in the Debian package of that name");
        let prometheus = Self { _child: child, url: format!("http://{free}") };
        until("Prometheus is ready", async || {
            let ready = reqwest::get(format!("{}/-/ready", prometheus.url)).await;
            ready.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        prometheus
    }

    /// The values that a query gives now, by the named label; one without it has the name "".
    async fn ask(&self, query: &str, label: &str) -> Vec<(String, f64)> {
        let answer = self.now(query).await;
        let series = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{query}: {answer}"));
        let value = |one: &serde_json::Value| {
            let name = one["metric"][label].as_str().unwrap_or_default().to_owned();
            (name, one["value"][1].as_str().unwrap().parse().unwrap())
        };
        let mut values: Vec<(String, f64)> = series.iter().map(value).collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        values
    }

    pub async fn one(&self, query: &str) -> Option<f64> {
        self.ask(query, "").await.first().map(|(_, value)| *value)
    }

    /// What the API answers to a query now.
    pub async fn now(&self, query: &str) -> serde_json::Value {
        self.api("query", &[("query", query)]).await
    }

    /// What it answers to a query over the last ten minutes, a value a second.
    pub async fn range(&self, query: &str) -> serde_json::Value {
        let now = self.one("vector(time())").await.unwrap();
        let [from, to] = [now - 600.0, now].map(|at| at.to_string());
        self.api("query_range", &[("query", query), ("start", &from), ("end", &to), ("step", "1")]).await
    }

    /// The values that a label has among these series.
    pub async fn label_values(&self, label: &str, series: &str) -> Vec<String> {
        let answer = self.api(&format!("label/{label}/values"), &[("match[]", series)]).await;
        let values = answer["data"].as_array().unwrap_or_else(|| panic!("{series}: {answer}"));
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    async fn api(&self, path: &str, query: &[(&str, &str)]) -> serde_json::Value {
        let url = format!("{}/api/v1/{path}", self.url);
        reqwest::Client::new().get(url).query(query).send().await.unwrap().json().await.unwrap()
    }
}

fn config(target: &Target) -> String {
    let mut text =
        "[monitor]\nlisten = \"127.0.0.1:0\"\nlocation = \"fra-1\"\n[defaults]\nevery = \"100ms\"\n"
            .to_owned();
    for channel in ["chat", "broken"] {
        text += &format!(
            "[channel.{channel}]\nkind = \"chat\"\ntitle = \"The \\\"{channel}\\\" \\\\ door\"\nlabels = {{ tier = \"gold\" }}\n\
             [channel.{channel}.probe.door]\nhttp = {{ url = \"http://{}/{channel}\" }}\n",
            target.address
        );
    }
    text
}

#[tokio::test]
async fn what_promql_answers_is_what_the_probes_did() {
    let target = Target::start().await;
    let mut running = Running::start(&config(&target), &[]).await;
    let prometheus = Prometheus::start(running.directory.path(), &running.url).await;
    until("the outage and the working door are scraped", async || {
        prometheus.ask("support_channel_up", "channel").await
            == [("broken".to_owned(), 0.0), ("chat".to_owned(), 1.0)]
    })
    .await;
    until("thirty answers each", async || {
        target.answered_on("/chat") >= 30 && target.answered_on("/broken") >= 30
    })
    .await;
    // Nothing is due any more: what the target has counted stays, and Prometheus catches up with it.
    let idle = config(&target).replace("100ms", "1h");
    std::fs::write(
        running.config(),
        idle.replace("[channel.chat]", "[channel.other]").replace("channel.chat.", "channel.other."),
    )
    .unwrap();
    let asked = [
        ("sum(max_over_time(support_probe_runs_total{channel=\"chat\",outcome=\"ok\"}[10m]))", "/chat"),
        (
            "sum(max_over_time(support_probe_runs_total{channel=\"broken\",outcome=\"failed\"}[10m]))",
            "/broken",
        ),
        (
            "sum(max_over_time(support_probe_failures_total{channel=\"broken\",reason=\"status\"}[10m]))",
            "/broken",
        ),
        ("sum(max_over_time(support_probe_duration_seconds_count{channel=\"chat\"}[10m]))", "/chat"),
        (
            "sum(max_over_time(support_probe_duration_seconds_bucket{channel=\"chat\",le=\"+Inf\"}[10m]))",
            "/chat",
        ),
    ];
    running.signal(Signal::SIGHUP);
    until("the channel that was removed is gone", async || {
        prometheus.ask("support_channel_info", "channel").await.iter().all(|(channel, _)| channel != "chat")
    })
    .await;
    for (query, path) in asked {
        let answer = prometheus.one(query).await.unwrap();
        let did = target.answered_on(path) as f64;
        // The last scrape before the reload may have missed the runs of its own 100 ms.
        assert!(did - answer <= 3.0 && answer <= did, "{query}: {answer}, and the target answered {did}");
    }
    assert_eq!(
        prometheus.one("support_incidents_total{channel=\"broken\",severity=\"dark\"}").await,
        Some(1.0)
    );
    assert_eq!(
        prometheus
            .one("max_over_time(support_probe_timeout_ratio{channel=\"chat\",window=\"5m\"}[10m])")
            .await,
        Some(0.0)
    );
    let p99 =
        "max_over_time(support_probe_latency_seconds{channel=\"chat\",quantile=\"0.99\",window=\"1h\"}[10m])";
    let mean = "max_over_time(support_probe_duration_seconds_sum{channel=\"chat\"}[10m]) / max_over_time(support_probe_duration_seconds_count{channel=\"chat\"}[10m])";
    let (p99, mean) = (prometheus.one(p99).await.unwrap(), prometheus.one(mean).await.unwrap());
    assert!(0.0 < mean && mean <= p99 && p99 < 10.0, "mean {mean}, p99 {p99}");
    let joined = "support_channel_up * on(channel) group_left(title) support_channel_info";
    assert_eq!(prometheus.ask(joined, "title").await[0].0, "The \"broken\" \\ door");
    assert_eq!(prometheus.one("up{job=\"lamplighter\"}").await, Some(1.0));
    assert!(prometheus.one("count({__name__=~\"process_.*\"})").await.unwrap() >= 5.0);
    running.signal(Signal::SIGTERM);
    assert!(running.ended().await.success());
}
