//! What channels depend on, as declared: each with probes of its own, or by name alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        channels::Drafted,
        report::Report,
        settings::{ChannelSettings, DarkAfter, UpAfter},
        tables::Tables,
        value::{Id, Title},
        ways,
        wording::in_backticks,
    },
    domain::channel::ChannelKind,
    probe::settings::ProbeSettings,
    setting::{At, Problem, closest, suggest},
};

/// `[dependency.ID]`: something that stands behind several channels, such as a CRM. No customer reaches it, so nobody is
/// told of it alone; but when channels fall that depend on it, people read its name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [dependency.crm]")]
pub struct DependencySettings {
    /// Its title in mails. Default: its id.
    pub title: Option<Title>,
    /// When failures of its probes show that it is broken.
    pub dark_after: Option<DarkAfter>,
    /// When successes show that it works again.
    pub up_after: Option<UpAfter>,
    /// Its probes, by name, as those of a channel. Without any, what it does is seen by its channels alone.
    #[serde(default)]
    pub probe: BTreeMap<Id, Box<ProbeSettings>>,
}

impl DependencySettings {
    /// The same as a channel that is watched and is no door.
    pub fn into_channel(self) -> ChannelSettings {
        ChannelSettings {
            kind: Some(ChannelKind::Dependency),
            title: self.title,
            team: None,
            depends_on: Vec::new(),
            dark_after: self.dark_after,
            up_after: self.up_after,
            alert_on_degraded: None,
            severity: None,
            hours: None,
            holidays: None,
            every_closed: None,
            waiting: None,
            slo: None,
            public: false,
            labels: BTreeMap::new(),
            probe: self.probe,
        }
    }
}

/// Reports every dependency that is declared nowhere, and every id that is a channel's and a dependency's.
pub fn check(channels: &BTreeMap<String, Drafted>, tables: &Tables<'_>, report: &mut Report) {
    for drafted in channels.values() {
        for id in &drafted.depends_on {
            if let Some(problem) = unknown(id, tables) {
                report.error(drafted.file, problem);
            }
        }
    }
    for (file, declared) in ways::declared(tables) {
        for id in declared {
            if let Some(problem) = unknown(id, tables) {
                report.error(file, problem);
            }
        }
    }
    for (id, (file, key)) in &tables.declared {
        if let Some(channel) = channels.get(id) {
            let problem = Problem::at(channel.key.clone(), format!("`{id}` is a dependency already"));
            let problem = problem.hint("rename one of the two: metrics and commands know both by their ids");
            report.error_with(channel.file, problem, (*file, key.clone(), "the dependency"));
        }
    }
}

/// A dependency that is declared nowhere. Where a file could not be read it may stand there, unless it looks like a slip.
fn unknown(id: &At<String>, tables: &Tables<'_>) -> Option<Problem> {
    let known = &tables.declared;
    if known.contains_key(&id.value) || (tables.incomplete && closest(id, known.keys()).is_none()) {
        return None;
    }
    let known: Vec<&String> = known.keys().collect();
    let problem = id.problem(format!("there is no dependency {:?}", id.value));
    Some(match suggest(id, &known, in_backticks) {
        Some(hint) => problem.hint(hint),
        None => problem.hint(format!("add a table [dependency.{}]", id.value)),
    })
}

/// Warns of a dependency on which nothing depends.
pub fn warn(channels: &BTreeMap<String, Drafted>, tables: &Tables<'_>, report: &mut Report) {
    for (id, (file, key)) in &tables.declared {
        let is_used = channels.values().any(|drafted| drafted.depends_on.iter().any(|on| on.value == *id));
        if !is_used {
            let problem = Problem::at(key.clone(), format!("no channel depends on `{id}`"));
            report.warning(*file, problem.hint(format!("add `depends_on = [\"{id}\"]` to those that do")));
        }
    }
}
