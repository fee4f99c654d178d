//! Which falls open a case of their own, and which are so many at once that they are told as one, whatever they have in
//! common.

use std::time::Duration;

use crate::domain::{
    case::{Case, Member},
    casebook::{
        Casebook, Desk, Draft, HOLD_MAX, JOINS_WITHIN, Kept, Owed,
        grouping::{self, Suspects, clusters},
    },
    channel::TeamId,
    happening::Happening,
    incident::IncidentId,
};

/// So many doors that look bad at once are a storm, or one of [`STORM_SHARE`] where there are more doors: what falls then
/// waits for the others, whatever they have in common.
pub(super) const STORM_FROM: usize = 5;

/// Of a thousand doors a few look bad at any time.
pub(super) const STORM_SHARE: usize = 50;

/// So long after a fall the next one may be of the same storm, also where little looks bad yet, or any more.
const STORM_LASTS: Duration = Duration::from_secs(60);

/// So many causes at once, or within [`JOINS_WITHIN`] for one team, are told each on its own; more are told as one.
const CAUSES_MAX: usize = 3;

impl<'a> Desk<'a> {
    /// Opens cases for what belongs to none, except where others are about to fall with it.
    pub(super) fn open(&mut self, openings: Vec<(&'a Owed, Member)>, world: &dyn super::World) {
        let now = self.now.monotonic;
        let suspects = Suspects::of(world);
        let follows = suspects.count() > 0 && self.book.has_fallen_since(now.saturating_sub(STORM_LASTS));
        let is_storm = follows || suspects.count() + openings.len() >= suspects.storm_from();
        let mut rest = Vec::new();
        for (owed, member) in openings {
            match self.book.storm_for(&member, is_storm, now) {
                Some(id) => self.admit(&id, &owed.happening, member, world),
                None => rest.push((owed, member)),
            }
        }
        let ready = |cluster: &Vec<(&'a Owed, Member)>| {
            let oldest = cluster.iter().map(|(owed, _)| owed.since).min().unwrap_or_default();
            let others = (is_storm && suspects.count() > 0)
                || suspects.touch(cluster.iter().map(|(_, member)| member));
            !others || oldest + HOLD_MAX <= now
        };
        let mut clusters = clusters(rest);
        // In a storm what is told of one is told of all that are held.
        if !(is_storm && clusters.iter().any(ready)) {
            clusters.retain(ready);
        }
        let is_storm = clusters.len() > CAUSES_MAX;
        if is_storm {
            clusters = vec![clusters.into_iter().flatten().collect()];
        }
        for cluster in clusters {
            let (owed, members): (Vec<_>, Vec<_>) = cluster.into_iter().unzip();
            let is_one_more = self.book.is_crowded(members[0].team.as_ref(), now);
            let mut case = Case::open(members, self.now.wall);
            case.is_storm = is_storm || is_one_more;
            grouping::expect(&mut case, world);
            let fresh: Vec<&Happening> = owed.iter().map(|owed| &owed.happening).collect();
            self.book.begin_flapping(&mut case, fresh[0], world, self.now);
            self.settled.extend(fresh.iter().map(|happening| (happening.key(), case.id.clone())));
            let draft = Draft { fresh, told_at: now, eased_at: None, age: Duration::ZERO, case };
            self.drafts.insert(draft.case.id.clone(), draft);
        }
    }
}

impl Casebook {
    /// The cases that stand and have taken in a fall since a moment.
    fn recent(&self, since: Duration) -> impl Iterator<Item = &Kept> {
        self.cases.values().filter(move |kept| {
            kept.joined_at > since && kept.case.severity().is_some() && kept.case.flapping.is_none()
        })
    }

    fn has_fallen_since(&self, moment: Duration) -> bool {
        self.recent(moment).next().is_some()
    }

    /// Whether a team has been told of so many causes of late that the next is told with those that follow it.
    fn is_crowded(&self, team: Option<&TeamId>, now: Duration) -> bool {
        self.recent(now.saturating_sub(JOINS_WITHIN)).filter(|kept| is_of(&kept.case, team)).count()
            >= CAUSES_MAX
    }

    /// The storm that takes in what falls.
    fn storm_for(&self, member: &Member, is_storm: bool, now: Duration) -> Option<IncidentId> {
        let team = member.team.as_ref();
        let is_crowded = self.is_crowded(team, now);
        let takes = |kept: &&Kept| {
            let lasts = match is_storm || (is_crowded && is_of(&kept.case, team)) {
                true => JOINS_WITHIN,
                false => STORM_LASTS,
            };
            kept.case.is_storm && kept.joined_at + lasts > now && !kept.case.is_done()
        };
        self.cases.values().find(takes).map(|kept| kept.case.id.clone())
    }
}

/// Whether a team is told of a case.
fn is_of(case: &Case, team: Option<&TeamId>) -> bool {
    case.members.iter().any(|member| member.team.as_ref() == team)
}
