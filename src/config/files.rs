//! The files of a configuration: the one asked for and everything it includes, each read once.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use crate::{
    config::{
        report::{FileIndex, Report},
        section, syntax,
    },
    secret::{read_bounded, why},
    setting::{At, ByteSize, Problem},
};

/// The largest configuration file read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// So many files may take part.
pub const FILES_MAX: usize = 1_000;

const NO_FILE: &str = "name another file, or see the demonstration, which needs none: lamplighter demo";

const RELATIVE: &str = "a relative path starts at the directory of this file";

/// What to do about a configuration file that cannot be read; `missing` is said of one that is not there.
fn how_to_mend(error: &io::Error, missing: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => missing.to_owned(),
        io::ErrorKind::PermissionDenied => {
            "make it readable for the user that lamplighter runs as".to_owned()
        }
        _ => format!(
            "name a file of at most {}; large configurations are put together by include = [...]",
            ByteSize(FILE_BYTES_MAX)
        ),
    }
}

/// One file that was read.
#[derive(Debug)]
pub struct SourceText {
    /// Which file of the report.
    pub index: FileIndex,
    /// Relative paths in it start here.
    pub directory: PathBuf,
    /// What it says, without the lines at which the parser would stop.
    pub text: String,
}

/// Reads files and notes what it met.
#[derive(Debug, Default)]
pub struct Gathering {
    /// Everything found wrong, and the files it points at.
    pub report: Report,
    /// Files and directories whose change changes the configuration.
    pub watched: BTreeSet<PathBuf>,
    /// What was read, the file asked for first.
    pub texts: Vec<SourceText>,
    /// Whether a file could not be read: what the others refer to may stand in it.
    pub incomplete: bool,
    /// Canonical paths of what has been read, so that nothing is read twice.
    seen: BTreeSet<PathBuf>,
}

impl Gathering {
    /// Reads a configuration file and everything it includes.
    pub fn of(path: &Path) -> Self {
        let mut gathering = Self::default();
        gathering.watched.insert(path.to_owned());
        match read_bounded(path, FILE_BYTES_MAX) {
            Ok(bytes) => gathering.take(path, bytes, &mut Vec::new()),
            Err(error) => {
                let index = gathering.report.add_file(path, String::new());
                let problem = Problem::of_file(format!("failed to read the configuration: {}", why(&error)));
                gathering.report.error(index, problem.hint(how_to_mend(&error, NO_FILE)));
            }
        }
        gathering
    }

    fn take(&mut self, path: &Path, bytes: Vec<u8>, chain: &mut Vec<PathBuf>) {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return self.refuse_encoding(path, &error),
        };
        let index = self.report.add_file(path, text.clone());
        let (text, problems) = syntax::mend(text);
        problems.into_iter().for_each(|problem| self.report.error(index, problem));
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        let includes = includes(&text);
        self.texts.push(SourceText { index, directory: directory.clone(), text });
        let canonical = canonical(path);
        self.seen.insert(canonical.clone());
        chain.push(canonical);
        for include in includes {
            self.include(index, &directory, &include, chain);
        }
        chain.pop();
    }

    fn refuse_encoding(&mut self, path: &Path, error: &std::string::FromUtf8Error) {
        self.incomplete = true;
        let start = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let text = String::from_utf8_lossy(bytes).into_owned();
        let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
        let index = self.report.add_file(path, text);
        let problem = Problem::at(start..end, format!("not UTF-8 text: byte 0x{:02x}", bytes[start]));
        self.report.error(index, problem.hint("save the file as UTF-8"));
    }

    fn include(
        &mut self,
        index: FileIndex,
        directory: &Path,
        pattern: &At<String>,
        chain: &mut Vec<PathBuf>,
    ) {
        let found = match self.matches(directory, pattern) {
            Ok(found) => found,
            Err(problem) => {
                self.incomplete = true;
                return self.report.error(index, problem);
            }
        };
        for path in found {
            let canonical = canonical(&path);
            if chain.contains(&canonical) {
                let problem = pattern.problem(format!("{} includes itself", path.display()));
                self.report.error(index, problem.hint("take the file out of one of the two include lists"));
                continue;
            }
            if self.seen.contains(&canonical) {
                continue;
            }
            if self.seen.len() >= FILES_MAX {
                let problem = pattern.problem(format!("more than {FILES_MAX} files are included"));
                return self.report.error(index, problem.hint("put several channels into one file"));
            }
            self.watched.insert(path.clone());
            match read_bounded(&path, FILE_BYTES_MAX) {
                Ok(bytes) => self.take(&path, bytes, chain),
                Err(error) => {
                    let problem = format!("failed to read {}: {}", path.display(), why(&error));
                    let problem = pattern.problem(problem);
                    self.incomplete = true;
                    self.report.error(index, problem.hint(how_to_mend(&error, RELATIVE)));
                }
            }
        }
    }

    /// The files an include names, in alphabetical order; at least one.
    fn matches(&mut self, directory: &Path, pattern: &At<String>) -> Result<Vec<PathBuf>, Problem> {
        if !pattern.contains(['*', '?', '[']) {
            return Ok(vec![directory.join(&pattern.value)]);
        }
        let full = Path::new(&glob::Pattern::escape(&directory.to_string_lossy())).join(&pattern.value);
        let found = glob::glob(&full.to_string_lossy())
            .map_err(|error| pattern.problem(format!("not a pattern for file names: {}", error.msg)))
            .map_err(|problem| problem.hint("write a pattern such as \"channels/*.toml\""))?;
        // A new file shows as a change of its directory, which is watched from its first fixed part on.
        let fixed: PathBuf = Path::new(&pattern.value)
            .components()
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
            .collect();
        self.watched.insert(directory.join(fixed));
        let found: Vec<PathBuf> = found.filter_map(Result::ok).filter(|path| path.is_file()).collect();
        self.watched.extend(found.iter().filter_map(|path| path.parent()).map(Path::to_owned));
        if found.is_empty() {
            let problem = pattern.problem("no file matches this pattern");
            return Err(problem.hint(format!("looked for {}", directory.join(&pattern.value).display())));
        }
        Ok(found)
    }
}

/// What a file includes; a wrong value is reported when the file is read as a whole.
fn includes(text: &str) -> Vec<At<String>> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let include = tree.into_inner().remove_entry("include");
    include.and_then(|(key, value)| section::read(value, key.span()).settings).unwrap_or_default()
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
