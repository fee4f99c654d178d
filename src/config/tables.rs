//! Takes the tables of a file apart and reads each into its settings, so that each gives its own problems. Channels,
//! which may be ten thousand, are read one by one where they are built ([`crate::config::channels`]).

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use serde::{
    Deserialize,
    de::{
        DeserializeOwned,
        value::{Error, StrDeserializer},
    },
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    config::{
        dependencies::DependencySettings,
        endpoints::{AlertmanagerSettings, WebhookSettings},
        maintenance::MaintenanceSettings,
        public::PublicSettings,
        report::{FileIndex, Report},
        section::{self, Section, Tree},
        sentinels::SentinelSettings,
        settings::{ApiSettings, DefaultSettings, MailSettings, MonitorSettings, TABLES},
        team::TeamSettings,
        value::Id,
        wording::{Complaint, in_backticks},
    },
    notify::heartbeat::HeartbeatSettings,
    probe::{chromium::ChromiumSettings, persona::PersonaSettings},
    setting::{At, Problem, suggest},
};

const TEAM: &str = "[team.support] with mail = [\"oncall@example.com\"]";
const DEPENDENCY: &str = "[dependency.crm] with title = \"The CRM\"";
const MAINTENANCE: &str = "[[maintenance]] with id = \"nightly\", cron = \"0 3 * * *\" and for = \"1h\"";
const PERSONA: &str = "[persona.new-account] with headers = { x-account = \"new\" }";

const WEBHOOK: &str = "[webhook.ops] with url = { env = \"SLACK_WEBHOOK\" }";
const ALERTMANAGER: &str = "[alertmanager.main] with url = \"http://alertmanager.example.com:9093\"";

/// A key of the file with its place.
pub type Key<'f> = Spanned<Cow<'f, str>>;

/// A table of the file with its settings and where it stands.
#[derive(Debug)]
pub struct Entry<'f, T> {
    /// Its file.
    pub file: FileIndex,
    /// Its key.
    pub key: Range<usize>,
    /// What could be read.
    pub section: Section<'f, T>,
}

/// Everything the files say besides the channels, table by table.
#[derive(Debug, Default)]
pub struct Tables<'f> {
    /// Whether a file is missing from them: nothing is called unknown that may stand there.
    pub incomplete: bool,
    /// `[monitor]`.
    pub monitor: MonitorSettings,
    /// `[browser]`.
    pub browser: Option<Entry<'f, ChromiumSettings>>,
    /// `[mail]`.
    pub mail: Option<Entry<'f, MailSettings>>,
    /// `[heartbeat]`.
    pub heartbeat: Option<Entry<'f, HeartbeatSettings>>,
    /// `[[sentinel]]`.
    pub sentinels: Option<Entry<'f, Vec<At<SentinelSettings>>>>,
    /// `[api]`.
    pub api: Option<Entry<'f, ApiSettings>>,
    /// `[public]`.
    pub public: Option<Entry<'f, PublicSettings>>,
    /// `[defaults]`.
    pub defaults: Option<Entry<'f, DefaultSettings>>,
    /// `[persona.ID]`.
    pub personas: BTreeMap<String, Entry<'f, PersonaSettings>>,
    /// `[dependency.ID]` of the file read last; they are built with its channels.
    pub dependencies: BTreeMap<String, Entry<'f, DependencySettings>>,
    /// Where each dependency of all files is declared.
    pub declared: BTreeMap<String, (FileIndex, Range<usize>)>,
    /// `[webhook.ID]`.
    pub webhooks: BTreeMap<String, Entry<'f, WebhookSettings>>,
    /// `[alertmanager.ID]`.
    pub alertmanagers: BTreeMap<String, Entry<'f, AlertmanagerSettings>>,
    /// `[team.ID]`.
    pub teams: BTreeMap<String, Entry<'f, TeamSettings>>,
    /// `[[maintenance]]`.
    pub maintenance: Vec<Entry<'f, MaintenanceSettings>>,
}

impl<'f> Tables<'f> {
    /// Takes in the tables of one file; gives its channels, which are read by what the other tables say.
    pub fn take(
        &mut self,
        file: FileIndex,
        is_first: bool,
        tree: DeTable<'f>,
        report: &mut Report,
    ) -> Option<Tree<'f>> {
        let mut channels = None;
        let mut intake = Intake { file, report };
        for (key, value) in tree {
            let span = key.span();
            match key.get_ref().as_ref() {
                "include" => {
                    intake.read::<Vec<At<String>>>(span, value);
                }
                "dependency" => {
                    intake.entries(value, DEPENDENCY, &mut self.dependencies);
                    for (id, entry) in &self.dependencies {
                        let first = self.declared.get(id).cloned();
                        let key = Spanned::new(entry.key.clone(), Cow::Borrowed(id.as_str()));
                        if intake.is_new(id, &key, first) {
                            self.declared.insert(id.clone(), (file, entry.key.clone()));
                        }
                    }
                }
                "team" => intake.entries(value, TEAM, &mut self.teams),
                "channel" => channels = Some(value),
                "maintenance" => intake.list(value, MAINTENANCE, &mut self.maintenance),
                word @ ("monitor" | "browser" | "mail" | "heartbeat" | "webhook" | "alertmanager" | "api"
                | "public" | "sentinel" | "defaults" | "persona")
                    if !is_first =>
                {
                    intake.refuse(misplaced(word, span));
                }
                "sentinel" => self.sentinels = Some(intake.read(span, value)),
                "webhook" => intake.entries(value, WEBHOOK, &mut self.webhooks),
                "alertmanager" => intake.entries(value, ALERTMANAGER, &mut self.alertmanagers),
                "persona" => intake.entries(value, PERSONA, &mut self.personas),
                "monitor" => self.monitor = intake.read(span, value).section.settings.unwrap_or_default(),
                "browser" => self.browser = Some(intake.read(span, value)),
                "mail" => self.mail = Some(intake.read(span, value)),
                "heartbeat" => self.heartbeat = Some(intake.read(span, value)),
                "api" => self.api = Some(intake.read(span, value)),
                "public" => self.public = Some(intake.read(span, value)),
                "defaults" => self.defaults = Some(intake.read(span, value)),
                word => {
                    let problem = Problem::at(span, format!("unknown table `{word}`"));
                    let hint = suggest(word, &TABLES, in_backticks).unwrap_or_default();
                    intake.refuse(problem.hint(hint));
                }
            }
        }
        channels
    }
}

fn misplaced(word: &str, place: Range<usize>) -> Problem {
    let message = format!("[{word}] belongs into the first file, not into an included one");
    Problem::at(place, message).hint("an included file holds teams, dependencies, channels and maintenance")
}

/// Reads the tables of one file.
pub struct Intake<'r> {
    /// The file.
    pub file: FileIndex,
    /// Where problems are reported.
    pub report: &'r mut Report,
}

impl Intake<'_> {
    fn refuse(&mut self, problem: Problem) {
        self.report.error(self.file, problem);
    }

    /// Reads one table.
    pub fn read<'f, T: DeserializeOwned>(&mut self, key: Range<usize>, value: Tree<'f>) -> Entry<'f, T> {
        let mut section = section::read(value, key.clone());
        for problem in section.problems.drain(..) {
            self.refuse(problem);
        }
        self.report.settle(self.file, section.mended());
        Entry { file: self.file, key, section }
    }

    /// Reads tables with ids; `example` is one.
    fn entries<'f, T: DeserializeOwned>(
        &mut self,
        value: Tree<'f>,
        example: &str,
        into: &mut BTreeMap<String, Entry<'f, T>>,
    ) {
        for (key, value) in self.named(value, example) {
            let id = self.id(&key);
            let entry = self.read(key.span(), value);
            if self.is_new(&id, &key, into.get(&id).map(|first| (first.file, first.key.clone()))) {
                into.insert(id, entry);
            }
        }
    }

    /// Reads a list of tables; `example` is one.
    fn list<'f, T: DeserializeOwned>(
        &mut self,
        value: Tree<'f>,
        example: &str,
        into: &mut Vec<Entry<'f, T>>,
    ) {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(items) => {
                into.extend(items.into_iter().map(|item| self.read(item.span(), item)));
            }
            _ => {
                let problem = Problem::at(span, "expected a list of tables");
                self.refuse(problem.hint(format!("write a table such as {example}")));
            }
        }
    }

    /// The tables of a table of tables with ids; none if it is something else.
    pub fn named<'f>(&mut self, value: Tree<'f>, example: &str) -> DeTable<'f> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(tables) => tables,
            _ => {
                let problem = Problem::at(span, "expected a table of tables, each with an id of its own");
                self.refuse(problem.hint(format!("write a table such as {example}")));
                DeTable::new()
            }
        }
    }

    /// The id that a key is.
    pub fn id(&mut self, key: &Key<'_>) -> String {
        let id = key.get_ref().to_string();
        if let Err(error) = Id::deserialize(StrDeserializer::<Error>::new(&id)) {
            self.refuse(Complaint::read(&error.to_string()).problem(key.span()));
        }
        id
    }

    /// Whether an id has not been used before, at the place that is given.
    pub fn is_new(&mut self, id: &str, key: &Key<'_>, first: Option<(FileIndex, Range<usize>)>) -> bool {
        let Some((file, place)) = first else { return true };
        let problem = Problem::at(key.span(), format!("`{id}` is defined twice"));
        let problem = problem.hint("rename one of the two, or put them into one");
        self.report.error_with(self.file, problem, (file, place, "first defined here"));
        false
    }
}
