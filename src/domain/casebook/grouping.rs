//! Which outages belong together, and which doors are about to follow.

use std::collections::BTreeSet;

use crate::domain::{
    case::{Case, Member},
    casebook::{
        Owed, World,
        storm::{STORM_FROM, STORM_SHARE},
    },
    channel::ChannelId,
    happening::Happening,
    shared::Shared,
};

/// What a channel that fell stands on and may have fallen with, as configured and as its failure shows.
pub(super) fn stands_on(happening: &Happening, world: &dyn World) -> BTreeSet<Shared> {
    let door = world.door(&happening.incident.channel);
    let failure = happening.incident.evidence.failure.as_ref();
    let mut stands_on = door.map(|door| door.stands_on).unwrap_or_default();
    stands_on.retain(|shared| shared.can_cause(failure));
    if let Some(failure) = failure
        && (failure.reason.is_of_names() || failure.cause.is_some_and(|cause| cause.is_of_names()))
    {
        stands_on.insert(Shared::Resolver);
    }
    stands_on
}

/// Whether a fall belongs to a case. Later than a while after the last fall of it, only a declared dependency says so.
pub(super) fn joins(case: &Case, member: &Member, is_recent: bool) -> bool {
    if case.expected.contains(&member.channel) {
        return true;
    }
    let common = case.common_with(member);
    common.iter().any(|shared| is_recent || matches!(shared, Shared::Dependency(_)))
}

/// What fell together.
type Cluster<'a> = Vec<(&'a Owed, Member)>;

/// Puts together what has something in common.
pub(super) fn clusters<'a>(openings: Cluster<'a>) -> Vec<Cluster<'a>> {
    let mut clusters: Vec<(BTreeSet<Shared>, Cluster<'a>)> = Vec::new();
    for (owed, member) in openings {
        let fit = clusters.iter_mut().find_map(|(common, cluster)| {
            let with_first = member.in_common_with(&cluster[0].1);
            let shared: BTreeSet<Shared> = with_first.intersection(common).cloned().collect();
            (!shared.is_empty()).then_some((shared, common, cluster))
        });
        match fit {
            Some((shared, common, cluster)) => {
                *common = shared;
                cluster.push((owed, member));
            }
            None => clusters.push((member.stands_on.clone(), vec![(owed, member)])),
        }
    }
    clusters.into_iter().map(|(_, cluster)| cluster).collect()
}

/// So many channels with a dependency in common show that it is broken, where no probe of its own does.
const SHOWN_BY: usize = 3;

/// Names the channels that are about to fall, where a declared dependency is seen to be broken: by its own probes, or by
/// several that stand on it.
pub(super) fn expect(case: &mut Case, world: &dyn World) {
    let members = case.members.len();
    let broken = case.common.iter().find_map(|shared| match shared {
        Shared::Dependency(id) => {
            let dependency = world.dependency(id)?;
            let is_broken = dependency.is_dark.unwrap_or(members >= SHOWN_BY);
            is_broken.then(|| (shared.clone(), dependency.dependents))
        }
        _ => None,
    });
    let Some((dependency, dependents)) = broken else { return };
    case.common = BTreeSet::from([dependency]);
    let is_member = |channel: &ChannelId| case.members.iter().any(|member| member.channel == *channel);
    case.expected = dependents.into_iter().filter(|channel| !is_member(channel)).collect();
}

/// The doors that look bad and are not judged to be yet.
pub(super) struct Suspects {
    bad: Vec<(ChannelId, BTreeSet<Shared>)>,
    doors: usize,
}

impl Suspects {
    /// As they are now.
    pub(super) fn of(world: &dyn World) -> Self {
        Self { bad: world.suspects(), doors: world.doors() }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.bad.len()
    }

    /// So many are a storm.
    pub(super) fn storm_from(&self) -> usize {
        STORM_FROM.max(self.doors / STORM_SHARE)
    }

    /// Whether one of them stands on something that one of these stands on.
    pub(super) fn touch<'m>(&self, mut members: impl Iterator<Item = &'m Member>) -> bool {
        members.any(|member| self.bad.iter().any(|(_, on)| !on.is_disjoint(&member.stands_on)))
    }
}
