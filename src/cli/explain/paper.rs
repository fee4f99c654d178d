//! Lines that are never longer than a terminal is wide, and moments as somebody reads them at night.

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::notification::tell;

/// No line is longer than this, in characters.
const WIDTH: usize = 100;

/// A text that is being written.
pub(super) struct Paper<'a> {
    text: String,
    zone: &'a TimeZone,
    /// Moments of another day than this one's are told with their day.
    day: Timestamp,
}

impl<'a> Paper<'a> {
    /// An empty one.
    pub(super) fn new(zone: &'a TimeZone, day: Timestamp) -> Self {
        Self { text: String::new(), zone, day }
    }

    /// A heading, after an empty line.
    pub(super) fn heading(&mut self, words: &str) {
        self.text.push('\n');
        self.line(0, words);
    }

    /// A line that begins so far from the edge; what does not fit goes on below, two characters further in.
    pub(super) fn line(&mut self, indent: usize, words: &str) {
        let (mut column, mut is_first) = (0, true);
        for word in words.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if column == 0 || (!is_first && column + length > WIDTH) {
                let indent = if column == 0 { indent } else { self.turn(indent + 2) };
                self.text.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            }
            is_first = false;
            for letter in word.chars() {
                if column >= WIDTH && letter != ' ' {
                    let indent = self.turn(indent + 2);
                    self.text.extend(std::iter::repeat_n(' ', indent));
                    column = indent;
                }
                self.text.push(letter);
                column += 1;
            }
        }
        self.turn(0);
    }

    /// Ends the line; gives how far in the next one begins.
    fn turn(&mut self, indent: usize) -> usize {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
        indent
    }

    /// The time of day, with the day where it is another.
    pub(super) fn clock(&self, at: Timestamp) -> String {
        let there = at.to_zoned(self.zone.clone());
        let day = if there.date() == self.day.to_zoned(self.zone.clone()).date() { "" } else { "%-d %b " };
        format!("{}{}", there.strftime(day), tell::clock(at, self.zone))
    }

    /// Everything about a moment.
    pub(super) fn fully(&self, at: Timestamp) -> String {
        tell::fully(at, self.zone)
    }

    /// What has been written.
    pub(super) fn done(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(indent: usize, words: &str) -> String {
        let mut paper = Paper::new(const { &TimeZone::UTC }, Timestamp::UNIX_EPOCH);
        paper.line(indent, words);
        paper.done()
    }

    #[test]
    fn a_line_is_broken_between_words_and_goes_on_further_in() {
        assert_eq!(written(2, "one two"), "  one two\n");
        let long = written(2, &"word ".repeat(30));
        assert_eq!(long.lines().count(), 2);
        assert!(long.lines().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{long}");
        assert!(long.lines().nth(1).unwrap().starts_with("    word"), "{long}");
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken_within() {
        let long = written(4, &format!("see {}", "x".repeat(250)));
        assert!(long.lines().all(|line| line.chars().count() <= WIDTH), "{long}");
        assert_eq!(long.matches('x').count(), 250);
    }
}
