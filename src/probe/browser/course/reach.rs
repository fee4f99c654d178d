//! The way to a person that a page offers: clicked along as it is offered, however long it is.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{Course, End, looks::Looks};
use crate::{
    domain::outcome::{Reason, Stage},
    probe::{
        browser::step::{Reach, Spot},
        chromium::{
            look::{Aim, Seen},
            visit::Looked,
        },
        transport::fault::Broken,
    },
};

/// A page that has offered nothing further for so long has nothing further to offer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Course<'_> {
    /// Clicks along until a person is seen.
    pub(super) async fn reach(&mut self, reach: &Reach, until: Instant) -> Result<String, End> {
        let mut clicked = BTreeSet::new();
        let mut offered_at = Instant::now();
        let mut looks = Looks::until(until);
        loop {
            if let Some(seen) = self.glimpse(&mut looks, &reach.person, Aim::See).await? {
                self.reach_person_after(self.actions);
                return Ok(seen.says);
            }
            let next = if clicked.len() < usize::from(reach.clicks_max) {
                self.next_way(reach, &clicked, &mut looks).await?
            } else {
                None
            };
            let now = Instant::now();
            if let Some((at, seen)) = next {
                self.click(&reach.by[at], &seen, until).await?;
                self.actions = self.actions.saturating_add(1);
                clicked.insert(at);
                self.settle(until).await?;
                offered_at = Instant::now();
            } else if now >= until || now >= offered_at + PATIENCE {
                return Err(End::Broken(nowhere(reach, &clicked)));
            }
            looks.pause(&mut self.visit).await?;
        }
    }

    /// The last of the ways that is offered and was not gone yet.
    async fn next_way(
        &mut self,
        reach: &Reach,
        clicked: &BTreeSet<usize>,
        looks: &mut Looks,
    ) -> Result<Option<(usize, Seen)>, End> {
        for at in (0..reach.by.len()).rev().filter(|at| !clicked.contains(at)) {
            if let Some(seen) = self.glimpse(looks, &reach.by[at], Aim::Click).await? {
                return Ok(Some((at, seen)));
            }
        }
        Ok(None)
    }

    /// What a single look shows, if nothing stands in the way.
    async fn glimpse(&mut self, looks: &mut Looks, spot: &Spot, aim: Aim) -> Result<Option<Seen>, End> {
        let looked = looks.look(&mut self.visit, spot, aim).await?;
        Ok(match looked {
            Some(Looked::There(seen)) if seen.is_clear() => Some(seen),
            _ => None,
        })
    }
}

fn nowhere(reach: &Reach, clicked: &BTreeSet<usize>) -> Broken {
    let person = reach.person.words();
    let ways: Vec<String> = clicked.iter().map(|at| reach.by[*at].words()).collect();
    let detail = match &ways[..] {
        [] => format!("no way to {person} is offered"),
        ways => format!("no way to {person}: clicked {}, and no further way is offered", ways.join(", ")),
    };
    Broken::failed(Stage::Expect, Reason::Missing, detail)
}
