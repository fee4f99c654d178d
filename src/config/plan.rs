//! What to probe and by which rules: the whole configuration, checked, with every secret read and every probe built.
//! A reload swaps a whole plan for another; nothing in a plan ever changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crate::{
    domain::{
        canary::{Daily, MailWay},
        channel::{ChannelId, ChannelKind, Location, ProbeKey, ProbeName, TeamId},
        contact::Responder,
        escalation::Ladder,
        evaluation::Rules,
        hours::Hours,
        maintenance::Planned,
        network::Kind,
        notification::{Recipient, Route},
        outcome::PhaseWords,
        public::{PublicChannel, PublicPage},
        report::period::Every,
        slo::Slo,
        urgency::Urgencies,
    },
    evidence::EvidencePlan,
    metrics::{self, series::Measures},
    notify::{
        Endpoints, Notifier,
        heartbeat::Heartbeat,
        mail::{MailServer, mailbox::Mailbox},
    },
    probe::{Probe, sentinel::Sentinel},
    secret::{Redactor, Secret},
    web::{access::Access, tls::Identity},
};

/// Everything the daemon works by.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The file it was read from, as a path from anywhere.
    pub path: PathBuf,
    /// What is fixed at boot; a reload that changes it is refused.
    pub boot: Boot,
    /// How mail leaves; none if no team has a recipient.
    pub mail: Option<MailServer>,
    /// The canaries that go by mail; none where none do.
    pub canary: Option<CanaryPlan>,
    /// To which dead man's switch heartbeats go; none where they go to none.
    pub heartbeat: Option<Heartbeat>,
    /// What is told besides, and the second mail server.
    pub endpoints: Endpoints,
    /// The address under which people reach the page of all channels, for links in mails; none without.
    pub public_url: Option<String>,
    /// The page for customers; none where there is none.
    pub public: Option<PublicSite>,
    /// The time zone in which mails tell the time.
    pub time_zone: jiff::tz::TimeZone,
    /// At most so many runs at once.
    pub runs_max: usize,
    /// At most so many runs at once against one host.
    pub runs_per_host_max: usize,
    /// By what our own network is judged.
    pub network: NetworkPlan,
    /// What may do everything over HTTP, and signs links; none signs none.
    pub api_token: Option<Secret>,
    /// Who may ask and command over HTTP.
    pub access: Arc<Access>,
    /// By what the pages are encrypted; none as they are.
    pub tls: Option<Identity>,
    /// Announced maintenance.
    pub maintenance: Arc<[Planned]>,
    /// The teams, by id.
    pub teams: BTreeMap<TeamId, Team>,
    /// What channels depend on, by id.
    pub dependencies: BTreeMap<ChannelId, Dependency>,
    /// The channels, by id, and with them the dependencies that have probes of their own.
    pub channels: BTreeMap<ChannelId, Arc<Channel>>,
}

/// The canaries: mails that go out once a day, by each mail server one.
#[derive(Clone, Debug)]
pub struct CanaryPlan {
    /// To whom they go.
    pub to: String,
    /// When.
    pub daily: Daily,
    /// How long each may take.
    pub within: Duration,
    /// By what they go.
    pub ways: BTreeMap<MailWay, CanaryWay>,
    /// Where they are looked for; without one they have arrived when the server has taken them.
    pub mailbox: Option<Arc<dyn Mailbox>>,
}

/// A mail server by which canaries go.
#[derive(Clone)]
pub struct CanaryWay {
    /// Its host.
    pub host: String,
    /// The route through it alone.
    pub notifier: Arc<dyn Notifier>,
}

impl fmt::Debug for CanaryWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanaryWay").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Settings that only a restart can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Where runs are made from.
    pub location: Location,
    /// The address of `/metrics` and health.
    pub listen: std::net::SocketAddr,
    /// Where the page for customers is, if there is one.
    pub public_listen: Option<std::net::SocketAddr>,
    /// Whether what is served there is encrypted.
    pub is_encrypted: bool,
    /// The database file.
    pub store: PathBuf,
    /// Where evidence is kept, and how much.
    pub evidence: EvidencePlan,
}

/// By what our own network is judged.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// What must answer if it works; without any, every run counts as it ends.
    pub sentinels: Arc<[SentinelPlan]>,
    /// A time without sight is told of, when it is over, if it was as long as this.
    pub mail_after: Duration,
}

/// Where nothing is said, two minutes without sight are told of.
const BLIND_MAIL_AFTER: Duration = Duration::from_secs(120);

impl Default for NetworkPlan {
    fn default() -> Self {
        Self { sentinels: Arc::default(), mail_after: BLIND_MAIL_AFTER }
    }
}

/// One sentinel.
#[derive(Clone, Debug)]
pub struct SentinelPlan {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// How often it is asked.
    pub every: Duration,
    /// How long its answer is waited for.
    pub timeout: Duration,
    /// What to ask.
    pub sentinel: Arc<dyn Sentinel>,
}

/// People who are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// To whom mails go, a mail for each.
    pub mail: Vec<String>,
    /// When they are told of nothing that can wait; none never.
    pub quiet: Option<Arc<Hours>>,
    /// What they want told of what stays dark.
    pub ladder: Ladder,
    /// How often they get a report; never without.
    pub report: Option<Every>,
    /// Which webhooks are told.
    pub webhooks: Vec<String>,
    /// Which Alertmanagers are told.
    pub alertmanagers: Vec<String>,
}

impl Team {
    /// Everybody and everything that is told.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        let routes = [
            (Route::Mail, &self.mail),
            (Route::Webhook, &self.webhooks),
            (Route::Alertmanager, &self.alertmanagers),
        ];
        let of = |(route, addresses): (Route, &Vec<String>)| {
            let recipient = move |address: &String| Recipient { route, address: address.clone() };
            addresses.iter().map(recipient).collect::<Vec<_>>()
        };
        routes.into_iter().flat_map(of).collect()
    }
}

/// Something that stands behind several channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its title for people.
    pub title: String,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its title for people.
    pub title: String,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Who is told; none warns in `check`.
    pub team: Option<TeamId>,
    /// What it depends on.
    pub depends_on: BTreeSet<ChannelId>,
    /// Labels the operator added, for joins in PromQL.
    pub labels: BTreeMap<String, String>,
    /// By what it is judged.
    pub rules: Rules,
    /// How urgent its outages are.
    pub urgencies: Urgencies,
    /// When it is open; none is always.
    pub hours: Option<Arc<Hours>>,
    /// How often its probes run outside its hours, if that is more rarely.
    pub every_closed: Option<Duration>,
    /// What it promises; none where nothing is.
    pub slo: Option<Slo>,
    /// Whether everybody may know how it is.
    pub is_public: bool,
    /// Its probes, by name; never empty.
    pub probes: BTreeMap<ProbeName, Arc<ProbePlan>>,
}

/// The page for customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicSite {
    /// What it is called.
    pub title: String,
    /// The address under which customers reach it, without a slash at its end.
    pub url: Option<String>,
}

impl Plan {
    /// What everybody may see; none where nobody may.
    #[must_use]
    pub fn public_page(&self) -> Option<PublicPage> {
        let public = self.channels.iter().filter(|(_, channel)| channel.is_public);
        let known_by =
            |channel: &Channel| PublicChannel { team: channel.team.clone(), labels: channel.labels.clone() };
        let site = self.public.as_ref()?;
        Some(PublicPage {
            title: site.title.clone(),
            url: site.url.clone(),
            channels: public.map(|(id, channel)| (id.clone(), known_by(channel))).collect(),
        })
    }
}

impl Channel {
    /// How long it takes to confirm that it is dark.
    #[must_use]
    pub fn confirmation(&self) -> Duration {
        let pace = |probe: &Arc<ProbePlan>| probe.recheck.map_or(probe.every, |pace| pace.min(probe.every));
        // The probe that looks most often says soonest whether it lasts.
        self.probes.values().map(pace).min().unwrap_or_default() * self.rules.dark_after.count
    }
}

/// One probe.
#[derive(Debug)]
pub struct ProbePlan {
    /// Channel and name.
    pub key: Arc<ProbeKey>,
    /// How often it is due.
    pub every: Duration,
    /// The deadline of one run.
    pub timeout: Duration,
    /// How soon a failed run is followed by another; none waits for the next turn.
    pub recheck: Option<Duration>,
    /// Every host that a run burdens, each once, for the cap per host and for what it shares with others.
    pub hosts: Box<[Arc<str>]>,
    /// The words of its phases.
    pub phases: PhaseWords,
    /// Whose first replies it measures.
    pub responders: Box<[Responder]>,
    /// Whether it counts the steps to a person.
    pub counts_steps: bool,
    /// The kind's word: `http`, `journey`.
    pub kind: &'static str,
    /// Equal for two plans whose probe is configured alike; a probe that has changed starts anew.
    pub fingerprint: u64,
    /// What to run.
    pub probe: Arc<dyn Probe>,
    /// Keeps every secret of the plan out of what a run reports.
    pub redactor: Arc<Redactor>,
}

impl Plan {
    /// How many channels and how many probes there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.channels.len(), self.channels.values().map(|channel| channel.probes.len()).sum())
    }
}

impl ProbePlan {
    /// What it measures.
    #[must_use]
    pub fn measures(&self) -> Measures<'_> {
        let Self { phases, timeout, responders, counts_steps, .. } = self;
        Measures { phases, timeout: *timeout, responders, counts_steps: *counts_steps }
    }

    /// After how long without a conclusive run it is unknown: three intervals, and the run itself.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.every * 3 + self.timeout
    }
}

/// How many time series so many channels and these probes make.
#[must_use]
pub fn series<'p>(channels: usize, probes: impl IntoIterator<Item = &'p ProbePlan>) -> usize {
    let per_probe = |probe: &ProbePlan| probe.measures().series();
    channels * metrics::SERIES_PER_CHANNEL + probes.into_iter().map(per_probe).sum::<usize>()
}
