//! Hours as people write them: `Mon-Fri 08:00-20:00, Sat 10:00-16:00 Europe/Berlin`.
//!
//! Words stand between blanks and commas. Days are followed by the times that hold on them, one or more; a time zone
//! may stand at the end.

use std::ops::Range;

use jiff::civil::Weekday;

use crate::domain::hours::{DAY, WeeklySpan};

/// A word and where in the text it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Its bytes.
    pub span: Range<usize>,
}

/// Hours as they were written; which time zone the last word means is not for this module to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The spans, in the order in which they were written; at least one.
    pub spans: Vec<WeeklySpan>,
    /// The time zone, if one was written.
    pub zone: Option<Word>,
}

/// What cannot be read, where it stands, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Its bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

const EXAMPLE: &str = "write days and times, such as \"Mon-Fri 08:00-20:00, Sat 10:00-16:00 Europe/Berlin\"";
const TIMES: &str = "write from when to when in hours and minutes, such as 08:00-20:00 or 22:00-02:00";

/// Reads hours.
///
/// # Errors
/// What cannot be read first.
pub fn read(text: &str) -> Result<Written, Misread> {
    read_from(text, Vec::new())
}

/// Reads hours of which times that stand before any day hold on every day: `22:00-07:00 Europe/Berlin`.
///
/// # Errors
/// What cannot be read first.
pub fn read_daily(text: &str) -> Result<Written, Misread> {
    read_from(text, every_day())
}

fn every_day() -> Vec<Weekday> {
    Weekday::Monday.cycle_forward().take(7).collect()
}

/// Reads hours whose first times hold on these days, if none are named before them.
fn read_from(text: &str, mut days: Vec<Weekday>) -> Result<Written, Misread> {
    let mut written = Written { spans: Vec::new(), zone: None };
    // Days without times yet: the last word that named some.
    let mut waiting: Option<Word> = None;
    for word in words(text) {
        if let Some(zone) = &written.zone {
            let message = format!("nothing can follow the time zone {}", zone.text);
            return Err(misread(&word, message, "put the time zone at the end"));
        }
        if word.text.starts_with(|c: char| c.is_ascii_digit()) {
            if days.is_empty() {
                return Err(misread(&word, "a time without a day", EXAMPLE));
            }
            let (from, until) = times(&word)?;
            written.spans.extend(days.iter().map(|&day| WeeklySpan { day, from, until }));
            waiting = None;
        } else if let Some(named) = named_days(&word)? {
            if waiting.is_none() {
                days.clear();
            }
            days.extend(named);
            waiting = Some(word);
        } else {
            written.zone = Some(word);
        }
    }
    if let Some(word) = waiting {
        return Err(misread(&word, format!("there are no times for {}", word.text), TIMES));
    }
    if written.spans.is_empty() {
        return Err(Misread {
            span: 0..text.len(),
            message: "no hours are given".to_owned(),
            help: EXAMPLE.to_owned(),
        });
    }
    Ok(written)
}

fn misread(word: &Word, message: impl Into<String>, help: &str) -> Misread {
    Misread { span: word.span.clone(), message: message.into(), help: help.to_owned() }
}

fn words(text: &str) -> impl Iterator<Item = Word> {
    let pieces = text.split([' ', ',', '\t', '\n', '\r']).scan(0, |from, piece| {
        let at = *from;
        // Every separator is one byte.
        *from += piece.len() + 1;
        Some(Word { text: piece.to_owned(), span: at..at + piece.len() })
    });
    pieces.filter(|word| !word.text.is_empty())
}

/// `08:00-20:00`: minutes after midnight, the end after the beginning.
fn times(word: &Word) -> Result<(u16, u16), Misread> {
    let (from, until) = word
        .text
        .split_once('-')
        .ok_or_else(|| misread(word, format!("{} has a beginning and no end", word.text), TIMES))?;
    let at = |time: &str, offset: usize| {
        clock(time).ok_or_else(|| {
            let begin = word.span.start + offset;
            let place = Word { text: time.to_owned(), span: begin..begin + time.len() };
            misread(&place, format!("{time:?} is not a time of day"), "write 00:00 to 24:00, such as 08:30")
        })
    };
    let (from, until) = (at(from, 0)?, at(until, from.len() + 1)?);
    if from == until || from == DAY {
        let help = "write another end; 00:00-24:00 is the whole day";
        return Err(misread(word, format!("{} lasts no time", word.text), help));
    }
    Ok((from, if until > from { until } else { until + DAY }))
}

/// `08:30` in minutes; at most `24:00`.
fn clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, digits: Range<usize>| {
        let is_plain = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_plain)
    };
    let (hours, minutes) = (number(hours, 1..3)?, number(minutes, 2..3)?);
    let time = hours * 60 + minutes;
    (minutes < 60 && time <= DAY).then_some(time)
}

/// The days that a word names: one, from one to another, or all; none if it is something else.
fn named_days(word: &Word) -> Result<Option<Vec<Weekday>>, Misread> {
    let lower = word.text.to_ascii_lowercase();
    if lower == "daily" {
        return Ok(Some(every_day()));
    }
    if let Some(day) = weekday(&lower) {
        return Ok(Some(vec![day]));
    }
    if let Some((from, to)) = lower.split_once('-')
        && let (Some(from), Some(to)) = (weekday(from), weekday(to))
    {
        let count = usize::try_from(from.until(to)).unwrap_or_default() + 1;
        return Ok(Some(from.cycle_forward().take(count).collect()));
    }
    // A time zone has a slash, or is UTC.
    if lower.contains('/') || lower == "utc" {
        return Ok(None);
    }
    let message = format!("{:?} is neither a day nor a time nor a time zone", word.text);
    let help =
        "days are Mon, Tue, Wed, Thu, Fri, Sat, Sun and daily; a time zone is such as Europe/Berlin or UTC";
    Err(misread(word, message, help))
}

fn weekday(lower: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let known = NAMES.into_iter().find(|(name, _)| *name == lower || name[..3] == *lower);
    known.map(|(_, day)| day)
}
