//! What is known of the doors when people are told: the roster and the plan, as the casebook looks at them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    config::plan::{Plan, ProbePlan, Team},
    daemon::evaluator::roster::{Post, Roster},
    domain::{
        casebook::{Dependency, Door, World},
        channel::{ChannelId, ChannelKind, Location, TeamId},
        evaluation::State,
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

    fn doors(&self) -> usize {
        self.roster.posts().iter().filter(|post| is_door(post)).count()
    }

    fn suspects(&self) -> Vec<(ChannelId, BTreeSet<Shared>)> {
        let suspects = self.roster.posts().iter().filter(|post| post.state.is_suspect());
        suspects.map(|post| (post.id.clone(), stands_on(post))).collect()
    }

    fn neighbours(&self, of: &[&ChannelId]) -> Vec<Neighbour> {
        let concerned = of.iter().filter_map(|id| self.roster.place(id));
        let lost: BTreeSet<Shared> =
            concerned.flat_map(|place| stands_on(&self.roster.posts()[place])).collect();
        let others = self.roster.posts().iter().filter(|post| is_door(post) && !of.contains(&&post.id));
        let neighbour = |post: &Post| Neighbour {
            channel: post.id.clone(),
            title: post.plan.title.clone(),
            state: post.state.outlook(),
            shares_host: !stands_on(post).is_disjoint(&lost),
        };
        others.map(neighbour).collect()
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
        let Some(channel) = self.plan.channels.get(channel) else { return Duration::ZERO };
        let count = channel.rules.dark_after.count;
        let pace = |probe: &Arc<ProbePlan>| probe.recheck.map_or(probe.every, |pace| pace.min(probe.every));
        // The probe that looks most often says soonest whether it lasts.
        channel.probes.values().map(pace).min().unwrap_or_default() * count
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
    declared.chain(post.hosts().map(|host| Shared::Host(Arc::clone(host)))).collect()
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
