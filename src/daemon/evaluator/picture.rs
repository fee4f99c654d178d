//! Draws the picture that the web shows: a view per channel, drawn anew only where something has changed, and only
//! while somebody looks.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use tokio::sync::watch;

use crate::{
    daemon::evaluator::{
        roster::{Lookout, Post, Roster},
        world::standing,
    },
    domain::{
        channel::ChannelId,
        latency::Window,
        maintenance::Announced,
        snapshot::{ChannelView, ProbeView, Snapshot},
    },
};

/// The latest picture and those who look at it.
pub(crate) struct Picture {
    sender: watch::Sender<Arc<Snapshot>>,
    views: HashMap<ChannelId, Arc<ChannelView>>,
    maintenance: Arc<[Arc<Announced>]>,
}

impl Picture {
    /// A picture of nothing.
    pub(crate) fn new(sender: watch::Sender<Arc<Snapshot>>) -> Self {
        Self { sender, views: HashMap::new(), maintenance: Arc::default() }
    }

    /// Draws what has changed, if anybody looks.
    pub(crate) fn draw(&mut self, roster: &mut Roster, maintenance: &Arc<[Arc<Announced>]>) {
        let changed =
            roster.posts().iter().any(|post| post.changed) || !Arc::ptr_eq(&self.maintenance, maintenance);
        if self.sender.receiver_count() == 0 || !(changed || self.views.len() != roster.posts().len()) {
            return;
        }
        let mut views = HashMap::with_capacity(self.views.len());
        let mut channels = Vec::with_capacity(roster.posts().len());
        for post in roster.posts_mut() {
            let known = self.views.remove(&post.id).filter(|_| !post.changed);
            let drawn = known.unwrap_or_else(|| Arc::new(view(post)));
            post.changed = false;
            views.insert(post.id.clone(), Arc::clone(&drawn));
            channels.push(drawn);
        }
        self.views = views;
        self.maintenance = Arc::clone(maintenance);
        self.sender.send_replace(Arc::new(Snapshot { channels, maintenance: Arc::clone(maintenance) }));
    }
}

fn view(post: &Post) -> ChannelView {
    ChannelView {
        id: post.id.clone(),
        title: post.plan.title.clone(),
        kind: post.plan.kind,
        state: post.state.state(),
        since: post.state.since(),
        incident: post.incident.as_ref().map(|incident| incident.id.clone()),
        opens_at: post.gate.opens_at(),
        maintenance: post.gate.maintenance.clone(),
        standing: standing(post),
        failure: post.state.failure().map(Cow::into_owned),
        probes: post.probes.iter().map(|lookout| probe_view(post, lookout)).collect(),
    }
}

fn probe_view(post: &Post, lookout: &Lookout) -> ProbeView {
    let name = &lookout.plan.key.probe;
    let last = post.state.recent(name).next_back();
    let windows = lookout.shown;
    ProbeView {
        name: name.clone(),
        last_outcome: last.map(|run| run.outcome.as_str().to_owned()),
        last_run_at: last.map(|run| run.started_at),
        last_duration: last.map(|run| run.duration),
        last_reason: last.and_then(|run| run.reason),
        p50: windows.quantiles.map(|quantiles| quantiles.p50),
        p95: windows.quantiles.map(|quantiles| quantiles.p95),
        p99: windows.quantiles.map(|quantiles| quantiles.p99),
        timeout_ratio: windows.timeout_ratio(Window::Hour),
    }
}
