//! What is known of the doors when people are told: the roster and the plan, as the casebook looks at them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    config::plan::{Plan, Team},
    daemon::evaluator::roster::{Post, Roster},
    domain::{
        alternatives::Standing,
        casebook::{Dependency, Door, World},
        channel::{ChannelId, ChannelKind, Location, TeamId},
        escalation::Ladder,
        evaluation::State,
        hours::Hours,
        notification::{Letterhead, Neighbour, Recipient},
        shared::Shared,
    },
};

/// The roster, by a plan.
pub(crate) struct Surroundings<'a> {
    /// Everything judged.
    pub(crate) roster: &'a Roster,
    /// By what it is judged, and who is told.
    pub(crate) plan: &'a Plan,
    /// The time of day.
    pub(crate) now: Timestamp,
}

impl World for Surroundings<'_> {
    fn door(&self, channel: &ChannelId) -> Option<Door<'_>> {
        let post = &self.roster.posts()[self.roster.place(channel)?];
        Some(Door {
            title: &post.plan.title,
            kind: post.plan.kind,
            team: post.plan.team.as_ref(),
            labels: &post.plan.labels,
            stands_on: stands_on(post),
        })
    }

    fn recipients(&self, team: &TeamId) -> Vec<Recipient> {
        self.plan.teams.get(team).map(Team::recipients).unwrap_or_default()
    }

    fn ladder(&self, team: &TeamId) -> Option<&Ladder> {
        self.plan.teams.get(team).map(|team| &team.ladder)
    }

    fn quiet(&self, team: &TeamId) -> Option<&Hours> {
        self.plan.teams.get(team)?.quiet.as_deref()
    }

    fn keeps_alerts(&self, recipient: &Recipient) -> bool {
        self.plan.endpoints.keeps_alerts(recipient)
    }

    fn doors(&self) -> usize {
        self.roster.posts().iter().filter(|post| is_door(post)).count()
    }

    fn suspects(&self) -> Vec<(ChannelId, BTreeSet<Shared>)> {
        let suspects = self.roster.posts().iter().filter(|post| post.state.is_suspect());
        suspects.map(|post| (post.id.clone(), may_have_lost(post))).collect()
    }

    fn neighbours(&self, of: &[&ChannelId]) -> Vec<Neighbour> {
        let concerned = of.iter().filter_map(|id| self.roster.place(id));
        let lost: BTreeSet<Shared> =
            concerned.flat_map(|place| may_have_lost(&self.roster.posts()[place])).collect();
        let others = self.roster.posts().iter().filter(|post| is_door(post) && !of.contains(&&post.id));
        let broken =
            self.roster.posts().iter().filter(|post| !is_door(post) && post.state.outlook() == State::Dark);
        let broken: BTreeSet<Shared> = broken.flat_map(stands_on).collect();
        let neighbour = |post: &Post| Neighbour {
            channel: post.id.clone(),
            title: post.plan.title.clone(),
            state: post.state.outlook(),
            is_proven: standing(post).is_proven(self.now),
            shares_host: !stands_on(post).is_disjoint(&lost) || !stands_on(post).is_disjoint(&broken),
        };
        let mut others: Vec<&Post> = others.collect();
        others.sort_by_cached_key(|post| standing(post).order());
        others.into_iter().map(neighbour).collect()
    }

    fn dependency(&self, dependency: &ChannelId) -> Option<Dependency<'_>> {
        let title = &self.plan.dependencies.get(dependency)?.title;
        let post = self.roster.place(dependency).map(|place| &self.roster.posts()[place]);
        let depends = |post: &&Post| post.plan.depends_on.contains(dependency);
        Some(Dependency {
            title,
            is_dark: post.map(|post| post.state.outlook() == State::Dark),
            dependents: self.roster.posts().iter().filter(depends).map(|post| post.id.clone()).collect(),
        })
    }

    fn confirmation(&self, channel: &ChannelId) -> Duration {
        self.plan.channels.get(channel).map(|channel| channel.confirmation()).unwrap_or_default()
    }

    fn location(&self) -> &Location {
        &self.plan.boot.location
    }

    fn letterhead(&self) -> Letterhead<'_> {
        letterhead(self.plan)
    }
}

/// What is the same in every mail.
pub(crate) fn letterhead(plan: &Plan) -> Letterhead<'_> {
    Letterhead {
        mail_host: plan.mail.as_ref().map_or("localhost", |mail| host_of(&mail.from)),
        public_url: plan.public_url.as_deref(),
        time_zone: &plan.time_zone,
        config: &plan.path,
    }
}

/// What a channel stands on.
fn stands_on(post: &Post) -> BTreeSet<Shared> {
    if !is_door(post) {
        return BTreeSet::from([Shared::Dependency(post.id.clone())]);
    }
    let declared = post.plan.depends_on.iter().cloned().map(Shared::Dependency);
    let hosts = post.hosts().map(|host| Shared::Host(Arc::clone(host)));
    let met = post.probes.iter().flat_map(|lookout| &lookout.met).cloned();
    declared.chain(hosts).chain(met).collect()
}

/// What of that may be what is wrong with it.
fn may_have_lost(post: &Post) -> BTreeSet<Shared> {
    let failure = post.state.last_failure();
    let mut stands_on = stands_on(post);
    stands_on.retain(|shared| shared.can_cause(failure.as_ref()));
    stands_on
}

/// What its probes have seen of it: as much as the one that has seen least.
pub(crate) fn standing(post: &Post) -> Standing {
    let proven = || post.probes.iter().map(|lookout| lookout.proven);
    let is_proven = !post.probes.is_empty() && proven().all(|proven| proven.is_some());
    let answered = post.probes.iter().filter_map(|lookout| lookout.answered_in).max();
    let half = post.probes.iter().filter_map(|lookout| lookout.shown.quantiles).map(|all| all.p50).max();
    Standing {
        proven_at: proven().flatten().map(|(at, _)| at).min().filter(|_| is_proven),
        proven_until: proven().flatten().map(|(_, until)| until).min().filter(|_| is_proven),
        answers_in: answered.or(half),
        stands_on: stands_on(post),
    }
}

/// Whether customers can reach it.
fn is_door(post: &Post) -> bool {
    post.plan.kind != ChannelKind::Dependency
}

/// The host of a From header such as `Lamplighter <lamplighter@example.com>`.
fn host_of(from: &str) -> &str {
    from.rsplit_once('@').map_or("localhost", |(_, host)| host.trim_end_matches('>').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_made_on_the_host_of_the_from_address() {
        assert_eq!(host_of("Lamplighter <lamplighter@example.com>"), "example.com");
        assert_eq!(host_of("lamplighter@example.com"), "example.com");
        assert_eq!(host_of("\"a@b\" <lamplighter@example.com>"), "example.com");
    }
}
