//! Badges: small pictures of how a channel is, for pages of others. Widths are estimated, since no font is at hand; the text
//! is fitted into them.

use crate::domain::{ledger::Condition, notification::html::escaped, public::PublicDoor};

/// How wide a letter is, in hundredths of a pixel at 11 pixels: wide scripts are twice as wide.
const LETTER: usize = 680;
const WIDE_LETTER: usize = 1_150;

/// The longest name shown, in letters.
const NAME_MAX: usize = 40;

/// Draws it.
pub(super) fn draw(door: &PublicDoor) -> String {
    let mut name: String = door.name.as_str().chars().take(NAME_MAX).collect();
    if door.name.as_str().chars().count() > NAME_MAX {
        name.push('…');
    }
    let (word, ground) = look(door.condition);
    let (left, right) = (width(&name), width(word));
    let whole = left + right;
    let (name, title) = (escaped(&name), escaped(&format!("{}: {word}", door.name)));
    let (at_left, at_right) = (left / 2, left + right / 2);
    let (room_left, room_right) = (left - 12, right - 12);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{title}\">\n\
         <title>{title}</title>\n\
         <rect width=\"{left}\" height=\"20\" fill=\"#444444\"/>\n\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{ground}\"/>\n\
         <g fill=\"#ffffff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\n\
         <text x=\"{at_left}\" y=\"14\" textLength=\"{room_left}\">{name}</text>\n\
         <text x=\"{at_right}\" y=\"14\" textLength=\"{room_right}\">{word}</text>\n</g>\n</svg>\n"
    )
}

/// The word and the ground, dark enough for white letters.
fn look(condition: Condition) -> (&'static str, &'static str) {
    match condition {
        Condition::Up => ("works", "#1b7a3d"),
        Condition::Degraded => ("slow or for some only", "#8a5a00"),
        Condition::Dark => ("does not work", "#b3261e"),
        Condition::Closed => ("closed", "#555f6b"),
        Condition::Maintenance => ("maintenance", "#1d4f91"),
        Condition::Unknown | Condition::Gone => ("not known", "#555f6b"),
    }
}

fn width(text: &str) -> usize {
    let letters: usize = text.chars().map(|c| if c > '\u{1100}' { WIDE_LETTER } else { LETTER }).sum();
    letters.div_ceil(100) + 12
}
