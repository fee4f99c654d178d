//! Puts the plan together: collects the tables of all files, hands each to those who know it, and joins the results.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::tz::TimeZone;

use crate::{
    config::{
        Loaded, Problems, canary,
        channels::{Drafted, DraftedDependency, Drafting},
        clients, dependencies, endpoints, escalation,
        files::{Gathering, SourceText},
        listening, mail, maintenance,
        personas::Personas,
        plan::{Boot, Dependency, NetworkPlan, Plan, Team},
        quiet,
        report::Report,
        sentinels,
        settings::{ApiSettings, MonitorSettings},
        syntax,
        tables::{Entry, Intake, Tables},
        team,
        value::Count,
        warnings, ways,
    },
    domain::channel::{ChannelId, Location, TeamId, is_id},
    evidence::EvidencePlan,
    notify::{
        Endpoints,
        heartbeat::{Heartbeat, HeartbeatSettings},
        mail::MailServer,
    },
    probe::{
        chromium::{Chromium, ChromiumSettings},
        transport::{
            Transport,
            resolve::{Resolver, SYSTEM_FILES},
        },
    },
    secret::{Redactor, Secret, Sources},
    setting::Problem,
    web::access::Access,
};

/// The port of `/metrics` where the configuration names none.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9899);
/// The database where the configuration names none.
const STORE: &str = "lamplighter.db";
/// The location where the configuration names none.
const LOCATION: &str = "local";
/// The cap on runs where the configuration names none.
const RUNS_MAX: usize = 1_000;
/// The cap on runs per host where the configuration names none.
const RUNS_PER_HOST_MAX: usize = 20;

const FIRST_CHANNEL: &str = "add a table [channel.web-chat] and a probe [channel.web-chat.probe.launcher] \
with http = { url = \"https://...\" }";

/// Reads and checks a configuration.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let Gathering { mut report, mut watched, texts, incomplete, .. } = Gathering::of(path);
    // Each file's references start at its own directory.
    let outside: Vec<Sources> = texts.iter().map(|source| Sources::new(&source.directory)).collect();
    let plan = read(path, &texts, &outside, incomplete, &mut report);
    let mut secrets = Vec::new();
    for (source, outside) in texts.iter().zip(outside) {
        let taken = outside.into_taken();
        watched.extend(taken.files);
        secrets.extend(taken.secrets);
        taken.warnings.into_iter().for_each(|warning| report.warning(source.index, warning));
    }
    // A network that changes brings other name servers.
    watched.extend(SYSTEM_FILES.map(PathBuf::from));
    let sources = watched.into_iter().collect();
    match plan {
        Some(plan) if report.errors() == 0 => {
            Ok(Loaded { plan: plan.finish(&secrets), warnings: report, sources })
        }
        _ => Err(Problems { report: report.without_warnings(), sources }),
    }
}

/// A plan whose probes do not know the secrets of the others yet.
struct Draft {
    plan: Plan,
    channels: BTreeMap<String, Drafted>,
    dependencies: BTreeMap<String, DraftedDependency>,
}

impl Draft {
    /// Gives every probe the redactor that knows every secret of the plan.
    fn finish(self, secrets: &[Secret]) -> Plan {
        let redactor = Arc::new(Redactor::new(secrets));
        let mut plan = self.plan;
        let mut watched: Vec<(String, Drafted)> = self.channels.into_iter().collect();
        for (id, dependency) in self.dependencies.into_iter().filter(|(id, _)| is_id(id)) {
            let DraftedDependency { title, watched: own } = dependency;
            plan.dependencies.insert(ChannelId::new(&id), Dependency { title });
            watched.extend(own.map(|drafted| (id, drafted)));
        }
        for (id, drafted) in watched {
            let Some((mut channel, probes)) = drafted.built else { continue };
            for mut probe in probes {
                probe.redactor = Arc::clone(&redactor);
                channel.probes.insert(probe.key.probe.clone(), Arc::new(probe));
            }
            plan.channels.insert(ChannelId::new(&id), Arc::new(channel));
        }
        plan
    }
}

/// Reads the files one after the other, the first one first: it says by what the channels of all of them are built. None
/// if there is too little to make a plan of; why has been reported.
fn read(
    path: &Path,
    texts: &[SourceText],
    outside: &[Sources],
    incomplete: bool,
    report: &mut Report,
) -> Option<Draft> {
    let mut tables = Tables { incomplete, ..Tables::default() };
    let mut drafting: Option<Drafting> = None;
    let mut network = NetworkPlan::default();
    for (source, outside) in texts.iter().zip(outside) {
        let file = source.index;
        let syntax = syntax::parse(&source.text);
        syntax.problems.into_iter().for_each(|problem| report.error(file, problem));
        report.break_lines(file, syntax.broken);
        let channels = if syntax.lost {
            tables.incomplete = true;
            None
        } else {
            tables.take(file, drafting.is_none(), syntax.tree, report)
        };
        let drafting = drafting.get_or_insert_with(|| {
            let transport = Transport::new(resolver(&tables.monitor, report));
            network = sentinels::build(&tables, &transport, report);
            let chromium = chromium(tables.browser.as_ref(), report);
            let personas = Personas::build(&tables.personas, outside, &transport, &chromium, report);
            let zone = time_zone(&tables.monitor);
            Drafting::new(transport, chromium, personas, tables.defaults.as_ref(), zone, report)
        });
        drafting.take_dependencies(std::mem::take(&mut tables.dependencies), outside, report);
        if let Some(channels) = channels {
            drafting.take(channels, outside, Intake { file, report });
        }
    }
    let mut draft = assemble(path, tables, drafting?, outside.first()?, report);
    draft.plan.network = network;
    Some(draft)
}

/// What only the whole can show. `main` is what the first file refers to.
fn assemble(
    path: &Path,
    tables: Tables<'_>,
    drafting: Drafting,
    main: &Sources,
    report: &mut Report,
) -> Draft {
    let Drafting { drafted: channels, dependencies, .. } = drafting;
    dependencies::check(&channels, &tables, report);
    team::check(&channels, &tables, report);
    escalation::check(&tables, report);
    let teams = teams(&tables, report);
    endpoints::check_teams(&tables, report);
    let mail = tables.mail.as_ref().and_then(|entry| mail::build(entry, main, report));
    let endpoints = Endpoints {
        fallback: tables.mail.as_ref().and_then(|entry| mail::fallback(entry, main, report)),
        webhooks: endpoints::webhooks(&tables, main, report),
        alertmanagers: endpoints::alertmanagers(&tables, main, report),
    };
    let zone = time_zone(&tables.monitor);
    let canary = tables.mail.as_ref().and_then(|entry| {
        canary::build(entry, main, (mail.as_ref(), endpoints.fallback.as_ref()), &zone, report)
    });
    mail::check_way(&tables, report);
    let heartbeat = tables.heartbeat.as_ref().and_then(|entry| heartbeat(entry, main, report));
    if channels.is_empty() && report.errors() == 0 {
        report.error(0, Problem::of_file("no channel is configured").hint(FIRST_CHANNEL));
    }
    let mut plan = Plan { canary, heartbeat, endpoints, ..plan(path, &tables.monitor, main, mail, teams) };
    plan.maintenance = maintenance::build(&tables, &channels, &plan.time_zone, report).into();
    if let Some(public) = tables.public.as_ref().and_then(|entry| entry.section.settings.as_ref()) {
        plan.boot.public_listen = Some(public.listen.value.0);
        plan.public = Some(public.site());
    }
    plan.api_token = tables.api.as_ref().and_then(|entry| api_token(entry, main, report));
    plan.access = access(&tables, &plan, report).into();
    plan.tls = listening::identity(&tables, main, report);
    listening::check(&tables, &plan, report);
    warnings::add(&tables, &plan, &channels, report);
    ways::warn(&tables, &plan, (&channels, &dependencies), report);
    dependencies::warn(&channels, &tables, report);
    quiet::warn(&tables, &channels, report);
    Draft { plan, channels, dependencies }
}

fn api_token(entry: &Entry<'_, ApiSettings>, main: &Sources, report: &mut Report) -> Option<Secret> {
    let token = main.secret(entry.section.settings.as_ref()?.token.as_ref()?);
    token.map_err(|problem| report.error(entry.file, problem)).ok()
}

fn access(tables: &Tables<'_>, plan: &Plan, report: &mut Report) -> Access {
    Access {
        root: plan.api_token.clone(),
        clients: tables.api.as_ref().map_or_else(Vec::new, |entry| clients::build(entry, report)),
        behind_proxy: tables.monitor.behind_proxy.unwrap_or(false),
    }
}

/// The time zone of people where they name none.
fn time_zone(monitor: &MonitorSettings) -> TimeZone {
    monitor.time_zone.as_ref().map_or_else(TimeZone::system, |zone| zone.0.clone())
}

fn resolver(monitor: &MonitorSettings, report: &mut Report) -> Resolver {
    match &monitor.resolver {
        Some(servers) if servers.is_empty() => {
            let problem = servers.problem("there is no server to ask");
            report.error(0, problem.hint("write at least one, such as [\"10.0.0.53:53\"], or leave it out"));
            Resolver::system()
        }
        Some(servers) => Resolver::asking(servers.iter().map(|server| server.0).collect()),
        None => Resolver::system(),
    }
}

fn chromium(entry: Option<&Entry<'_, ChromiumSettings>>, report: &mut Report) -> Arc<Chromium> {
    let nothing = ChromiumSettings::default();
    let settings = entry.and_then(|entry| entry.section.settings.as_ref()).unwrap_or(&nothing);
    let mut problems = Vec::new();
    let chromium = Chromium::new(settings, &mut problems);
    // [browser] stands in the first file only.
    problems.into_iter().for_each(|problem| report.error(0, problem));
    chromium
}

fn heartbeat(entry: &Entry<'_, HeartbeatSettings>, main: &Sources, report: &mut Report) -> Option<Heartbeat> {
    let settings = entry.section.settings.as_ref()?;
    if settings.url.is_none() && !entry.section.lacks(&["url"]) {
        let problem = Problem::at(entry.key.clone(), "`url` is missing");
        report.error(entry.file, problem.hint("add `url = { env = \"HEARTBEAT_URL\" }`"));
    }
    match settings.build(main) {
        Ok(heartbeat) => Some(heartbeat),
        Err(problems) => {
            problems.into_iter().for_each(|problem| report.error(entry.file, problem));
            None
        }
    }
}

fn teams(tables: &Tables<'_>, report: &mut Report) -> BTreeMap<TeamId, Team> {
    let zone = time_zone(&tables.monitor);
    let mut teams = BTreeMap::new();
    for (id, entry) in &tables.teams {
        let Some(settings) = entry.section.settings.as_ref() else { continue };
        let mut problems = Vec::new();
        let team = Team { quiet: quiet::read(settings, &zone, &mut problems), ..settings.team() };
        problems.into_iter().for_each(|problem| report.error(entry.file, problem));
        if is_id(id) {
            teams.insert(TeamId::new(id), team);
        }
    }
    teams
}

fn plan(
    path: &Path,
    monitor: &MonitorSettings,
    main: &Sources,
    mail: Option<MailServer>,
    teams: BTreeMap<TeamId, Team>,
) -> Plan {
    let count = |count: Option<Count>, otherwise| {
        count.map_or(otherwise, |count| usize::try_from(count.0).unwrap_or(usize::MAX))
    };
    let store = main.resolve(monitor.store.as_deref().unwrap_or(Path::new(STORE)));
    let directory = monitor
        .evidence
        .as_deref()
        .map_or_else(|| store.with_extension("evidence"), |directory| main.resolve(directory));
    let mut evidence = EvidencePlan::in_directory(directory);
    evidence.kept_for = monitor.evidence_kept.map_or(evidence.kept_for, |span| span.0);
    evidence.bytes_max = monitor.evidence_max.map_or(evidence.bytes_max, |size| size.0);
    Plan {
        // It fails only where there is no working directory; the path as given is then all there is.
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        boot: Boot {
            location: Location::new(monitor.location.as_ref().map_or(LOCATION, |id| &id.0)),
            listen: monitor.listen.as_ref().map_or_else(|| LISTEN.into(), |listen| listen.0),
            public_listen: None,
            is_encrypted: monitor.tls.is_some(),
            store,
            evidence,
        },
        mail,
        canary: None,
        heartbeat: None,
        endpoints: Endpoints::default(),
        public: None,
        public_url: monitor.public_url.as_ref().map(|url| url.0.to_string()),
        time_zone: time_zone(monitor),
        runs_max: count(monitor.runs_max, RUNS_MAX),
        runs_per_host_max: count(monitor.runs_per_host_max, RUNS_PER_HOST_MAX),
        network: NetworkPlan::default(),
        api_token: None,
        access: Arc::default(),
        tls: None,
        maintenance: Arc::default(),
        teams,
        dependencies: BTreeMap::new(),
        channels: BTreeMap::new(),
    }
}
