//! The targets that Prometheus has for blackbox_exporter, and the Alertmanagers that it tells.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::Value;
use url::Url;

use crate::cli::import::{
    document::{self, Table, beside, scalar},
    draft::{self, Draft, Place},
};

/// The ids of the ways that people are told by: one for each Alertmanager, as many as anybody has.
pub const WAYS: [&str; 4] = ["alertmanager", "alertmanager-2", "alertmanager-3", "alertmanager-4"];

/// How often Prometheus scrapes where nothing else is said.
const EVERY: Duration = Duration::from_secs(60);
/// How long a scrape may take where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What blackbox_exporter keeps of the time of a scrape for its answer.
const MARGIN: Duration = Duration::from_millis(500);
/// The most files that the patterns of one job may name.
const FILES_MAX: usize = 1_000;

/// A target of one job.
#[derive(Clone, Debug)]
pub struct Target {
    /// The job.
    job: String,
    /// As it is written, often without a scheme.
    written: String,
    /// The module, if one is named.
    pub module: Option<String>,
    /// Labels for its metrics.
    pub labels: BTreeMap<String, String>,
    /// How often it is scraped.
    pub every: Duration,
    /// How long a scrape may take, less what is kept for the answer.
    pub timeout: Duration,
}

impl Target {
    /// The address, with its scheme.
    pub fn address(&self) -> String {
        let has_scheme = self.written.contains("://");
        if has_scheme { self.written.clone() } else { format!("http://{}", self.written) }
    }

    /// A name by its job, its host and its path; what may be a secret is not in it.
    pub fn name(&self) -> String {
        let address = Url::parse(&self.address()).ok();
        let host = address.as_ref().and_then(Url::host_str).unwrap_or("unreadable");
        let path = address.as_ref().map_or("", Url::path).trim_end_matches('/');
        format!("{} {host}{path}", self.job)
    }
}

/// Everything that the jobs for blackbox_exporter name.
pub fn gather(prometheus: &Path, draft: &mut Draft) -> anyhow::Result<Vec<Target>> {
    let mut config = Table::of(document::yaml(prometheus)?).unwrap_or_else(Table::none);
    let mut global = config.table("global").unwrap_or_else(Table::none);
    let every = global.span("scrape_interval").unwrap_or(EVERY);
    let timeout = global.span("scrape_timeout").unwrap_or(TIMEOUT);
    if let Some(alerting) = config.table("alerting") {
        alertmanagers(alerting, draft);
    }
    let place = Place::new("Prometheus", "");
    let elsewhere = config.texts("scrape_config_files");
    if !elsewhere.is_empty() {
        draft.leave(&place, format_args!("the jobs in its `scrape_config_files` are not read: move those of {elsewhere:?} to `scrape_configs` and import again"));
    }
    if config.take("rule_files").is_some() {
        draft.leave(
            &place,
            "its `rule_files` are not read: after how long a target is dark, say by `dark_after`",
        );
    }
    let mut targets = Vec::new();
    for mut job in config.tables("scrape_configs") {
        let mut params = job.table("params").unwrap_or_else(Table::none);
        let module = params.texts("module").into_iter().next();
        // Other jobs are about other things than blackbox_exporter.
        if module.is_none() && job.text("metrics_path").as_deref() != Some("/probe") {
            continue;
        }
        let name = job.text("job_name").unwrap_or_default();
        let of_job = Target {
            written: String::new(),
            module,
            labels: BTreeMap::new(),
            every: job.span("scrape_interval").unwrap_or(every),
            timeout: job.span("scrape_timeout").unwrap_or(timeout).saturating_sub(MARGIN),
            job: name.clone(),
        };
        targets.extend(of(job, params, &of_job, prometheus, &Place::new("job", &name), draft));
    }
    // Where it keeps what it has measured.
    config.ignore(&["storage", "remote_write", "remote_read", "tracing", "otlp", "runtime"]);
    config.rest(&place, draft);
    Ok(targets)
}

/// The targets of one job.
fn of(
    mut job: Table,
    mut params: Table,
    of_job: &Target,
    prometheus: &Path,
    place: &Place,
    draft: &mut Draft,
) -> Vec<Target> {
    let mut groups = job.tables("static_configs");
    for mut files in job.tables("file_sd_configs") {
        for pattern in files.texts("files") {
            groups.extend(in_files(prometheus, &pattern, place, draft));
        }
    }
    // With a target of its own, what the job scrapes is blackbox_exporter itself.
    let named = params.texts("target");
    if !named.is_empty() {
        groups = Table::of(serde_json::json!({ "targets": named })).into_iter().collect();
    }
    if !job.tables("relabel_configs").into_iter().all(only_points) {
        draft.leave(
            place,
            "its relabel_configs do more than point at blackbox_exporter, which is not done here: correct the addresses and labels",
        );
    }
    job.ignore(&["scheme", "honor_labels", "honor_timestamps", "metric_relabel_configs", "metrics_path"]);
    job.rest(place, draft);
    params.rest(place, draft);
    let mut targets = Vec::new();
    for mut group in groups {
        let mut labels = group.table("labels").unwrap_or_else(Table::none);
        let module = labels.text("__param_module").or_else(|| of_job.module.clone());
        let labels = draft::labels(labels, place, draft);
        targets.extend(group.texts("targets").into_iter().map(|written| Target {
            written,
            module: module.clone(),
            labels: labels.clone(),
            ..of_job.clone()
        }));
    }
    targets
}

/// Whether a rule only has blackbox_exporter asked about a target: any other changes what is watched, or what it is called.
fn only_points(mut rule: Table) -> bool {
    let label = rule.text("target_label").unwrap_or_default();
    let sources = rule.texts("source_labels");
    let mut says = |key: &str, standard: &[&str]| {
        let text = rule.take(key).as_ref().and_then(scalar);
        text.is_none_or(|text| standard.contains(&&*text))
    };
    let is_whole = says("regex", &["(.*)"]) && says("action", &["replace"]) && says("modulus", &[]);
    let is_as_it_was = says("replacement", &["$1", "${1}"]);
    is_whole
        && match label.as_str() {
            "__address__" => true,
            "__param_target" => is_as_it_was && sources == ["__address__"],
            "instance" => is_as_it_was,
            _ => false,
        }
}

/// The groups of targets in the files that a pattern names.
fn in_files(prometheus: &Path, pattern: &str, place: &Place, draft: &mut Draft) -> Vec<Table> {
    let whole = beside(prometheus, pattern);
    let files = whole.to_str().and_then(|whole| glob::glob(whole).ok());
    let files: Vec<_> = files.into_iter().flatten().flatten().take(FILES_MAX).collect();
    if files.is_empty() {
        draft.leave(place, format_args!("no file is there for {pattern:?}"));
    }
    let mut groups = Vec::new();
    for file in files {
        // A document of JSON is one of YAML.
        match document::yaml(&file) {
            Ok(Value::Array(found)) => groups.extend(found.into_iter().filter_map(Table::of)),
            _ => draft.leave(place, format_args!("{} is not a list of targets", file.display())),
        }
    }
    groups
}

/// The Alertmanagers that are named, not those that are discovered.
fn alertmanagers(mut alerting: Table, draft: &mut Draft) {
    let place = Place::new("alerting", "");
    let mut ids = WAYS.into_iter();
    for mut set in alerting.tables("alertmanagers") {
        let scheme = set.text("scheme").unwrap_or_else(|| "http".to_owned());
        let prefix = set.text("path_prefix").unwrap_or_default();
        let groups = set.list("static_configs").into_iter().filter_map(Table::of);
        let named: Vec<String> = groups.flat_map(|mut group| group.texts("targets")).collect();
        let in_the_way = [
            "basic_auth",
            "authorization",
            "bearer_token",
            "bearer_token_file",
            "oauth2",
            "sigv4",
            "tls_config",
            "proxy_url",
        ];
        let in_the_way = in_the_way.iter().filter(|key| set.take(key).is_some()).count();
        if named.is_empty() || in_the_way > 0 {
            draft.leave(&place, "an Alertmanager that is discovered, or wants to know who asks, is not told; write [alertmanager.ID] for it");
            continue;
        }
        set.ignore(&["api_version", "follow_redirects", "enable_http2"]);
        set.rest(&place, draft);
        for target in named {
            let url = format!("{scheme}://{target}{}", prefix.trim_end_matches('/'));
            match (Url::parse(&url).is_ok(), ids.next()) {
                (true, Some(id)) => draft.tell_by_alertmanager(id, &url),
                _ => draft
                    .leave(&place, format_args!("the Alertmanager {:?} is not told", scalar(&target.into()))),
            }
        }
    }
    alerting.rest(&place, draft);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_changes_what_is_watched_is_none_that_only_points() {
        for (rule, is_one) in [
            (r#"{"source_labels": ["__address__"], "target_label": "__param_target"}"#, true),
            (r#"{"source_labels": ["__param_target"], "target_label": "instance"}"#, true),
            (r#"{"target_label": "__address__", "replacement": "localhost:9115"}"#, true),
            (
                r#"{"source_labels": ["__address__"], "regex": "(.*)", "target_label": "__param_target", "replacement": "${1}", "action": "replace"}"#,
                true,
            ),
            (
                r#"{"source_labels": ["__address__"], "target_label": "__param_target", "replacement": "https://$1/health"}"#,
                false,
            ),
            (
                r#"{"source_labels": ["__address__"], "regex": "(.*):443", "target_label": "__param_target"}"#,
                false,
            ),
            (r#"{"source_labels": ["__address__", "path"], "target_label": "__param_target"}"#, false),
            (r#"{"target_label": "__param_target", "replacement": ""}"#, false),
            (
                r#"{"source_labels": ["__address__"], "target_label": "__address__", "modulus": 2, "action": "hashmod"}"#,
                false,
            ),
            (r#"{"source_labels": ["tier"], "regex": "test", "action": "drop"}"#, false),
            (r#"{"source_labels": ["kind"], "target_label": "__param_module"}"#, false),
        ] {
            let table = Table::of(serde_json::from_str(rule).unwrap()).unwrap();
            assert_eq!(only_points(table), is_one, "{rule}");
        }
    }
}
