//! The history once more, by other rules: stored outcomes run through the same judging, deciding and telling, in the time
//! that they themselves tell. Nothing but the outcomes and the rules goes in, so the same two give the same answer.
//!
//! Time goes on from the end of one run to the end of the next, and in steps of a second where something waits to be
//! told. What only time brings about, the silence of a probe and the hours of a channel, is judged at the moment at which it
//! is due.

pub mod compare;
mod opening;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{
    casebook::{Casebook, Dependency, Door, World},
    channel::{ChannelId, ChannelKind, Location, TeamId},
    decision::{self, Decision, Kept},
    escalation::Ladder,
    evaluation::{ChannelState, Moment, Rules, State, Watched},
    happening::Doorplate,
    hours::Hours,
    incident::{Incident, IncidentId},
    maintenance::{Planned, Stint},
    notification::{Letterhead, Neighbour, Recipient},
    outcome::{Outcome, Verdict},
    replay::opening::Openings,
    shared::Shared,
    urgency::Urgencies,
};

/// How often the daemon looks at what only time brings about.
const LOOK: Duration = Duration::from_secs(1);

/// One evidence leads to one state, and that to no other: a channel never turns more often than this at one moment.
const TURNS_MAX: usize = 8;

/// A channel as the rules have it.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Its title.
    pub title: String,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Who is told.
    pub team: Option<TeamId>,
    /// The labels that the operator gave it.
    pub labels: BTreeMap<String, String>,
    /// How long it takes to confirm that it is dark.
    pub confirmation: Duration,
    /// What it depends on.
    pub depends_on: BTreeSet<ChannelId>,
    /// The hosts that its probes burden.
    pub hosts: BTreeSet<Arc<str>>,
    /// Its published hours, if it has any.
    pub hours: Option<Arc<Hours>>,
    /// By what it is judged.
    pub rules: Rules,
    /// How urgent its outages are.
    pub urgencies: Urgencies,
    /// Its probes.
    pub probes: Vec<Watched>,
}

/// By what the history is judged.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The channels.
    pub entrances: BTreeMap<ChannelId, Entrance>,
    /// Who is told of the channels of each team.
    pub recipients: BTreeMap<TeamId, Vec<Recipient>>,
    /// When those who are told are told again, and who else.
    pub ladders: BTreeMap<TeamId, Ladder>,
    /// When a team is told of nothing that can wait.
    pub quiet: BTreeMap<TeamId, Arc<Hours>>,
    /// Those that keep an alert for each incident.
    pub alerts: BTreeSet<Recipient>,
    /// The titles of what channels depend on.
    pub dependencies: BTreeMap<ChannelId, String>,
    /// Announced maintenance.
    pub maintenance: Arc<[Planned]>,
    /// Maintenance that was begun by command.
    pub stints: Vec<Stint>,
    /// Where the runs were made.
    pub location: Location,
}

/// A history that is being run through.
#[derive(Debug)]
pub struct Replay {
    stage: Stage,
    casebook: Casebook,
    openings: Openings,
    /// When a probe falls silent, and whose.
    silences: BinaryHeap<Reverse<(Duration, usize)>>,
    origin: Timestamp,
    now: Duration,
    incidents: BTreeMap<IncidentId, Incident>,
    mails: BTreeMap<IncidentId, u64>,
    runs: u64,
    left_out: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Every incident that opened, in the order of their ids.
    pub incidents: Vec<Incident>,
    /// How many messages would have been sent of each case.
    pub mails: BTreeMap<IncidentId, u64>,
    /// How many runs were judged.
    pub runs: u64,
    /// How many were not, since their probes are not in the configuration.
    pub left_out: u64,
}

#[derive(Debug)]
struct Stage {
    scene: Scene,
    posts: Vec<Post>,
    places: HashMap<ChannelId, usize>,
}

#[derive(Debug)]
struct Post {
    id: ChannelId,
    state: ChannelState,
    incident: Option<Incident>,
}

impl Replay {
    /// Begins at `origin`, with the incidents that were open then.
    #[must_use]
    pub fn new(scene: Scene, standing: &[Incident], origin: Timestamp) -> Self {
        let mut silences = BinaryHeap::new();
        let mut posts = Vec::with_capacity(scene.entrances.len());
        for (place, (id, entrance)) in scene.entrances.iter().enumerate() {
            let incident = standing.iter().find(|incident| incident.channel == *id);
            let mut state = match incident.map(Incident::outage) {
                Some(outage) => ChannelState::restore(outage.state, outage.since, Some(outage)),
                None => ChannelState::new(origin),
            };
            state.watch(entrance.probes.iter().cloned(), Duration::ZERO);
            silences.extend(entrance.probes.iter().map(|probe| Reverse((probe.silence, place))));
            posts.push(Post { id: id.clone(), state, incident: incident.cloned() });
        }
        let places = posts.iter().enumerate().map(|(place, post)| (post.id.clone(), place)).collect();
        let openings = Openings::new(&scene);
        let mut replay = Self {
            stage: Stage { scene, posts, places },
            casebook: Casebook::default(),
            openings,
            silences,
            origin,
            now: Duration::ZERO,
            incidents: BTreeMap::new(),
            mails: BTreeMap::new(),
            runs: 0,
            left_out: 0,
        };
        replay.open_and_close();
        replay
    }

    /// Takes in what a run saw, in the order in which the runs were over.
    pub fn record(&mut self, outcome: &Outcome) {
        let since = outcome.started_at.duration_since(self.origin);
        let began = Duration::try_from(since).unwrap_or_default();
        // Of a clock that was set back nothing is known but that time went on.
        self.advance((began + outcome.duration).max(self.now));
        let place = self.stage.places.get(&outcome.probe.channel).copied();
        let entrance = self.stage.scene.entrances.get(&outcome.probe.channel);
        let (Some(place), Some(entrance)) = (place, entrance) else {
            self.left_out += 1;
            return;
        };
        let Some(probe) = entrance.probes.iter().find(|probe| probe.key == outcome.probe) else {
            self.left_out += 1;
            return;
        };
        self.runs += 1;
        if !matches!(outcome.verdict, Verdict::Inconclusive(_)) {
            self.silences.push(Reverse((self.now.saturating_add(probe.silence), place)));
        }
        self.stage.posts[place].state.record(outcome, &entrance.rules, self.now);
        self.judge(place);
        self.tell();
    }

    /// What came of it, when no runs are left.
    #[must_use]
    pub fn finish(self) -> Replayed {
        Replayed {
            incidents: self.incidents.into_values().collect(),
            mails: self.mails,
            runs: self.runs,
            left_out: self.left_out,
        }
    }

    fn moment(&self) -> Moment {
        let wall = self.origin.checked_add(self.now).unwrap_or(Timestamp::MAX);
        Moment { wall, monotonic: self.now }
    }

    /// Goes on to a moment, and stops wherever something is due on the way.
    fn advance(&mut self, to: Duration) {
        loop {
            let silent = self.silences.peek().map(|Reverse((at, _))| *at);
            let is_telling =
                self.casebook.waiting_since().is_some() || self.casebook.cases().next().is_some();
            let look = is_telling.then(|| self.now + LOOK);
            let turn = Duration::try_from(self.openings.next().duration_since(self.origin)).ok();
            let due = silent.into_iter().chain(look).chain(turn).min();
            let Some(next) = due.filter(|next| *next <= to) else { break };
            self.now = next.max(self.now);
            self.open_and_close();
            while let Some(&Reverse((_, place))) = self.silences.peek().filter(|due| due.0.0 <= self.now) {
                self.silences.pop();
                self.judge(place);
            }
            self.tell();
        }
        self.now = to;
    }

    /// Opens and closes the doors whose time it is. Where one opens, its probes begin anew.
    fn open_and_close(&mut self) {
        let now = self.moment();
        if now.wall < self.openings.next() {
            return;
        }
        for (place, opening) in self.openings.turn(&self.stage.scene.entrances, now.wall) {
            let post = &mut self.stage.posts[place];
            post.state.attend(opening, now);
            let probes = &self.stage.scene.entrances[&post.id].probes;
            self.silences
                .extend(probes.iter().map(|probe| Reverse((self.now.saturating_add(probe.silence), place))));
            self.judge(place);
        }
    }

    /// Judges a channel until it stays as it is.
    fn judge(&mut self, place: usize) {
        for _ in 0..TURNS_MAX {
            let now = self.moment();
            let post = &mut self.stage.posts[place];
            let entrance = &self.stage.scene.entrances[&post.id];
            let Some(transition) = post.state.judge(&entrance.rules, now) else { return };
            let decision = if entrance.kind == ChannelKind::Dependency {
                decision::note(&post.id, &transition)
            } else {
                let Entrance { title, kind, team, urgencies, .. } = entrance;
                let (title, team) = (title.clone(), team.clone());
                let door = Doorplate { title, kind: *kind, team, urgencies: *urgencies };
                let kept = Kept { door, bundle: None, picture: None };
                let standing = post.incident.as_ref();
                decision::decide(&post.id, &entrance.rules, standing, &transition, kept, now.wall)
            };
            self.adopt(place, decision, now);
        }
    }

    fn adopt(&mut self, place: usize, decision: Decision, now: Moment) {
        let post = &mut self.stage.posts[place];
        post.state.adopt(decision.state, decision.since);
        if let Some(happening) = decision.happening {
            self.incidents.insert(happening.incident.id.clone(), happening.incident.clone());
            self.casebook.take(happening, now);
        }
        post.incident = decision.incident.filter(|incident| incident.resolved_at.is_none());
    }

    fn tell(&mut self) {
        let now = self.moment();
        let Some(announcement) = self.casebook.settle(&self.stage, now) else { return };
        for notification in &announcement.notifications {
            *self.mails.entry(notification.incident.clone()).or_default() += 1;
        }
        self.casebook.adopt(&announcement, now);
    }
}

impl Replayed {
    /// How many messages would have been sent of incidents that opened since a moment.
    #[must_use]
    pub fn mails_about(&self, since: Timestamp) -> u64 {
        let opened = self.incidents.iter().filter(|incident| incident.confirmed_at >= since);
        opened.filter_map(|incident| self.mails.get(&incident.id)).sum()
    }
}

impl Stage {
    fn entrance(&self, post: &Post) -> &Entrance {
        &self.scene.entrances[&post.id]
    }

    fn is_door(&self, post: &Post) -> bool {
        self.entrance(post).kind != ChannelKind::Dependency
    }

    fn stands_on(&self, post: &Post) -> BTreeSet<Shared> {
        if !self.is_door(post) {
            return BTreeSet::from([Shared::Dependency(post.id.clone())]);
        }
        let entrance = self.entrance(post);
        let declared = entrance.depends_on.iter().cloned().map(Shared::Dependency);
        declared.chain(entrance.hosts.iter().cloned().map(Shared::Host)).collect()
    }

    fn post(&self, id: &ChannelId) -> Option<&Post> {
        self.places.get(id).map(|&place| &self.posts[place])
    }
}

impl World for Stage {
    fn door(&self, channel: &ChannelId) -> Option<Door<'_>> {
        let post = self.post(channel)?;
        let Entrance { title, kind, team, labels, .. } = self.entrance(post);
        Some(Door { title, kind: *kind, team: team.as_ref(), labels, stands_on: self.stands_on(post) })
    }

    fn recipients(&self, team: &TeamId) -> Vec<Recipient> {
        self.scene.recipients.get(team).cloned().unwrap_or_default()
    }

    fn confirmation(&self, channel: &ChannelId) -> Duration {
        self.scene.entrances.get(channel).map(|entrance| entrance.confirmation).unwrap_or_default()
    }

    fn ladder(&self, team: &TeamId) -> Option<&Ladder> {
        self.scene.ladders.get(team)
    }

    fn quiet(&self, team: &TeamId) -> Option<&Hours> {
        self.scene.quiet.get(team).map(|quiet| &**quiet)
    }

    fn keeps_alerts(&self, recipient: &Recipient) -> bool {
        self.scene.alerts.contains(recipient)
    }

    fn doors(&self) -> usize {
        self.posts.iter().filter(|post| self.is_door(post)).count()
    }

    fn suspects(&self) -> Vec<(ChannelId, BTreeSet<Shared>)> {
        let suspects = self.posts.iter().filter(|post| post.state.is_suspect());
        suspects.map(|post| (post.id.clone(), self.stands_on(post))).collect()
    }

    fn neighbours(&self, of: &[&ChannelId]) -> Vec<Neighbour> {
        let concerned = of.iter().filter_map(|id| self.post(id));
        let lost: BTreeSet<Shared> = concerned.flat_map(|post| self.stands_on(post)).collect();
        let others = self.posts.iter().filter(|post| self.is_door(post) && !of.contains(&&post.id));
        let neighbour = |post: &Post| Neighbour {
            channel: post.id.clone(),
            title: self.entrance(post).title.clone(),
            state: post.state.outlook(),
            is_proven: !post.state.is_suspect(),
            shares_host: !self.stands_on(post).is_disjoint(&lost),
        };
        others.map(neighbour).collect()
    }

    fn dependency(&self, dependency: &ChannelId) -> Option<Dependency<'_>> {
        let title = self.scene.dependencies.get(dependency)?;
        let is_dark = self.post(dependency).map(|post| post.state.outlook() == State::Dark);
        let depends = |(id, entrance): (&ChannelId, &Entrance)| {
            entrance.depends_on.contains(dependency).then(|| id.clone())
        };
        let dependents = self.scene.entrances.iter().filter_map(depends).collect();
        Some(Dependency { title, is_dark, dependents })
    }

    fn location(&self) -> &Location {
        &self.scene.location
    }

    // What is said is thrown away; only that it would be said counts.
    fn letterhead(&self) -> Letterhead<'_> {
        Letterhead {
            mail_host: "localhost",
            public_url: None,
            time_zone: const { &TimeZone::UTC },
            config: Path::new(""),
        }
    }
}

#[cfg(test)]
mod tests;
