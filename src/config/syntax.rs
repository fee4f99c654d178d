//! Parses a file as TOML and says in an operator's words where its syntax is broken.
//!
//! The parser goes on after an error, so that several can be reported at once. An error within one line leaves the
//! rest of the file readable. A bracket that is never closed does not: the parser then complains about every line that
//! follows, so only the bracket is reported, and the file is not read further.

use std::{collections::BTreeSet, ops::Range};

use toml::de::DeTable;

use crate::setting::Problem;

/// A parsed file.
#[derive(Debug)]
pub struct Syntax<'f> {
    /// What could be read.
    pub tree: DeTable<'f>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The lines that are wrong; what is said of values on them would be nonsense.
    pub broken: Vec<Range<usize>>,
    /// True if the rest of the file cannot be told from the broken part.
    pub lost: bool,
}

/// So many lines are mended before a file is given up.
const MENDED_MAX: usize = 100;

/// Blanks the lines at which the parser would stop reading, and says what is wrong with them. Every place in the text
/// keeps its place.
pub fn mend(text: String) -> (String, Vec<Problem>) {
    let (mut mended, mut problems) = (text, Vec::new());
    while problems.len() < MENDED_MAX {
        let (_, errors) = DeTable::parse_recoverable(&mended);
        let stops = errors.iter().filter(|error| stops(error.message()));
        let Some((span, message)) = stops
            .filter_map(|error| Some((error.span()?, error.message())))
            .min_by_key(|(span, _)| span.start)
        else {
            break;
        };
        let line = line_of(&mended, span.start);
        problems.push(in_words(message, span, &mended));
        if mended[line.clone()].trim().is_empty() {
            break;
        }
        let blank = " ".repeat(line.len());
        mended.replace_range(line, &blank);
    }
    (mended, problems)
}

/// Parses a file whose lines have been mended.
pub fn parse(text: &str) -> Syntax<'_> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut complaints: Vec<(Range<usize>, &str)> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(text.len()..text.len()), error.message()))
        .collect();
    complaints.sort_by_key(|(span, _)| (span.start, span.end));
    let lost_at = complaints.iter().position(|(_, message)| spreads(message));
    let (mut problems, mut broken, mut lines) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (span, message) in &complaints[..lost_at.unwrap_or(complaints.len())] {
        let line = line_of(text, span.start);
        if lines.insert(line.start) {
            problems.push(in_words(message, span.clone(), text));
            // A key that stands twice is wrong, and both its values can be read.
            if *message != DUPLICATE {
                broken.push(line);
            }
        }
    }
    if let Some((span, message)) = lost_at.map(|at| &complaints[at]) {
        let unclosed = complaints.iter().any(|(_, message)| message.starts_with("unclosed"));
        problems.push(match open_bracket(&text[..span.start]).filter(|_| unclosed) {
            Some((at, closing)) => Problem::at(at..at + 1, format!("`{}` is never closed", &text[at..=at]))
                .hint(format!("close it with `{closing}`; what follows could not be read")),
            None => in_words(message, span.clone(), text),
        });
    }
    Syntax { tree: tree.into_inner(), problems, broken, lost: lost_at.is_some() }
}

const DUPLICATE: &str = "duplicate key";

/// Whether the parser reads nothing after an error.
fn stops(message: &str) -> bool {
    [
        "key with no value",
        "invalid key-value pair",
        "unquoted keys cannot be empty",
        "unclosed table",
        "unclosed array table",
    ]
    .iter()
    .any(|beginning| message.starts_with(beginning))
}

/// Whether an error makes the parser misread what follows.
fn spreads(message: &str) -> bool {
    [
        "missing comma",
        "unclosed array",
        "unclosed inline",
        "missing inline table opening",
        "unexpected `=` in array",
        "extra assignment",
    ]
    .iter()
    .any(|beginning| message.starts_with(beginning))
}

fn line_of(text: &str, at: usize) -> Range<usize> {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
    let end = text[at..].find('\n').map_or(text.len(), |after| at + after);
    start..end
}

fn in_words(message: &str, span: Range<usize>, text: &str) -> Problem {
    let written = text.get(span.clone()).unwrap_or_default();
    let (what, help) = match message.split(", expected").next().unwrap_or_default() {
        DUPLICATE => {
            return Problem::at(span, format!("`{written}` is defined twice"))
                .hint("keep one of the two, or rename one");
        }
        "string values must be quoted" | "invalid boolean" => match written {
            "" => ("the value is missing", "write it after the `=`"),
            "True" | "TRUE" | "False" | "FALSE" => {
                ("unknown word", "true and false are written in small letters")
            }
            _ if written.contains(['“', '”', '„', '‘', '’']) => {
                ("these are not the quotes of TOML", "use straight quotes: \"...\"")
            }
            _ => ("a text must stand in quotes", "write \"...\" around it"),
        },
        "unclosed table" | "unclosed array table" => {
            ("the `[` of this table is never closed", "end the name with ]")
        }
        "key with no value" => ("a key without a value", "write `key = value`, or begin a comment with #"),
        "invalid basic string" => ("the text is not closed on its line", "end it with \""),
        "invalid literal string" => ("the text is not closed on its line", "end it with '"),
        "missing escaped value" => (
            "this backslash means nothing in double quotes",
            "write patterns in single quotes, such as '\\d+'",
        ),
        "unexpected key or value" => {
            ("unexpected text after the value", "begin a new line, or a comment with #")
        }
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            ("a comma is missing", "separate the values with `,`")
        }
        other => (other, "write key = value, with texts in quotes, lists in [ ] and tables in { }"),
    };
    Problem::at(span, what).hint(help)
}

/// The innermost bracket that is open at the end of `text`, and what closes it.
fn open_bracket(text: &str) -> Option<(usize, char)> {
    let mut open = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '[' => open.push((at, ']')),
            '{' => open.push((at, '}')),
            ']' | '}' => {
                open.pop();
            }
            '#' => {
                chars.by_ref().find(|(_, c)| *c == '\n');
            }
            '"' | '\'' => {
                let mut escaped = false;
                chars.by_ref().find(|(_, inner)| {
                    let ends = (*inner == c && !escaped) || *inner == '\n';
                    escaped = c == '"' && *inner == '\\' && !escaped;
                    ends
                });
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(String, String)> {
        let (mended, mut problems) = mend(text.to_owned());
        problems.extend(parse(&mended).problems);
        let problems = problems.into_iter();
        problems.map(|p| (text[p.span.clone().expect("a place")].to_owned(), p.message)).collect()
    }

    fn pair(place: &str, message: &str) -> (String, String) {
        (place.to_owned(), message.to_owned())
    }

    #[test]
    fn errors_within_a_line_are_all_reported_and_leave_the_rest_readable() {
        let syntax = parse("a = 30s\nb = 1\nc = True\nd = \"open\ne = 2\n");
        assert_eq!(syntax.problems.len(), 3);
        assert!(!syntax.lost);
        assert!(syntax.tree.contains_key("b") && syntax.tree.contains_key("e"));
    }

    #[test]
    fn a_line_at_which_the_parser_stops_hides_no_later_one() {
        let text = "every 30s\nx = 1\n[t\ny = z\ntimeout\n";
        let said: Vec<String> = said(text).into_iter().map(|(_, message)| message).collect();
        assert_eq!(
            said,
            [
                "a key without a value",
                "the `[` of this table is never closed",
                "a key without a value",
                "a text must stand in quotes"
            ]
        );
        let (mended, _) = mend(text.to_owned());
        assert_eq!(mended.len(), text.len());
        assert!(parse(&mended).tree.contains_key("x"));
    }

    #[test]
    fn a_bracket_never_closed_is_reported_once_and_where_it_opens() {
        for text in ["x = [1, 2\ny = 2\nz = 4\n", "x = { a = '[', b = \"\\\"{\" # }\n, c = [1 }\nk = 1"] {
            assert_eq!(said(text), [pair("[", "`[` is never closed")]);
            assert!(parse(text).lost);
        }
    }

    #[test]
    fn a_key_defined_twice_is_named() {
        assert_eq!(said("[a]\nb = 1\n[a]\nc = 1"), [pair("a", "`a` is defined twice")]);
    }

    #[test]
    fn a_text_without_quotes_is_told_from_a_missing_value() {
        assert_eq!(
            said("a = fra-1\nb =\n"),
            [pair("fra-1", "a text must stand in quotes"), pair("", "the value is missing")]
        );
    }
}
