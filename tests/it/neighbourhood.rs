//! Doors as the casebook looks at them, for tests that tell people without a daemon.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::LazyLock,
    time::Duration,
};

use jiff::tz::TimeZone;
use lamplighter::domain::{
    casebook::{Dependency, Door, World},
    channel::{ChannelId, ChannelKind, Location, TeamId},
    escalation::Ladder,
    evaluation::State,
    happening::Doorplate,
    hours::Hours,
    notification::{Letterhead, Neighbour, Recipient},
    shared::Shared,
    urgency::Urgencies,
};

/// One door.
#[derive(Clone, Debug)]
pub struct Doorway {
    pub title: String,
    pub kind: ChannelKind,
    pub team: TeamId,
    pub labels: BTreeMap<String, String>,
    pub stands_on: BTreeSet<Shared>,
    pub state: State,
    pub is_suspect: bool,
}

/// All doors.
pub struct Neighbourhood {
    pub doors: BTreeMap<ChannelId, Doorway>,
    /// Who is told.
    pub teams: BTreeMap<TeamId, Vec<Recipient>>,
    /// What they want told of what stays dark.
    pub ladders: BTreeMap<TeamId, Ladder>,
    /// When they are told of nothing that can wait.
    pub quiet: BTreeMap<TeamId, Hours>,
    /// Those that keep an alert for each incident.
    pub alerts: BTreeSet<Recipient>,
    /// Whether a dependency is found broken, where it has probes of its own.
    pub dependencies: BTreeMap<ChannelId, Option<bool>>,
    /// Given instead of what the doors say.
    pub neighbours: Option<Vec<Neighbour>>,
    /// How long it takes to confirm that a door is dark.
    pub confirmation: Duration,
    pub public_url: Option<&'static str>,
    pub zone: TimeZone,
}

impl Default for Neighbourhood {
    fn default() -> Self {
        Self {
            doors: BTreeMap::new(),
            teams: BTreeMap::new(),
            ladders: BTreeMap::new(),
            quiet: BTreeMap::new(),
            alerts: BTreeSet::new(),
            dependencies: BTreeMap::new(),
            neighbours: None,
            confirmation: Duration::from_secs(90),
            public_url: Some("https://lamplighter.example.com/"),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }
}

/// What a door of the team "oncall" says of itself.
pub fn doorplate(title: &str, kind: ChannelKind) -> Doorplate {
    let urgencies = Urgencies::default();
    Doorplate { title: title.to_owned(), kind, team: Some(TeamId::new("oncall")), urgencies }
}

impl World for Neighbourhood {
    fn door(&self, channel: &ChannelId) -> Option<Door<'_>> {
        let door = self.doors.get(channel)?;
        Some(Door {
            title: &door.title,
            kind: door.kind,
            team: Some(&door.team),
            labels: &door.labels,
            stands_on: door.stands_on.clone(),
        })
    }

    fn recipients(&self, team: &TeamId) -> Vec<Recipient> {
        self.teams.get(team).cloned().unwrap_or_default()
    }

    fn ladder(&self, team: &TeamId) -> Option<&Ladder> {
        self.ladders.get(team)
    }

    fn quiet(&self, team: &TeamId) -> Option<&Hours> {
        self.quiet.get(team)
    }

    fn keeps_alerts(&self, recipient: &Recipient) -> bool {
        self.alerts.contains(recipient)
    }

    fn doors(&self) -> usize {
        self.doors.len()
    }

    fn suspects(&self) -> Vec<(ChannelId, BTreeSet<Shared>)> {
        let suspects = self.doors.iter().filter(|(_, door)| door.is_suspect);
        suspects.map(|(id, door)| (id.clone(), door.stands_on.clone())).collect()
    }

    fn neighbours(&self, of: &[&ChannelId]) -> Vec<Neighbour> {
        if let Some(neighbours) = &self.neighbours {
            return neighbours.clone();
        }
        let stands_on: BTreeSet<&Shared> =
            of.iter().filter_map(|id| self.doors.get(id)).flat_map(|door| &door.stands_on).collect();
        let others = self.doors.iter().filter(|(id, _)| !of.contains(id));
        let neighbour = |(id, door): (&ChannelId, &Doorway)| Neighbour {
            channel: id.clone(),
            title: door.title.clone(),
            state: door.state,
            is_proven: !door.is_suspect,
            shares_host: door.stands_on.iter().any(|shared| stands_on.contains(shared)),
        };
        others.map(neighbour).collect()
    }

    fn dependency(&self, dependency: &ChannelId) -> Option<Dependency<'_>> {
        let (id, is_dark) = self.dependencies.get_key_value(dependency)?;
        let on = Shared::Dependency(id.clone());
        let dependents = self.doors.iter().filter(|(_, door)| door.stands_on.contains(&on));
        Some(Dependency {
            title: id.as_str(),
            is_dark: *is_dark,
            dependents: dependents.map(|(id, _)| id.clone()).collect(),
        })
    }

    fn confirmation(&self, _: &ChannelId) -> Duration {
        self.confirmation
    }

    fn location(&self) -> &Location {
        static PLACE: LazyLock<Location> = LazyLock::new(|| Location::new("fra-1"));
        &PLACE
    }

    fn letterhead(&self) -> Letterhead<'_> {
        Letterhead {
            mail_host: "example.com",
            public_url: self.public_url,
            time_zone: &self.zone,
            config: Path::new("/etc/lamplighter/probes.toml"),
        }
    }
}
