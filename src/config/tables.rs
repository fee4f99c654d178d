//! Takes the tables of a file apart and reads each into its settings, so that each gives its own problems.

use std::{collections::BTreeMap, ops::Range};

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
        report::{FileIndex, Report},
        section::{self, Section, Tree},
        settings::{ChannelSettings, DefaultSettings, MailSettings, MonitorSettings, TABLES, TeamSettings},
        value::Id,
        wording::{Complaint, in_backticks},
    },
    setting::{At, Problem, suggest},
};

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

/// Everything the files say, table by table.
#[derive(Debug, Default)]
pub struct Tables<'f> {
    /// Whether a file is missing from them: nothing is called unknown that may stand there.
    pub incomplete: bool,
    /// `[monitor]`.
    pub monitor: MonitorSettings,
    /// `[mail]`.
    pub mail: Option<Entry<'f, MailSettings>>,
    /// `[defaults]`.
    pub defaults: Option<Entry<'f, DefaultSettings>>,
    /// `[team.ID]`.
    pub teams: BTreeMap<String, Entry<'f, TeamSettings>>,
    /// `[channel.ID]`.
    pub channels: BTreeMap<String, Entry<'f, ChannelSettings>>,
}

impl<'f> Tables<'f> {
    /// Takes in the tables of one file.
    pub fn take(&mut self, file: FileIndex, is_first: bool, tree: DeTable<'f>, report: &mut Report) {
        let mut intake = Intake { file, report };
        for (key, value) in tree {
            let span = key.span();
            match key.get_ref().as_ref() {
                "include" => {
                    intake.read::<Vec<At<String>>>(span, value);
                }
                "team" => intake.named(
                    value,
                    "[team.support] with mail = [\"oncall@example.com\"]",
                    &mut self.teams,
                ),
                "channel" => {
                    intake.named(value, "[channel.web-chat] with kind = \"chat\"", &mut self.channels)
                }
                word @ ("monitor" | "mail" | "defaults") if !is_first => intake.refuse(
                    Problem::at(
                        span,
                        format!("[{word}] belongs into the first file, not into an included one"),
                    )
                    .hint("an included file holds teams and channels"),
                ),
                "monitor" => self.monitor = intake.read(span, value).section.settings.unwrap_or_default(),
                "mail" => self.mail = Some(intake.read(span, value)),
                "defaults" => self.defaults = Some(intake.read(span, value)),
                word => {
                    let problem = Problem::at(span, format!("unknown table `{word}`"));
                    let hint = suggest(word, &TABLES, in_backticks).unwrap_or_default();
                    intake.refuse(problem.hint(hint));
                }
            }
        }
    }
}

struct Intake<'r> {
    file: FileIndex,
    report: &'r mut Report,
}

impl Intake<'_> {
    fn refuse(&mut self, problem: Problem) {
        self.report.error(self.file, problem);
    }

    fn read<'f, T: DeserializeOwned>(&mut self, key: Range<usize>, value: Tree<'f>) -> Entry<'f, T> {
        let mut section = section::read(value, key.clone());
        for problem in section.problems.drain(..) {
            self.refuse(problem);
        }
        self.report.settle(self.file, section.mended());
        Entry { file: self.file, key, section }
    }

    /// Reads a table of tables with ids.
    fn named<'f, T: DeserializeOwned>(
        &mut self,
        value: Tree<'f>,
        example: &str,
        into: &mut BTreeMap<String, Entry<'f, T>>,
    ) {
        let span = value.span();
        let DeValue::Table(tables) = value.into_inner() else {
            let problem = Problem::at(span, "expected a table of tables, each with an id of its own");
            return self.refuse(problem.hint(format!("write a table such as {example}")));
        };
        for (key, value) in tables {
            let id = key.get_ref().to_string();
            if let Err(error) = Id::deserialize(StrDeserializer::<Error>::new(&id)) {
                self.refuse(Complaint::read(&error.to_string()).problem(key.span()));
            }
            let entry = self.read(key.span(), value);
            self.keep(&key, id, entry, into);
        }
    }

    fn keep<'f, T>(
        &mut self,
        key: &Spanned<impl Sized>,
        id: String,
        entry: Entry<'f, T>,
        into: &mut BTreeMap<String, Entry<'f, T>>,
    ) {
        match into.get(&id) {
            Some(first) => {
                let problem = Problem::at(key.span(), format!("`{id}` is defined twice"));
                let related = (first.file, first.key.clone(), "first defined here");
                self.report.error_with(
                    self.file,
                    problem.hint("rename one of the two, or put them into one"),
                    related,
                );
            }
            None => {
                into.insert(id, entry);
            }
        }
    }
}
