//! What everybody may know: of the channels that are public what they are called, how they are, since when, how they were, and
//! by which other public ways support can be reached. Whoever writes public pages has nothing but this, so nothing else can
//! stand on them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::domain::{
    alternatives::{Candidate, Sentence, offers},
    channel::{ChannelId, ChannelKind, TeamId},
    chronicle::{self, Chronicle, Day, Outage, OutageEnd},
    evaluation::State,
    incident::Severity,
    ledger::Condition,
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
        chronicle::availability(&self.days)
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
    pub doors: BTreeSet<ChannelId>,
    /// What is announced.
    pub text: Detail,
}

impl PublicWindow {
    /// When it is taken to have been announced, which nobody has noted: a week before it begins.
    #[must_use]
    pub fn announced_at(&self) -> Timestamp {
        self.from.saturating_sub(SignedDuration::from_hours(7 * 24)).unwrap_or(Timestamp::MIN)
    }
}

impl PublicView {
    /// Whether a channel does not work as it should and its past does not know it yet.
    #[must_use]
    pub fn is_ahead_of_its_past(&self) -> bool {
        self.doors.iter().any(|door| {
            severity(door.condition).is_some() && door.outages.last().is_none_or(|last| last.end.is_some())
        })
    }
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
        // What channels stand on is never offered, but a door that stands on what is broken is not either.
        let dependencies = snapshot.channels.iter().filter(|view| view.kind == ChannelKind::Dependency);
        let candidates: Vec<Candidate<'_>> = views
            .iter()
            .copied()
            .chain(dependencies.map(|view| &**view))
            .map(ChannelView::candidate)
            .collect();
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
        let doors: BTreeSet<ChannelId> =
            self.channels.iter().filter(is_held).map(|(id, _)| id.clone()).collect();
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
    let is_door = |other: &&Candidate<'_>| other.kind != ChannelKind::Dependency;
    let does_any_work = candidates.iter().filter(is_door).any(|other| other.state == State::Up);
    (!offers.is_empty() || !does_any_work).then(|| Sentence::of(&offers))
}

/// The past is read once a minute, the present is known at once. An outage that only the present knows is not listed: it is
/// known by when it began, which the past is to say, or it would be taken for two.
fn bring_up_to_date(outages: &mut [Outage], condition: Condition, since: Timestamp) {
    let Some(open) = outages.last_mut().filter(|last| last.end.is_none()) else { return };
    let at = since.max(open.worst_from);
    match severity(condition) {
        Some(severity) if severity > open.severity => {
            *open = Outage { severity, worst_from: at, ..*open };
        }
        None if condition != Condition::Unknown => open.end = Some(OutageEnd { at, into: condition }),
        Some(_) | None => {}
    }
}

fn severity(condition: Condition) -> Option<Severity> {
    match condition {
        Condition::Dark => Some(Severity::Dark),
        Condition::Degraded => Some(Severity::Degraded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_worse_or_over_as_soon_as_that_is_known_and_lasts_while_nobody_sees() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let open = Outage { from: at(100), end: None, severity: Severity::Degraded, worst_from: at(100) };
        let ended = |second, into| Some(OutageEnd { at: at(second), into });
        let over = Outage { from: at(10), end: ended(50, Condition::Up), ..open };
        let dark = Outage { severity: Severity::Dark, worst_from: at(120), ..open };
        for (known, condition, since, expected) in [
            (vec![], Condition::Up, 0, vec![]),
            (vec![over], Condition::Dark, 100, vec![over]),
            (vec![over, open], Condition::Dark, 120, vec![over, dark]),
            (vec![dark], Condition::Degraded, 130, vec![dark]),
            (vec![open], Condition::Up, 130, vec![Outage { end: ended(130, Condition::Up), ..open }]),
            (vec![open], Condition::Closed, 90, vec![Outage { end: ended(100, Condition::Closed), ..open }]),
            (vec![open], Condition::Unknown, 130, vec![open]),
            (vec![over], Condition::Closed, 70, vec![over]),
        ] {
            let mut outages = known.clone();
            bring_up_to_date(&mut outages, condition, at(since));
            assert_eq!(outages, expected, "{known:?} and {condition:?}");
        }
    }
}
