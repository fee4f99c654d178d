//! Windows of maintenance that are planned in the file.

use std::{collections::BTreeMap, ops::Range, str::FromStr, time::Duration};

use croner::Cron;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        channels::Drafted,
        report::Report,
        tables::{Entry, Tables},
        value::{self, Id, LabelName, LabelValue, Notice},
        wording::in_backticks,
    },
    domain::{
        channel::{ChannelId, TeamId, is_id},
        maintenance::{LASTS_MAX, Occurrence, Planned, Scope, When, WindowId},
    },
    setting::{At, Problem, Refused, Span, closest, suggest, written_as_text},
};

/// `[[maintenance]]`: a window of announced maintenance, in which channels are closed and nobody is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [[maintenance]]")]
pub struct MaintenanceSettings {
    /// Its name, for commands and pages.
    pub id: At<Id>,
    /// When it begins, if it takes place once, such as "2026-12-01 22:00 Europe/Berlin". Without a time zone, that of
    /// `[monitor]`.
    pub from: Option<At<WallTime>>,
    /// When it ends, if it takes place once.
    pub until: Option<At<WallTime>>,
    /// When it begins, if it takes place again and again: minute, hour, day, month and day of the week, such as
    /// "0 3 * * Sun".
    pub cron: Option<At<CronText>>,
    /// How long it then lasts, at most 31 days.
    #[serde(rename = "for")]
    pub lasts: Option<At<Span>>,
    /// Whose clock `cron` is read from. Default: that of `[monitor]`.
    pub time_zone: Option<value::TimeZone>,
    /// For these channels. Without channels, teams and labels: for all.
    #[serde(default)]
    pub channels: Vec<At<String>>,
    /// For the channels of these teams too.
    #[serde(default)]
    pub teams: Vec<At<String>>,
    /// For the channels that bear all of these labels too.
    #[serde(default)]
    pub labels: BTreeMap<LabelName, LabelValue>,
    /// What is announced, for pages.
    pub text: Option<Notice>,
}

/// A moment as a clock on the wall shows it.
#[derive(Clone, Debug)]
pub enum WallTime {
    /// In a time zone, or in that of the monitor.
    Shown(DateTime, Option<TimeZone>),
    /// By its distance from UTC.
    Exact(Timestamp),
}

impl WallTime {
    fn parse(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        let refused = || {
            let help =
                "write a date, a time and perhaps a time zone, such as \"2026-12-01 22:00 Europe/Berlin\"";
            (format!("{text:?} is not a moment"), help.to_owned())
        };
        if let Ok(exact) = text.parse() {
            return Ok(Self::Exact(exact));
        }
        let (shown, zone) = match text.rsplit_once(' ') {
            Some((shown, zone)) if zone.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                (shown.trim_end(), Some(value::time_zone(zone)?))
            }
            _ => (text, None),
        };
        // A date alone is midnight to jiff, and half a moment to us.
        let shown: Option<DateTime> = shown.parse().ok().filter(|_| shown.contains(':'));
        Ok(Self::Shown(shown.ok_or_else(refused)?, zone))
    }

    fn timestamp(&self, otherwise: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Exact(exact) => Some(*exact),
            Self::Shown(shown, zone) => {
                let zone = zone.as_ref().unwrap_or(otherwise);
                zone.to_timestamp(*shown).ok()
            }
        }
    }
}

written_as_text!(WallTime, "a moment", "2026-12-01 22:00 Europe/Berlin", { "type": "string", "description": "A date and a time, with a time zone or without, such as \"2026-12-01 22:00 Europe/Berlin\"." });

/// When something takes place again and again, as cron has it.
#[derive(Clone, Debug)]
pub struct CronText(pub Cron);

impl CronText {
    fn parse(text: &str) -> Result<Self, Refused> {
        let help = "write minute, hour, day, month and day of the week, such as \"0 3 * * Sun\"";
        Cron::from_str(text).map(Self).map_err(|error| {
            let why = error.to_string().trim_end_matches('.').to_lowercase();
            (format!("{text:?} is not a schedule of cron: {why}"), help.to_owned())
        })
    }
}

written_as_text!(CronText, "a schedule of cron", "0 3 * * Sun", { "type": "string", "description": "Minute, hour, day, month and day of the week, as cron has it: \"0 3 * * Sun\"." });

/// Checks and builds all of them.
pub fn build(
    tables: &Tables<'_>,
    channels: &BTreeMap<String, Drafted>,
    zone: &TimeZone,
    report: &mut Report,
) -> Vec<Planned> {
    let mut first: BTreeMap<&str, (usize, Range<usize>)> = BTreeMap::new();
    let mut planned = Vec::new();
    for entry in &tables.maintenance {
        let Some(settings) = &entry.section.settings else { continue };
        let id = settings.id.0.as_str();
        // What stands in for an id that could not be read is no name to compare.
        let is_own = settings.id.span.len() == id.len() + 2;
        if let Some((file, place)) = first.get(id).filter(|_| is_own) {
            let problem = settings.id.problem(format!("the window `{id}` is defined twice"));
            let problem = problem.hint("rename one of the two");
            report.error_with(entry.file, problem, (*file, place.clone(), "first defined here"));
            continue;
        }
        first.insert(id, (entry.file, settings.id.span.clone()));
        let mut problems = Vec::new();
        let when = when(entry, settings, zone, &mut problems);
        let scope = scope(entry, settings, tables, channels, &mut problems);
        problems.into_iter().for_each(|problem| report.error(entry.file, problem));
        if let (Some(when), true) = (when, is_id(id)) {
            let text = settings.text.as_ref().map(|text| text.0.clone()).unwrap_or_default();
            planned.push(Planned { id: WindowId::new(id), when, scope, text });
        }
    }
    planned
}

fn when(
    entry: &Entry<'_, MaintenanceSettings>,
    settings: &MaintenanceSettings,
    zone: &TimeZone,
    problems: &mut Vec<Problem>,
) -> Option<When> {
    let MaintenanceSettings { from, until, cron, lasts, .. } = settings;
    let is_written = |key: &str, is_there: bool| is_there || entry.section.lacks(&[key]);
    let once = is_written("from", from.is_some()) || is_written("until", until.is_some());
    let recurring = is_written("cron", cron.is_some()) || is_written("for", lasts.is_some());
    let at_id = |message: String, hint: &str| settings.id.problem(message).hint(hint);
    let id = &settings.id.0;
    match (once, recurring) {
        (false, false) => {
            let hint = "add `from = \"2026-12-01 22:00\"` and `until = \"2026-12-02 02:00\"`, or `cron = \"0 3 * * Sun\"` and `for = \"1h\"`";
            problems.push(at_id(format!("the window `{id}` does not say when it is"), hint));
            None
        }
        (true, true) => {
            let hint = "keep `from` and `until`, or `cron` and `for`; or make two windows of it";
            problems.push(at_id(format!("the window `{id}` is both once and again and again"), hint));
            None
        }
        (true, false) => match (from, until) {
            (Some(from), Some(until)) => once_from(from, until, zone, problems),
            _ => {
                missing("until", until.is_none(), "2026-12-02 02:00", (entry, settings), problems);
                missing("from", from.is_none(), "2026-12-01 22:00", (entry, settings), problems);
                None
            }
        },
        (false, true) => match (cron, lasts) {
            (Some(cron), Some(lasts)) => {
                let zone = settings.time_zone.as_ref().map_or(zone, |zone| &zone.0);
                again_and_again(cron, lasts, zone, problems)
            }
            _ => {
                missing("for", lasts.is_none(), "1h", (entry, settings), problems);
                missing("cron", cron.is_none(), "0 3 * * Sun", (entry, settings), problems);
                None
            }
        },
    }
}

fn missing(
    key: &str,
    is_missing: bool,
    example: &str,
    (entry, settings): (&Entry<'_, MaintenanceSettings>, &MaintenanceSettings),
    problems: &mut Vec<Problem>,
) {
    if is_missing && !entry.section.lacks(&[key]) {
        let problem = settings.id.problem(format!("`{key}` is missing"));
        problems.push(problem.hint(format!("add `{key} = \"{example}\"`")));
    }
}

fn once_from(
    from: &At<WallTime>,
    until: &At<WallTime>,
    zone: &TimeZone,
    problems: &mut Vec<Problem>,
) -> Option<When> {
    let (begin, end) = (from.timestamp(zone)?, until.timestamp(zone)?);
    if end <= begin {
        problems.push(until.problem("the window ends before it begins").hint("write a later `until`"));
    } else if end.duration_since(begin).unsigned_abs() > LASTS_MAX {
        problems.push(too_long(until));
    }
    Some(When::Once(Occurrence { from: begin, until: end }))
}

fn too_long<T>(at: &At<T>) -> Problem {
    let hint = "take a channel that is closed for so long out of the configuration";
    at.problem("a window lasts at most 31 days").hint(hint)
}

fn again_and_again(
    cron: &At<CronText>,
    lasts: &At<Span>,
    zone: &TimeZone,
    problems: &mut Vec<Problem>,
) -> Option<When> {
    let lasts_for: Duration = lasts.0;
    if lasts_for > LASTS_MAX {
        problems.push(too_long(lasts));
    }
    // Any moment will do: what never comes after it never comes.
    let some_day = Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
    if cron.0.find_next_occurrence(&some_day, false).is_err() {
        let hint = "write a day that is in the calendar";
        problems.push(cron.problem("such a time never comes").hint(hint));
        return None;
    }
    Some(When::Recurring { cron: Box::new(cron.0.clone()), lasts: lasts_for, zone: zone.clone() })
}

fn scope(
    entry: &Entry<'_, MaintenanceSettings>,
    settings: &MaintenanceSettings,
    tables: &Tables<'_>,
    channels: &BTreeMap<String, Drafted>,
    problems: &mut Vec<Problem>,
) -> Scope {
    let channel_ids: Vec<&String> = channels.keys().collect();
    let team_ids: Vec<&String> = tables.teams.keys().collect();
    let incomplete = tables.incomplete;
    problems
        .extend(settings.channels.iter().filter_map(|id| unknown("channel", id, &channel_ids, incomplete)));
    problems.extend(settings.teams.iter().filter_map(|id| unknown("team", id, &team_ids, incomplete)));
    let known =
        |ids: &[At<String>]| ids.iter().filter(|id| is_id(id)).map(|id| id.value.clone()).collect::<Vec<_>>();
    let scope = Scope {
        channels: known(&settings.channels).iter().map(|id| ChannelId::new(id)).collect(),
        teams: known(&settings.teams).iter().map(|id| TeamId::new(id)).collect(),
        labels: settings.labels.iter().map(|(name, value)| (name.0.clone(), value.0.clone())).collect(),
    };
    let is_well = problems.is_empty() && !incomplete && !channels.is_empty();
    if is_well && !["channels", "teams", "labels"].into_iter().any(|key| entry.section.lacks(&[key])) {
        let holds = |(id, drafted): (&String, &Drafted)| match &drafted.built {
            Some((channel, _)) => {
                is_id(id) && scope.holds(&ChannelId::new(id), channel.team.as_ref(), &channel.labels)
            }
            // Nobody knows what it would be like.
            None => true,
        };
        if !channels.iter().any(holds) {
            let problem = settings.id.problem(format!("the window `{}` is for no channel", settings.id.0));
            problems.push(
                problem.hint("name channels, teams or labels that there are; or none, for all channels"),
            );
        }
    }
    scope
}

/// Something that is defined nowhere. Where a file could not be read it may stand there, unless it looks like a slip.
fn unknown(what: &str, id: &At<String>, known: &[&String], incomplete: bool) -> Option<Problem> {
    if known.contains(&&id.value) || (incomplete && closest(id, known).is_none()) {
        return None;
    }
    let problem = id.problem(format!("there is no {what} {:?}", id.value));
    Some(match suggest(id, known, in_backticks) {
        Some(hint) => problem.hint(hint),
        None => problem.hint(format!("add a table [{what}.{}]", id.value)),
    })
}
