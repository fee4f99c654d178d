//! `[[sentinel]]`: what must answer if our own network works.

use std::{net::IpAddr, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        plan::{NetworkPlan, ProbePlan, SentinelPlan},
        report::Report,
        tables::{Entry, Tables},
        value::{Id, Listen},
        warnings::host_name,
    },
    domain::network::Kind,
    probe::{
        sentinel::{Door, Names, Sentinel},
        transport::Transport,
    },
    setting::{At, Problem, Refused, Span, written_as_text},
};

/// How often a sentinel is asked where nothing is said.
const EVERY: Span = Span::secs(5);
/// How long an answer is waited for where nothing is said.
const TIMEOUT: Span = Span::secs(2);
/// More often is a burden to whoever is asked.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// A run that failed waits for an answer, so it must not take too long.
const TIMEOUT_MAX: Duration = Duration::from_secs(10);

const EXAMPLE: &str = "write one of `resolver = \"example.com\"`, `gateway = \"10.0.0.1:53\"` and `address = \"192.0.2.7:443\"`";

/// `[[sentinel]]`: something that must answer if our own network works: a name, the gateway, an address far away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { name = \"far\", address = \"192.0.2.7:443\" }")]
pub struct SentinelSettings {
    /// Its name in metrics and mails.
    pub name: Id,
    /// A name to ask the name servers for. That it does not exist is an answer.
    pub resolver: Option<At<HostName>>,
    /// Address and port of the gateway. That it refuses the connection is an answer.
    pub gateway: Option<At<Listen>>,
    /// Address and port of something far away. That it refuses the connection is an answer.
    pub address: Option<At<Listen>>,
    /// How often it is asked. The shortest of all sets the pace. Default "5s".
    pub every: Option<At<Span>>,
    /// How long its answer is waited for, at most "10s". Default "2s".
    pub timeout: Option<At<Span>>,
}

/// The name of a host.
#[derive(Clone, Debug)]
pub struct HostName(pub String);

/// The longest name of the DNS, in characters.
const NAME_MAX: usize = 253;

impl HostName {
    fn parse(text: &str) -> Result<Self, Refused> {
        let is_label = |label: &str| {
            let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            (1..=63).contains(&label.len()) && is_plain
        };
        let is_name = text.len() <= NAME_MAX && text.trim_end_matches('.').split('.').all(is_label);
        if is_name && text.parse::<IpAddr>().is_err() {
            return Ok(Self(text.to_owned()));
        }
        Err((
            format!("{text:?} is not the name of a host"),
            "write a name that a name server is asked for, such as \"example.com\"".to_owned(),
        ))
    }
}

written_as_text!(HostName, "the name of a host", "example.com", { "type": "string", "minLength": 1, "maxLength": NAME_MAX, "description": "The name of a host, such as \"example.com\"." });

/// Puts together by what our own network is judged.
pub fn build(tables: &Tables<'_>, transport: &Arc<Transport>, report: &mut Report) -> NetworkPlan {
    let mut plan = NetworkPlan::default();
    plan.mail_after = tables.monitor.blind_mail_after.map_or(plan.mail_after, |span| span.0);
    let Some(entry) = &tables.sentinels else { return plan };
    let mut built: Vec<SentinelPlan> = Vec::new();
    for settings in entry.section.settings.iter().flatten() {
        if built.iter().any(|other| other.name == settings.name.0) {
            let problem = settings.problem(format!("the sentinel `{}` is defined twice", settings.name.0));
            report.error(entry.file, problem.hint("give each a name of its own"));
        }
        built.extend(sentinel(settings, transport, entry, report));
    }
    plan.sentinels = built.into();
    plan
}

fn sentinel(
    settings: &At<SentinelSettings>,
    transport: &Arc<Transport>,
    entry: &Entry<'_, Vec<At<SentinelSettings>>>,
    report: &mut Report,
) -> Option<SentinelPlan> {
    check_times(settings, entry, report);
    let name = &settings.name.0;
    let door = |address: &At<Listen>| -> Arc<dyn Sentinel> { Arc::new(Door(address.0)) };
    let names = |name: &At<HostName>| -> Arc<dyn Sentinel> {
        Arc::new(Names { transport: Arc::clone(transport), name: name.0.clone() })
    };
    let given = [
        settings.resolver.as_ref().map(|name| (Kind::Resolver, names(name))),
        settings.gateway.as_ref().map(|address| (Kind::Gateway, door(address))),
        settings.address.as_ref().map(|address| (Kind::Address, door(address))),
    ];
    let mut given = given.into_iter().flatten();
    let (kind, sentinel) = match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) => {
            // Where one was written and is wrong, that has been told.
            let problem = settings.problem(format!("nothing says what the sentinel `{name}` asks"));
            report.error(entry.file, problem.hint(EXAMPLE));
            return None;
        }
        (Some(_), Some(_)) => {
            let problem = settings.problem(format!("the sentinel `{name}` asks more than one thing"));
            report.error(entry.file, problem.hint(format!("{EXAMPLE}; make several of it")));
            return None;
        }
    };
    Some(SentinelPlan {
        name: name.clone(),
        kind,
        every: settings.every.as_ref().map_or(EVERY.0, |span| span.0),
        timeout: settings.timeout.as_ref().map_or(TIMEOUT.0, |span| span.0),
        sentinel,
    })
}

fn check_times(
    settings: &SentinelSettings,
    entry: &Entry<'_, Vec<At<SentinelSettings>>>,
    report: &mut Report,
) {
    if let Some(every) = settings.every.as_ref().filter(|every| every.0 < EVERY_MIN) {
        let problem = every.problem(format!("a sentinel is asked every {} at most", Span(EVERY_MIN)));
        report.error(entry.file, problem.hint("write a longer time, such as \"5s\""));
    }
    if let Some(timeout) = settings.timeout.as_ref().filter(|timeout| timeout.0 > TIMEOUT_MAX) {
        let limit = Span(TIMEOUT_MAX);
        let problem = timeout.problem(format!("an answer of a sentinel is waited for {limit} at most"));
        report.error(entry.file, problem.hint("write a shorter time, such as \"2s\""));
    }
}

/// Warns of sentinels that cannot tell an outage of ours from one of the targets.
pub fn warn<'p, P: Iterator<Item = &'p ProbePlan>>(
    tables: &Tables<'_>,
    probes: impl Fn() -> P,
    report: &mut Report,
) {
    let Some(entry) = &tables.sentinels else { return };
    let sentinels = || entry.section.settings.iter().flatten();
    let mut far: Vec<IpAddr> = sentinels().filter_map(|one| Some(one.address.as_ref()?.0.ip())).collect();
    far.sort_unstable();
    far.dedup();
    if far.len() < 2 && sentinels().next().is_some() {
        let message = match far.len() {
            0 => "no sentinel asks an address, so the loss of our own network is not noticed",
            _ => "only one address is asked, so its own outage is taken for the loss of our network",
        };
        let hint = "have two sentinels or more with `address`, each of another operator";
        report.warning(entry.file, Problem::at(entry.key.clone(), message).hint(hint));
    }
    for one in sentinels() {
        let target = match (&one.resolver, &one.address) {
            (Some(name), _) => (name.0.trim_end_matches('.').to_owned(), name.span.clone()),
            (_, Some(address)) => (address.0.ip().to_string(), address.span.clone()),
            _ => continue,
        };
        let (host, place) = target;
        let is_there = |probed: &Arc<str>| host_name(probed).eq_ignore_ascii_case(&host);
        if let Some(probe) = probes().find(|probe| probe.hosts.iter().any(is_there)) {
            let message = format!("the sentinel `{}` asks {host}, which {} probes", one.name.0, probe.key);
            let hint = "an outage there would be taken for one of our own network; ask something else";
            report.warning(entry.file, Problem::at(place, message).hint(hint));
        }
    }
}
