//! Everything judged and measured, by channel: the state that was committed, the evidence, the latency windows and
//! the handles of the metrics. The evaluator owns it alone.
//!
//! A plan that is adopted keeps whatever it configures as before: a channel its state and incident, a probe its
//! evidence, its windows and its counters. A channel that leaves the plan is [`Absent`], so that it comes back as it
//! left.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config::plan::{Channel, Plan, ProbePlan},
    daemon::evaluator::{
        absent::Absent,
        gates::Gate,
        held::{Held, Weight},
    },
    domain::{
        channel::{ChannelId, Location, ProbeKey},
        decision::Decision,
        evaluation::{ChannelState, Moment, Transition, Watched},
        exhibit::Exhibit,
        incident::{Incident, IncidentEvent},
        latency::{Latency, Quantiles, Scale, Window},
        outcome::{Inconclusive, InconclusiveReason, Outcome, Verdict},
        shared::Shared,
    },
    metrics::{
        Series,
        series::{ChannelSeries, ProbeSeries},
    },
    store::RememberedChannel,
};

/// All channels of the plan.
pub(crate) struct Roster {
    location: Location,
    /// In the order of their ids.
    posts: Vec<Post>,
    /// Where a probe is to be found: its channel's place and its own place therein.
    places: HashMap<Arc<ProbeKey>, (usize, usize)>,
    /// What is known of channels that are not in the plan.
    absent: Absent,
    scale: Scale,
    weight: Weight,
}

/// One channel.
pub(crate) struct Post {
    /// Its id.
    pub(crate) id: ChannelId,
    /// Its configuration.
    pub(crate) plan: Arc<Channel>,
    /// Its judgement.
    pub(crate) state: ChannelState,
    /// Whether it is open.
    pub(crate) gate: Gate,
    /// Its open incident. Boxed: it is large, and most channels have none.
    pub(crate) incident: Option<Box<Incident>>,
    /// Its metrics.
    pub(crate) series: Arc<ChannelSeries>,
    /// Its probes, in the order of their names.
    pub(crate) probes: Vec<Lookout>,
    /// Something that the picture shows has changed since it was drawn.
    pub(crate) changed: bool,
}

/// One probe.
pub(crate) struct Lookout {
    /// Its configuration.
    pub(crate) plan: Arc<ProbePlan>,
    series: Arc<ProbeSeries>,
    latency: Latency,
    /// When something was last heard of it, or when it was added.
    heard_at: Duration,
    /// Whether its last run could look, and if not, why; none before the first.
    sight: Option<Result<(), InconclusiveReason>>,
    /// Its windows as they were shown last.
    pub(crate) shown: Windows,
    /// When its last run began, if that worked, and until when it proves anything.
    pub(crate) proven: Option<(Timestamp, Timestamp)>,
    /// How long somebody took to answer when last somebody did, if it talks to people or bots.
    pub(crate) answered_in: Option<Duration>,
    /// The addresses and certificates that it met last.
    pub(crate) met: Vec<Shared>,
    /// What is held of its runs that did not go well.
    // Boxed: of most probes there is nothing.
    pub(crate) held: Option<Box<Held>>,
}

/// What a probe's sliding windows say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Windows {
    /// Latencies of the last hour.
    pub(crate) quantiles: Option<Quantiles>,
    /// Shares of timeouts, in the order of [`Window::ALL`].
    timeout_ratios: [Option<f64>; Window::ALL.len()],
}

impl Windows {
    /// The share of timeouts over a window.
    pub(crate) fn timeout_ratio(&self, window: Window) -> Option<f64> {
        self.timeout_ratios[window as usize]
    }
}

impl Roster {
    /// An empty roster that remembers what was committed before.
    pub(crate) fn new(location: Location, channels: BTreeMap<ChannelId, RememberedChannel>) -> Self {
        Self {
            location,
            posts: Vec::new(),
            places: HashMap::new(),
            absent: Absent::new(channels),
            scale: Scale::default(),
            weight: Weight::default(),
        }
    }

    /// Goes by another plan from now on; gives the series to be shown.
    pub(crate) fn adopt(&mut self, plan: &Plan, now: Moment) -> Series {
        let mut before: BTreeMap<ChannelId, Post> =
            self.posts.drain(..).map(|post| (post.id.clone(), post)).collect();
        self.posts.reserve_exact(plan.channels.len());
        for (id, channel) in &plan.channels {
            let post = match before.remove(id) {
                Some(post) => post.replan(channel, &self.location, now),
                None => Post::new(id, channel, self.absent.take(id), &self.location, now),
            };
            self.posts.push(post);
        }
        for (id, post) in before {
            self.absent.remember(id, post.into_memory());
        }
        self.absent.miss(now);
        self.places = places(&self.posts);
        // What a probe held that has left the plan is gone.
        self.weight =
            Weight::of(self.posts.iter().flat_map(|post| &post.probes).filter_map(|it| it.held.as_deref()));
        let lookouts = self.posts.iter().flat_map(|post| &post.probes);
        Series {
            channels: self.posts.iter().map(|post| Arc::clone(&post.series)).collect(),
            probes: lookouts.map(|lookout| Arc::clone(&lookout.series)).collect(),
        }
    }

    /// Takes in what a run saw; gives the channel's place, or none where this probe is not in the plan as it ran.
    pub(crate) fn record(
        &mut self,
        outcome: &Outcome,
        exhibits: Vec<Exhibit>,
        fingerprint: u64,
        now: Moment,
    ) -> Option<usize> {
        let &(place, within) = self.places.get(&outcome.probe)?;
        let post = &mut self.posts[place];
        let lookout = &mut post.probes[within];
        if lookout.plan.fingerprint != fingerprint {
            return None;
        }
        match outcome.verdict {
            Verdict::Ok => self.weight.well(&mut lookout.held),
            Verdict::Degraded(_) | Verdict::Failed(_) => self.weight.hold(&mut lookout.held, exhibits),
            Verdict::Inconclusive(_) => {}
        }
        lookout.series.record(outcome);
        lookout.latency.record(outcome, now.monotonic);
        lookout.heard_at = now.monotonic;
        lookout.sight = Some(match &outcome.verdict {
            // It could look, and was not let: that is no blindness.
            Verdict::Inconclusive(Inconclusive { reason: InconclusiveReason::Capped, .. }) => Ok(()),
            Verdict::Inconclusive(inconclusive) => Err(inconclusive.reason),
            Verdict::Ok | Verdict::Degraded(_) | Verdict::Failed(_) => Ok(()),
        });
        lookout.note_answer(outcome, now.wall);
        lookout.note_met(&outcome.met);
        post.state.record(outcome, &post.plan.rules, now.monotonic);
        post.changed = true;
        Some(place)
    }

    /// The state and the open incident of every channel that is known, in the form in which they are committed.
    pub(crate) fn standing(&self) -> Vec<Decision> {
        let posts = self.posts.iter().map(|post| Decision {
            channel: post.id.clone(),
            state: post.state.state(),
            since: post.state.since(),
            incident: post.incident.as_deref().cloned(),
            happening: None,
        });
        posts.chain(self.absent.standing()).collect()
    }

    /// How many probes there are, and of how many something was heard within three intervals and a timeout.
    pub(crate) fn freshness(&self, now: Duration) -> (usize, usize) {
        let lookouts = || self.posts.iter().flat_map(|post| &post.probes);
        let is_fresh = |lookout: &&Lookout| now.saturating_sub(lookout.heard_at) <= lookout.plan.silence();
        (lookouts().count(), lookouts().filter(is_fresh).count())
    }

    /// Lets go of what was held of a channel's runs: it is kept, or over.
    pub(crate) fn let_go(&mut self, place: usize) {
        for lookout in &mut self.posts[place].probes {
            self.weight.let_go(&mut lookout.held);
        }
    }

    /// Why nothing can be seen: the causes of all last runs, none of them if a single one could look.
    pub(crate) fn blindness(&self) -> BTreeSet<InconclusiveReason> {
        let sights = self.posts.iter().flat_map(|post| &post.probes).filter_map(|lookout| lookout.sight);
        sights.map(Result::err).collect::<Option<_>>().unwrap_or_default()
    }

    /// The change of state that a channel's evidence calls for.
    pub(crate) fn judge(&mut self, place: usize, now: Moment) -> Option<Transition> {
        let post = &mut self.posts[place];
        post.state.judge(&post.plan.rules, now)
    }

    /// The channels, in the order of their ids.
    pub(crate) fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// The channels, to mark them as drawn or to tell them whether they are open.
    pub(crate) fn posts_mut(&mut self) -> &mut [Post] {
        &mut self.posts
    }

    /// A channel's place, if it is in the plan.
    pub(crate) fn place(&self, id: &ChannelId) -> Option<usize> {
        self.posts.binary_search_by(|post| post.id.cmp(id)).ok()
    }

    /// The channel at a place.
    pub(crate) fn post_mut(&mut self, place: usize) -> &mut Post {
        &mut self.posts[place]
    }

    /// The channels that are not in the plan.
    pub(crate) fn absent(&self) -> &Absent {
        &self.absent
    }

    /// Remembers a decision about a channel that is not in the plan.
    pub(crate) fn remember(&mut self, decision: &Decision) {
        self.absent.remember(decision.channel.clone(), memory(decision));
    }

    /// Shows the windows of some channels' probes in their metrics, from the channel at `place` on, in a ring, until
    /// about `probes_max` have been shown; gives the place to go on from.
    pub(crate) fn show_windows(&mut self, place: usize, probes_max: usize, now: Duration) -> usize {
        let total = self.posts.len();
        let mut shown = 0;
        for step in 0..total {
            let at = (place + step) % total;
            if shown >= probes_max {
                return at;
            }
            for lookout in &mut self.posts[at].probes {
                lookout.show_windows(now, &mut self.scale);
                shown += 1;
            }
            self.posts[at].changed = true;
        }
        0
    }
}

impl Post {
    fn new(
        id: &ChannelId,
        channel: &Arc<Channel>,
        memory: Option<RememberedChannel>,
        location: &Location,
        now: Moment,
    ) -> Self {
        let (state, incident) = match memory {
            Some(RememberedChannel { state, since, incident }) => {
                let outage = incident.as_ref().map(Incident::outage);
                (ChannelState::restore(state, since, outage), incident)
            }
            None => (ChannelState::new(now.wall), None),
        };
        let series = Arc::new(channel_series(id, channel));
        let post = Self {
            id: id.clone(),
            plan: Arc::clone(channel),
            state,
            gate: Gate::default(),
            incident: incident.map(Box::new),
            series,
            probes: Vec::new(),
            changed: true,
        };
        post.show_state();
        post.staff(location, now)
    }

    fn replan(mut self, channel: &Arc<Channel>, location: &Location, now: Moment) -> Self {
        if labels(&self.plan) != labels(channel) {
            let series = channel_series(&self.id, channel);
            series.inherit(&self.series);
            self.series = Arc::new(series);
        }
        if self.plan.hours != channel.hours {
            self.gate.forget_hours();
        }
        self.plan = Arc::clone(channel);
        self.changed = true;
        self.staff(location, now)
    }

    /// Goes by the probes of the plan.
    fn staff(mut self, location: &Location, now: Moment) -> Self {
        let mut before = std::mem::take(&mut self.probes);
        self.probes.reserve_exact(self.plan.probes.len());
        for plan in self.plan.probes.values() {
            let same =
                |known: &Lookout| known.plan.key == plan.key && known.plan.fingerprint == plan.fingerprint;
            let lookout = match before.iter().position(same) {
                Some(at) => Lookout { plan: Arc::clone(plan), ..before.swap_remove(at) },
                None => Lookout::new(plan, location, now.monotonic),
            };
            self.probes.push(lookout);
        }
        self.watch(now);
        self
    }

    /// Says which probes count.
    fn watch(&mut self, now: Moment) {
        let watched = self.plan.probes.values().map(|probe| Watched {
            key: Arc::clone(&probe.key),
            silence: probe.silence(),
            fingerprint: probe.fingerprint,
        });
        self.state.watch(watched, now.monotonic);
    }

    /// Takes over what has been committed.
    pub(crate) fn adopt(&mut self, decision: &Decision, now: Moment) {
        let memory = memory(decision);
        if decision.event() == Some(IncidentEvent::Withdrawn) {
            // It came back while that was being committed; the state that it brought along is over.
            let opening = self.state.opening();
            self.state = ChannelState::new(memory.since);
            self.state.attend(opening, now);
            self.watch(now);
        } else {
            self.state.adopt(memory.state, memory.since);
        }
        self.incident = memory.incident.map(Box::new);
        self.changed = true;
        self.show_state();
    }

    /// Goes on as something is remembered, as after a restart.
    pub(crate) fn resume(&mut self, memory: RememberedChannel, now: Moment) {
        let RememberedChannel { state, since, incident } = memory;
        self.state = ChannelState::restore(state, since, incident.as_ref().map(Incident::outage));
        self.incident = incident.map(Box::new);
        self.watch(now);
        self.changed = true;
        self.show_state();
    }

    fn show_state(&self) {
        let severity = self.incident.as_ref().map(|incident| incident.severity);
        self.series.set_state(self.state.state(), self.state.since(), severity);
    }

    fn into_memory(self) -> RememberedChannel {
        let incident = self.incident.map(|incident| *incident);
        RememberedChannel { state: self.state.state(), since: self.state.since(), incident }
    }

    /// The hosts that its probes burden.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.probes.iter().flat_map(|lookout| &lookout.plan.hosts)
    }
}

impl Lookout {
    fn new(plan: &Arc<ProbePlan>, location: &Location, now: Duration) -> Self {
        Self {
            plan: Arc::clone(plan),
            series: Arc::new(ProbeSeries::new(&plan.key, location, plan.measures())),
            latency: Latency::default(),
            heard_at: now,
            sight: None,
            shown: Windows::default(),
            proven: None,
            answered_in: None,
            met: Vec::new(),
            held: None,
        }
    }

    /// A success proves that it works, for two intervals; a failure that it does not.
    fn note_answer(&mut self, outcome: &Outcome, now: Timestamp) {
        match outcome.verdict {
            Verdict::Ok | Verdict::Degraded(_) => {
                let until = now.checked_add(self.plan.every * 2).unwrap_or(now);
                self.proven = Some((outcome.started_at, until));
            }
            Verdict::Failed(_) => self.proven = None,
            Verdict::Inconclusive(_) => {}
        }
        let contact = outcome.contact.as_ref();
        let answered = contact.and_then(|contact| contact.person.or(contact.bot));
        self.answered_in = answered.or(self.answered_in);
    }

    /// What a run that came less far did not meet is still there.
    fn note_met(&mut self, met: &[Shared]) {
        let kinds: [fn(&Shared) -> bool; 2] =
            [|one| matches!(one, Shared::Address(_)), |one| matches!(one, Shared::Certificate(_))];
        for is_of_kind in kinds {
            let now = || met.iter().filter(|one| is_of_kind(one));
            if now().next().is_some() && !now().eq(self.met.iter().filter(|one| is_of_kind(one))) {
                self.met.retain(|one| !is_of_kind(one));
                self.met.extend(now().cloned());
            }
        }
    }

    fn show_windows(&mut self, now: Duration, scale: &mut Scale) {
        self.shown = Windows {
            quantiles: self.latency.quantiles(now, scale),
            timeout_ratios: Window::ALL.map(|window| self.latency.timeout_ratio(window, now)),
        };
        let latency = self.shown.quantiles.map(|quantiles| [quantiles.p50, quantiles.p95, quantiles.p99]);
        self.series.set_latency(latency);
        self.series.set_timeout_ratios(self.shown.timeout_ratios);
    }
}

/// What is to be remembered of a channel after a decision.
fn memory(decision: &Decision) -> RememberedChannel {
    let incident = decision.incident.clone().filter(|incident| incident.resolved_at.is_none());
    RememberedChannel { state: decision.state, since: decision.since, incident }
}

fn places(posts: &[Post]) -> HashMap<Arc<ProbeKey>, (usize, usize)> {
    let mut places = HashMap::new();
    for (place, post) in posts.iter().enumerate() {
        for (within, lookout) in post.probes.iter().enumerate() {
            places.insert(Arc::clone(&lookout.plan.key), (place, within));
        }
    }
    places
}

fn channel_series(id: &ChannelId, channel: &Channel) -> ChannelSeries {
    ChannelSeries::new(id.as_str(), labels(channel))
}

/// The labels of `support_channel_info` after the channel's id.
fn labels(channel: &Channel) -> Vec<(&str, &str)> {
    let team = channel.team.as_ref().map_or("", |team| team.as_str());
    let own = [("kind", channel.kind.as_str()), ("title", &channel.title), ("team", team)];
    own.into_iter()
        .chain(channel.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .collect()
}
