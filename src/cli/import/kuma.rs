//! From a backup of Uptime Kuma: monitors that ask by HTTP, and who is notified.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::cli::import::{
    document::{Table, scalar},
    draft::{self, Door, Draft, Place},
    expectation::Expectation,
    fields::Fields,
    request::{HALF_A_LOGIN, Request, checks_certificates},
    told::MailServer,
};

/// How many days before its end it first tells of a certificate, unless told otherwise.
const CERTIFICATE_DAYS: u64 = 21;

/// Where it posts for PagerDuty, unless told otherwise; it is where we do.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// Keys of notifications that change neither who is told nor when: of their looks, and of monitors still to come.
const OF_LOOKS: [&str; 14] = [
    "id",
    "active",
    "userId",
    "name",
    "isDefault",
    "applyExisting",
    "slackusername",
    "slackiconemo",
    "slackbutton",
    "slackrichmessage",
    "mattermostusername",
    "mattermosticonemo",
    "mattermosticonurl",
    "htmlBody",
];

/// Keys that every monitor of a backup has: of its looks, of its place on a page, and of other types than its own.
const OF_OTHERS: [&str; 42] = [
    "id",
    "weight",
    "description",
    "path",
    "pathName",
    "parent",
    "childrenIDs",
    "hostname",
    "port",
    "packetSize",
    "game",
    "gamedigGivenPortOnly",
    "pushToken",
    "docker_container",
    "docker_host",
    "databaseConnectionString",
    "databaseQuery",
    "authWorkstation",
    "authDomain",
    "maintenance",
    "includeSensitiveData",
    "screenshot",
    "forceInactive",
    "cacheBust",
    "remote_browser",
    "snmpOid",
    "snmpVersion",
    "jsonPathOperator",
    "conditions",
    "kafkaProducerTopic",
    "kafkaProducerBrokers",
    "kafkaProducerSsl",
    "kafkaProducerAllowAutoTopicCreation",
    "kafkaProducerMessage",
    "kafkaProducerSaslOptions",
    "dns_resolve_type",
    "dns_resolve_server",
    "dns_last_result",
    "active",
    "type",
    "name",
    "jsonPath",
];

/// Gathers what the backup says. The error is for one that says nothing.
pub fn read(document: &Value) -> anyhow::Result<Draft> {
    let mut draft = Draft::default();
    let backup = Table::of(document.clone()).filter(|_| document["monitorList"].is_array());
    let Some(mut backup) = backup else { anyhow::bail!("it is not a backup of Uptime Kuma") };
    let mut ways = BTreeMap::new();
    for mut notification in backup.tables("notificationList") {
        let (Some(id), name) = (notification.text("id"), notification.text("name")) else { continue };
        let place = Place::new("notification", &name.unwrap_or_default());
        if let Some(way) = notification_of(notification, &place, &mut draft) {
            ways.insert(id, way);
        }
    }
    for mut monitor in backup.tables("monitorList") {
        let name = monitor.text("name").unwrap_or_default();
        let place = Place::new("monitor", &name);
        match door(name, monitor, &ways, &place, &mut draft) {
            Ok(door) => draft.add(&place, door),
            Err(why) => draft.leave(&place, why),
        }
    }
    // Proxies are told of where a monitor goes by one.
    backup.ignore(&["version", "proxyList"]);
    backup.rest(&Place::new("the backup", ""), &mut draft);
    Ok(draft)
}

/// A way to tell people, if there is one here like it; gives its id.
fn notification_of(mut notification: Table, place: &Place, draft: &mut Draft) -> Option<String> {
    if notification.flag("active") == Some(false) {
        return None;
    }
    let config = match notification.take("config") {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        value => value,
    };
    let Some(mut config) = config.and_then(Table::of) else {
        draft.leave(place, "it cannot be read, so nobody is told by it");
        return None;
    };
    let kind = config.text("type").unwrap_or_default();
    let name = config.text("name").unwrap_or_else(|| kind.clone());
    let (key, channel) = match kind.as_str() {
        "slack" => (config.text("slackwebhookURL"), config.text("slackchannel")),
        "mattermost" => (config.text("mattermostWebhookUrl"), config.text("mattermostchannel")),
        "teams" => (config.text("webhookUrl"), None),
        "PagerDuty" => (config.text("pagerdutyIntegrationKey"), None),
        _ => (None, None),
    };
    let id = draft.id(&name);
    match (kind.as_str(), key) {
        ("smtp", _) => by_mail(&mut config, &id, place, draft),
        // Mattermost reads what Slack reads.
        ("slack" | "mattermost", Some(url)) => draft.tell_by_webhook(&id, "slack", &url),
        ("teams", Some(url)) => draft.tell_by_webhook(&id, "teams", &url),
        ("PagerDuty", Some(key)) => {
            let url = config.text("pagerdutyIntegrationUrl").filter(|url| url != PAGERDUTY);
            draft.tell_by_pagerduty(&id, &key, url.as_deref());
        }
        _ => {
            draft.leave(place, format_args!("no team can be told by {kind:?}"));
            return None;
        }
    }
    if let Some(channel) = channel {
        draft.leave(place, format_args!("its posts go where its address leads, not to {channel:?}; if that is elsewhere, write an address for it into its file"));
    }
    // An incident that is over is resolved by us in any case.
    config.ignore(&["pagerdutyAutoResolve"]);
    config.ignore(&OF_LOOKS);
    config.rest(place, draft);
    Some(id)
}

fn by_mail(config: &mut Table, id: &str, place: &Place, draft: &mut Draft) {
    let to = ["smtpTo", "smtpCC", "smtpBCC"].map(|key| config.text(key).unwrap_or_default()).join(",");
    let to: Vec<String> =
        to.split(',').filter(|address| !address.trim().is_empty()).map(str::to_owned).collect();
    let tls = config.flag("smtpSecure") == Some(true);
    let port = config.count("smtpPort").and_then(|port| u16::try_from(port).ok());
    let (user, password) = (config.text("smtpUsername"), config.text("smtpPassword"));
    if user.is_some() != password.is_some() {
        draft
            .leave(place, "it has a user name or a password without the other; without both, nobody logs in");
    }
    if config.flag("smtpIgnoreTLSError") == Some(true) {
        draft.leave(place, "the certificate of the mail server is verified here, which it was not there; `root_ca` in [mail] trusts one of your own");
    }
    let server = MailServer {
        from: config.text("smtpFrom").unwrap_or_default(),
        host: config.text("smtpHost").unwrap_or_default(),
        port: port.unwrap_or(if tls { 465 } else { 587 }),
        tls,
        login: user.zip(password),
    };
    draft.tell_by_mail(id, place, &server, &to);
}

fn door(
    name: String,
    mut monitor: Table,
    ways: &BTreeMap<String, String>,
    place: &Place,
    draft: &mut Draft,
) -> Result<Door, String> {
    let kind = monitor.text("type").unwrap_or_default();
    if monitor.flag("active") == Some(false) {
        return Err("it is paused there, so it is not watched".to_owned());
    }
    if !["http", "keyword", "json-query"].contains(&kind.as_str()) {
        return Err(match kind.as_str() {
            "group" => "groups are not kept; what is in it is a channel of its own".to_owned(),
            kind => format!("no probe is of the kind {kind:?}, so it is not watched"),
        });
    }
    if monitor.flag("upsideDown") == Some(true) {
        return Err("it is upside down, up while nothing answers, so it is not watched".to_owned());
    }
    if monitor.take("proxyId").is_some() {
        return Err("no probe goes by a proxy, so it is not watched".to_owned());
    }
    let request = request_of(&name, &mut monitor, place, draft)?;
    let expect = expected(&kind, &mut monitor, place, draft);
    if expect.is_impossible() {
        return Err("no status is accepted, so it is not watched".to_owned());
    }
    let told = monitor.table("notificationIDList").map(|mut ids| ids.members()).unwrap_or_default();
    let told = told.iter().filter(|(_, is_on)| *is_on == true).filter_map(|(id, _)| ways.get(id));
    let team = draft.told.team_by(told.map(String::as_str));
    let mut tags = serde_json::Map::new();
    for mut tag in monitor.tables("tags") {
        if let Some(name) = tag.text("name") {
            // A tag may be a name and nothing else.
            tags.insert(name, tag.text("value").unwrap_or_else(|| "true".to_owned()).into());
        }
    }
    let labels =
        Table::of(Value::Object(tags)).map(|tags| draft::labels(tags, place, draft)).unwrap_or_default();
    let seconds = |seconds: Option<f64>| {
        seconds.filter(|seconds| (0.001..=1e9).contains(seconds)).map(Duration::from_secs_f64)
    };
    let every = seconds(monitor.number("interval"));
    let timeout = seconds(monitor.number("timeout")).or(every.map(|every| every.mul_f64(0.8)));
    let retries = monitor.count("maxretries").unwrap_or(0);
    let recheck =
        seconds(monitor.number("retryInterval")).filter(|retry| Some(*retry) < every && retries > 0);
    if monitor.number("resendInterval").is_some_and(|resend| resend > 0.0) {
        draft.leave(place, "people are reminded as their team says (`remind_after`), not as it does");
    }
    monitor.ignore(&OF_OTHERS);
    let of_others: Vec<String> = monitor.clone().members().into_iter().map(|(key, _)| key).collect();
    let of_others = of_others.iter().map(String::as_str);
    let of_others: Vec<&str> = of_others
        .filter(|key| {
            ["grpc", "mqtt", "radius", "rabbitmq", "oauth_"].iter().any(|start| key.starts_with(start))
        })
        .collect();
    monitor.ignore(&of_others);
    monitor.rest(place, draft);
    Ok(Door {
        name,
        team,
        // Without retries the first failure is enough there; here that is what the defaults are for.
        failures: (retries > 0).then(|| retries.saturating_add(1)),
        successes: (retries > 0).then_some(1),
        labels,
        every,
        timeout,
        recheck,
        request,
        expect,
    })
}

fn request_of(name: &str, monitor: &mut Table, place: &Place, draft: &mut Draft) -> Result<Fields, String> {
    let mut request = Request::to(name, &monitor.text("url").unwrap_or_default(), draft)?;
    let method = monitor.text("method").unwrap_or_else(|| "GET".to_owned());
    let body = monitor.text("body");
    if !method.eq_ignore_ascii_case("GET") || body.is_some() {
        request.method(&method)?;
    }
    let encoding = monitor.text("httpBodyEncoding");
    let mut headers = match monitor
        .text("headers")
        .map(|headers| serde_json::from_str(&headers).ok().and_then(Table::of))
    {
        None => Vec::new(),
        Some(Some(mut headers)) => headers.members(),
        Some(None) => return Err("its headers cannot be read, so it is not watched".to_owned()),
    };
    if let Some(body) = body {
        let media_type = match encoding.as_deref() {
            Some("xml") => "text/xml; charset=utf-8",
            Some("form") => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".to_owned(), media_type.into()));
        }
        request.body(&body, draft)?;
    }
    for (name, value) in headers {
        request.header(&name, &scalar(&value).unwrap_or_default(), draft)?;
    }
    match monitor.text("authMethod").as_deref() {
        None | Some("null" | "basic") => {}
        Some(other) => return Err(format!("no probe logs in by {other:?}, so it is not watched")),
    }
    match (monitor.text("basic_auth_user"), monitor.text("basic_auth_pass")) {
        (Some(user), Some(password)) => {
            let password = request.secret("password", &password, draft);
            request.basic(&user, &password);
        }
        (None, None) => {}
        _ => return Err(HALF_A_LOGIN.to_owned()),
    }
    if monitor.flag("ignoreTls") == Some(true) {
        checks_certificates(place, draft);
    }
    // Ten are its default; five are ours, and no page needs more.
    if let Some(most) = monitor.count("maxredirects").filter(|most| *most != 10) {
        request.redirects(most);
    }
    Ok(request.into_fields())
}

fn expected(kind: &str, monitor: &mut Table, place: &Place, draft: &mut Draft) -> Expectation {
    let mut expect = Expectation::default();
    let accepted: Vec<(u16, u16)> =
        monitor.texts("accepted_statuscodes").iter().filter_map(|one| range(one)).collect();
    match &accepted[..] {
        [] => expect.status(|status| (200..300).contains(&status)),
        accepted => {
            expect.status(|status| accepted.iter().any(|(first, last)| (*first..=*last).contains(&status)))
        }
    }
    let is_inverted = monitor.flag("invertKeyword") == Some(true);
    match monitor.text("keyword").filter(|_| kind == "keyword") {
        Some(keyword) if is_inverted => expect.lacks(&keyword),
        Some(keyword) => expect.contains(&keyword),
        None => {}
    }
    let (path, wanted) = (monitor.text("jsonPath"), monitor.text("expectedValue"));
    let operator = monitor.text("jsonPathOperator").unwrap_or_else(|| "==".to_owned());
    if let (Some(path), Some(wanted), "json-query") = (path, wanted, kind) {
        let wanted = format!("^{}$", regex::escape(&wanted));
        if operator != "==" || !json_path(&path).is_some_and(|path| expect.json(&path, &wanted)) {
            draft.leave(
                place,
                format_args!("its query {path:?} has no counterpart here, only its status counts"),
            );
        }
    }
    if monitor.flag("expiryNotification") == Some(true) {
        expect.days(CERTIFICATE_DAYS);
    }
    expect
}

/// A status or a range of them.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// A query of JSONata that is a plain path, as RFC 9535 has it.
fn json_path(query: &str) -> Option<String> {
    let is_plain = query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]$".contains(&byte));
    let rest = query.strip_prefix('$').unwrap_or(query).trim_start_matches('.');
    let joint = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
    (is_plain && !rest.contains('$')).then(|| format!("${joint}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_notification_does_otherwise_is_said_and_its_looks_are_not() {
        let of = |config: serde_json::Value| {
            let notification = serde_json::json!({ "id": 1, "name": "Way", "config": config.to_string() });
            let document = serde_json::json!({ "notificationList": [notification], "monitorList": [] });
            read(&document).unwrap().left
        };
        let pager = serde_json::json!({
            "type": "PagerDuty", "pagerdutyIntegrationKey": "key", "pagerdutyIntegrationUrl": PAGERDUTY,
        });
        assert_eq!(of(pager), Vec::<String>::new());
        let hook = "https://chat.example.com/hooks/secret";
        let looks = serde_json::json!({
            "type": "mattermost", "mattermostWebhookUrl": hook, "mattermostusername": "Status", "isDefault": true,
        });
        assert_eq!(of(looks), Vec::<String>::new());
        let elsewhere = serde_json::json!({
            "type": "mattermost", "mattermostWebhookUrl": hook, "mattermostchannel": "ops",
        });
        assert!(of(elsewhere)[0].contains("not to \"ops\""));
        let mention = serde_json::json!({
            "type": "slack", "slackwebhookURL": hook, "slackchannelnotify": true,
        });
        assert!(of(mention)[0].contains("`slackchannelnotify` has no counterpart"));
        let relay = serde_json::json!({
            "type": "smtp", "smtpHost": "relay.example.com", "smtpPort": 25, "smtpIgnoreTLSError": true,
            "smtpFrom": "status@example.com", "smtpTo": "oncall@example.com", "smtpUsername": "status",
        });
        let said = of(relay);
        for (line, part) in
            said.iter().zip(["without the other", "`root_ca` in [mail]", "by STARTTLS or not at all"])
        {
            assert!(line.contains(part), "{said:?}");
        }
        assert_eq!(said.len(), 3, "{said:?}");
    }

    #[test]
    fn only_plain_paths_are_taken_from_a_query() {
        for (query, path) in [
            ("$", Some("$")),
            ("$.status", Some("$.status")),
            ("agents[0].load", Some("$.agents[0].load")),
            ("$[0].id", Some("$[0].id")),
            ("$sum(load)", None),
            ("agents[load > 3]", None),
            ("$$.a", None),
        ] {
            assert_eq!(json_path(query).as_deref(), path, "{query}");
        }
    }
}
