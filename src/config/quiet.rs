//! `quiet` of a team: when it is told of nothing that can wait.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;

use crate::{
    config::{channels::Drafted, hours, plan::Channel, report::Report, tables::Tables, team::TeamSettings},
    domain::{
        hours::{Hours, fill_the_week, read_daily},
        incident::Severity,
    },
    setting::Problem,
};

/// Reads the quiet hours of a team; `zone` is that of hours that name none.
pub fn read(settings: &TeamSettings, zone: &TimeZone, problems: &mut Vec<Problem>) -> Option<Arc<Hours>> {
    let text = settings.quiet.as_ref()?;
    let (spans, zone) = hours::spans(text, read_daily, zone, problems)?;
    if fill_the_week(&spans) {
        let problem = text.problem("the quiet hours never end, so what is held in them would never be told");
        problems.push(problem.hint("leave out some time, such as \"22:00-07:00\""));
        return None;
    }
    Some(Arc::new(Hours::new(spans, Arc::default(), zone)))
}

/// Warns of quiet hours in which nothing can be held.
pub fn warn(tables: &Tables<'_>, channels: &BTreeMap<String, Drafted>, report: &mut Report) {
    for (id, entry) in &tables.teams {
        let settings = entry.section.settings.as_ref();
        let Some(quiet) = settings.and_then(|settings| settings.quiet.as_ref()) else { continue };
        let drafted = channels.values().filter_map(|drafted| drafted.built.as_ref());
        let mut own = drafted
            .map(|(channel, _)| channel)
            .filter(|channel| channel.team.as_ref().is_some_and(|team| team.as_str() == id))
            .peekable();
        if own.peek().is_some() && !own.any(can_wait) {
            let problem =
                quiet.problem("nothing is held in these hours: every outage of this team is urgent");
            report.warning(
                entry.file,
                problem.hint(
                    "add `severity = { dark = \"warning\" }` to the channels that can wait, or leave it out",
                ),
            );
        }
    }
}

/// Whether an outage of a channel may be held.
fn can_wait(channel: &Channel) -> bool {
    let is_low = |severity| !channel.urgencies.of(severity).is_high();
    is_low(Severity::Dark) || (channel.rules.alert_on_degraded && is_low(Severity::Degraded))
}
