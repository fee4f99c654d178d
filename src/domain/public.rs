//! What everybody may know: of the channels that are public what they are called, how they are, since when, how they were, and
//! by which other public ways support can be reached. Whoever writes public pages has nothing but this, so nothing else can
//! stand on them.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{
    alternatives::{Candidate, Sentence, offers},
    channel::{ChannelId, TeamId},
    chronicle::{Chronicle, Day, Outage},
    evaluation::State,
    incident::Severity,
    ledger::{Condition, Spans},
    maintenance::Announced,
    outcome::Detail,
    snapshot::{ChannelView, Snapshot},
};

/// Which channels are public, and what the page is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPage {
    /// What the page is called.
    pub title: String,
    /// The address under which customers reach it, without a slash at its end; none where links lead nowhere else.
    pub url: Option<String>,
    /// The channels.
    pub channels: BTreeMap<ChannelId, PublicChannel>,
}

/// By what it is known which maintenance concerns a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicChannel {
    /// Its team.
    pub team: Option<TeamId>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What everybody may know at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicView {
    /// What the page is called.
    pub title: Detail,
    /// The address under which customers reach it.
    pub url: Option<String>,
    /// The moment.
    pub at: Timestamp,
    /// In which time it is told.
    pub time_zone: TimeZone,
    /// The channels, in the order of their ids.
    pub doors: Vec<PublicDoor>,
    /// Announced maintenance of these, the first to begin first.
    pub maintenance: Vec<PublicWindow>,
}

/// A channel as everybody may know it.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicDoor {
    /// Its id, for addresses of badges and for programs.
    pub id: ChannelId,
    /// What it is called.
    pub name: Detail,
    /// How it is.
    pub condition: Condition,
    /// Since when.
    pub since: Timestamp,
    /// When it opens, where it is outside its hours.
    pub opens_at: Option<Timestamp>,
    /// How the last days went, oldest first.
    pub days: Vec<Day>,
    /// Its outages in those days, oldest first.
    pub outages: Vec<Outage>,
    /// What customers are told while it does not work.
    pub instead: Option<Sentence>,
}

impl PublicDoor {
    /// The share of the time that counts in which it worked over those days, 0 to 1; none where none counts.
    #[must_use]
    pub fn uptime(&self) -> Option<f64> {
        let mut spans = Spans::default();
        self.days.iter().for_each(|day| spans.add(&day.spans));
        spans.availability()
    }
}

/// Announced maintenance.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicWindow {
    /// Its id.
    pub id: String,
    /// Since or from when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Whether it is under way.
    pub is_active: bool,
    /// Of which public channels.
    pub doors: Vec<ChannelId>,
    /// What is announced.
    pub text: Detail,
}

impl PublicPage {
    /// What everybody may know now.
    #[must_use]
    pub fn view(
        &self,
        snapshot: &Snapshot,
        chronicles: &BTreeMap<ChannelId, Chronicle>,
        time_zone: &TimeZone,
        now: Timestamp,
    ) -> PublicView {
        let views: Vec<&ChannelView> = snapshot
            .channels
            .iter()
            .map(|view| &**view)
            .filter(|view| self.channels.contains_key(&view.id))
            .collect();
        let candidates: Vec<Candidate<'_>> = views.iter().map(|view| view.candidate()).collect();
        let doors = views.iter().map(|view| door(view, chronicles.get(&view.id), &candidates, now));
        let mut maintenance: Vec<PublicWindow> =
            snapshot.maintenance.iter().filter_map(|window| self.window(window)).collect();
        maintenance.sort_by_key(|window| window.from);
        PublicView {
            title: Detail::new(&self.title),
            url: self.url.clone(),
            at: now,
            time_zone: time_zone.clone(),
            doors: doors.collect(),
            maintenance,
        }
    }

    /// A window, if it is of a public channel.
    fn window(&self, window: &Announced) -> Option<PublicWindow> {
        let is_held = |(id, channel): &(&ChannelId, &PublicChannel)| {
            window.scope.holds(id, channel.team.as_ref(), &channel.labels)
        };
        let doors: Vec<ChannelId> = self.channels.iter().filter(is_held).map(|(id, _)| id.clone()).collect();
        (!doors.is_empty()).then(|| PublicWindow {
            id: window.id.to_string(),
            from: window.from,
            until: window.until,
            is_active: window.is_active(),
            doors,
            text: Detail::new(&window.text),
        })
    }
}

fn door(
    view: &ChannelView,
    chronicle: Option<&Chronicle>,
    candidates: &[Candidate<'_>],
    now: Timestamp,
) -> PublicDoor {
    let condition = Condition::of(view.state, view.opens_at.is_some());
    let mut outages = chronicle.map(|chronicle| chronicle.outages.clone()).unwrap_or_default();
    bring_up_to_date(&mut outages, condition, view.since);
    PublicDoor {
        id: view.id.clone(),
        name: Detail::new(&view.title),
        condition,
        since: view.since,
        opens_at: view.opens_at,
        days: chronicle.map(|chronicle| chronicle.days.clone()).unwrap_or_default(),
        outages,
        instead: (condition == Condition::Dark).then(|| instead(view, candidates, now)).flatten(),
    }
}

/// By which other ways support can be reached; nothing where the others work and nothing proves it, since neither that they do
/// nor that none does could be said.
fn instead(view: &ChannelView, candidates: &[Candidate<'_>], now: Timestamp) -> Option<Sentence> {
    let offers = offers(candidates, &view.id, now);
    let does_any_work = candidates.iter().any(|other| other.state == State::Up);
    (!offers.is_empty() || !does_any_work).then(|| Sentence::of(&offers))
}

/// The past is read once a minute, the present is known at once.
fn bring_up_to_date(outages: &mut Vec<Outage>, condition: Condition, since: Timestamp) {
    let severity = match condition {
        Condition::Dark => Some(Severity::Dark),
        Condition::Degraded => Some(Severity::Degraded),
        _ => None,
    };
    match (severity, outages.last_mut().filter(|last| last.until.is_none())) {
        (Some(severity), Some(open)) => open.severity = open.severity.max(severity),
        (Some(severity), None) => outages.push(Outage { from: since, until: None, severity }),
        (None, Some(open)) => open.until = Some(since.max(open.from)),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_listed_as_soon_as_it_is_known_and_over_as_soon_as_that_is() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let open = Outage { from: at(100), until: None, severity: Severity::Degraded };
        let over = Outage { until: Some(at(50)), from: at(10), severity: Severity::Dark };
        for (known, condition, since, expected) in [
            (vec![], Condition::Up, 0, vec![]),
            (vec![over], Condition::Dark, 100, vec![over, Outage { severity: Severity::Dark, ..open }]),
            (vec![open], Condition::Dark, 120, vec![Outage { severity: Severity::Dark, ..open }]),
            (vec![open], Condition::Up, 130, vec![Outage { until: Some(at(130)), ..open }]),
            (vec![open], Condition::Unknown, 90, vec![Outage { until: Some(at(100)), ..open }]),
            (vec![over], Condition::Closed, 70, vec![over]),
        ] {
            let mut outages = known.clone();
            bring_up_to_date(&mut outages, condition, at(since));
            assert_eq!(outages, expected, "{known:?} and {condition:?}");
        }
    }
}
