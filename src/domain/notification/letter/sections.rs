//! What stands below the first five lines of a mail: the facts in full, the timings, the last runs, the other doors,
//! and where to look.

use crate::domain::{
    evaluation::{RecentRun, RunWord, State},
    incident::IncidentEvent,
    notification::{
        Neighbour, News, Subject,
        letter::{Body, Column, Fact, Line, Section, broke, broken_step, cut, timings},
        phrases, tell,
    },
    outcome::{Detail, Failure},
};

/// So many other doors are named in full.
const NEIGHBOURS_MAX: usize = 8;

/// Columns of names stay narrow enough for a phone.
pub(super) const NAME_MAX: usize = 20;

/// Everything below the lead, in order.
pub(super) fn all(subject: &Subject<'_>, news: &News<'_>, title: &str) -> Vec<Section> {
    let resolved = news.event == IncidentEvent::Resolved;
    let mut sections = vec![facts(subject, news, title)];
    let evidence = &news.transition.evidence;
    sections.extend(timings::table(&evidence.phases, broken_step(news.transition.to, evidence)));
    sections.extend(runs(subject, &evidence.recent));
    if !resolved {
        sections.extend(doors("Still works", subject.neighbours, Neighbour::is_alternative));
    }
    let is_dark = |neighbour: &Neighbour| neighbour.state == State::Dark;
    sections.extend(doors("Also dark right now", subject.neighbours, is_dark));
    sections.push(where_to_look(subject, news));
    sections
}

fn facts(subject: &Subject<'_>, news: &News<'_>, title: &str) -> Section {
    let zone = subject.letterhead.time_zone;
    let evidence = &news.transition.evidence;
    let resolved = news.event == IncidentEvent::Resolved;
    let mut facts = vec![Fact::new("Channel", format!("{title} ({})", subject.channel))];
    facts.extend(evidence.probe.as_ref().map(|probe| Fact::new("Probe", probe.to_string())));
    facts.push(Fact::new("Location", subject.location.as_str()));
    match news.event {
        IncidentEvent::Worsened => {
            facts.push(Fact::new("Degraded since", tell::fully(news.incident.began_at, zone)));
        }
        IncidentEvent::Resolved => {
            facts.push(Fact::new("Began", tell::fully(news.incident.began_at, zone)));
        }
        _ => {}
    }
    let since = match news.transition.to {
        State::Dark => "Dark since",
        State::Degraded => "Degraded since",
        State::Up | State::Closed | State::Unknown => "Up since",
    };
    facts.push(Fact::new(since, tell::fully(news.transition.since, zone)));
    facts.push(Fact::new("Confirmed", tell::fully(news.transition.at, zone)));
    let failure = if resolved && news.transition.to == State::Up {
        &news.incident.evidence.failure
    } else {
        &evidence.failure
    };
    facts.extend(failure.iter().flat_map(in_full));
    if resolved && news.transition.to == State::Degraded {
        facts.extend(news.incident.evidence.failure.as_ref().map(|failure| Fact::new("Was", broke(failure))));
    }
    let heading = if resolved { "What it was" } else { "What we saw" };
    Section { title: heading.to_owned(), body: Body::Facts(facts) }
}

/// Everything about a failure.
pub(super) fn in_full(failure: &Failure) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Stage", failure.stage.as_str())];
    facts.extend(failure.step.as_ref().map(|step| Fact::new("Step", Detail::new(step).as_str())));
    let explained = |reason| format!("{reason}: {}", phrases::meaning(reason));
    facts.push(Fact::new("Reason", explained(failure.reason)));
    facts.extend(failure.cause.map(|cause| Fact::new("Cause", explained(cause))));
    if !failure.detail.as_str().is_empty() {
        facts.push(Fact::new("Detail", failure.detail.as_str()));
    }
    facts
}

fn runs(subject: &Subject<'_>, recent: &[RecentRun]) -> Option<Section> {
    let newest = recent.last()?;
    let zone = subject.letterhead.time_zone;
    let has_several = recent.iter().any(|run| run.probe != newest.probe);
    let mut columns = vec![
        Column { name: "Began", is_number: false },
        Column { name: "Outcome", is_number: false },
        Column { name: "Took", is_number: true },
        Column { name: "Reason", is_number: false },
    ];
    if has_several {
        columns.insert(1, Column { name: "Probe", is_number: false });
    }
    let row = |run: &RecentRun| {
        let outcome = match run.outcome {
            RunWord::Ok => "ok",
            RunWord::Degraded => "degraded",
            RunWord::Failed => "failed",
            RunWord::Inconclusive => "inconclusive",
        };
        let mut row = vec![
            tell::clock(run.started_at, zone),
            outcome.to_owned(),
            tell::took(run.duration),
            run.reason.map(|reason| reason.to_string()).unwrap_or_default(),
        ];
        if has_several {
            row.insert(1, cut(run.probe.probe.as_str(), NAME_MAX));
        }
        row
    };
    let title = format!("Last runs ({})", tell::zone_name(newest.started_at, zone));
    Some(Section { title, body: Body::Table { columns, rows: recent.iter().map(row).collect() } })
}

/// Other doors by title and id.
pub(super) fn doors(
    title: &str,
    neighbours: &[Neighbour],
    is_meant: impl Fn(&Neighbour) -> bool,
) -> Option<Section> {
    let mut meant = neighbours.iter().filter(|neighbour| is_meant(neighbour));
    let mut lines: Vec<Line> = meant
        .by_ref()
        .take(NEIGHBOURS_MAX)
        .map(|neighbour| Line::Text(format!("{} ({})", Detail::new(&neighbour.title), neighbour.channel)))
        .collect();
    match meant.count() {
        0 => {}
        more => lines.push(Line::Text(format!("and {more} more"))),
    }
    (!lines.is_empty()).then(|| Section { title: title.to_owned(), body: Body::Lines(lines) })
}

fn where_to_look(subject: &Subject<'_>, news: &News<'_>) -> Section {
    let target = match &news.transition.evidence.probe {
        Some(probe) => probe.to_string(),
        None => subject.channel.to_string(),
    };
    let config = in_shell(Detail::new(&subject.letterhead.config.to_string_lossy()).as_str());
    let mut lines = vec![Line::Command(format!("lamplighter probe --config {config} {target}"))];
    lines.extend(subject.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    lines.push(Line::Text(format!("Incident {}", news.incident.id)));
    lines.extend(subject.proof.map(|proof| Line::Text(format!("Evidence {}", proof.bundle))));
    Section { title: "Look for yourself".to_owned(), body: Body::Lines(lines) }
}

/// A path as a shell reads it.
pub(super) fn in_shell(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:".contains(c);
    if !path.is_empty() && path.chars().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        for (path, typed) in [
            ("/etc/lamplighter/probes.toml", "/etc/lamplighter/probes.toml"),
            ("/srv/our probes.toml", "'/srv/our probes.toml'"),
            ("/srv/$(reboot)", "'/srv/$(reboot)'"),
            ("/srv/it's", r"'/srv/it'\''s'"),
        ] {
            assert_eq!(in_shell(path), typed);
        }
    }
}
