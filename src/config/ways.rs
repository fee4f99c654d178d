//! On what the ways stand by which teams are told: one that falls with what it should tell of tells nothing.

use std::collections::BTreeMap;

use crate::{
    config::{
        channels::{Drafted, DraftedDependency, TeamSaid},
        plan::{Plan, Team},
        report::{FileIndex, Report},
        tables::Tables,
        warnings::host_name,
    },
    setting::{At, Problem},
};

/// A way by which a team is told.
struct Way<'a> {
    /// What it depends on, as it is written.
    declared: &'a [At<String>],
    /// The host to which it leads.
    host: Option<&'a str>,
}

impl Way<'_> {
    /// Whether it falls with a dependency: by what is written, or since the dependency's probes watch its host.
    fn stands_on(&self, dependency: &str, watched: &DraftedDependency) -> bool {
        let built = watched.watched.as_ref().and_then(|drafted| drafted.built.as_ref());
        let mut hosts = built.into_iter().flat_map(|(_, probes)| probes).flat_map(|probe| &probe.hosts);
        self.declared.iter().any(|on| on.value == dependency)
            || self.host.is_some_and(|host| hosts.any(|it| host_name(it).eq_ignore_ascii_case(host)))
    }
}

/// What is written of the dependencies of all ways, with the file in which it stands.
pub fn declared<'a>(tables: &'a Tables<'_>) -> Vec<(FileIndex, &'a [At<String>])> {
    let mut all: Vec<(FileIndex, &[At<String>])> = Vec::new();
    if let Some((entry, mail)) = tables.mail.as_ref().and_then(|it| Some((it, it.section.settings.as_ref()?)))
    {
        all.push((entry.file, &mail.depends_on));
        all.extend(mail.fallback.as_ref().map(|fallback| (entry.file, &fallback.depends_on[..])));
    }
    let webhooks = tables.webhooks.values();
    let webhooks = webhooks.filter_map(|it| Some((it.file, &it.section.settings.as_ref()?.depends_on[..])));
    let managers = tables.alertmanagers.values();
    let managers = managers.filter_map(|it| Some((it.file, &it.section.settings.as_ref()?.depends_on[..])));
    all.extend(webhooks.chain(managers));
    all
}

/// The ways by which a team is told.
fn of_team<'a>(tables: &'a Tables<'_>, plan: &'a Plan, team: &Team) -> Vec<Way<'a>> {
    let mut ways = Vec::new();
    let settings = tables.mail.as_ref().and_then(|entry| entry.section.settings.as_ref());
    if let Some(mail) = settings.filter(|_| !team.mail.is_empty()) {
        let host = plan.mail.as_ref().map(|server| server.host.as_str());
        ways.push(Way { declared: &mail.depends_on, host });
        let host = plan.endpoints.fallback.as_ref().map(|fallback| fallback.server.host.as_str());
        ways.extend(mail.fallback.as_ref().map(|second| Way { declared: &second.depends_on, host }));
    }
    let bare = |host: &'a str| host.trim_matches(['[', ']']);
    for id in &team.webhooks {
        let Some(settings) = tables.webhooks.get(id).and_then(|it| it.section.settings.as_ref()) else {
            continue;
        };
        let webhook = plan.endpoints.webhooks.get(id);
        let host = webhook.and_then(|webhook| webhook.url.host_str()).map(bare);
        ways.push(Way { declared: &settings.depends_on, host });
    }
    for id in &team.alertmanagers {
        let entry = tables.alertmanagers.get(id);
        let Some(settings) = entry.and_then(|it| it.section.settings.as_ref()) else { continue };
        let manager = plan.endpoints.alertmanagers.get(id);
        let host = manager.and_then(|manager| manager.url.host_str()).map(bare);
        ways.push(Way { declared: &settings.depends_on, host });
    }
    ways
}

/// Warns of each team that would hear nothing of it when a dependency falls on which one of its channels stands, since
/// every way by which it is told stands on that too.
pub fn warn(
    tables: &Tables<'_>,
    plan: &Plan,
    (channels, dependencies): (&BTreeMap<String, Drafted>, &BTreeMap<String, DraftedDependency>),
    report: &mut Report,
) {
    for (team, settings) in &plan.teams {
        let ways = of_team(tables, plan, settings);
        let Some(entry) = tables.teams.get(team.as_str()).filter(|_| !ways.is_empty()) else { continue };
        let is_of_team = |it: &Drafted| matches!(&it.team, TeamSaid::Id(id) if id.value == team.as_str());
        for (id, dependency) in dependencies {
            let stands = |it: &Drafted| it.depends_on.iter().any(|on| on.value == *id);
            let door = channels.iter().find(|(_, drafted)| is_of_team(drafted) && stands(drafted));
            let Some((channel, _)) = door.filter(|_| ways.iter().all(|way| way.stands_on(id, dependency)))
            else {
                continue;
            };
            let problem = Problem::at(
                entry.key.clone(),
                format!(
                    "every way by which the team `{team}` is told depends on `{id}`, and so does its channel `{channel}`"
                ),
            );
            report.warning(
                entry.file,
                problem.hint("if that fails, nobody is told; add a way that does without it, such as [mail.fallback] elsewhere"),
            );
        }
    }
}
