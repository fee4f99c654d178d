//! Whether the contacts that a page publishes are the true ones. One that is missing is found, and so is one that
//! differs by one character: a number that was mistyped leads customers to strangers.

use std::{collections::BTreeSet, ops::Range, sync::LazyLock};

use regex::Regex;
use url::{Position, Url};

use crate::probe::page::text::Effort;

/// A number with fewer digits is a short code, of which many others differ by one digit.
const ALIKE_DIGITS_MIN: usize = 7;
/// So many groups of digits at most make a number.
const GROUPS_MAX: usize = 8;
/// No number has more digits, with everything that may be dialled before it.
const DIGITS_MAX: usize = 18;
/// To look at a sequence of digits costs as much as to read so many bytes.
const RUN_UNITS: usize = 64;
/// The zero that those who dial at home put into an international number.
const HOME_ZERO: &str = "(0)";
/// The zeros of the decimal digits in which pages write numbers: ASCII, Arabic-Indic, Persian, Devanagari, Bengali,
/// Thai and full-width.
const ZEROS: [char; 7] = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}', '\u{ff10}'];

/// What a text could be a telephone number for: digits with what people write between them.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let between = r" \u{a0}\u{2000}-\u{200a}\u{202f}\u{3000}().\-/\u{2010}-\u{2015}\u{2212}\u{b7}\u{ff08}\u{ff09}\u{ff0d}";
    Regex::new(&format!("[+]?[(]?[0-9][0-9{between}]+")).expect("a pattern of ours is one")
});
/// What a text could be a mail address for. The true ones are in ASCII, and so are their slips.
static MAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+").expect("a pattern of ours is one")
});

/// A telephone number as a customer dials it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// As the operator writes it.
    pub(super) written: String,
    /// Every sequence of digits that reaches it.
    forms: Vec<String>,
}

impl Phone {
    /// Reads a number: international with a plus, or any other as it is dialled.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let dialled = if text.starts_with('+') { text.replace(HOME_ZERO, " ") } else { text.to_owned() };
        let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
        let is_written = |c: char| c.is_ascii_digit() || " ()-./+".contains(c);
        let plus = text.starts_with('+');
        if !(3..=15).contains(&digits.len()) || !text.chars().all(is_written) || text[1..].contains('+') {
            return None;
        }
        let mut forms = vec![digits.clone()];
        if plus {
            forms.push(format!("00{digits}"));
            let (code, national) = digits.split_at_checked(country_code_len(&digits))?;
            // Most countries put a zero before a number that is dialled at home.
            let trunk = match code {
                "7" => "8",
                "36" => "06",
                _ => "0",
            };
            forms.extend([format!("{trunk}{national}"), national.to_owned()]);
        }
        Some(Self { written: text.to_owned(), forms })
    }

    fn is(&self, digits: &str) -> bool {
        self.forms.iter().any(|form| form == digits)
    }

    fn is_like(&self, digits: &str) -> bool {
        let long = self.forms.iter().filter(|form| form.len() >= ALIKE_DIGITS_MIN);
        long.map(String::as_str).any(|form| differ_by_one(form, digits))
    }

    fn finding(&self, numbers: &[Number], strangers: &[(&Number, &Run)]) -> Finding {
        let held = numbers.iter().any(|number| number.runs.iter().any(|run| self.is(&run.digits)));
        let slips = strangers.iter().filter(|(_, run)| self.is_like(&run.digits));
        let slips = slips.map(|(number, run)| number.shown(run).to_owned());
        finding(format!("the number {}", self.written), held, slips.collect())
    }
}

/// How many digits of an international number are the country's (ITU-T E.164, annex).
fn country_code_len(digits: &str) -> usize {
    match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7', ..]
        | [b'3', b'0'..=b'4' | b'6' | b'9', ..]
        | [b'4', b'0' | b'1' | b'3'..=b'9', ..]
        | [b'5', b'1'..=b'8', ..]
        | [b'6', b'0'..=b'6', ..]
        | [b'8', b'1' | b'2' | b'4' | b'6', ..]
        | [b'9', b'0'..=b'5' | b'8', ..] => 2,
        _ => 3,
    }
}

/// The contacts as they truly are.
#[derive(Clone, Debug, Default)]
pub(super) struct Contacts {
    pub(super) phones: Vec<Phone>,
    pub(super) mails: Vec<String>,
    pub(super) urls: Vec<Url>,
}

/// What a page says: its text, and where its links lead.
#[derive(Debug)]
pub(super) struct Published<'p> {
    pub(super) text: &'p str,
    pub(super) links: &'p [Url],
}

/// What became of one contact.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What is expected, in words.
    pub(super) words: String,
    pub(super) held: bool,
    /// What is there, instead or as well.
    pub(super) seen: String,
}

impl Contacts {
    pub(super) fn is_empty(&self) -> bool {
        self.phones.is_empty() && self.mails.is_empty() && self.urls.is_empty()
    }

    /// Holds every contact against what a page says. It means nothing once the effort is spent.
    pub(super) fn check(&self, page: &Published<'_>, effort: &Effort) -> Vec<Finding> {
        let (numbers, mails) = (numbers(page, effort), mails(page));
        let strangers = self.strangers(&numbers);
        let phones = self.phones.iter().map(|phone| phone.finding(&numbers, &strangers));
        let addresses = self.mails.iter().map(|mail| self.mail(mail, &mails));
        let links: BTreeSet<&str> = page.links.iter().map(bare).collect();
        let urls = self.urls.iter().map(|url| self.url(url, &links));
        phones.chain(addresses).chain(urls).collect()
    }

    /// What belongs to no number of ours: it may be a slip of one. A part of one, with or without what stands beside it, is
    /// none, however it is written.
    fn strangers<'n>(&self, numbers: &'n [Number]) -> Vec<(&'n Number, &'n Run)> {
        let is_ours = |run: &&Run| self.phones.iter().any(|phone| phone.is(&run.digits));
        let of_number = |number: &'n Number| {
            // Disjoint and in order, since the runs are in the order of their beginnings.
            let mut ours: Vec<Range<usize>> = Vec::new();
            for run in number.runs.iter().filter(is_ours) {
                match ours.last_mut().filter(|last| run.place.start < last.end) {
                    Some(last) => last.end = last.end.max(run.place.end),
                    None => ours.push(run.place.clone()),
                }
            }
            let is_apart = move |run: &&Run| {
                let next = ours.partition_point(|own| own.end <= run.place.start);
                ours.get(next).is_none_or(|own| run.place.end <= own.start)
            };
            number.runs.iter().filter(is_apart).map(move |run| (number, run))
        };
        numbers.iter().flat_map(of_number).collect()
    }

    fn mail(&self, mail: &str, mails: &BTreeSet<String>) -> Finding {
        let known = |found: &String| self.mails.iter().any(|known| known.eq_ignore_ascii_case(found));
        let slips = mails.iter().filter(|found| !known(found) && differ_by_one(found, &mail.to_lowercase()));
        let held = mails.contains(&mail.to_lowercase());
        finding(format!("the address {mail}"), held, slips.cloned().collect())
    }

    fn url(&self, url: &Url, links: &BTreeSet<&str>) -> Finding {
        let strangers = links.iter().filter(|link| !self.urls.iter().any(|known| bare(known) == **link));
        let slips = strangers.filter(|link| differ_by_one(link, bare(url))).map(|link| (*link).to_owned());
        finding(format!("a link to {url}"), links.contains(bare(url)), slips.collect())
    }
}

/// An address without its fragment and the slash at its end, which make no other place of it.
fn bare(url: &Url) -> &str {
    url[..Position::AfterQuery].trim_end_matches('/')
}

fn finding(words: String, is_there: bool, slips: Vec<String>) -> Finding {
    let seen = match (is_there, slips.first()) {
        (true, None) => String::new(),
        (true, Some(slip)) => format!("also {slip}"),
        (false, None) => "nothing like it".to_owned(),
        (false, Some(slip)) => slip.clone(),
    };
    Finding { words, held: is_there && slips.is_empty(), seen }
}

/// Something on a page that may be a telephone number, or several in a row.
#[derive(Debug)]
struct Number {
    written: String,
    /// The digits of every sequence of its groups: text beside a number may have digits too.
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    digits: String,
    /// Where it stands in what is written.
    place: Range<usize>,
}

/// Links come first: they are few, and meant to be dialled.
fn numbers(page: &Published<'_>, effort: &Effort) -> Vec<Number> {
    let text = with_ascii_digits(page.text);
    let dialled = page.links.iter().filter(|link| link.scheme() == "tel").map(|link| {
        let number = link.as_str()["tel:".len()..].trim_start_matches('/');
        percent_encoding::percent_decode_str(number).decode_utf8_lossy().into_owned()
    });
    let pieces: Vec<String> = dialled.chain([text]).collect();
    let found = pieces.iter().flat_map(|piece| NUMBER.find_iter(piece));
    found.map(|found| Number::read(found.as_str(), effort)).collect()
}

impl Number {
    fn read(written: &str, effort: &Effort) -> Self {
        // "+49 (0)30": the zero is for those who dial at home. Every place keeps its place.
        let written = match written.starts_with('+') {
            true => written.replace(HOME_ZERO, "   "),
            false => written.to_owned(),
        };
        let mut groups: Vec<Range<usize>> = Vec::new();
        for (at, _) in written.match_indices(|c: char| c.is_ascii_digit()) {
            match groups.last_mut().filter(|group| group.end == at) {
                Some(group) => group.end += 1,
                None => groups.push(at..at + 1),
            }
        }
        let mut runs = Vec::new();
        for first in 0..groups.len() {
            let mut digits = String::new();
            for group in groups[first..].iter().take(GROUPS_MAX) {
                digits.push_str(&written[group.clone()]);
                if digits.len() > DIGITS_MAX || !effort.spend(RUN_UNITS) {
                    break;
                }
                runs.push(Run { digits: digits.clone(), place: groups[first].start..group.end });
            }
        }
        Self { written, runs }
    }

    fn shown(&self, run: &Run) -> &str {
        let plus = usize::from(self.written[..run.place.start].ends_with('+'));
        &self.written[run.place.start - plus..run.place.end]
    }
}

/// Whether one character was altered, left out or added, or two neighbours have changed places.
fn differ_by_one(one: &str, other: &str) -> bool {
    let alike = |a: &mut dyn Iterator<Item = (u8, u8)>| a.take_while(|(a, b)| a == b).count();
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let begin = alike(&mut one.iter().copied().zip(other.iter().copied()));
    let (one, other) = (&one[begin..], &other[begin..]);
    let end = alike(&mut one.iter().rev().copied().zip(other.iter().rev().copied()));
    match (&one[..one.len() - end], &other[..other.len() - end]) {
        ([_], [_]) | ([_], []) | ([], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

fn with_ascii_digits(text: &str) -> String {
    let ascii = |c: char| {
        let digit =
            ZEROS.iter().find_map(|zero| (c as u32).checked_sub(*zero as u32).filter(|value| *value < 10));
        digit.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
    };
    text.chars().map(ascii).collect()
}

fn mails(page: &Published<'_>) -> BTreeSet<String> {
    let linked = page.links.iter().filter(|link| link.scheme() == "mailto");
    let linked = linked.map(|link| percent_encoding::percent_decode_str(link.path()).decode_utf8_lossy());
    let pieces = linked.chain([page.text.into()]);
    pieces
        .flat_map(|piece| {
            MAIL.find_iter(&piece).map(|found| found.as_str().to_lowercase()).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacts(phones: &[&str], mails: &[&str]) -> Contacts {
        Contacts {
            phones: phones.iter().map(|phone| Phone::parse(phone).unwrap()).collect(),
            mails: mails.iter().map(|mail| (*mail).to_owned()).collect(),
            urls: Vec::new(),
        }
    }

    /// Of each contact what was seen instead of it; empty where it held.
    fn seen(contacts: &Contacts, text: &str, links: &[&str]) -> Vec<String> {
        let links: Vec<Url> = links.iter().map(|link| Url::parse(link).unwrap()).collect();
        let findings = contacts.check(&Published { text, links: &links }, &Effort::default());
        findings.iter().for_each(|found| assert_eq!(found.held, found.seen.is_empty(), "{found:?}"));
        findings.into_iter().map(|found| found.seen).collect()
    }

    #[test]
    fn a_number_is_known_in_any_notation() {
        let berlin = contacts(&["+49 30 9018 2060"], &[]);
        for text in [
            "+49 30 9018 2060",
            "+493090182060",
            "0049 30 90182060",
            "+49 (0)30 / 9018-2060",
            "(030) 90 18 20 60",
            "Tel.: 030.90182060, Mo-Fr 9-17",
            "call 030 9018\u{a0}2060 24 hours",
            "٠٣٠ ٩٠١٨ ٢٠٦٠",
            "（０３０）９０１８－２０６０",
            "In 2026 call 030 90182060",
        ] {
            assert_eq!(seen(&berlin, text, &[]), [""], "{text}");
        }
        for link in ["tel:+493090182060", "tel:+49%2030%209018%202060", "tel://+49-30-90182060"] {
            assert_eq!(seen(&berlin, "call us", &[link]), [""], "{link}");
        }
        assert_eq!(seen(&contacts(&["+49 (0)30 9018 2060"], &[]), "+49 (0)30 9018 2060", &[]), [""]);
        assert_eq!(seen(&contacts(&["+36 1 234 5678"], &[]), "06 1 234 5678", &[]), [""]);
        assert_eq!(seen(&contacts(&["+7 495 123-45-67"], &[]), "8 (495) 123-45-67", &[]), [""]);
        assert_eq!(seen(&contacts(&["+1 800 555 0100"], &[]), "800-555-0100", &[]), [""]);
        assert_eq!(seen(&contacts(&["110"], &[]), "dial 110", &[]), [""]);
    }

    #[test]
    fn one_altered_digit_is_found_and_shown() {
        let berlin = contacts(&["+49 30 9018 2060", "+49 30 9018 2061"], &[]);
        let right = "030 9018 2060, fax 030 9018 2061";
        assert_eq!(seen(&berlin, right, &[]), ["", ""]);
        for (text, shown) in [
            ("030 9018 2060 and 030 9018 2061 and 030 9018 2960", ["also 030 9018 2960", ""]),
            ("030 9018 2060 030 9018 2061 030 9018 2960", ["also 030 9018 2960", ""]),
            ("030 9013 2060, 030 9018 2061", ["030 9013 2060", ""]),
            ("030 9018 2006, 030 9018 2061", ["030 9018 2006", ""]),
            ("030 9018 260, 030 9018 2061", ["030 9018 260", ""]),
            ("no number at all", ["nothing like it", "nothing like it"]),
        ] {
            assert_eq!(seen(&berlin, text, &[]), shown, "{text}");
        }
        assert_eq!(seen(&berlin, right, &["tel:+493090182090"])[0], "also +493090182090");
    }

    #[test]
    fn other_numbers_of_a_page_are_nobodys_slip() {
        let berlin = contacts(&["+49 30 9018 2060"], &[]);
        let text =
            "030 90182060. Order 4711-2026-000123, IBAN DE89 3704 0044 0532 0130 00, 030 5550199, 19.99";
        assert_eq!(seen(&berlin, text, &[]), [""]);
    }

    #[test]
    fn an_address_is_known_as_text_and_as_link() {
        let mail = contacts(&[], &["Support@example.com"]);
        for text in [
            "write to support@example.com.",
            "Write to support@example.com!",
            "[support@example.com]",
            "请发邮件至support@example.com。",
        ] {
            assert_eq!(seen(&mail, text, &[]), [""], "{text}");
        }
        assert_eq!(seen(&mail, "write to us", &["mailto:SUPPORT%40example.com?subject=Help"]), [""]);
        assert_eq!(seen(&mail, "suport@example.com", &[]), ["suport@example.com"]);
        assert_eq!(seen(&mail, "sales@example.com", &[]), ["nothing like it"]);
        let slip = seen(&mail, "support@example.com", &["mailto:support@exmaple.com"]);
        assert_eq!(slip, ["also support@exmaple.com"]);
    }

    #[test]
    fn a_link_is_known_with_and_without_what_makes_no_other_place_of_it() {
        let url = |text: &str| Url::parse(text).unwrap();
        let help = Contacts {
            urls: vec![url("https://shop.example.com/en/help"), url("https://shop.example.com/es/help")],
            ..Contacts::default()
        };
        let both = ["https://shop.example.com/en/help/", "https://shop.example.com/es/help#top"];
        assert_eq!(seen(&help, "", &both), ["", ""]);
        let slip = ["https://shop.example.com/en/help", "https://shop.example.com/es/hepl"];
        assert_eq!(seen(&help, "", &slip), ["", "https://shop.example.com/es/hepl"]);
    }

    #[test]
    fn a_number_that_is_repeated_without_end_costs_no_more_than_others() {
        let berlin = contacts(&["+49 30 9018 2060"], &[]);
        let text = "030 90182060 ".repeat(5_000);
        assert_eq!(seen(&berlin, &text, &[]), [""]);
        assert_eq!(seen(&berlin, &format!("{text} 030 90182960"), &[]), ["also 030 90182960"]);
    }

    #[test]
    fn a_page_full_of_digits_is_given_up() {
        let effort = Effort::default();
        let text = "1 ".repeat(500_000);
        contacts(&["+49 30 9018 2060"], &[]).check(&Published { text: &text, links: &[] }, &effort);
        assert!(effort.is_spent());
    }

    #[test]
    fn a_text_that_is_no_number_is_refused() {
        for text in ["", "12", "call us", "+49 30 9018 2060 ext. 7", "1+2+3", "+12345678901234567"] {
            assert_eq!(Phone::parse(text), None, "{text}");
        }
    }
}
