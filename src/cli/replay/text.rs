//! What other rules would have brought about, one incident after the other.

use jiff::{SignedDuration, Timestamp};

use crate::{
    cli::replay::Answer,
    domain::{
        incident::Incident,
        notification::tell,
        replay::compare::{Fate, Pair, SAME_WITHIN},
    },
};

/// Writes it.
pub(super) fn write(answer: &Answer<'_>) -> String {
    let Answer { plan, from, to, replayed, pairs, letters, mails } = answer;
    let moment = |at: Timestamp| at.to_zoned(plan.time_zone.clone()).strftime("%F %T").to_string();
    let zone = tell::zone_name(*to, &plan.time_zone);
    let mut text = format!(
        "{} runs judged; incidents from {} to {} {zone}\n",
        replayed.runs,
        moment(*from),
        moment(*to)
    );
    if replayed.left_out > 0 {
        text.push_str(&format!(
            "{} more are of probes that this configuration does not have\n",
            replayed.left_out
        ));
    }
    text.push('\n');
    for pair in pairs {
        let Some(incident) = pair.either() else { continue };
        let fate = pair.fate();
        text.push_str(&format!(
            "{:<5}  {}  {}\n",
            fate.as_str(),
            moment(incident.confirmed_at),
            incident.channel
        ));
        let is_unknown = !plan.channels.contains_key(&incident.channel);
        for line in said(pair, is_unknown) {
            text.push_str(&format!("       {line}\n"));
        }
    }
    if !pairs.is_empty() {
        text.push('\n');
    }
    let count = |fate: Fate| pairs.iter().filter(|pair| pair.fate() == fate).count();
    let counts: Vec<String> =
        Fate::ALL.into_iter().map(|fate| format!("{} {}", count(fate), fate.as_str())).collect();
    text.push_str(&format!("incidents: {}\n", counts.join(", ")));
    text.push_str(&format!("mails: {letters} were sent, {mails} would have been\n"));
    text
}

fn said(pair: &Pair, is_unknown: bool) -> Vec<String> {
    match (&pair.old, &pair.new) {
        (Some(old), Some(new)) if pair.fate() == Fate::Moved => {
            vec![format!("{}; {}", old.id, lasting(old)), moved(old, new)]
        }
        (Some(old), None) if is_unknown => {
            vec![
                format!("{}; {}", old.id, lasting(old)),
                "its channel is not in this configuration".to_owned(),
            ]
        }
        (Some(old), _) => vec![format!("{}; {}", old.id, lasting(old))],
        (None, Some(new)) => vec![lasting(new)],
        (None, None) => Vec::new(),
    }
}

/// How bad it was, why, and for how long.
fn lasting(incident: &Incident) -> String {
    let reason = incident.evidence.failure.as_ref().map(|failure| format!(", {}", failure.reason));
    let span = match incident.resolved_at {
        Some(over) => format!("over after {}", tell::span(tell::between(incident.confirmed_at, over))),
        None => "open at the end".to_owned(),
    };
    format!("{}{}, {span}", incident.severity.as_str(), reason.unwrap_or_default())
}

/// What is otherwise.
fn moved(old: &Incident, new: &Incident) -> String {
    let mut said = Vec::new();
    if let Some(shift) = shift(old.confirmed_at, new.confirmed_at) {
        said.push(format!("opens {shift}"));
    }
    match (old.resolved_at, new.resolved_at) {
        (Some(old), Some(new)) => said.extend(shift(old, new).map(|shift| format!("is over {shift}"))),
        (Some(_), None) => said.push("is open at the end".to_owned()),
        (None, Some(_)) => said.push("is over before the end".to_owned()),
        (None, None) => {}
    }
    if old.severity != new.severity {
        said.push(format!("is {}", new.severity.as_str()));
    }
    format!("now {}", said.join(", "))
}

fn shift(old: Timestamp, new: Timestamp) -> Option<String> {
    let shift = new.duration_since(old);
    let span = tell::span(shift.unsigned_abs());
    match shift {
        shift if shift.abs() <= SAME_WITHIN => None,
        shift if shift < SignedDuration::ZERO => Some(format!("{span} earlier")),
        _ => Some(format!("{span} later")),
    }
}
