//! Which teams channels name, and whether there are such.

use std::collections::BTreeMap;

use crate::{
    config::{
        channels::{Drafted, TeamSaid},
        report::Report,
        tables::Tables,
        wording::in_backticks,
    },
    setting::{At, Problem, closest, suggest},
};

/// Reports every team that is defined nowhere.
pub fn check(channels: &BTreeMap<String, Drafted>, tables: &Tables<'_>, report: &mut Report) {
    for drafted in channels.values() {
        if let TeamSaid::Id(team) = &drafted.team
            && let Some(problem) = unknown_team(team, tables)
        {
            report.error(drafted.file, problem);
        }
    }
}

/// A team that is defined nowhere. Where a file could not be read it may stand there, unless it looks like a slip.
fn unknown_team(team: &At<String>, tables: &Tables<'_>) -> Option<Problem> {
    if tables.teams.contains_key(&team.value)
        || (tables.incomplete && closest(team, tables.teams.keys()).is_none())
    {
        return None;
    }
    let known: Vec<&String> = tables.teams.keys().collect();
    let problem = team.problem(format!("there is no team {:?}", team.value));
    Some(match suggest(team, &known, in_backticks) {
        Some(hint) => problem.hint(hint),
        None => problem.hint(format!("add a table [team.{}] with mail = [\"...\"]", team.value)),
    })
}
