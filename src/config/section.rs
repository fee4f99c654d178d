//! Reads one section of a file into its settings and finds everything that is wrong with it, not only the first thing.
//!
//! serde stops at the first error. So the section is read again and again: what was found wrong is reported and taken
//! out of the tree (a mistyped key is given its right name, a key that must be there a stand-in), until the rest can
//! be read and built. Each turn makes the tree smaller or a key known, so it ends; [`PROBLEMS_MAX`] bounds the work.

use std::{collections::BTreeMap, ops::Range};

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    config::{stand_in::stand_in, wording::Complaint},
    setting::{Problem, closest},
};

/// So many problems are reported per section; whoever made more has more pressing ones.
const PROBLEMS_MAX: usize = 100;

/// A value of the file with its place.
pub type Tree<'f> = Spanned<DeValue<'f>>;

/// What could be read of a section.
#[derive(Debug)]
pub struct Section<'f, T> {
    /// What is left of the tree, mistyped keys under their right names, stand-ins for what must be there.
    pub tree: Tree<'f>,
    /// The settings; none if what is missing or wrong leaves nothing to read.
    pub settings: Option<T>,
    /// Everything found wrong, in no particular order.
    pub problems: Vec<Problem>,
    /// What was taken out: what is built from the settings would miss it.
    taken_out: Vec<Taken>,
    /// Tables with a stand-in for a key that nobody wrote.
    incomplete: Vec<Range<usize>>,
}

/// What was taken out of a tree.
#[derive(Debug)]
struct Taken {
    /// The keys that led to it.
    path: Vec<String>,
    /// Where it stood.
    span: Range<usize>,
    /// Where the table or array stands of which it was a part.
    holder: Range<usize>,
}

impl<'f, T> Section<'f, T> {
    /// The same section with its settings in another form.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Section<'f, U> {
        let Self { tree, settings, problems, taken_out, incomplete } = self;
        Section { tree, settings: settings.map(into), problems, taken_out, incomplete }
    }

    /// Whether something at or below this path was wrong and is not in the settings.
    pub fn lacks(&self, path: &[&str]) -> bool {
        self.taken_out.iter().any(|taken| {
            taken.path.iter().zip(path).filter(|(taken, key)| taken == key).count() == path.len()
        })
    }

    /// The places that are not as the operator wrote them: a further problem with one follows from the first.
    pub fn mended(&self) -> impl Iterator<Item = Range<usize>> {
        let taken = self.taken_out.iter().flat_map(|taken| [taken.span.clone(), taken.holder.clone()]);
        taken.chain(self.incomplete.iter().cloned())
    }
}

/// Reads `tree` into `T`. What is wrong with the section as a whole is reported at its key.
pub fn read<T: DeserializeOwned>(tree: Tree<'_>, key: Range<usize>) -> Section<'_, T> {
    let (taken_out, incomplete) = (Vec::new(), Vec::new());
    let mut section = Section { tree, settings: None, problems: Vec::new(), taken_out, incomplete };
    let mut gone = BTreeMap::new();
    while section.problems.len() < PROBLEMS_MAX {
        let error = match T::deserialize(section.tree.clone().into_deserializer()) {
            Ok(settings) => {
                section.settings = Some(settings);
                break;
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or_else(|| section.tree.span());
        let complaint = Complaint::read(error.message());
        let (tree, problems) = (&mut section.tree, &mut section.problems);
        match repair(tree, &key, &span, &complaint, &mut gone, problems) {
            Some(Repair::TookOut(taken)) => section.taken_out.push(taken),
            Some(Repair::Completed(table)) => section.incomplete.push(table),
            Some(Repair::Renamed) => {}
            None => break,
        }
    }
    section
}

/// How a section was made readable.
enum Repair {
    /// A key got its right name, or was nobody's.
    Renamed,
    /// The table at this place got a stand-in for what must be there.
    Completed(Range<usize>),
    /// Something is gone, or a stand-in is in its place.
    TookOut(Taken),
}

/// Where what was taken out stood, by the start of its table and its key.
type Gone = BTreeMap<(usize, String), Range<usize>>;

/// Reports a complaint and takes its cause out of the tree. None if the section cannot be read without it.
fn repair(
    tree: &mut Tree<'_>,
    section_key: &Range<usize>,
    span: &Range<usize>,
    complaint: &Complaint,
    gone: &mut Gone,
    problems: &mut Vec<Problem>,
) -> Option<Repair> {
    match complaint {
        Complaint::UnknownKey { key, known } => {
            problems.push(complaint.problem(span.clone()));
            let (table, at) = table_with_key(tree, span)?;
            let (name, value) = table.remove_entry(at.as_str())?;
            let meant = closest(key, known).filter(|meant| !table.contains_key(*meant));
            if let Some(meant) = meant {
                table.insert(Spanned::new(name.span(), meant.to_owned().into()), value);
            }
            Some(Repair::Renamed)
        }
        Complaint::MissingKey { key } => {
            let place = key_of(tree, span).unwrap_or_else(|| section_key.clone());
            let stood_at = gone.get(&(span.start, key.clone()));
            if stood_at.is_none() {
                problems.push(complaint.problem(place));
            }
            match stand_in(&[key], stood_at.unwrap_or(span)) {
                Some((key, value)) => {
                    table_at(tree, span)?.insert(key, value);
                    Some(Repair::Completed(span.clone()))
                }
                None => take_out(tree, span, gone).map(Repair::TookOut),
            }
        }
        Complaint::BadValue { .. } => {
            problems.push(complaint.problem(span.clone()));
            let taken = take_out(tree, span, gone)?;
            let path: Vec<&str> = taken.path.iter().map(String::as_str).collect();
            // A variable is defined even if what was to define it is wrong; no later use of it is to be called wrong.
            if let [.., "capture" | "secrets", _] = path[..]
                && let Some((key, value)) = stand_in(&path, span)
            {
                table_at(tree, &taken.holder)?.insert(key, value);
            }
            Some(Repair::TookOut(taken))
        }
    }
}

/// The table that has a key at this place, and the key.
fn table_with_key<'t, 'f>(
    tree: &'t mut Tree<'f>,
    span: &Range<usize>,
) -> Option<(&'t mut DeTable<'f>, String)> {
    match tree.get_mut() {
        DeValue::Table(table) => {
            if let Some(key) = table.keys().find(|key| key.span() == *span) {
                let key = key.get_ref().to_string();
                return Some((table, key));
            }
            table.iter_mut().find_map(|(_, value)| table_with_key(value, span))
        }
        DeValue::Array(array) => array.iter_mut().find_map(|value| table_with_key(value, span)),
        _ => None,
    }
}

/// The table that stands at `span`.
fn table_at<'t, 'f>(tree: &'t mut Tree<'f>, span: &Range<usize>) -> Option<&'t mut DeTable<'f>> {
    let is_here = tree.span() == *span;
    match tree.get_mut() {
        DeValue::Table(table) => {
            if is_here {
                return Some(table);
            }
            table.iter_mut().find_map(|(_, value)| table_at(value, span))
        }
        DeValue::Array(array) => array.iter_mut().find_map(|value| table_at(value, span)),
        _ => None,
    }
}

/// The place of the key whose value stands at `span`.
fn key_of(tree: &Tree<'_>, span: &Range<usize>) -> Option<Range<usize>> {
    match tree.get_ref() {
        DeValue::Table(table) => {
            table.iter().find_map(
                |(key, value)| {
                    if value.span() == *span { Some(key.span()) } else { key_of(value, span) }
                },
            )
        }
        DeValue::Array(array) => array.iter().find_map(|value| {
            // An element has no key; it is pointed at itself.
            if value.span() == *span { Some(span.clone()) } else { key_of(value, span) }
        }),
        _ => None,
    }
}

/// Removes the entry whose key or value stands at `span`, or the array's element, and remembers what its table lacks
/// from now on.
fn take_out(tree: &mut Tree<'_>, span: &Range<usize>, gone: &mut Gone) -> Option<Taken> {
    let holder = tree.span();
    match tree.get_mut() {
        DeValue::Table(table) => {
            let hit = table.iter().find(|(key, value)| value.span() == *span || key.span() == *span);
            if let Some(key) = hit.map(|(key, _)| key.get_ref().to_string()) {
                table.remove(key.as_str());
                gone.insert((holder.start, key.clone()), span.clone());
                return Some(Taken { path: vec![key], span: span.clone(), holder });
            }
            table.iter_mut().find_map(|(key, value)| {
                let mut taken = take_out(value, span, gone)?;
                taken.path.insert(0, key.get_ref().to_string());
                Some(taken)
            })
        }
        DeValue::Array(array) => {
            if let Some(index) = array.iter().position(|value| value.span() == *span) {
                *array = array
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != index)
                    .map(|(_, value)| value.clone())
                    .collect();
                return Some(Taken { path: Vec::new(), span: span.clone(), holder });
            }
            array.iter_mut().find_map(|value| take_out(value, span, gone))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use toml::de::DeTable;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read")]
        url: String,
        limit: Option<u8>,
        inner: Option<Inner>,
        #[serde(default)]
        steps: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
        #[expect(dead_code, reason = "only read")]
        count: Option<u8>,
    }

    fn reading(text: &str) -> (Option<Outer>, Vec<(String, String)>) {
        let tree = DeTable::parse(text).unwrap();
        let whole = Spanned::new(tree.span(), DeValue::Table(tree.into_inner()));
        let section = read::<Outer>(whole, 0..0);
        let said =
            section.problems.iter().map(|p| (text[p.span.clone().unwrap()].to_owned(), p.message.clone()));
        (section.settings, said.collect())
    }

    fn pair(place: &str, message: &str) -> (String, String) {
        (place.to_owned(), message.to_owned())
    }

    #[test]
    fn every_problem_is_found_not_only_the_first() {
        let (settings, said) = reading(
            "url = 5\nlimit = 300\nextra = 1\ninner = { nam = \"a\", count = \"x\" }\nsteps = [{ name = 1 }, { count = 1 }]",
        );
        assert!(settings.is_some(), "something stands in for the address, so that the rest is read");
        let mut said = said;
        said.sort();
        assert_eq!(
            said,
            [
                pair("\"x\"", "expected a whole number from 0 to 255, found a text"),
                pair("1", "expected a text in quotes, found the number 1"),
                pair("300", "expected a whole number from 0 to 255, found the number 300"),
                pair("5", "expected a text in quotes, found the number 5"),
                pair("extra", "unknown key `extra`"),
                pair("nam", "unknown key `nam`"),
                pair("{ count = 1 }", "`name` is missing"),
            ]
        );
    }

    #[test]
    fn a_mistyped_key_is_read_under_its_right_name() {
        let (settings, said) = reading("ulr = \"a\"\ninner = { nmae = \"b\" }");
        assert_eq!(said, [pair("nmae", "unknown key `nmae`"), pair("ulr", "unknown key `ulr`")]);
        assert_eq!(settings.and_then(|outer| outer.inner).map(|inner| inner.name).as_deref(), Some("b"));
    }

    #[test]
    fn what_is_wrong_is_not_called_missing_too() {
        let (_, said) = reading("url = \"a\"\ninner = { name = 1 }");
        assert_eq!(said, [pair("1", "expected a text in quotes, found the number 1")]);
    }

    #[test]
    fn what_is_missing_is_reported_at_the_key_of_its_table_and_hides_nothing_beside_it() {
        let text = "url = \"a\"\nlimit = 1\ninner = { count = 2, hue = 3 }\nsteps = []";
        let (settings, mut said) = reading(text);
        said.sort();
        assert_eq!(said, [pair("hue", "unknown key `hue`"), pair("inner", "`name` is missing")]);
        let outer = settings.unwrap();
        assert!(outer.limit == Some(1) && outer.inner.is_some() && outer.steps.is_empty());
    }

    #[test]
    fn what_is_not_as_it_was_written_is_known_by_its_place() {
        let text = "url = \"a\"\ninner = { name = \"b\", count = \"x\" }\nsteps = [{ count = 1 }]\n";
        let tree = DeTable::parse(text).unwrap();
        let whole = Spanned::new(tree.span(), DeValue::Table(tree.into_inner()));
        let section = read::<Outer>(whole, 0..0);
        assert!(section.lacks(&["inner", "count"]) && !section.lacks(&["steps"]));
        let mended: Vec<&str> = section.mended().map(|span| &text[span]).collect();
        assert_eq!(mended, ["\"x\"", "{ name = \"b\", count = \"x\" }", "{ count = 1 }"]);
    }

    #[test]
    fn dotted_keys_and_header_tables_have_places_too() {
        let text = "url = \"a\"\ninner.name = \"b\"\ninner.cuont = 1\n[[steps]]\nname = \"c\"\ncount = -1\n[[steps]]\ncount = 1\n";
        let (_, said) = reading(text);
        assert_eq!(
            said,
            [
                pair("cuont", "unknown key `cuont`"),
                pair("-1", "expected a whole number from 0 to 255, found the number -1"),
                pair("[[steps]]", "`name` is missing"),
            ]
        );
    }
}
