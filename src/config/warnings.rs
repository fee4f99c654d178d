//! What can be used and may not be as it was meant. What concerns one probe alone is found where the probe is built.

use std::collections::BTreeMap;

use crate::{
    config::{
        channels::{Drafted, TeamSaid},
        plan::{self, Plan, ProbePlan},
        report::Report,
        sentinels,
        tables::Tables,
    },
    setting::Problem,
};

/// A configuration that makes more time series than this deserves a second thought.
const SERIES_MAX: usize = 100_000;

/// Adds every warning that only the whole can show.
pub fn add(tables: &Tables<'_>, plan: &Plan, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    teams(tables, plan, channels, report);
    mail_host(tables, plan, channels, report);
    sentinels::warn(tables, || probes(channels), report);
    series(tables, channels, report);
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
    for (id, _) in plan.teams.iter().filter(|(_, team)| team.mail.is_empty()) {
        let Some(entry) = tables.teams.get(id.as_str()) else { continue };
        if !entry.section.lacks(&["mail"]) {
            let problem = Problem::at(entry.key.clone(), format!("the team `{id}` has no recipient"));
            report.warning(entry.file, problem.hint("add `mail = [\"oncall@example.com\"]`"));
        }
    }
}

/// An outage of a host that also carries our mails is an outage nobody hears of.
fn mail_host(tables: &Tables<'_>, plan: &Plan, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    let (Some(mail), Some(entry)) = (&plan.mail, &tables.mail) else { return };
    let smtp = entry.section.settings.as_ref().and_then(|settings| settings.smtp.as_ref());
    let shared = probes(channels)
        .find(|probe| probe.hosts.iter().any(|host| host_name(host).eq_ignore_ascii_case(&mail.host)));
    if let (Some(smtp), Some(probe)) = (smtp, shared) {
        let problem =
            smtp.problem(format!("the mail server is on {}, the host that {} probes", mail.host, probe.key));
        report.warning(
            entry.file,
            problem.hint("if that host goes down, nobody is told; use a mail server elsewhere"),
        );
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
