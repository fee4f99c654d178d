//! What a report tells, read from the history.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::params;

use super::{
    StoreError,
    explain::{Archive, case_of},
    hours::{Hours, ProbeHour},
    state::from_json,
};
use crate::domain::{
    case::Member,
    channel::{ChannelId, ChannelKind, ProbeName},
    hourly::Tally,
    incident::{Incident, IncidentEvent},
    ledger::{Spans, Timeline, Watch},
    outcome::Detail,
    report::{Budget, ChannelReport, Figures, Outage, ProbeReport, Report, Week},
    slo::Slo,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whose channels they are; none where they are all.
    pub team: Option<String>,
    /// From.
    pub from: Timestamp,
    /// Until, without this moment itself.
    pub until: Timestamp,
    /// In which time it is told.
    pub time_zone: TimeZone,
    /// On which channels.
    pub channels: Vec<AskedChannel>,
}

/// A channel that is asked for.
#[derive(Clone, Debug)]
pub struct AskedChannel {
    /// Its id.
    pub id: ChannelId,
    /// Its title for people.
    pub title: String,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// What it promises; none where that is not configured.
    pub slo: Option<Slo>,
}

impl Ask {
    fn length(&self) -> Duration {
        Duration::try_from(self.until.duration_since(self.from)).unwrap_or_default()
    }

    /// When the time before begins.
    fn before(&self) -> Timestamp {
        self.from.checked_sub(self.length()).unwrap_or(Timestamp::MIN)
    }
}

/// What channels are read from, the same for all.
struct Sources<'a> {
    archive: &'a Archive,
    hours: Hours<'a>,
    watches: Vec<Watch>,
    ask: &'a Ask,
}

impl Archive {
    /// A report.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn report(&self, ask: &Ask) -> Result<Report, StoreError> {
        let longest = ask.channels.iter().filter_map(|channel| Some(channel.slo?.window)).max();
        let earliest = longest.and_then(|window| ask.until.checked_sub(window).ok());
        let watches = self.watches(earliest.map_or(ask.before(), |earliest| earliest.min(ask.before())))?;
        let hours = self.hours()?;
        if !hours.is_whole() {
            return Err(StoreError::NotPutTogether { doing: "make a report", path: self.path.clone() });
        }
        let sources = Sources { archive: self, hours, watches, ask };
        let channels: Vec<ChannelReport> =
            ask.channels.iter().map(|channel| sources.channel(channel)).collect::<Result<_, _>>()?;
        let sum = |spans: fn(&ChannelReport) -> &Spans| {
            channels.iter().fold(Spans::default(), |mut sum, channel| {
                sum.add(spans(channel));
                sum
            })
        };
        Ok(Report {
            team: ask.team.clone(),
            from: ask.from,
            until: ask.until,
            time_zone: ask.time_zone.clone(),
            total: sum(|channel| &channel.spans),
            total_before: sum(|channel| &channel.before),
            channels,
            left_out: 0,
            unreadable: sources.hours.unreadable(),
        })
    }

    /// How many incidents of a channel were confirmed between two moments.
    fn count_outages(&self, id: &ChannelId, from: Timestamp, until: Timestamp) -> Result<usize, StoreError> {
        self.read("read the incidents", |connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) FROM incident WHERE channel = ? AND confirmed_at >= ? AND confirmed_at < ?",
                )?
                .query_row(params![id.as_str(), from.as_millisecond(), until.as_millisecond()], |row| {
                    row.get::<_, i64>(0)
                })
                .map(|count| usize::try_from(count).unwrap_or_default())
        })
    }

    /// The incidents of a channel that were confirmed between two moments, oldest first.
    fn outages(
        &self,
        id: &ChannelId,
        (from, until): (Timestamp, Timestamp),
        timeline: &Timeline,
    ) -> Result<Vec<Outage>, StoreError> {
        self.read("read the incidents", |connection| {
            let mut incidents = connection.prepare_cached(
                "SELECT record FROM incident WHERE channel = ? AND confirmed_at >= ? AND confirmed_at < ?
                 ORDER BY confirmed_at, incident",
            )?;
            let mut rows =
                incidents.query(params![id.as_str(), from.as_millisecond(), until.as_millisecond()])?;
            let mut outages = Vec::new();
            while let Some(row) = rows.next()? {
                let incident: Incident = from_json(row.get_ref(0)?.as_str()?)?;
                let case = case_of(connection, &incident.id)?;
                let (began_at, confirmed_at) = (incident.began_at, incident.confirmed_at);
                let is_it = |member: &&Member| member.incident == incident.id;
                let end =
                    case.iter().flat_map(|case| &case.members).find(is_it).and_then(|it| it.end.as_ref());
                let withdrawn = end.is_some_and(|end| end.event == IncidentEvent::Withdrawn);
                let acknowledged_at =
                    case.as_ref().and_then(|case| Some(case.ascent.acknowledged.as_ref()?.at));
                outages.push(Outage {
                    // Of one that joined others which were in hand nobody can say when it was taken there.
                    acknowledged_at: acknowledged_at.filter(|at| *at >= confirmed_at),
                    id: incident.id,
                    severity: incident.severity,
                    began_at,
                    met_from: timeline.met_from(began_at, confirmed_at),
                    confirmed_at,
                    withdrawn,
                    resolved_at: incident.resolved_at,
                    reason: incident.evidence.failure.map(|failure| failure.reason),
                });
            }
            Ok(outages)
        })
    }
}

impl Sources<'_> {
    fn channel(&self, asked: &AskedChannel) -> Result<ChannelReport, StoreError> {
        let Ask { from, until, .. } = *self.ask;
        let AskedChannel { id, title, kind, slo } = asked;
        let before = self.ask.before();
        let window = slo.and_then(|slo| until.checked_sub(slo.window).ok());
        let earliest = window.map_or(before, |window| window.min(before));
        let turns = self.archive.turns(id, earliest, until)?;
        let timeline = Timeline::new(&turns, &self.watches, until);
        let incidents = self.archive.outages(id, (from, until), &timeline)?;
        let incidents_before = self.archive.count_outages(id, before, from)?;
        let (probes, week) = self.probes(id)?;
        let since = window.unwrap_or(Timestamp::MIN);
        let budget = slo.map(|slo| Budget::of(slo, &timeline.within(since, until)));
        Ok(ChannelReport {
            id: id.clone(),
            title: Detail::new(title),
            kind: *kind,
            spans: timeline.within(from, until),
            before: timeline.within(before, from),
            budget,
            incidents,
            incidents_before,
            probes,
            week,
        })
    }

    fn probes(&self, id: &ChannelId) -> Result<(Vec<ProbeReport>, Week), StoreError> {
        let mut week = Week::default();
        let mut sums: Vec<(ProbeName, Tally, Tally)> = Vec::new();
        for ProbeHour { probe, at, tally } in self.hours.of(id, self.ask.before(), self.ask.until)? {
            if sums.last().is_none_or(|(name, ..)| *name != probe) {
                sums.push((probe, Tally::default(), Tally::default()));
            }
            let Some((_, now, before)) = sums.last_mut() else { continue };
            if at >= self.ask.from {
                now.add(&tally);
                week.count(at, &self.ask.time_zone, &tally);
            } else {
                before.add(&tally);
            }
        }
        let probes = sums.into_iter().filter(|(_, now, _)| now.conclusive() + now.inconclusive > 0);
        let report = |(name, now, before): (ProbeName, Tally, Tally)| ProbeReport {
            name,
            now: Figures::of(&now),
            before: Figures::of(&before),
        };
        Ok((probes.map(report).collect(), week))
    }
}
