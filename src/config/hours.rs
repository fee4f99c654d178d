//! The published hours of channels, and their holidays.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{civil::Date, tz::TimeZone};

use crate::{
    config::{
        settings::{ChannelSettings, DefaultSettings},
        value::{self, HolidayDate},
    },
    domain::hours::{self, Hours, Misread, WeeklySpan, Written},
    probe::settings::{EVERY_MAX, EVERY_MIN},
    setting::{At, Problem, Span},
};

const EXAMPLE: &str = "add `hours = \"Mon-Fri 08:00-20:00\"`";

/// What holds for channels that say nothing else.
#[derive(Debug)]
pub struct HoursDefaults {
    /// Whose clock is meant where no time zone is given.
    zone: TimeZone,
    hours: Option<(Vec<WeeklySpan>, TimeZone)>,
    holidays: Arc<BTreeSet<Date>>,
    every_closed: Option<Duration>,
    /// Of channels that say nothing of their own.
    shared: Option<Arc<Hours>>,
}

/// When a channel is open, and how often it is probed when it is not.
#[derive(Clone, Debug, Default)]
pub struct ChannelHours {
    /// Its hours; without, it is always open.
    pub hours: Option<Arc<Hours>>,
    /// How often its probes run while it is closed, if that is more rarely.
    pub every_closed: Option<Duration>,
}

impl HoursDefaults {
    /// Reads what `[defaults]` says.
    pub fn check(settings: &DefaultSettings, zone: TimeZone, problems: &mut Vec<Problem>) -> Self {
        let hours = settings.hours.as_ref().and_then(|text| spans(text, hours::read, &zone, problems));
        let holidays = dates(settings.holidays.as_ref());
        let every_closed = every_closed(settings.every_closed.as_ref(), problems);
        let shared =
            hours.clone().map(|(spans, zone)| Arc::new(Hours::new(spans, Arc::clone(&holidays), zone)));
        Self { zone, hours, holidays, every_closed, shared }
    }

    /// Reads what a channel says. `lacks` is whether something was wrong with the value of a key.
    pub fn of_channel(
        &self,
        settings: &ChannelSettings,
        lacks: &dyn Fn(&str) -> bool,
        problems: &mut Vec<Problem>,
    ) -> ChannelHours {
        let own = settings.hours.as_ref();
        if own.is_none() && self.hours.is_none() && !lacks("hours") {
            let holidays =
                settings.holidays.as_ref().map(|holidays| holidays.problem("holidays without hours"));
            let pace = settings
                .every_closed
                .as_ref()
                .map(|every| every.problem("a pace for when it is closed, without hours"));
            problems.extend(holidays.into_iter().chain(pace).map(|problem| problem.hint(EXAMPLE)));
            return ChannelHours::default();
        }
        let every_closed = every_closed(settings.every_closed.as_ref(), problems).or(self.every_closed);
        if own.is_none() && settings.holidays.is_none() {
            return ChannelHours { hours: self.shared.clone(), every_closed };
        }
        let spans = match own {
            Some(text) => spans(text, hours::read, &self.zone, problems),
            None => self.hours.clone(),
        };
        let holidays = match &settings.holidays {
            Some(holidays) => dates(Some(holidays)),
            None => Arc::clone(&self.holidays),
        };
        let hours = spans.map(|(spans, zone)| Arc::new(Hours::new(spans, holidays, zone)));
        ChannelHours { hours, every_closed }
    }
}

fn dates(holidays: Option<&At<Vec<HolidayDate>>>) -> Arc<BTreeSet<Date>> {
    let dates = holidays.into_iter().flat_map(|holidays| holidays.iter().map(|date| date.0));
    Arc::new(dates.collect())
}

fn every_closed(every: Option<&At<Span>>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let every = every?;
    if (EVERY_MIN..=EVERY_MAX).contains(&every.0) {
        return Some(every.0);
    }
    let (least, most) = (Span(EVERY_MIN), Span(EVERY_MAX));
    let problem = every.problem(format!("`every_closed` must be between {least} and {most}"));
    problems.push(problem.hint("write a span of time in these bounds, such as `every_closed = \"10m\"`"));
    None
}

/// Reads the spans of time by `read`, and whose clock they are read from.
pub(super) fn spans(
    text: &At<String>,
    read: impl Fn(&str) -> Result<Written, Misread>,
    otherwise: &TimeZone,
    problems: &mut Vec<Problem>,
) -> Option<(Vec<WeeklySpan>, TimeZone)> {
    let read = read(text).and_then(|Written { spans, zone }| {
        let Some(zone) = zone else { return Ok((spans, otherwise.clone())) };
        let known = value::time_zone(&zone.text);
        known.map(|zone| (spans, zone)).map_err(|(message, help)| Misread { span: zone.span, message, help })
    });
    read.map_err(|Misread { span, message, help }| {
        problems.push(Problem::at(place(text, span), message).hint(help));
    })
    .ok()
}

/// Where in the file a part of a text stands. One that is not written as it is read is pointed at as a whole.
fn place(text: &At<String>, part: std::ops::Range<usize>) -> std::ops::Range<usize> {
    if text.span.len() != text.len() + 2 || part.is_empty() {
        return text.span.clone();
    }
    let begin = text.span.start + 1;
    begin + part.start..begin + part.end
}
