//! What can be used and may not be as it was meant. What concerns one probe alone is found where the probe is built.

use std::collections::BTreeMap;

use crate::{
    config::{
        canary,
        channels::{Drafted, TeamSaid},
        plan::{self, Plan, ProbePlan, Team},
        report::Report,
        sentinels,
        tables::Tables,
    },
    setting::Problem,
};

/// A configuration that makes more time series than this deserves a second thought.
const SERIES_MAX: usize = 100_000;

/// A shorter token, in bytes, can be found out by trying.
const LINK_TOKEN_BYTES_MIN: usize = 16;

/// Adds every warning that only the whole can show.
pub fn add(tables: &Tables<'_>, plan: &Plan, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    teams(tables, plan, channels, report);
    mail_host(tables, plan, channels, report);
    canary::warn(tables, plan, report);
    sentinels::warn(tables, || probes(channels), report);
    links(tables, plan, report);
    series(tables, channels, report);
    public(tables, channels, report);
}

fn teams(tables: &Tables<'_>, plan: &Plan, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    for (id, drafted) in channels {
        if drafted.built.is_some() && matches!(drafted.team, TeamSaid::Nothing) {
            let problem =
                Problem::at(drafted.key.clone(), format!("nobody is told when the channel `{id}` goes dark"));
            let hint = match tables.teams.keys().next() {
                Some(team) => format!("add `team = \"{team}\"`"),
                None => {
                    "add a table [team.support] with mail = [\"...\"], and `team = \"support\"`".to_owned()
                }
            };
            report.warning(drafted.file, problem.hint(hint));
        }
    }
    for (id, _) in plan.teams.iter().filter(|(_, team)| team.recipients().is_empty()) {
        let Some(entry) = tables.teams.get(id.as_str()) else { continue };
        if !["mail", "webhook", "alertmanager"].iter().any(|key| entry.section.lacks(&[key])) {
            let problem = Problem::at(entry.key.clone(), format!("the team `{id}` has no recipient"));
            report.warning(entry.file, problem.hint("add `mail = [\"oncall@example.com\"]`"));
        }
    }
}

/// An outage of a host that also carries our mails is an outage nobody hears of, unless there is another way.
fn mail_host(tables: &Tables<'_>, plan: &Plan, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    let watching = |host: &str| {
        let is_on = |probe: &&ProbePlan| {
            probe.hosts.iter().any(|watched| host_name(watched).eq_ignore_ascii_case(host))
        };
        probes(channels).find(is_on)
    };
    let is_elsewhere = |host: &str| watching(host).is_none();
    let by_fallback =
        plan.endpoints.fallback.as_ref().is_some_and(|fallback| is_elsewhere(&fallback.server.host));
    let by_endpoint = |team: &Team| {
        let webhooks = team.webhooks.iter().filter_map(|id| plan.endpoints.webhooks.get(id)?.url.host_str());
        let managers =
            team.alertmanagers.iter().filter_map(|id| plan.endpoints.alertmanagers.get(id)?.url.host_str());
        webhooks.chain(managers).any(|host| is_elsewhere(host.trim_matches(['[', ']'])))
    };
    let by_mail = by_fallback || plan.mail.as_ref().is_some_and(|mail| is_elsewhere(&mail.host));
    if let (Some(mail), Some(entry)) = (&plan.mail, &tables.mail)
        && let Some(settings) = &entry.section.settings
    {
        let has_other_way = by_fallback
            || (!plan.teams.is_empty()
                && plan.teams.values().all(|team| team.mail.is_empty() || by_endpoint(team)));
        if let (Some(smtp), Some(probe), false) = (&settings.smtp, watching(&mail.host), has_other_way) {
            let problem = smtp
                .problem(format!("the mail server is on {}, the host that {} probes", mail.host, probe.key));
            report.warning(
                entry.file,
                problem.hint(
                    "if that host goes down, nobody is told; use a mail server elsewhere, or add [mail.fallback]",
                ),
            );
        }
        let second = settings.fallback.as_ref().and_then(|second| second.smtp.as_ref());
        if let Some(smtp) = second.filter(|smtp| smtp.host == mail.host) {
            let problem = smtp.problem("the fallback is on the same host as the first mail server");
            report
                .warning(entry.file, problem.hint("use one elsewhere: what breaks the first breaks it too"));
        }
    }
    for (id, team) in plan.teams.iter().filter(|(_, team)| !team.recipients().is_empty()) {
        // Whose only way is mail has been told above.
        let is_only_mail = team.webhooks.is_empty() && team.alertmanagers.is_empty();
        if is_only_mail || by_endpoint(team) || (by_mail && !team.mail.is_empty()) {
            continue;
        }
        let Some(entry) = tables.teams.get(id.as_str()) else { continue };
        let problem = Problem::at(
            entry.key.clone(),
            format!("every way by which the team `{id}` is told leads to a host that is probed"),
        );
        report.warning(
            entry.file,
            problem.hint("if that host goes down, nobody is told; add a way that leads elsewhere"),
        );
    }
}

/// The links in mails are signed by the token: whoever has one can try out at leisure which token made it.
fn links(tables: &Tables<'_>, plan: &Plan, report: &mut Report) {
    let is_short = plan.api_token.as_ref().is_some_and(|token| token.expose().len() < LINK_TOKEN_BYTES_MIN);
    let entry = tables.api.as_ref().filter(|_| is_short && plan.public_url.is_some());
    if let Some(entry) = entry
        && let Some(settings) = &entry.section.settings
        && let Some(token) = &settings.token
    {
        let problem = token
            .problem("this token is so short that whoever reads a mail can find it out from the link in it");
        report.warning(entry.file, problem.hint("take one such as `openssl rand -hex 32` prints"));
    }
}

/// A page on which nothing stands, and channels that stand on no page.
fn public(tables: &Tables<'_>, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    let is_public = |drafted: &&Drafted| drafted.built.as_ref().is_some_and(|(channel, _)| channel.is_public);
    let first = channels.values().find(is_public);
    match (&tables.public, first) {
        (Some(entry), None) => {
            let problem =
                Problem::at(entry.key.clone(), "no channel stands on the page for customers".to_owned());
            report.warning(entry.file, problem.hint("add public = true to those that everybody may know of"));
        }
        (None, Some(drafted)) => {
            let problem = Problem::at(
                drafted.key.clone(),
                "this channel is public, and there is no page for customers".to_owned(),
            );
            report.warning(
                drafted.file,
                problem.hint("add [public] with listen = \"127.0.0.1:9898\" to the first file"),
            );
        }
        _ => {}
    }
}

fn probes(channels: &BTreeMap<String, Drafted>) -> impl Iterator<Item = &ProbePlan> {
    channels.values().filter_map(|drafted| drafted.built.as_ref()).flat_map(|(_, probes)| probes)
}

/// The name without brackets and port.
pub(super) fn host_name(host: &str) -> &str {
    let bare = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    bare.unwrap_or_else(|| match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    })
}

fn series(tables: &Tables<'_>, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    let total = plan::series(channels.len(), probes(channels));
    let budget =
        tables.monitor.series_max.map_or(SERIES_MAX, |count| usize::try_from(count.0).unwrap_or(usize::MAX));
    if total > budget {
        let problem = Problem::of_file(format!(
            "this configuration makes {total} time series, over the budget of {budget}"
        ));
        report.warning(
            0,
            problem.hint("have fewer probes, or raise `series_max` of [monitor] if Prometheus can hold them"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_its_port() {
        for (host, name) in [
            ("mail.example.com", "mail.example.com"),
            ("mail.example.com:8443", "mail.example.com"),
            ("[::1]:443", "::1"),
            ("::1", "::1"),
            ("10.0.0.1:80", "10.0.0.1"),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
