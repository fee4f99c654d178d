//! Puts the plan together: collects the tables of all files, hands each to those who know it, and joins the results.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::{
        Loaded, Problems,
        channels::{self, Drafted},
        files::Gathering,
        mail,
        plan::{Boot, Plan, Team},
        report::Report,
        settings::MonitorSettings,
        syntax,
        tables::Tables,
        value::Count,
        warnings,
    },
    domain::channel::{ChannelId, Location, TeamId, is_id},
    notify::mail::MailServer,
    probe::transport::{
        Transport,
        resolve::{Resolver, SYSTEM_FILES},
    },
    secret::{Redactor, Secret, Sources},
    setting::Problem,
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
    let mut tables = Tables { incomplete, ..Tables::default() };
    for (at, source) in texts.iter().enumerate() {
        let syntax = syntax::parse(&source.text);
        for problem in syntax.problems {
            report.error(source.index, problem);
        }
        report.break_lines(source.index, syntax.broken);
        if syntax.lost {
            tables.incomplete = true;
        } else {
            tables.take(source.index, at == 0, syntax.tree, &mut report);
        }
    }
    // Each file's references start at its own directory.
    let outside: BTreeMap<_, _> =
        texts.iter().map(|source| (source.index, Sources::new(&source.directory))).collect();
    let plan = assemble(path, tables, &outside, &mut report);
    let mut secrets = Vec::new();
    for (file, sources) in outside {
        let taken = sources.into_taken();
        watched.extend(taken.files);
        secrets.extend(taken.secrets);
        taken.warnings.into_iter().for_each(|warning| report.warning(file, warning));
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
    channels: BTreeMap<ChannelId, Drafted>,
}

impl Draft {
    /// Gives every probe the redactor that knows every secret of the plan.
    fn finish(self, secrets: &[Secret]) -> Plan {
        let redactor = Arc::new(Redactor::new(secrets));
        let mut plan = self.plan;
        for (id, (mut channel, drafted)) in self.channels {
            for mut probe in drafted {
                probe.redactor = Arc::clone(&redactor);
                channel.probes.insert(probe.key.probe.clone(), Arc::new(probe));
            }
            plan.channels.insert(id, channel);
        }
        plan
    }
}

/// None if there is too little to make a plan of; why has been reported.
fn assemble(
    path: &Path,
    tables: Tables<'_>,
    outside: &BTreeMap<usize, Sources>,
    report: &mut Report,
) -> Option<Draft> {
    let main = outside.get(&0)?;
    let teams = teams(&tables);
    let mail = tables.mail.as_ref().and_then(|entry| mail::build(entry, main, report));
    mail::check_way(&tables, report);
    let resolver = match &tables.monitor.resolver {
        Some(servers) if servers.is_empty() => {
            let problem = servers.problem("there is no server to ask");
            report.error(0, problem.hint("write at least one, such as [\"10.0.0.53:53\"], or leave it out"));
            Resolver::system()
        }
        Some(servers) => Resolver::asking(servers.iter().map(|server| server.0).collect()),
        None => Resolver::system(),
    };
    let channels = channels::draft(&tables, outside, &Transport::new(resolver), report);
    if tables.channels.is_empty() && report.errors() == 0 {
        report.error(0, Problem::of_file("no channel is configured").hint(FIRST_CHANNEL));
    }
    let plan = plan(path, &tables.monitor, main, mail, teams);
    warnings::add(&tables, &plan, &channels, report);
    Some(Draft { plan, channels })
}

fn teams(tables: &Tables<'_>) -> BTreeMap<TeamId, Team> {
    let read = tables
        .teams
        .iter()
        .filter(|(id, _)| is_id(id))
        .filter_map(|(id, entry)| Some((id, entry.section.settings.as_ref()?)));
    read.map(|(id, settings)| {
        let mail = settings.mail.iter().map(|address| address.0.to_string()).collect();
        (TeamId::new(id), Team { mail })
    })
    .collect()
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
    Plan {
        // It fails only where there is no working directory; the path as given is then all there is.
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        boot: Boot {
            location: Location::new(monitor.location.as_ref().map_or(LOCATION, |id| &id.0)),
            listen: monitor.listen.map_or_else(|| LISTEN.into(), |listen| listen.0),
            store: main.resolve(monitor.store.as_deref().unwrap_or(Path::new(STORE))),
        },
        mail,
        public_url: monitor.public_url.as_ref().map(|url| url.0.to_string()),
        time_zone: monitor.time_zone.as_ref().map_or_else(jiff::tz::TimeZone::system, |zone| zone.0.clone()),
        runs_max: count(monitor.runs_max, RUNS_MAX),
        runs_per_host_max: count(monitor.runs_per_host_max, RUNS_PER_HOST_MAX),
        teams,
        channels: BTreeMap::new(),
    }
}
