//! `[webhook.ID]` and `[alertmanager.ID]`: what is told besides mailboxes, and which teams it belongs to.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{
    config::{
        mail::certificates,
        report::Report,
        tables::{Entry, Tables},
        wording::in_backticks,
    },
    domain::channel::is_id,
    notify::{
        alertmanager::Alertmanager,
        webhook::{Template, Webhook, key_bytes},
    },
    secret::{MaybeSecret, Secret, SecretRef, Sources},
    setting::{At, Problem, closest, suggest},
};

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// `[webhook.ID]`: a request for each notification.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { url = { env = \"SLACK_WEBHOOK\" } }")]
pub struct WebhookSettings {
    /// Its address, or where it lies: an address of Slack or Teams is a secret. Not needed for PagerDuty.
    pub url: Option<At<MaybeSecret>>,
    /// What it reads: "json", "slack", "teams" or "pagerduty". Default "json".
    pub template: Option<At<Template>>,
    /// Where the key lies by which requests are signed, as the Standard Webhooks have it.
    pub secret: Option<At<SecretRef>>,
    /// Where PagerDuty's routing key lies: the integration key of a service.
    pub routing_key: Option<At<SecretRef>>,
    /// A PEM file with further root certificates to trust for it.
    pub root_ca: Option<At<PathBuf>>,
    /// What it depends on: ids of [dependency.ID], as in `[mail]`.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
}

/// `[alertmanager.ID]`: an Alertmanager of Prometheus.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { url = \"http://alertmanager.example.com:9093\" }"
)]
pub struct AlertmanagerSettings {
    /// Its address, without "/api/v2".
    pub url: At<MaybeSecret>,
    /// The user name, if it wants one.
    pub username: Option<At<String>>,
    /// Where the password lies.
    pub password: Option<At<SecretRef>>,
    /// A PEM file with further root certificates to trust for it.
    pub root_ca: Option<At<PathBuf>>,
    /// What it depends on: ids of [dependency.ID], as in `[mail]`.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
}

/// Takes the problem with something out of its way.
fn kept<T>(result: Option<Result<T, Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    result?.map_err(|problem| problems.push(problem)).ok()
}

/// Checks the webhooks and reads their secrets; what is wrong is reported.
pub fn webhooks(tables: &Tables<'_>, sources: &Sources, report: &mut Report) -> BTreeMap<String, Webhook> {
    build_all(&tables.webhooks, report, |entry, problems| webhook(entry, sources, problems))
}

/// Checks the Alertmanagers and reads their secrets; what is wrong is reported.
pub fn alertmanagers(
    tables: &Tables<'_>,
    sources: &Sources,
    report: &mut Report,
) -> BTreeMap<String, Alertmanager> {
    build_all(&tables.alertmanagers, report, |entry, problems| alertmanager(entry, sources, problems))
}

fn build_all<S, T>(
    entries: &BTreeMap<String, Entry<'_, S>>,
    report: &mut Report,
    build: impl Fn(&Entry<'_, S>, &mut Vec<Problem>) -> Option<T>,
) -> BTreeMap<String, T> {
    let mut built = BTreeMap::new();
    for (id, entry) in entries.iter().filter(|(id, _)| is_id(id)) {
        let mut problems = Vec::new();
        if let Some(one) = build(entry, &mut problems) {
            built.insert(id.clone(), one);
        }
        problems.into_iter().for_each(|problem| report.error(entry.file, problem));
    }
    built
}

fn webhook(
    entry: &Entry<'_, WebhookSettings>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Option<Webhook> {
    let settings = entry.section.settings.as_ref()?;
    let template = settings.template.as_ref().map(|template| template.value).unwrap_or_default();
    let is_pagerduty = template == Template::Pagerduty;
    let missing = |key: &str, example: &str| {
        Problem::at(entry.key.clone(), format!("`{key}` is missing")).hint(format!("add `{example}`"))
    };
    if settings.url.is_none() && !is_pagerduty && !entry.section.lacks(&["url"]) {
        problems.push(missing("url", "url = { env = \"SLACK_WEBHOOK\" }"));
    }
    match &settings.routing_key {
        None if is_pagerduty && !entry.section.lacks(&["routing_key"]) => {
            problems.push(missing("routing_key", "routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }"));
        }
        Some(key) if !is_pagerduty && !entry.section.lacks(&["template"]) => problems.push(
            key.problem("a routing key is for PagerDuty alone")
                .hint("add `template = \"pagerduty\"`, or leave it out"),
        ),
        _ => {}
    }
    let default = (Url::parse(PAGERDUTY).expect("it is an address"), None);
    let address = match &settings.url {
        Some(text) => kept(Some(address(text, sources)), problems),
        None => Some(default).filter(|_| is_pagerduty),
    };
    let key = kept(settings.secret.as_ref().map(|reference| signing_key(reference, sources)), problems);
    let routing_key =
        kept(settings.routing_key.as_ref().map(|reference| sources.secret(reference)), problems);
    let root_ca = root_ca(settings.root_ca.as_ref(), sources, problems);
    let (url, url_secret) = address?;
    Some(Webhook { url, url_secret, template, key, routing_key, root_ca })
}

fn alertmanager(
    entry: &Entry<'_, AlertmanagerSettings>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Option<Alertmanager> {
    let settings = entry.section.settings.as_ref()?;
    let address = kept(Some(address(&settings.url, sources)), problems);
    let password = kept(settings.password.as_ref().map(|reference| sources.secret(reference)), problems);
    match (&settings.username, &settings.password) {
        (Some(name), None) if !entry.section.lacks(&["password"]) => problems.push(
            name.problem("a user name without a password")
                .hint("add `password = { env = \"ALERTMANAGER_PASSWORD\" }`"),
        ),
        (None, Some(reference)) if !entry.section.lacks(&["username"]) => problems
            .push(reference.problem("a password without a user name").hint("add `username = \"...\"`")),
        _ => {}
    }
    let root_ca = root_ca(settings.root_ca.as_ref(), sources, problems);
    let credentials = settings.username.as_ref().map(|name| name.value.clone()).zip(password);
    let (url, url_secret) = address?;
    Some(Alertmanager { url, url_secret, credentials, root_ca })
}

fn root_ca(path: Option<&At<PathBuf>>, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Bytes> {
    kept(path.map(|path| certificates(path, sources)), problems)
}

/// Reads an address; also gives it as a secret where it is one. What is wrong with it is said without repeating it.
fn address(text: &At<MaybeSecret>, sources: &Sources) -> Result<(Url, Option<Secret>), Problem> {
    let read = sources.text(text)?;
    let secret = matches!(text.value, MaybeSecret::Secret(_)).then(|| read.clone());
    let url = Url::parse(read.expose().trim()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(url) = url else {
        let problem = text.problem("not an http or https address without user name and password");
        return Err(problem.hint(
            "write the whole address, such as \"https://hooks.example.com/lamplighter\", or where it lies",
        ));
    };
    Ok((url, secret))
}

fn signing_key(reference: &At<SecretRef>, sources: &Sources) -> Result<Secret, Problem> {
    let key = sources.secret(reference)?;
    if key_bytes(&key).is_none() {
        let problem = reference.problem("the key begins with whsec_, and what follows is not base64");
        return Err(problem.hint("put the key there as the other side shows it, or one without whsec_"));
    }
    Ok(key)
}

/// Every mail is to somebody, and the webhooks and Alertmanagers that teams and their steps name are defined.
pub fn check_teams(tables: &Tables<'_>, report: &mut Report) {
    for entry in tables.teams.values() {
        let Some(settings) = entry.section.settings.as_ref() else { continue };
        let steps = || settings.escalation.iter();
        let webhooks = settings.webhook.iter().chain(steps().flat_map(|step| &step.webhook));
        let managers = settings.alertmanager.iter().chain(steps().flat_map(|step| &step.alertmanager));
        let webhooks = webhooks.filter_map(|id| unknown("webhook", id, &tables.webhooks, tables));
        let managers = managers.filter_map(|id| unknown("alertmanager", id, &tables.alertmanagers, tables));
        for problem in settings.problems().chain(webhooks).chain(managers) {
            report.error(entry.file, problem);
        }
    }
}

/// An endpoint that is defined nowhere. Where a file could not be read it may stand there, unless it looks like a slip.
fn unknown<T>(
    what: &str,
    id: &At<String>,
    known: &BTreeMap<String, T>,
    tables: &Tables<'_>,
) -> Option<Problem> {
    if known.contains_key(&id.value) || (tables.incomplete && closest(id, known.keys()).is_none()) {
        return None;
    }
    let names: Vec<&String> = known.keys().collect();
    let problem = id.problem(format!("there is no {what} {:?}", id.value));
    Some(match suggest(id, &names, in_backticks) {
        Some(hint) => problem.hint(hint),
        None => problem.hint(format!("add a table [{what}.{}] with url = ...", id.value)),
    })
}
