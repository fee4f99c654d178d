//! Whether the contacts that a page publishes are the true ones. One that is missing is found, and so is one that
//! differs by one character: a number that was mistyped leads customers to strangers.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use url::Url;

/// A number with fewer digits is a short code, of which many others differ by one digit.
const ALIKE_DIGITS_MIN: usize = 7;
/// So many groups of digits at most make a number.
const GROUPS_MAX: usize = 8;
/// How much of what may be a number is shown, in characters.
const SHOWN_CHARS: usize = 60;
/// No number has more digits, with everything that may be dialled before it.
const DIGITS_MAX: usize = 18;
/// So many sequences of digits of a page are looked at, and so many addresses; more is no page for customers.
const RUNS_MAX: usize = 50_000;
const MAILS_MAX: usize = 2_000;
/// The zeros of the decimal digits in which pages write numbers: ASCII, Arabic-Indic, Persian, Devanagari, Bengali,
/// Thai and full-width.
const ZEROS: [char; 7] = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}', '\u{ff10}'];

/// What a text could be a telephone number for: digits with what people write between them.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let between = r" \u{a0}\u{2000}-\u{200a}\u{202f}().\-/\u{2010}-\u{2015}\u{b7}";
    Regex::new(&format!("[+]?[0-9][0-9{between}]+")).expect("a pattern of ours is one")
});
static MAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"[^\s<>"'(),;:@]+@[^\s<>"'(),;:@/]+"#).expect("a pattern of ours is one"));

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
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let is_written = |c: char| c.is_ascii_digit() || " ()-./+".contains(c);
        let plus = text.starts_with('+');
        if !(3..=15).contains(&digits.len()) || !text.chars().all(is_written) || text[1..].contains('+') {
            return None;
        }
        let mut forms = vec![digits.clone()];
        if plus {
            forms.push(format!("00{digits}"));
            let (code, national) = digits.split_at_checked(country_code_len(&digits))?;
            // Many countries put a zero before a number that is dialled at home, and Russia an eight.
            let trunk = if code == "7" { "8" } else { "0" };
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

    /// Holds every contact against what a page says.
    pub(super) fn check(&self, page: &Published<'_>) -> Vec<Finding> {
        let (numbers, mails) = (numbers(page), mails(page));
        let phones = self.phones.iter().map(|phone| self.phone(phone, &numbers));
        let addresses = self.mails.iter().map(|mail| self.mail(mail, &mails));
        let urls = self.urls.iter().map(|url| {
            let held = page.links.contains(url);
            let alike = page.links.iter().map(Url::as_str).filter(|link| differ_by_one(link, url.as_str()));
            finding(format!("a link to {url}"), held, alike.take(1).map(str::to_owned).collect())
        });
        phones.chain(addresses).chain(urls).collect()
    }

    fn phone(&self, phone: &Phone, numbers: &[Number]) -> Finding {
        let held = numbers.iter().any(|number| number.runs.iter().any(|run| phone.is(run)));
        // A number of ours, however it is written, is no slip of another one of ours.
        let strangers = numbers
            .iter()
            .filter(|number| !number.runs.iter().any(|run| self.phones.iter().any(|known| known.is(run))));
        let alike = strangers.filter(|number| number.runs.iter().any(|run| phone.is_like(run)));
        finding(
            format!("the number {}", phone.written),
            held,
            alike.map(|number| number.written.clone()).collect(),
        )
    }

    fn mail(&self, mail: &str, mails: &BTreeSet<String>) -> Finding {
        let known = |found: &String| self.mails.iter().any(|known| known.eq_ignore_ascii_case(found));
        let alike = mails.iter().filter(|found| !known(found) && differ_by_one(found, &mail.to_lowercase()));
        let held = mails.contains(&mail.to_lowercase());
        finding(format!("the address {mail}"), held, alike.cloned().collect())
    }
}

fn finding(words: String, is_there: bool, alike: Vec<String>) -> Finding {
    let seen = match (is_there, alike.first()) {
        (true, None) => String::new(),
        (true, Some(slip)) => format!("also {slip}"),
        (false, None) => "nothing like it".to_owned(),
        (false, Some(slip)) => slip.clone(),
    };
    Finding { words, held: is_there && alike.is_empty(), seen }
}

/// Something on a page that may be a telephone number.
#[derive(Debug)]
struct Number {
    written: String,
    /// The digits of every sequence of its groups: text beside a number may have digits too.
    runs: Vec<String>,
}

fn numbers(page: &Published<'_>) -> Vec<Number> {
    let text = with_ascii_digits(page.text);
    let dialled = page.links.iter().filter(|link| link.scheme() == "tel").map(Url::path);
    let pieces = std::iter::once(text.as_str()).chain(dialled);
    let mut runs_left = RUNS_MAX;
    let mut numbers = Vec::new();
    for found in pieces.flat_map(|piece| NUMBER.find_iter(piece)) {
        let number = Number::read(found.as_str(), runs_left);
        runs_left -= number.runs.len();
        numbers.push(number);
        if runs_left == 0 {
            break;
        }
    }
    numbers
}

impl Number {
    fn read(written: &str, runs_max: usize) -> Self {
        let written = written.trim_end_matches(|c: char| !c.is_ascii_digit());
        // "+49 (0)30": the zero is for those who dial at home.
        let dialled = if written.starts_with('+') { written.replace("(0)", " ") } else { written.to_owned() };
        let groups: Vec<&str> =
            dialled.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
        let from = |first: usize| {
            let mut run = String::new();
            groups[first..].iter().take(GROUPS_MAX).map_while(move |group| {
                run.push_str(group);
                (run.len() <= DIGITS_MAX).then(|| run.clone())
            })
        };
        let runs = (0..groups.len()).flat_map(from).take(runs_max).collect();
        let shown = written.char_indices().nth(SHOWN_CHARS).map_or(written, |(at, _)| &written[..at]);
        Self { written: shown.to_owned(), runs }
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
    let written = MAIL.find_iter(page.text).map(|found| found.as_str().trim_end_matches('.').to_lowercase());
    let linked = page.links.iter().filter(|link| link.scheme() == "mailto").flat_map(|link| {
        let addresses = percent_encoding::percent_decode_str(link.path()).decode_utf8_lossy().to_lowercase();
        addresses.split(',').map(|address| address.trim().to_owned()).collect::<Vec<_>>()
    });
    linked.chain(written).take(MAILS_MAX).collect()
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
        let findings = contacts.check(&Published { text, links: &links });
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
            "０３０－９０１８２０６０ ".replace('－', "-").as_str(),
            "In 2026 call 030 90182060",
        ] {
            assert_eq!(seen(&berlin, text, &[]), [""], "{text}");
        }
        assert_eq!(seen(&berlin, "call us", &["tel:+493090182060"]), [""]);
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
        assert_eq!(seen(&mail, "write to support@example.com.", &[]), [""]);
        assert_eq!(seen(&mail, "write to us", &["mailto:SUPPORT%40example.com?subject=Help"]), [""]);
        assert_eq!(seen(&mail, "suport@example.com", &[]), ["suport@example.com"]);
        assert_eq!(seen(&mail, "sales@example.com", &[]), ["nothing like it"]);
        let slip = seen(&mail, "support@example.com", &["mailto:support@exmaple.com"]);
        assert_eq!(slip, ["also support@exmaple.com"]);
    }

    #[test]
    fn a_text_that_is_no_number_is_refused() {
        for text in ["", "12", "call us", "+49 30 9018 2060 ext. 7", "1+2+3", "+12345678901234567"] {
            assert_eq!(Phone::parse(text), None, "{text}");
        }
    }
}
