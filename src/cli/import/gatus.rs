//! From Gatus: endpoints with their conditions, who is alerted, and its window of maintenance.

mod condition;

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::cli::import::{
    document::{Table, listed, scalar},
    draft::{self, Door, Draft, Place},
    expectation::Expectation,
    fields::Fields,
    request::{Request, checks_certificates},
    told::MailServer,
};

/// What it does where an endpoint does not say how often.
const EVERY: Duration = Duration::from_secs(60);

/// After how many failures it alerts where nothing else is said.
const FAILURES: u32 = 3;
/// After how many successes all is well again where nothing else is said.
const SUCCESSES: u32 = 2;

/// Keys of alerts that are about what is said, and how often.
const OF_TEXTS: [&str; 3] = ["description", "send-on-resolved", "minimum-reminder-interval"];

/// How an endpoint is alerted by one provider, where the endpoint does not say otherwise.
type Standards = BTreeMap<String, Table>;

/// Gathers what the configuration says. The error is for one that says nothing.
pub fn read(document: &Value) -> anyhow::Result<Draft> {
    let mut draft = Draft::with_variables();
    let Some(mut document) = Table::of(document.clone()) else {
        anyhow::bail!("it is not a configuration of Gatus")
    };
    document.ignore(&["web", "ui", "storage", "metrics", "debug", "concurrency", "disable-monitoring-lock"]);
    let standards = document.table("alerting").map(|alerting| alerting_of(alerting, &mut draft));
    let standards = standards.unwrap_or_default();
    if let Some(window) = document.table("maintenance") {
        maintenance(window, &mut draft);
    }
    // Older versions call them services.
    let endpoints = [document.tables("endpoints"), document.tables("services")].concat();
    for mut endpoint in endpoints {
        let (name, group) = (endpoint.text("name"), endpoint.text("group"));
        let name = group.into_iter().chain(name).collect::<Vec<_>>().join("/");
        let place = Place::new("endpoint", &name);
        match door(name, endpoint, &place, &standards, &mut draft) {
            Ok(door) => draft.add(&place, door),
            Err(why) => draft.leave(&place, why),
        }
    }
    document.rest(&Place::new("the configuration", ""), &mut draft);
    Ok(draft)
}

fn door(
    name: String,
    mut endpoint: Table,
    place: &Place,
    standards: &Standards,
    draft: &mut Draft,
) -> Result<Door, String> {
    if endpoint.flag("enabled") == Some(false) {
        return Err("it is disabled there, so it is not watched".to_owned());
    }
    let kinds = ["dns", "ssh"].into_iter().filter(|key| endpoint.take(key).is_some());
    let kinds = listed(kinds);
    if !kinds.is_empty() {
        return Err(format!("no probe looks as its {kinds} says, so it is not watched"));
    }
    let mut request = Request::to(&name, &endpoint.text("url").unwrap_or_default(), draft)?;
    let body = endpoint.text("body");
    endpoint.variables(place, draft);
    match (endpoint.text("method"), &body) {
        (Some(method), _) => request.method(&method)?,
        // It sends a body by GET too, if nothing else is said.
        (None, Some(_)) => request.method("GET")?,
        (None, None) => {}
    }
    let mut headers = endpoint.table("headers").map(|mut headers| headers.members()).unwrap_or_default();
    let is_graphql = endpoint.flag("graphql") == Some(true);
    if is_graphql && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".to_owned(), "application/json".into()));
    }
    for (name, value) in headers {
        request.header(&name, &scalar(&value).unwrap_or_default(), draft)?;
    }
    if let Some(body) = body {
        let body = if is_graphql { serde_json::json!({ "query": body }).to_string() } else { body };
        request.body(&body, draft)?;
    }
    let timeout =
        endpoint.table("client").map(|client| client_of(client, &mut request, place, draft)).transpose()?;
    let mut expect = Expectation::default();
    for condition in endpoint.texts("conditions") {
        let added = match draft.literal(&condition) {
            Some(literal) => condition::add(&literal, &mut expect),
            None => Err("has an environment variable in it; write what it stands for into `expect`"),
        };
        if let Err(why) = added {
            draft.leave(place, format_args!("its condition {condition:?} {why}"));
        }
    }
    // Without a condition on it, any status will do.
    expect.any_status();
    if expect.is_impossible() {
        return Err("no status fulfils its conditions, so it is not watched".to_owned());
    }
    let every = Some(endpoint.span("interval").unwrap_or(EVERY));
    let labels = endpoint.table("extra-labels").map(|labels| {
        labels.variables(place, draft);
        draft::labels(labels, place, draft)
    });
    let alerted = alerted(&mut endpoint, standards, place, draft);
    endpoint.ignore(&["ui"]);
    endpoint.rest(place, draft);
    Ok(Door {
        name,
        every,
        expect,
        timeout: timeout.flatten(),
        labels: labels.unwrap_or_default(),
        request: request.into_fields(),
        ..alerted
    })
}

/// How it asks; gives the timeout.
fn client_of(
    mut client: Table,
    request: &mut Request,
    place: &Place,
    draft: &mut Draft,
) -> Result<Option<Duration>, String> {
    client.variables(place, draft);
    if client.flag("insecure") == Some(true) {
        checks_certificates(place, draft);
    }
    if client.flag("ignore-redirect") == Some(true) {
        request.redirects(0);
    }
    match client.text("network").as_deref() {
        Some("ip4") => request.family("ipv4"),
        Some("ip6") => request.family("ipv6"),
        _ => {}
    }
    let stands_in_the_way = ["proxy-url", "oauth2", "identity-aware-proxy", "tls", "tunnel"];
    let ways = stands_in_the_way.into_iter().filter(|key| client.take(key).is_some());
    let ways = listed(ways);
    if !ways.is_empty() {
        return Err(format!("no probe goes by its {ways}, so it is not watched"));
    }
    let timeout = client.span("timeout");
    client.rest(place, draft);
    Ok(timeout)
}

/// Whom an endpoint alerts, and after how much.
fn alerted(endpoint: &mut Table, standards: &Standards, place: &Place, draft: &mut Draft) -> Door {
    let (mut kinds, mut failures, mut successes) = (Vec::new(), Vec::new(), Vec::new());
    for mut alert in endpoint.tables("alerts") {
        let Some(kind) = alert.text("type") else { continue };
        let mut standard = standards.get(&kind).cloned().unwrap_or_else(Table::none);
        alert.ignore(&OF_TEXTS);
        alert.variables(place, draft);
        let is_enabled = alert.flag("enabled").or(standard.flag("enabled"));
        if is_enabled == Some(false) {
            continue;
        }
        let mut of_both = |key: &str| alert.count(key).or(standard.count(key)).filter(|count| *count > 0);
        failures.push(of_both("failure-threshold"));
        successes.push(of_both("success-threshold"));
        alert.rest(place, draft);
        if !standards.contains_key(&kind) {
            draft.leave(place, format_args!("nobody is told by {kind:?}"));
        }
        kinds.push(kind);
    }
    let team = draft.told.team_by(kinds.iter().map(String::as_str));
    let failures = threshold("failure-threshold", FAILURES, "dark_after", &failures, place, draft);
    let successes = threshold("success-threshold", SUCCESSES, "up_after", &successes, place, draft);
    Door { team, failures, successes, ..Door::default() }
}

/// The one threshold that a channel has here: that of the first alert, if any of them names one.
fn threshold(
    key: &str,
    otherwise: u32,
    ours: &str,
    of_alerts: &[Option<u32>],
    place: &Place,
    draft: &mut Draft,
) -> Option<u32> {
    of_alerts.iter().flatten().next()?;
    let counts: Vec<u32> = of_alerts.iter().map(|count| count.unwrap_or(otherwise)).collect();
    let first = *counts.first()?;
    if counts.iter().any(|count| *count != first) {
        let counts = counts.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        draft.leave(place, format_args!("its alerts differ in `{key}` ({counts}); a channel has one, and this has {first}: correct `{ours}`"));
    }
    Some(first)
}

/// The providers that have a counterpart here, with what they do where an endpoint does not say.
fn alerting_of(mut alerting: Table, draft: &mut Draft) -> Standards {
    let mut standards = Standards::new();
    for (kind, value) in alerting.members() {
        let place = Place::new("alerting by", &kind);
        let Some(mut provider) = Table::of(value) else { continue };
        let mut standard = provider.table("default-alert").unwrap_or_else(Table::none);
        let secret = match kind.as_str() {
            "slack" | "teams-workflows" | "mattermost" => provider.text("webhook-url"),
            "pagerduty" => provider.text("integration-key"),
            _ => None,
        };
        match (kind.as_str(), secret) {
            ("email", _) => by_mail(&mut provider, &place, draft),
            // Mattermost reads what Slack reads.
            ("slack" | "mattermost", Some(url)) => draft.tell_by_webhook(&kind, "slack", &url),
            ("teams-workflows", Some(url)) => draft.tell_by_webhook(&kind, "teams", &url),
            ("pagerduty", Some(key)) => draft.tell_by_pagerduty(&kind, &key, None),
            _ => {
                draft.leave(&place, "no team can be told by it");
                continue;
            }
        }
        provider.rest(&place, draft);
        standard.ignore(&OF_TEXTS);
        standard.variables(&place, draft);
        let mut unread = standard.clone();
        unread.ignore(&["enabled", "failure-threshold", "success-threshold"]);
        unread.rest(&place, draft);
        standards.insert(kind, standard);
    }
    standards
}

fn by_mail(provider: &mut Table, place: &Place, draft: &mut Draft) {
    let keys = ["from", "username", "host", "port", "to"];
    let texts = keys.map(|key| provider.text(key).unwrap_or_default());
    let password = provider.text("password");
    let [Some(from), Some(user), Some(host), Some(port), Some(to)] =
        texts.each_ref().map(|text| draft.literal(text))
    else {
        let unknown = keys.iter().zip(&texts).filter(|(_, text)| draft.literal(text).is_none());
        let unknown = listed(unknown.map(|(key, _)| key));
        return draft.leave(place, format_args!("what {unknown} says is in environment variables, so nobody is told by it; write it in there and import again"));
    };
    let port = if port.is_empty() { Ok(587) } else { port.parse() };
    let Ok(port) = port else {
        return draft.leave(place, "its `port` is not one, so nobody is told by it");
    };
    let user = if user.is_empty() { from.clone() } else { user };
    let server =
        MailServer { from, host, port, tls: port == 465, login: password.map(|password| (user, password)) };
    let to: Vec<String> = to.split(',').map(str::to_owned).collect();
    draft.tell_by_mail("email", place, &server, &to);
}

/// A window that comes again every day, or on some days of the week.
fn maintenance(mut window: Table, draft: &mut Draft) {
    let place = Place::new("the maintenance", "");
    if window.flag("enabled") == Some(false) {
        return;
    }
    window.variables(&place, draft);
    let start = window.text("start").unwrap_or_default();
    let time = start.split_once(':').and_then(|(hour, minute)| {
        let time: (u8, u8) = (hour.trim().parse().ok()?, minute.trim().parse().ok()?);
        (time.0 < 24 && time.1 < 60).then_some(time)
    });
    let (Some((hour, minute)), Some(lasts)) = (time, window.span("duration")) else {
        return draft.leave(&place, "it has no time at which it begins, or none that it lasts");
    };
    let days: Vec<String> =
        window.texts("every").iter().filter_map(|day| day.get(..3).map(str::to_owned)).collect();
    let days = if days.is_empty() { "*".to_owned() } else { days.join(",") };
    let zone = window.text("timezone").unwrap_or_else(|| "UTC".to_owned());
    if jiff::tz::TimeZone::get(&zone).is_err() {
        return draft.leave(&place, format_args!("{zone:?} is not a time zone of this machine's database"));
    }
    let id = draft.id("maintenance");
    let mut fields = Fields::new();
    fields.text("id", &id).text("cron", &format!("{minute} {hour} * * {days}")).span("for", lasts);
    fields.text("time_zone", &zone);
    window.rest(&place, draft);
    draft.maintenance.push(fields);
}
