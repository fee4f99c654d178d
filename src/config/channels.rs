//! Channels and their probes: rules with their defaults, and every probe built.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use toml::de::{DeTable, DeValue};

use crate::{
    config::{
        dependencies::DependencySettings,
        fingerprint,
        hours::{ChannelHours, HoursDefaults},
        pace::Pace,
        personas::{Known, Personas},
        plan::{Channel, ProbePlan},
        report::{FileIndex, Report},
        section::Tree,
        settings::{ChannelSettings, DarkAfter, DefaultSettings, UpAfter},
        severity::SeveritySettings,
        tables::{Entry, Intake},
        value::Count,
        waiting::WaitingSettings,
    },
    domain::{
        channel::{ChannelId, ChannelKind, ProbeKey, TeamId, is_id},
        evaluation::{Quorum, Rules, WINDOW_MAX},
        urgency::Urgencies,
    },
    probe::{
        chromium::Chromium,
        settings::{BuildContext, Built, KINDS, ProbeSettings, TIMEOUT_MAX},
        transport::Transport,
    },
    secret::Sources,
    setting::{At, Problem, Span},
};

/// When failures make a channel dark where nothing else is said. Chosen by measurement: `docs/detection.md`.
const DARK_AFTER: Quorum = Quorum { count: 4, of: 7 };
/// When successes make it up again where nothing else is said.
const UP_AFTER: Quorum = Quorum { count: 2, of: 2 };

/// A channel as far as it could be built, and what is asked of it once every file has been read.
pub struct Drafted {
    /// Its file.
    pub file: FileIndex,
    /// Its key.
    pub key: Range<usize>,
    /// What it depends on, as it is written.
    pub depends_on: Vec<At<String>>,
    /// Its team as it is written.
    pub team: TeamSaid,
    /// The channel without its probes, and those: they do not know the secrets of the whole plan yet. None if it could
    /// not be read.
    pub built: Option<(Channel, Vec<ProbePlan>)>,
}

/// A dependency as far as it could be built.
pub struct DraftedDependency {
    /// Its title for people.
    pub title: String,
    /// What is watched of it, as of a channel; none where it has no probes of its own.
    pub watched: Option<Drafted>,
}

/// What a channel says of its team.
pub enum TeamSaid {
    /// Which it is.
    Id(At<String>),
    /// Nothing.
    Nothing,
    /// Something that could not be read.
    Unreadable,
}

struct Defaults {
    pace: Pace,
    dark_after: Quorum,
    up_after: Quorum,
    urgencies: Urgencies,
    hours: HoursDefaults,
}

impl Defaults {
    fn check(entry: Option<&Entry<'_, DefaultSettings>>, zone: TimeZone, report: &mut Report) -> Self {
        let nothing = DefaultSettings::default();
        let settings = entry.and_then(|entry| entry.section.settings.as_ref()).unwrap_or(&nothing);
        let lacks_timeout = entry.is_some_and(|entry| entry.section.lacks(&["timeout"]));
        let mut standard = Pace::standard();
        if lacks_timeout {
            standard.timeout = TIMEOUT_MAX;
        }
        let mut problems = Vec::new();
        let defaults = Self {
            pace: Pace::read(
                settings.every.as_ref(),
                settings.timeout.as_ref(),
                settings.recheck.as_ref(),
                TIMEOUT_MAX,
                standard,
                &mut problems,
            ),
            dark_after: dark_after(settings.dark_after.as_ref(), DARK_AFTER, &mut problems),
            up_after: up_after(settings.up_after.as_ref(), UP_AFTER, &mut problems),
            urgencies: SeveritySettings::read(settings.severity.as_ref(), Urgencies::default()),
            hours: HoursDefaults::check(settings, zone, &mut problems),
        };
        // [defaults] stands in the first file only.
        problems.into_iter().for_each(|problem| report.error(0, problem));
        defaults
    }
}

/// Builds channels as they are read. Each is built before the next is read: what is read of ten thousand takes several
/// times the memory of what is built of it.
pub struct Drafting {
    transport: Arc<Transport>,
    chromium: Arc<Chromium>,
    personas: Personas,
    defaults: Defaults,
    /// Every channel so far, by its id as written.
    pub drafted: BTreeMap<String, Drafted>,
    /// Every dependency so far, by its id as written.
    pub dependencies: BTreeMap<String, DraftedDependency>,
}

impl Drafting {
    /// Nothing yet. `defaults` is the table `[defaults]`, if there is one; `zone` is that of hours that name none.
    pub fn new(
        transport: Arc<Transport>,
        chromium: Arc<Chromium>,
        personas: Personas,
        defaults: Option<&Entry<'_, DefaultSettings>>,
        zone: TimeZone,
        report: &mut Report,
    ) -> Self {
        let defaults = Defaults::check(defaults, zone, report);
        Self {
            transport,
            chromium,
            personas,
            defaults,
            drafted: BTreeMap::new(),
            dependencies: BTreeMap::new(),
        }
    }

    /// Builds the channels of one file. `outside` is what that file refers to.
    pub fn take(&mut self, channels: Tree<'_>, outside: &Sources, mut intake: Intake<'_>) {
        for (key, value) in intake.named(channels, "[channel.web-chat] with kind = \"chat\"") {
            let id = intake.id(&key);
            let entry = intake.read(key.span(), value);
            let first = self.drafted.get(&id).map(|first| (first.file, first.key.clone()));
            if intake.is_new(&id, &key, first) {
                let drafted = self.draft(&id, entry, outside, intake.report);
                self.drafted.insert(id, drafted);
            }
        }
    }

    /// Takes in the dependencies of one file; those that have probes of their own are built as channels are. `outside` is
    /// what the file refers to.
    pub fn take_dependencies(
        &mut self,
        declared: BTreeMap<String, Entry<'_, DependencySettings>>,
        outside: &Sources,
        report: &mut Report,
    ) {
        for (id, entry) in declared {
            let Some(settings) = &entry.section.settings else { continue };
            let title = settings.title.as_ref().map_or_else(|| id.clone(), |title| title.0.clone());
            let has_probes = !settings.probe.is_empty();
            let watched = has_probes.then(|| {
                let section = entry.section.map(DependencySettings::into_channel);
                let entry = Entry { file: entry.file, key: entry.key, section };
                self.draft(&id, entry, outside, report)
            });
            self.dependencies.insert(id, DraftedDependency { title, watched });
        }
    }

    fn draft(
        &self,
        id: &str,
        mut entry: Entry<'_, ChannelSettings>,
        outside: &Sources,
        report: &mut Report,
    ) -> Drafted {
        // A bad id has been reported; what stands below it is checked all the same.
        let id = ChannelId::new(if is_id(id) { id } else { "unnamed" });
        let (mut built, mut team) = (None, TeamSaid::Nothing);
        let mut depends_on = Vec::new();
        if let Some(settings) = entry.section.settings.take() {
            let mut channel = self.channel(&id, &settings, &entry, report);
            let probes = self.probes(&id, &settings, &entry, outside, report);
            if let (Some(settings), Some(rule)) = (&settings.waiting, &mut channel.rules.waiting) {
                let asking = probes.iter().filter(|plan| plan.probe.asks().is_some());
                let slowest = asking.map(|plan| plan.every).max().unwrap_or_default();
                let problem = WaitingSettings::fit(settings, rule, slowest);
                problem.into_iter().for_each(|problem| report.error(entry.file, problem));
            }
            built = Some((channel, probes));
            depends_on.clone_from(&settings.depends_on);
            team = match settings.team {
                Some(team) => TeamSaid::Id(team),
                None if entry.section.lacks(&["team"]) => TeamSaid::Unreadable,
                None => TeamSaid::Nothing,
            };
        }
        Drafted { file: entry.file, key: entry.key, depends_on, team, built }
    }

    fn channel(
        &self,
        id: &ChannelId,
        settings: &ChannelSettings,
        entry: &Entry<'_, ChannelSettings>,
        report: &mut Report,
    ) -> Channel {
        let mut problems = Vec::new();
        if settings.kind.is_none() && !entry.section.lacks(&["kind"]) {
            let problem = Problem::at(entry.key.clone(), "`kind` is missing");
            problems.push(problem.hint("add `kind = \"chat\"`, or hotline, ticket, mail, help, bot, social"));
        }
        if settings.probe.is_empty() && !entry.section.lacks(&["probe"]) {
            problems.push(Problem::at(entry.key.clone(), format!("the channel `{id}` has no probe")).hint(
                format!("add a table [channel.{id}.probe.look] with http = {{ url = \"https://...\" }}"),
            ));
        }
        let rules = Rules {
            dark_after: dark_after(settings.dark_after.as_ref(), self.defaults.dark_after, &mut problems),
            up_after: up_after(settings.up_after.as_ref(), self.defaults.up_after, &mut problems),
            alert_on_degraded: settings.alert_on_degraded.unwrap_or(settings.waiting.is_some()),
            waiting: settings
                .waiting
                .as_ref()
                .and_then(|waiting| WaitingSettings::check(waiting, &mut problems))
                .map(|rules| rules.rule),
        };
        let slo = settings.slo.as_ref().map(|slo| slo.check(&mut problems));
        let lacks = |key: &str| entry.section.lacks(&[key]);
        let ChannelHours { hours, every_closed } =
            self.defaults.hours.of_channel(settings, &lacks, &mut problems);
        problems.into_iter().for_each(|problem| report.error(entry.file, problem));
        Channel {
            title: settings.title.as_ref().map_or_else(|| id.to_string(), |title| title.0.clone()),
            kind: settings.kind.unwrap_or(ChannelKind::Chat),
            team: settings.team.as_ref().filter(|team| is_id(team)).map(|team| TeamId::new(team)),
            depends_on: settings
                .depends_on
                .iter()
                .filter(|id| is_id(id))
                .map(|id| ChannelId::new(id))
                .collect(),
            labels: settings.labels.iter().map(|(name, value)| (name.0.clone(), value.0.clone())).collect(),
            rules,
            urgencies: SeveritySettings::read(settings.severity.as_ref(), self.defaults.urgencies),
            hours,
            every_closed,
            slo,
            is_public: settings.public,
            probes: BTreeMap::new(),
        }
    }

    fn probes(
        &self,
        id: &ChannelId,
        settings: &ChannelSettings,
        entry: &Entry<'_, ChannelSettings>,
        outside: &Sources,
        report: &mut Report,
    ) -> Vec<ProbePlan> {
        let DeValue::Table(channel) = entry.section.tree.get_ref() else { return Vec::new() };
        let Some(DeValue::Table(trees)) = channel.get("probe").map(|tree| tree.get_ref()) else {
            return Vec::new();
        };
        // What is wrong with it is told with the channel.
        let waiting = settings.waiting.as_ref();
        let waiting = waiting.and_then(|waiting| WaitingSettings::check(waiting, &mut Vec::new()));
        let mut drafted = Vec::with_capacity(settings.probe.len());
        for (name, probe) in &settings.probe {
            let Some((key, tree)) = trees.get_key_value(name.0.as_str()) else { continue };
            let DeValue::Table(tree) = tree.get_ref() else { continue };
            let (mut problems, mut warnings) = (Vec::new(), Vec::new());
            for (probe_name, known) in self.personas.as_whom(&name.0, &probe.personas, &mut problems) {
                let draft = ProbeDraft {
                    key: Arc::new(ProbeKey { channel: id.clone(), probe: probe_name }),
                    place: key.span(),
                    tree,
                    settings: probe,
                    first_response: waiting.map(|rules| rules.first_response),
                    known,
                    lacks: &|key| entry.section.lacks(&["probe", &name.0, key]),
                };
                let mut found = Vec::new();
                let plan = draft.build(outside, self, &mut found);
                if let Some((plan, warned)) = plan {
                    found.extend(draft.unfinished_login(plan.timeout));
                    add_new(&mut warnings, warned);
                    drafted.push(plan);
                }
                add_new(&mut problems, found);
            }
            warnings.into_iter().for_each(|warning| report.warning(entry.file, warning));
            problems.into_iter().for_each(|problem| report.error(entry.file, problem));
        }
        drafted
    }
}

/// Adds what is not there yet: what is wrong with a probe is mostly so for each of its personas, and told once.
fn add_new(problems: &mut Vec<Problem>, found: Vec<Problem>) {
    for problem in found {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

struct ProbeDraft<'t, 'f> {
    key: Arc<ProbeKey>,
    place: Range<usize>,
    tree: &'t DeTable<'f>,
    settings: &'t ProbeSettings,
    /// Within which time a person must have answered.
    first_response: Option<Duration>,
    /// As whom it runs.
    known: Option<Known>,
    /// Whether the value of a key was wrong and is not in the settings.
    lacks: &'t dyn Fn(&str) -> bool,
}

impl ProbeDraft<'_, '_> {
    /// A persona whose login does not fit into the run: each has its own.
    fn unfinished_login(&self, timeout: Duration) -> Option<Problem> {
        let persona = self.known.as_ref()?.persona.as_ref()?;
        let named = self.settings.personas.iter().find(|id| *id.value == *persona.id)?;
        persona.unfinished_login(named, timeout)
    }

    fn build(
        &self,
        sources: &Sources,
        drafting: &Drafting,
        problems: &mut Vec<Problem>,
    ) -> Option<(ProbePlan, Vec<Problem>)> {
        let settings = self.settings;
        let mut defaults = drafting.defaults.pace;
        // One that could not be read is taken for the longest there may be: what does not fit into that fits into none.
        if (self.lacks)("timeout") {
            defaults.timeout = settings.timeout_max();
        }
        let pace = Pace::read(
            settings.every.as_ref(),
            settings.timeout.as_ref(),
            settings.recheck.as_ref(),
            settings.timeout_max(),
            defaults,
            problems,
        );
        self.one_kind(problems);
        let context = BuildContext {
            key: &self.key,
            every: pace.every,
            timeout: pace.timeout,
            first_response: self.first_response,
            persona: self.known.as_ref().and_then(|known| known.persona.as_ref()),
            sources,
            transport: &drafting.transport,
            chromium: &drafting.chromium,
        };
        // Of several kinds each is built, so that what is wrong with the second is told too.
        let (kind, built) = settings
            .build(&context)
            .into_iter()
            .filter_map(|(kind, built)| Some((kind, built.map_err(|found| problems.extend(found)).ok()?)))
            .last()?;
        let Built { probe, hosts, phases, mut warnings, responders, counts_steps } = built;
        warnings.extend(self.second_thoughts(pace));
        let recheck = if probe.asks().is_some() { pace.recheck_as_written() } else { pace.recheck() };
        let persona = self.known.as_ref().map(|known| known.fingerprint);
        let plan = ProbePlan {
            key: Arc::clone(&self.key),
            every: pace.every,
            timeout: pace.timeout,
            recheck,
            hosts,
            phases,
            responders,
            counts_steps,
            kind,
            fingerprint: fingerprint::of_probe(
                self.tree,
                (pace.every, pace.timeout, recheck, self.first_response, persona),
            ),
            probe,
            redactor: Arc::default(),
        };
        Some((plan, warnings))
    }

    /// A probe has exactly one kind.
    fn one_kind(&self, problems: &mut Vec<Problem>) {
        let mut kinds: Vec<(Range<usize>, &str)> = KINDS
            .iter()
            .filter_map(|kind| self.tree.get_key_value(*kind).map(|(key, _)| (key.span(), *kind)))
            .collect();
        kinds.sort_by_key(|(span, _)| span.start);
        match &kinds[..] {
            [] if KINDS.into_iter().any(self.lacks) => {}
            [] => {
                let name = &self.key.probe;
                let problem =
                    Problem::at(self.place.clone(), format!("the probe `{name}` does not say what to do"));
                problems.push(
                    problem.hint("add http = { url = \"https://...\" }, page = { http = { ... } }, browser = { steps = [ ... ] }, journey = { steps = [ ... ] } or chat = { websocket = { ... }, steps = [ ... ] }"),
                );
            }
            [_] => {}
            [(_, first), (span, second), ..] => {
                let problem =
                    Problem::at(span.clone(), format!("a probe has one kind, not both {first} and {second}"));
                problems.push(problem.hint("make two probes of it, each with a name of its own"));
            }
        }
    }

    fn second_thoughts(&self, pace: Pace) -> Vec<Problem> {
        let at =
            |key: &str| self.tree.get_key_value(key).map_or(self.place.clone(), |(_, value)| value.span());
        let mut warnings = Vec::new();
        if pace.timeout > pace.every {
            let (timeout, every) = (Span(pace.timeout), Span(pace.every));
            let message = format!("a run may take {timeout}, longer than the {every} until the next is due");
            let place = if self.tree.contains_key("timeout") { at("timeout") } else { at("every") };
            warnings.push(
                Problem::at(place, message).hint("such a next run is skipped; lower timeout or raise every"),
            );
        }
        if pace.recheck_as_written().is_some_and(|recheck| recheck >= pace.every) {
            let problem = Problem::at(at("recheck"), "the recheck comes no sooner than the next run");
            warnings.push(problem.hint("lower recheck below every, or write recheck = \"off\""));
        }
        warnings
    }
}

fn dark_after(settings: Option<&DarkAfter>, otherwise: Quorum, problems: &mut Vec<Problem>) -> Quorum {
    settings.map_or(otherwise, |rule| quorum(&rule.failures, rule.of.as_ref(), "failures", problems))
}

fn up_after(settings: Option<&UpAfter>, otherwise: Quorum, problems: &mut Vec<Problem>) -> Quorum {
    settings.map_or(otherwise, |rule| quorum(&rule.successes, rule.of.as_ref(), "successes", problems))
}

fn quorum(count: &At<Count>, of: Option<&At<Count>>, what: &str, problems: &mut Vec<Problem>) -> Quorum {
    let window = of.unwrap_or(count);
    let quorum = Quorum { count: count.0, of: window.0 };
    if quorum.of > WINDOW_MAX {
        let problem = window.problem(format!("at most the last {WINDOW_MAX} runs can be looked at"));
        problems.push(problem.hint(format!("write {WINDOW_MAX} or less")));
    } else if quorum.count > quorum.of {
        let problem =
            count.problem(format!("{} {what} out of {} runs can never happen", quorum.count, quorum.of));
        problems.push(problem.hint(format!("write at most {}, or raise `of`", quorum.of)));
    }
    quorum
}
