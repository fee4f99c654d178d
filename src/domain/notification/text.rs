//! The plain text part: at most [`LINE_MAX`] columns, tables aligned; only a link or a command may be longer. The first five lines are cut rather than wrapped;
//! what was cut off stands in full further down.

use crate::domain::notification::letter::{Body, Column, Fact, LINE_MAX, Letter, Line, cut};

/// Writes a letter as text.
pub(super) fn write(letter: &Letter) -> String {
    let mut text = String::with_capacity(2_048);
    push_line(&mut text, &cut(&format!("{} {}", letter.badge, letter.headline), LINE_MAX));
    for fact in &letter.lead {
        push_line(&mut text, &cut(&format!("{}: {}", fact.label, fact.value), LINE_MAX));
    }
    for section in &letter.sections {
        push_line(&mut text, "");
        push_line(&mut text, &section.title);
        match &section.body {
            Body::Facts(facts) => push_facts(&mut text, facts),
            Body::Table { columns, rows } => push_table(&mut text, columns, rows),
            Body::Lines(lines) => lines.iter().for_each(|line| match line {
                Line::Text(words) => push_wrapped(&mut text, "  ", words),
                Line::Command(words) | Line::Link(words) => push_line(&mut text, &format!("  {words}")),
            }),
        }
    }
    text
}

/// The same text with a notice on top.
pub(super) fn with_notice(text: &str, notice: &str) -> String {
    let mut whole = String::with_capacity(text.len() + notice.len() + 2);
    push_wrapped(&mut whole, "", notice);
    whole.push('\n');
    whole.push_str(text);
    whole
}

/// The same text with a note between the first five lines and the rest.
pub(super) fn with_note(text: &str, note: &str) -> String {
    let (lead, rest) = lead_and_rest(text);
    let mut whole = format!("{lead}\n");
    push_wrapped(&mut whole, "", note);
    whole + rest
}

/// The same text with a link between the first five lines and the rest, unbroken so that it can be followed.
pub(super) fn with_link(text: &str, words: &str, link: &str) -> String {
    let (lead, rest) = lead_and_rest(text);
    format!("{lead}\n{words}\n  {link}\n{rest}")
}

fn lead_and_rest(text: &str) -> (&str, &str) {
    text.split_at(text.match_indices('\n').nth(4).map_or(text.len(), |(at, _)| at + 1))
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn push_facts(text: &mut String, facts: &[Fact]) {
    let width = facts.iter().map(|fact| fact.label.len()).max().unwrap_or_default();
    for fact in facts {
        push_wrapped(text, &format!("  {:width$}  ", fact.label), &fact.value);
    }
}

/// Wraps `words` behind `lead`, and behind as many blanks on further lines.
fn push_wrapped(text: &mut String, lead: &str, words: &str) {
    let indent = lead.chars().count();
    let room = LINE_MAX - indent;
    let mut lead = lead.to_owned();
    for line in wrap(words, room) {
        push_line(text, &format!("{lead}{line}"));
        lead = " ".repeat(indent);
    }
}

/// Breaks a text between words into lines of at most `room` characters; a word longer than that is broken anywhere.
fn wrap(words: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > room && rest.len() <= room {
            lines.push(String::new());
            used = 0;
        }
        while !rest.is_empty() {
            let blank = usize::from(used > 0);
            if used + blank + 1 > room {
                lines.push(String::new());
                used = 0;
                continue;
            }
            let line = lines.last_mut().expect("there is always a line");
            if blank > 0 {
                line.push(' ');
            }
            let fits = rest.len().min(room - used - blank);
            line.extend(rest.drain(..fits));
            used += blank + fits;
            if !rest.is_empty() {
                lines.push(String::new());
                used = 0;
            }
        }
    }
    lines
}

fn push_table(text: &mut String, columns: &[Column], rows: &[Vec<String>]) {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cells = rows.iter().map(|row| row[index].chars().count());
            cells.chain([column.name.len()]).max().unwrap_or_default()
        })
        .collect();
    let mut push_row = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from("  ");
        for ((cell, column), &width) in cells.zip(columns).zip(&widths) {
            if column.is_number {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:width$}  "));
            }
        }
        push_line(text, &line);
    };
    push_row(&mut columns.iter().map(|column| column.name));
    for row in rows {
        push_row(&mut row.iter().map(String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn texts_wrap_between_words_and_break_only_words_that_never_fit() {
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("ab cdefghij k", 4), ["ab c", "defg", "hij", "k"]);
        assert_eq!(wrap("ünï cödé", 4), ["ünï", "cödé"]);
    }

    #[test]
    fn no_wrapped_line_is_longer_than_its_room_and_no_letter_is_lost() {
        let words = "the quick brown fox jumps over extraordinarilylongwords and 東京 ok";
        for room in 1..40 {
            let lines = wrap(words, room);
            assert!(lines.iter().all(|line| line.chars().count() <= room), "{room}: {lines:?}");
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(words));
        }
    }
}
