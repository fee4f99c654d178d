//! `[mail.canary]`: the mail that goes out once a day, and the mailbox in which it is looked for.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use jiff::{civil::Time, tz::TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        mail::certificates,
        plan::{CanaryPlan, CanaryWay, Plan},
        report::Report,
        settings::MailSettings,
        smtp::ImapUrl,
        tables::{Entry, Tables},
        value,
    },
    domain::canary::{Daily, MailWay},
    notify::mail::{
        Limits, MailRoute, MailServer,
        fallback::Fallback,
        mailbox::{ImapMailbox, Mailbox, MailboxServer},
    },
    secret::{SecretRef, Sources},
    setting::{At, MailAddress, Problem, Refused, Span, written_as_text},
};

/// When it goes out where nothing is said: people are at work, and can put right what it finds.
const AT: Time = Time::constant(9, 0, 0, 0);
/// How long it may take where nothing is said.
const WITHIN: Duration = Duration::from_secs(10 * 60);
const WITHIN_MIN: Duration = Duration::from_secs(1);
const WITHIN_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// The folder where nothing is said.
const FOLDER: &str = "INBOX";

/// `[mail.canary]`: a mail that goes out once a day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [mail.canary]")]
#[schemars(extend("required" = ["to"]))]
pub struct CanarySettings {
    /// To whom it goes: one address, best of a mailbox that is there for nothing else.
    pub to: Option<MailAddress>,
    /// When it goes out, such as "09:00" or "09:00 Europe/Berlin". Without a time zone, that of `[monitor]`. Default
    /// "09:00".
    pub at: Option<DailyTime>,
    /// How long it may take until it has arrived, "1s" to "12h". Default "10m".
    pub within: Option<At<Span>>,
    /// Where it is looked for, and deleted. Without it has arrived when the mail server has taken it.
    pub mailbox: Option<At<MailboxSettings>>,
}

/// `[mail.canary.mailbox]`: where the canary is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { imap = \"imaps://mail.example.com\" }")]
#[schemars(extend("required" = ["imap", "username", "password"]))]
pub struct MailboxSettings {
    /// The server: "imaps://host" for TLS, "imap://host" for STARTTLS (required), "imap+plain://localhost" for neither,
    /// only on this machine. A port may follow the host.
    pub imap: Option<At<ImapUrl>>,
    /// The user name.
    pub username: Option<At<String>>,
    /// Where the password lies.
    pub password: Option<At<SecretRef>>,
    /// The folder to look into. Default "INBOX".
    pub folder: Option<At<String>>,
    /// A PEM file with further root certificates to trust for the server.
    pub root_ca: Option<At<PathBuf>>,
}

/// A time of the day, in a time zone or in that of the monitor.
#[derive(Clone, Debug)]
pub struct DailyTime {
    time: Time,
    zone: Option<TimeZone>,
}

impl DailyTime {
    fn parse(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        let (shown, zone) = match text.split_once(' ') {
            Some((shown, zone)) => (shown, Some(value::time_zone(zone.trim())?)),
            None => (text, None),
        };
        let is_plain = shown.len() == 5 && shown.as_bytes()[2] == b':';
        shown.parse().ok().filter(|_| is_plain).map(|time| Self { time, zone }).ok_or_else(|| {
            let help = "write hours and minutes and perhaps a time zone, such as \"09:00 Europe/Berlin\"";
            (format!("{text:?} is not a time of the day"), help.to_owned())
        })
    }
}

written_as_text!(DailyTime, "a time of the day", "09:00", { "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}( .+)?$", "description": "A time of the day, with a time zone or without, such as \"09:00\" or \"09:00 Europe/Berlin\"." });

/// Checks `[mail.canary]` and reads its secret. `servers` are those by which mail leaves. None without one, or if something
/// is wrong with it or with `[mail]`, which has been reported.
pub fn build(
    entry: &Entry<'_, MailSettings>,
    sources: &Sources,
    servers: (Option<&MailServer>, Option<&Fallback>),
    zone: &TimeZone,
    report: &mut Report,
) -> Option<CanaryPlan> {
    let settings = entry.section.settings.as_ref()?.canary.as_ref()?;
    let mut problems = Vec::new();
    if settings.to.is_none() && !entry.section.lacks(&["canary", "to"]) {
        let problem = Problem::at(settings.span.clone(), "`to` is missing");
        problems.push(problem.hint("add `to = \"canary@example.com\"`"));
    }
    let within = settings.within.as_ref().map_or(WITHIN, |span| span.0);
    if let Some(span) = settings.within.as_ref().filter(|_| !(WITHIN_MIN..=WITHIN_MAX).contains(&within)) {
        let problem = span.problem("a canary is given \"1s\" to \"12h\"");
        problems.push(problem.hint("write a span of time in these bounds, such as `within = \"10m\"`"));
    }
    let lacks = |key: &str| entry.section.lacks(&["canary", "mailbox", key]);
    let mailbox = settings.mailbox.as_ref().map(|mailbox| mailbox.build(sources, &lacks, &mut problems));
    let mut way = |server: &MailServer| match MailRoute::new(server.clone(), Limits::default()) {
        Ok(route) => Some(CanaryWay { host: server.host.clone(), notifier: Arc::new(route) }),
        Err(error) => {
            let problem = Problem::at(entry.key.clone(), error.to_string());
            problems
                .push(problem.hint("a mail server by that name and with that certificate cannot be used"));
            None
        }
    };
    let first = servers.0.and_then(&mut way).map(|way| (MailWay::First, way));
    let second = servers.1.and_then(|fallback| way(&fallback.server)).map(|way| (MailWay::Fallback, way));
    let is_right = problems.is_empty();
    problems.into_iter().for_each(|problem| report.error(entry.file, problem));
    let at = settings.at.clone().unwrap_or(DailyTime { time: AT, zone: None });
    Some(CanaryPlan {
        to: settings.to.as_ref().filter(|_| is_right)?.0.to_string(),
        daily: Daily { time: at.time, zone: at.zone.unwrap_or_else(|| zone.clone()) },
        within,
        ways: BTreeMap::from_iter(std::iter::once(first?).chain(second)),
        mailbox: match mailbox {
            None => None,
            Some(mailbox) => Some(Arc::new(mailbox?) as Arc<dyn Mailbox>),
        },
    })
}

/// Warns of a canary whose loss nobody could be told of.
pub fn warn(tables: &Tables<'_>, plan: &Plan, report: &mut Report) {
    let Some(entry) = &tables.mail else { return };
    let Some(settings) = entry.section.settings.as_ref().and_then(|mail| mail.canary.as_ref()) else {
        return;
    };
    let has_endpoint =
        plan.teams.values().any(|team| !team.webhooks.is_empty() || !team.alertmanagers.is_empty());
    if plan.canary.as_ref().is_some_and(|canary| canary.ways.len() == 1) && !has_endpoint {
        let problem =
            Problem::at(settings.span.clone(), "if the canary is lost, there is no way to tell anybody");
        let hint = "add [mail.fallback], or a webhook or an Alertmanager to a team; until then only the log, the metrics and \
                    heartbeats that stay away say so";
        report.warning(entry.file, problem.hint(hint));
    }
}

impl At<MailboxSettings> {
    fn build(
        &self,
        sources: &Sources,
        lacks: &dyn Fn(&str) -> bool,
        problems: &mut Vec<Problem>,
    ) -> Option<ImapMailbox> {
        let missing = |key: &str, value: &str| {
            self.problem(format!("`{key}` is missing")).hint(format!("add `{key} = {value}`"))
        };
        let is_missing = |key: &str, is_there: bool| !is_there && !lacks(key);
        for (key, is_there, value) in [
            ("imap", self.imap.is_some(), "\"imaps://mail.example.com\""),
            ("username", self.username.is_some(), "\"canary@example.com\""),
            ("password", self.password.is_some(), "{ env = \"IMAP_PASSWORD\" }"),
        ] {
            if is_missing(key, is_there) {
                problems.push(missing(key, value));
            }
        }
        let folder = self.folder.as_ref();
        if let Some(folder) =
            folder.filter(|it| it.is_empty() || !it.bytes().all(|b| matches!(b, b' '..=b'~')))
        {
            let problem = folder.problem("a folder is named in letters of ASCII here");
            problems.push(problem.hint("look for the canary in a folder such as \"INBOX\" or \"Canaries\""));
        }
        let mut kept = |read: Result<_, Problem>| read.map_err(|problem| problems.push(problem)).ok();
        let password = self.password.as_ref().and_then(|reference| kept(sources.secret(reference)));
        let root_ca = match &self.root_ca {
            None => None,
            Some(path) => Some(certificates(path, sources).map_err(|problem| problems.push(problem)).ok()?),
        };
        let imap = self.imap.as_ref()?;
        let server = MailboxServer {
            host: imap.host.clone(),
            port: imap.port,
            security: imap.security,
            username: self.username.as_ref()?.value.clone(),
            password: password?,
            folder: folder.map_or(FOLDER, |folder| folder.as_str()).to_owned(),
            root_ca,
        };
        ImapMailbox::new(server, Limits::default())
            .map_err(|why| {
                let problem = imap.problem(format!("TLS cannot be set up for the mailbox: {why}"));
                problems.push(problem.hint("name the server as its certificate does"));
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_is_hours_and_minutes_with_a_zone_or_without() {
        for (text, hour, zone) in [("09:00", 9, None), ("23:30 Europe/Berlin", 23, Some("Europe/Berlin"))] {
            let read = DailyTime::parse(text).unwrap();
            assert_eq!(read.time.hour(), hour, "{text}");
            assert_eq!(read.zone.as_ref().and_then(TimeZone::iana_name), zone, "{text}");
        }
        for text in ["", "9:00", "24:00", "09:00:00", "0900", "9am", "09:00 Atlantis", "2026-11-26"] {
            assert!(DailyTime::parse(text).is_err(), "{text}");
        }
    }
}
