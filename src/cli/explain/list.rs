//! The latest incidents, one a line.

use jiff::tz::TimeZone;

use crate::{
    cli::explain::paper::Paper,
    domain::{notification::tell, outcome::Detail},
    store::explain::Listed,
};

/// Writes the list.
pub(super) fn write(listed: &[Listed], zone: &TimeZone) -> String {
    let Some(latest) = listed.first() else { return "The store knows of no incident.\n".to_owned() };
    let mut paper = Paper::new(zone, latest.at);
    for Listed { id, at, resolved_at, about, subject } in listed {
        let state = match (about, resolved_at) {
            (Some((_, severity)), Some(over)) => {
                format!("{severity}, over after {}", tell::span(tell::between(*at, *over)))
            }
            (Some((_, severity)), None) => format!("{severity}, open"),
            (None, _) => Detail::new(subject.as_deref().unwrap_or_default()).to_string(),
        };
        paper.line(0, &format!("{id}  {state}"));
    }
    paper.done()
}
