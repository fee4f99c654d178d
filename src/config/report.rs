//! What is wrong with a configuration, with the place of everything, as text for people.
//!
//! A report shows lines of the files. What looks like a secret on such a line is starred out first, so that a report
//! can be logged ([`masking`]).

use std::{
    collections::BTreeSet,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::{config::masking, secret::LITERAL_SECRET, setting::Problem};

/// How wide a rendered report may be, in columns.
const WIDTH: usize = 120;

/// A file of the configuration.
#[derive(Clone, Debug)]
struct SourceFile {
    /// As it is named in reports.
    path: PathBuf,
    /// What it says; what is not UTF-8 is replaced.
    text: String,
    /// Where each line begins, so that ten thousand findings are placed without reading the file as often.
    line_starts: Vec<usize>,
}

impl SourceFile {
    fn new(path: &Path, text: String) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(breaks).collect();
        Self { path: path.to_owned(), text, line_starts }
    }

    /// The line at which a byte stands, counted from 0.
    fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) - 1
    }

    /// The bytes of the lines on which a span stands.
    fn lines(&self, span: &Range<usize>) -> Range<usize> {
        let after = self.line_starts.get(self.line(span.end) + 1);
        self.line_starts[self.line(span.start)]..after.copied().unwrap_or(self.text.len())
    }
}

/// Which file of a [`Report`].
pub type FileIndex = usize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used and may not do what was meant.
    Warning,
}

/// Whether a rendered report carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// For logs and golden files.
    Plain,
    /// For terminals.
    Coloured,
}

#[derive(Clone, Debug)]
struct Finding {
    severity: Severity,
    file: FileIndex,
    problem: Problem,
    /// A second place that explains the first, in any file.
    related: Option<(FileIndex, Range<usize>, String)>,
}

/// Everything found about a configuration.
#[derive(Clone, Debug, Default)]
pub struct Report {
    files: Vec<SourceFile>,
    findings: Vec<Finding>,
    /// Lines whose syntax is broken: what is said of values on them would be nonsense.
    broken_lines: Vec<(FileIndex, Range<usize>)>,
    /// Places, with start and end, of which everything has been said.
    settled: BTreeSet<(FileIndex, usize, usize)>,
}

impl Report {
    /// Adds a file to which problems can point.
    pub fn add_file(&mut self, path: &Path, text: String) -> FileIndex {
        self.files.push(SourceFile::new(path, text));
        self.files.len() - 1
    }

    /// Drops every later error on these lines.
    pub fn break_lines(&mut self, file: FileIndex, lines: impl IntoIterator<Item = Range<usize>>) {
        self.broken_lines.extend(lines.into_iter().map(|line| (file, line)));
    }

    /// Drops every later error that points at exactly one of these places: it would follow from an earlier one.
    pub fn settle(&mut self, file: FileIndex, places: impl IntoIterator<Item = Range<usize>>) {
        self.settled.extend(places.into_iter().map(|place| (file, place.start, place.end)));
    }

    fn is_told(&self, file: FileIndex, problem: &Problem) -> bool {
        problem.span.as_ref().is_some_and(|span| {
            let on_broken_line = self
                .broken_lines
                .iter()
                .any(|(of, line)| *of == file && span.start <= line.end && span.end >= line.start);
            on_broken_line || self.settled.contains(&(file, span.start, span.end))
        })
    }

    /// Adds an error, unless it follows from one that has been told.
    pub fn error(&mut self, file: FileIndex, problem: Problem) {
        if self.is_told(file, &problem) {
            return;
        }
        self.findings.push(Finding { severity: Severity::Error, file, problem, related: None });
    }

    /// Adds an error with a second place that explains it, unless it follows from one that has been told.
    pub fn error_with(
        &mut self,
        file: FileIndex,
        problem: Problem,
        related: (FileIndex, Range<usize>, &str),
    ) {
        if self.is_told(file, &problem) {
            return;
        }
        let related = Some((related.0, related.1, related.2.to_owned()));
        self.findings.push(Finding { severity: Severity::Error, file, problem, related });
    }

    /// Adds a warning.
    pub fn warning(&mut self, file: FileIndex, problem: Problem) {
        self.findings.push(Finding { severity: Severity::Warning, file, problem, related: None });
    }

    /// The errors alone: whoever must mend those first is not to be bothered with warnings.
    #[must_use]
    pub fn without_warnings(mut self) -> Self {
        self.findings.retain(|finding| finding.severity == Severity::Error);
        self
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }

    /// Each finding on a line of its own, for logs: `probes.toml:12:1: unknown key ...; did you mean ...`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.sorted().into_iter().map(|finding| {
            let hint = finding.problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}: {}{hint}", self.place(finding), finding.problem.message)
        })
    }

    /// The whole report, each finding with its line, a caret and what would be right.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Coloured => Renderer::styled(),
        }
        .term_width(WIDTH);
        let shown: Vec<String> = (0..self.files.len()).map(|file| self.without_secrets(file)).collect();
        let findings =
            self.sorted().into_iter().map(|finding| renderer.render(&[self.group(finding, &shown)]));
        findings.collect::<Vec<_>>().join("\n\n")
    }

    fn sorted(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| {
            (finding.severity, finding.file, finding.problem.span.as_ref().map(|span| (span.start, span.end)))
        });
        findings
    }

    fn place(&self, finding: &Finding) -> String {
        let file = &self.files[finding.file];
        match &finding.problem.span {
            Some(span) => {
                let at = file.text.floor_char_boundary(span.start);
                let line = file.line(at);
                let column = file.text[file.line_starts[line]..at].chars().count() + 1;
                format!("{}:{}:{column}", file.path.display(), line + 1)
            }
            None => file.path.display().to_string(),
        }
    }

    fn group<'r>(&'r self, finding: &'r Finding, shown: &'r [String]) -> Group<'r> {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        // Only the lines that are shown: a report of a large file would be slow to draw otherwise.
        let snippet = |file: FileIndex, span: &Range<usize>, kind: AnnotationKind, label: Option<&'r str>| {
            let (text, source) = (&shown[file], &self.files[file]);
            let lines = source.lines(span);
            let annotation = kind.span(span.start - lines.start..span.end - lines.start).label(label);
            Snippet::source(&text[lines])
                .line_start(source.line(span.start) + 1)
                .path(source.path.display().to_string())
                .annotation(annotation)
        };
        let mut group = Group::with_title(level.primary_title(&*finding.problem.message));
        match &finding.problem.span {
            Some(span) => {
                group = group.element(snippet(finding.file, span, AnnotationKind::Primary, None));
                if let Some((file, span, label)) = &finding.related {
                    group = group.element(snippet(*file, span, AnnotationKind::Context, Some(label)));
                }
            }
            None => group = group.element(Origin::path(self.files[finding.file].path.display().to_string())),
        }
        match &finding.problem.hint {
            Some(hint) => group.element(Level::HELP.message(&**hint)),
            None => group,
        }
    }

    /// The text of a file with everything starred out that looks like a secret; every place keeps its place.
    fn without_secrets(&self, index: FileIndex) -> String {
        let file = &self.files[index];
        let of_file = self.findings.iter().filter(|finding| finding.file == index);
        let literals = of_file
            .filter(|finding| finding.problem.message == LITERAL_SECRET)
            .filter_map(|finding| finding.problem.span.clone());
        masking::mask(&file.text, literals)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Report {}
