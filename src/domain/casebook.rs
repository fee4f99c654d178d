//! What people are told, and when: every case that is open, and every happening that nobody has been told of yet.
//!
//! One cause, one mail. The first outage of a quiet night is told at once. Where other doors look bad at that moment, it
//! waits for them, [`HOLD_MAX`] at most, and what has something in common is told as one case; more that fall for the same
//! cause are gathered and told [`GATHER_FOR`] later. A door that falls for another cause has a case of its own.
//!
//! Telling is decided as judging is: proposed as an [`Announcement`], again and again until it has been committed, and
//! only then adopted. Nothing here asks the time; spans are measured on the monotonic clock.

mod flapping;
mod grouping;
mod ladder;
mod quiet;
mod storm;
mod telling;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::domain::{
    case::{Case, Member},
    casebook::{grouping::joins, ladder::Age},
    channel::{ChannelId, ChannelKind, Location, TeamId},
    escalation::Ladder,
    evaluation::Moment,
    flapping::Score,
    happening::{Happening, HappeningKey},
    hours::Hours,
    incident::{IncidentEvent, IncidentId},
    notification::{Letterhead, Neighbour, Notification, Recipient},
    shared::Shared,
};

/// So long a first outage waits for others that are about to be confirmed.
pub const HOLD_MAX: Duration = Duration::from_secs(30);

/// So long what belongs to a case that has been told is gathered before it is told too.
pub const GATHER_FOR: Duration = Duration::from_secs(5 * 60);

/// What comes and goes again and again in one case is told ever further apart, and so far at most.
pub const GATHER_MAX: Duration = Duration::from_secs(30 * 60);

/// So long after its last fall a case takes in more that have something in common with it, where it is not a declared
/// dependency.
const JOINS_WITHIN: Duration = Duration::from_secs(10 * 60);

/// What is known of the doors when people are told.
pub trait World {
    /// A channel of the configuration.
    fn door(&self, channel: &ChannelId) -> Option<Door<'_>>;
    /// Who is told of the channels of a team.
    fn recipients(&self, team: &TeamId) -> Vec<Recipient>;
    /// What a team wants told of what stays dark.
    fn ladder(&self, team: &TeamId) -> Option<&Ladder>;
    /// When a team is told of nothing that can wait; none never.
    fn quiet(&self, team: &TeamId) -> Option<&Hours>;
    /// Whether a recipient is no person and keeps an alert of its own for each incident until it hears of the end.
    fn keeps_alerts(&self, recipient: &Recipient) -> bool;
    /// How many channels there are.
    fn doors(&self) -> usize;
    /// The channels that look bad and are not judged to be yet, with what they stand on.
    fn suspects(&self) -> Vec<(ChannelId, BTreeSet<Shared>)>;
    /// All channels but these, as far as customers may be sent there.
    fn neighbours(&self, of: &[&ChannelId]) -> Vec<Neighbour>;
    /// How a dependency is seen by its own probes, and what stands on it.
    fn dependency(&self, dependency: &ChannelId) -> Option<Dependency<'_>>;
    /// How long it takes to confirm that a channel is dark.
    fn confirmation(&self, channel: &ChannelId) -> Duration;
    /// Where the probes run.
    fn location(&self) -> &Location;
    /// What is the same in every mail.
    fn letterhead(&self) -> Letterhead<'_>;
}

/// A channel, as far as people are told of it.
#[derive(Clone, Debug)]
pub struct Door<'a> {
    /// Its title for people.
    pub title: &'a str,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Who is told.
    pub team: Option<&'a TeamId>,
    /// The labels that the operator gave it.
    pub labels: &'a BTreeMap<String, String>,
    /// What it stands on.
    pub stands_on: BTreeSet<Shared>,
}

/// What channels have been declared to depend on.
#[derive(Clone, Debug)]
pub struct Dependency<'a> {
    /// Its title for people.
    pub title: &'a str,
    /// Whether its own probes find it broken; none where it has none.
    pub is_dark: Option<bool>,
    /// The channels that depend on it.
    pub dependents: Vec<ChannelId>,
}

/// What has been decided about telling and is committed in one transaction, before any mail leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// The cases as they stand after it; one that is closed leaves the book.
    pub cases: Vec<Case>,
    /// What is settled by it, and by which case.
    pub settled: Vec<(HappeningKey, IncidentId)>,
    /// What leaves.
    pub notifications: Vec<Notification>,
}

/// All that is open.
#[derive(Debug, Default)]
pub struct Casebook {
    cases: BTreeMap<IncidentId, Kept>,
    owed: Vec<Owed>,
    /// How much each channel has changed of late; nothing of one that never fell.
    scores: BTreeMap<ChannelId, Score>,
}

/// A case and its clocks.
#[derive(Debug)]
struct Kept {
    case: Case,
    /// When people were told last.
    told_at: Duration,
    /// When it last took in a fall.
    joined_at: Duration,
    /// Since when an end has been untold.
    eased_at: Option<Duration>,
    /// For how long it has been dark.
    age: Age,
}

/// Something that nobody has been told of.
#[derive(Debug)]
struct Owed {
    happening: Happening,
    since: Duration,
}

/// A case that is being worked on, and what has just happened to it.
#[derive(Debug)]
struct Draft<'a> {
    case: Case,
    fresh: Vec<&'a Happening>,
    told_at: Duration,
    eased_at: Option<Duration>,
    age: Duration,
}

impl Casebook {
    /// What was open and owed before a restart. Spans begin anew, but for how long a case has been dark.
    #[must_use]
    pub fn restore(cases: Vec<Case>, owed: Vec<Happening>, now: Moment) -> Self {
        let kept = |case: Case| {
            let untold_end = case.members.iter().any(Member::ends_untold);
            let since = now.monotonic;
            let eased_at = untold_end.then_some(since);
            let age = Age::restore(&case.ascent, now);
            let kept = Kept { told_at: since, joined_at: since, eased_at, age, case };
            (kept.case.id.clone(), kept)
        };
        let mut book = Self { cases: cases.into_iter().map(kept).collect(), ..Self::default() };
        book.resume_flapping(now);
        owed.into_iter().for_each(|happening| book.take(happening, now));
        book
    }

    /// Takes in what has been committed and is to be told.
    pub fn take(&mut self, happening: Happening, now: Moment) {
        self.score(&happening, now);
        self.owed.push(Owed { happening, since: now.monotonic });
    }

    /// The open cases.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values().map(|kept| &kept.case)
    }

    /// The open case under which an incident is told.
    #[must_use]
    pub fn case_of(&self, incident: &IncidentId) -> Option<&Case> {
        let is_of = |case: &Case| case.members.iter().any(|member| member.incident == *incident);
        self.cases().find(|case| case.id == *incident || is_of(case))
    }

    /// What nobody has been told of yet, in the order in which it happened.
    pub fn owed(&self) -> impl Iterator<Item = &Happening> {
        self.owed.iter().map(|owed| &owed.happening)
    }

    /// Goes back to what was open and owed at an earlier moment, since what was told after it may have been lost. What is
    /// owed of an incident that was open then, and is not over, stays.
    pub fn go_back(&mut self, cases: Vec<Case>, owed: Vec<Happening>, now: Moment) {
        let later = std::mem::take(&mut self.owed);
        *self = Self::restore(cases, owed, now);
        let goes_on = |owed: &Owed| {
            let Happening { incident, event, .. } = &owed.happening;
            let is_member = |case: &Case| case.members.iter().any(|member| member.incident == incident.id);
            let is_known = self.owed().any(|known| known.key() == owed.happening.key());
            *event == IncidentEvent::Worsened && !is_known && self.cases().any(is_member)
        };
        let later: Vec<Owed> = later.into_iter().filter(goes_on).collect();
        self.owed.extend(later);
    }

    /// Since when the oldest happening has been waiting to be told.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Duration> {
        self.owed.first().map(|owed| owed.since)
    }

    /// Whether there is anything to decide: whether something is owed, or something that was gathered is due.
    #[must_use]
    pub fn has_news(&self, now: Moment) -> bool {
        !self.owed.is_empty() || self.cases.values().any(|kept| kept.is_due(now.monotonic))
    }

    /// Whether time alone has brought something that is to be told: what stays dark is told again, or what was held is not
    /// held any more.
    #[must_use]
    pub fn has_become_due(&self, world: &dyn World, now: Moment) -> bool {
        self.cases.values().any(|kept| kept.has_become_due(world, now))
    }

    /// Decides what is to be told now, if anything. The same is proposed again until it has been adopted.
    #[must_use]
    pub fn settle(&self, world: &dyn World, now: Moment) -> Option<Announcement> {
        if !self.has_news(now) && !self.has_become_due(world, now) {
            return None;
        }
        let mut desk = Desk { book: self, drafts: BTreeMap::new(), settled: Vec::new(), now };
        let openings = desk.sort_out(world);
        desk.open(openings, world);
        desk.follow();
        desk.tell(world)
    }

    /// Takes what has been committed for its own.
    pub fn adopt(&mut self, announcement: &Announcement, now: Moment) {
        self.owed.retain(|owed| !announcement.settled.iter().any(|(key, _)| *key == owed.happening.key()));
        for case in &announcement.cases {
            let tellings = self.cases.get(&case.id).map_or(0, |before| before.case.tellings);
            if tellings < case.tellings {
                self.count_telling(case, now);
            }
            if case.closed_at.is_some() {
                self.cases.remove(&case.id);
                continue;
            }
            let before = self.cases.get(&case.id);
            let latest = |case: &Case| case.members.last().map(|member| member.incident.clone());
            let grew = before.is_none_or(|before| latest(&before.case) != latest(case));
            let was_told = before.is_none_or(|before| before.case.tellings < case.tellings);
            let now = now.monotonic;
            let kept = Kept {
                told_at: before.filter(|_| !was_told).map_or(now, |before| before.told_at),
                joined_at: before.filter(|_| !grew).map_or(now, |before| before.joined_at),
                eased_at: case
                    .members
                    .iter()
                    .any(Member::ends_untold)
                    .then(|| before.and_then(|before| before.eased_at).unwrap_or(now)),
                age: Age::next(before, now),
                case: case.clone(),
            };
            self.cases.insert(case.id.clone(), kept);
        }
    }
}

impl Kept {
    /// Whether something that was gathered is to be told.
    fn is_due(&self, now: Duration) -> bool {
        telling::next_at(&self.case, self.told_at, self.eased_at).is_some_and(|at| at <= now)
    }

    /// Whether it is to be told again, or something of it is not held any more.
    fn has_become_due(&self, world: &dyn World, now: Moment) -> bool {
        self.has_rungs_due(world, now) || self.has_released(world, now.wall)
    }
}

/// Where an announcement is drawn up.
struct Desk<'a> {
    book: &'a Casebook,
    drafts: BTreeMap<IncidentId, Draft<'a>>,
    settled: Vec<(HappeningKey, IncidentId)>,
    now: Moment,
}

impl<'a> Desk<'a> {
    /// A case to be worked on.
    fn draft(&mut self, id: &IncidentId) -> Option<&mut Draft<'a>> {
        if !self.drafts.contains_key(id) {
            let kept = self.book.cases.get(id)?;
            let draft = Draft {
                case: kept.case.clone(),
                fresh: Vec::new(),
                told_at: kept.told_at,
                eased_at: kept.eased_at,
                age: kept.age.at(self.now.monotonic),
            };
            self.drafts.insert(id.clone(), draft);
        }
        self.drafts.get_mut(id)
    }

    /// Has what fell join the cases that it belongs to; gives what belongs to none.
    fn sort_out(&mut self, world: &dyn World) -> Vec<(&'a Owed, Member)> {
        let mut rest = Vec::new();
        let book = self.book;
        for owed in book.owed.iter().filter(|owed| owed.happening.event == IncidentEvent::Opened) {
            let happening = &owed.happening;
            let stands_on = grouping::stands_on(happening, world);
            let member = Member::of(happening, stands_on);
            if let Some(id) = book.flapping_case(&member.channel) {
                self.admit(id, happening, member, world);
                if let Some(draft) = self.drafts.get_mut(id) {
                    book.flaps_down(&mut draft.case, happening, world);
                }
                continue;
            }
            let open = book.cases.values().filter(|kept| kept.joined_at + JOINS_WITHIN > self.now.monotonic);
            let old = book.cases.values().filter(|kept| kept.joined_at + JOINS_WITHIN <= self.now.monotonic);
            let recent = open.map(|kept| (&kept.case, true));
            let cases = recent.chain(old.map(|kept| (&kept.case, false)));
            let takes = |case: &Case| match case.flapping {
                Some(_) => book.flaps_with(case, &member),
                None => case.severity().is_some(),
            };
            let joined = cases
                .filter(|(case, _)| takes(case))
                .find(|(case, is_recent)| joins(case, &member, *is_recent));
            match joined.map(|(case, _)| case.id.clone()) {
                Some(id) => {
                    self.admit(&id, happening, member, world);
                    if let Some(draft) =
                        self.drafts.get_mut(&id).filter(|draft| draft.case.flapping.is_some())
                    {
                        book.flaps_down(&mut draft.case, happening, world);
                    }
                }
                None => rest.push((owed, member)),
            }
        }
        rest
    }

    /// Takes a fall into a case.
    fn admit(&mut self, id: &IncidentId, happening: &'a Happening, mut member: Member, world: &dyn World) {
        self.settled.push((happening.key(), id.clone()));
        let Some(draft) = self.draft(id) else { return };
        // Those who have read that it is about to fall need not hear that it did.
        let is_expected = draft.case.expected.contains(&member.channel);
        member.is_told = is_expected && telling::newcomers(&draft.case, &member, world).is_empty();
        draft.case.admit(member);
        draft.fresh.push(happening);
    }

    /// Applies what happened to incidents that are in a case; of one whose beginning is still held, the rest is too.
    fn follow(&mut self) {
        let book = self.book;
        for owed in book.owed.iter().filter(|owed| owed.happening.event != IncidentEvent::Opened) {
            let happening = &owed.happening;
            let incident = &happening.incident.id;
            let is_in = |case: &Case| case.members.iter().any(|member| member.incident == *incident);
            let drafted = self.drafts.values().map(|draft| &draft.case);
            let id = drafted.chain(book.cases()).find(|case| is_in(case)).map(|case| case.id.clone());
            let Some(id) = id else {
                let is_held = book.owed.iter().any(|other| {
                    other.happening.incident.id == *incident && other.happening.event == IncidentEvent::Opened
                });
                if !is_held {
                    // Nobody was ever told that it began.
                    self.settled.push((happening.key(), incident.clone()));
                }
                continue;
            };
            let now = self.now;
            let Some(draft) = self.draft(&id) else { continue };
            let members = &mut draft.case.members;
            let Some(member) = members.iter_mut().find(|member| member.incident == *incident) else {
                continue;
            };
            if happening.event == IncidentEvent::Worsened {
                member.worsen(happening);
            } else {
                member.finish(happening);
                draft.eased_at.get_or_insert(now.monotonic);
            }
            book.flaps_on(&mut draft.case, happening, now);
            draft.fresh.push(happening);
            self.settled.push((happening.key(), id));
        }
    }

    /// Writes what is to be told of each case.
    fn tell(mut self, world: &dyn World) -> Option<Announcement> {
        let now = self.now;
        let due = |kept: &&Kept| kept.is_due(now.monotonic) || kept.has_become_due(world, now);
        for id in self.book.cases.values().filter(due).map(|kept| &kept.case.id) {
            self.draft(id);
        }
        if self.drafts.is_empty() && self.settled.is_empty() {
            return None;
        }
        let mut announcement = Announcement { settled: self.settled, ..Announcement::default() };
        let mut cases = Vec::with_capacity(self.drafts.len());
        for draft in self.drafts.into_values() {
            let age = draft.age;
            let (case, notifications) = telling::tell(draft, world, now);
            announcement.notifications.extend(notifications);
            cases.push((case, age));
        }
        announcement.notifications.extend(quiet::release(&mut cases, world, now));
        announcement.cases.extend(cases.into_iter().map(|(case, _)| case));
        Some(announcement)
    }
}
