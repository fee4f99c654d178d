//! What is known of an incident, for somebody who reads it at night.

use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    cli::explain::paper::Paper,
    domain::{
        case::{Case, Held},
        escalation::Acknowledgement,
        evaluation::{Evidence, RecentRun, RunWord, Transition},
        happening::{Account, Happening},
        incident::{Incident, IncidentEvent},
        notification::tell,
        outcome::{Detail, Failure},
    },
    store::explain::{Around, Letter, Record, Settled},
};

/// So many lines of one sort are written; `--json` has them all.
const LINES_MAX: usize = 40;

/// Writes everything. `evidence` is the directory of the bundles, where it is known.
pub(super) fn write(record: &Record, zone: &TimeZone, evidence: Option<&Path>) -> String {
    let first_told = record.letters.first().map(|letter| letter.created_at);
    let opened_at = record.case.as_ref().map(|case| case.opened_at);
    let day = record.incident.as_ref().map(|incident| incident.began_at).or(opened_at).or(first_told);
    let mut paper = Paper::new(zone, day.unwrap_or_default());
    paper.line(0, &format!("Incident {}", record.id));
    match &record.incident {
        Some(incident) => head(&mut paper, record, incident),
        None => {
            paper.line(0, "It is of no channel. This is what the outbox knows of it.");
            if let Some(at) = first_told {
                paper.line(0, &format!("told       {}", paper.fully(at)));
            }
        }
    }
    for event in [IncidentEvent::Opened, IncidentEvent::Worsened] {
        let own = own(record, event).and_then(|settled| settled.happening.transition());
        if let Some(transition) = own {
            why(&mut paper, event, transition);
        }
    }
    if let (Some(incident), None) = (&record.incident, own(record, IncidentEvent::Opened)) {
        paper.heading("WHAT IT RESTS ON");
        proof(&mut paper, &incident.evidence);
    }
    if let Some(case) = &record.case {
        told_with(&mut paper, record, case);
    }
    if !record.happenings.is_empty() {
        timeline(&mut paper, record);
    }
    letters(&mut paper, &record.letters);
    record.case.iter().flat_map(|case| &case.held).for_each(|held| still_held(&mut paper, held));
    runs(&mut paper, &record.runs);
    bundles(&mut paper, record, evidence);
    paper.done()
}

/// Something that happened to the incident itself.
fn own(record: &Record, event: IncidentEvent) -> Option<&Settled> {
    record.happenings.iter().find(|settled| settled.happening.key() == (record.id.clone(), event))
}

fn head(paper: &mut Paper<'_>, record: &Record, incident: &Incident) {
    let title = record.happenings.iter().find(|settled| settled.happening.incident.id == incident.id);
    let title = title.map_or(String::new(), |settled| settled.happening.door.title.clone());
    let named = if title.is_empty() { String::new() } else { format!("{}, ", Detail::new(&title)) };
    paper.line(0, &format!("{named}channel {}: {}", incident.channel, incident.severity.as_str()));
    paper.line(0, &format!("began      {}", paper.fully(incident.began_at)));
    let after = tell::span(tell::between(incident.began_at, incident.confirmed_at));
    paper.line(0, &format!("confirmed  {}, {after} later", paper.fully(incident.confirmed_at)));
    let over = match incident.resolved_at {
        Some(at) => {
            let word = if own(record, IncidentEvent::Withdrawn).is_some() { "withdrawn" } else { "over" };
            let after = tell::span(tell::between(incident.began_at, at));
            format!("{word:<9}  {}, {after} after it began", paper.fully(at))
        }
        None => "it is open".to_owned(),
    };
    paper.line(0, &over);
}

fn why(paper: &mut Paper<'_>, event: IncidentEvent, transition: &Transition) {
    let heading = if event == IncidentEvent::Opened { "WHY IT OPENED" } else { "WHY IT BECAME WORSE" };
    paper.heading(heading);
    let (from, to) = (transition.from.as_str(), transition.to.as_str());
    let at = paper.clock(transition.at);
    paper.line(2, &format!("{at}  from {from} to {to}"));
    proof(paper, &transition.evidence);
}

fn proof(paper: &mut Paper<'_>, evidence: &Evidence) {
    if let Some(probe) = &evidence.probe {
        let Evidence { agreeing, of, .. } = evidence;
        paper.line(2, &format!("decided by {probe}: {agreeing} of its last {of} conclusive runs agreed"));
    }
    if let Some(failure) = &evidence.failure {
        paper.line(2, &broken(failure));
        if !failure.detail.as_str().is_empty() {
            paper.line(4, failure.detail.as_str());
        }
    }
    let width = evidence.recent.iter().map(|run| run.probe.probe.as_str().len()).max().unwrap_or_default();
    for run in &evidence.recent {
        let reason = run.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
        let (at, took) = (paper.clock(run.started_at), tell::took(run.duration));
        let probe = run.probe.probe.as_str();
        paper.line(4, &format!("{at}  {probe:<width$}  {took:>8}  {}{reason}", run.outcome.as_str()));
    }
}

/// What broke, where, and why.
fn broken(failure: &Failure) -> String {
    let step = failure.step.as_ref().map(|step| format!(" of the step {}", Detail::new(step)));
    let cause = failure.cause.map(|cause| format!(", because of {cause}")).unwrap_or_default();
    format!("{} at the stage {}{}{cause}", failure.reason, failure.stage, step.unwrap_or_default())
}

fn told_with(paper: &mut Paper<'_>, record: &Record, case: &Case) {
    if !case.is_group() {
        return;
    }
    paper.heading("TOLD TOGETHER WITH");
    let role = if case.id == record.id { "this is its first incident" } else { "not its first incident" };
    paper.line(2, &format!("case {}, {role}", case.id));
    let common: Vec<String> = case.common.iter().map(ToString::to_string).collect();
    let common = match (case.is_storm, common.is_empty()) {
        (true, _) => "nothing: so many fell at once that they are told as one".to_owned(),
        (false, true) => "nothing that was found".to_owned(),
        (false, false) => common.join(", "),
    };
    paper.line(2, &format!("in common: {common}"));
    for member in case.members.iter().take(LINES_MAX) {
        let reason = member.failure.as_ref().map(|failure| format!(", {}", failure.reason));
        let end = match &member.end {
            Some(end) => format!("{} since {}", end.state.as_str(), paper.clock(end.at)),
            None => "still so".to_owned(),
        };
        let (confirmed, severity) = (paper.clock(member.confirmed_at), member.severity.as_str());
        let reason = reason.unwrap_or_default();
        paper.line(4, &format!("{confirmed}  {}: {severity}{reason}; {end}", member.channel));
    }
    more(paper, case.members.len());
    if !case.expected.is_empty() {
        let expected: Vec<&str> = case.expected.iter().map(|channel| channel.as_str()).collect();
        paper.line(2, &format!("named as about to fall: {}", expected.join(", ")));
    }
}

fn timeline(paper: &mut Paper<'_>, record: &Record) {
    paper.heading("WHAT HAPPENED, AND WHEN IT WAS TOLD");
    let mut acknowledged = record.case.as_ref().and_then(|case| case.ascent.acknowledged.as_ref());
    for settled in record.happenings.iter().take(LINES_MAX) {
        let Happening { incident, event, decided_at, account, .. } = &settled.happening;
        if let Some(before) = acknowledged.take_if(|one| one.at < *decided_at) {
            taken_in_hand(paper, before);
        }
        // A case has the id of its first incident.
        let joined = *event == IncidentEvent::Opened
            && settled.told_in.as_ref().is_some_and(|case| *case != incident.id);
        let event = if joined { "joined" } else { event.as_str() };
        let to = match account {
            Account::Change { transition, .. } => format!("{} now", transition.to.as_str()),
            Account::Absence { since } => {
                format!("not in the configuration since {}", paper.clock(*since))
            }
        };
        let told = when_told(paper, record, settled);
        let at = paper.clock(*decided_at);
        paper.line(2, &format!("{at}  {event:<9}  {}, {to}; {told}", incident.channel));
    }
    more(paper, record.happenings.len());
    if let Some(last) = acknowledged {
        taken_in_hand(paper, last);
    }
}

fn taken_in_hand(paper: &mut Paper<'_>, Acknowledgement { by, at }: &Acknowledgement) {
    let at = paper.clock(*at);
    paper.line(2, &format!("{at}  acknowledged by {by}"));
}

/// What was taken into a case is told with the next mail of it.
fn when_told(paper: &Paper<'_>, record: &Record, settled: &Settled) -> String {
    let Some(taken_at) = settled.told_at else { return "not told yet".to_owned() };
    let next = record.letters.iter().map(|letter| letter.created_at).find(|at| *at >= taken_at);
    let Some(told_at) = next else { return "no mail of it in the outbox".to_owned() };
    match tell::between(settled.happening.decided_at, told_at) {
        after if after.as_secs() == 0 => "told at once".to_owned(),
        after => format!("told {}, {} later", paper.clock(told_at), tell::span(after)),
    }
}

fn letters(paper: &mut Paper<'_>, letters: &[Letter]) {
    let count = |status: &str| letters.iter().filter(|letter| letter.status == status).count();
    let fates = [("delivered", "delivered"), ("pending", "pending"), ("given_up", "given up")];
    let counts =
        fates.map(|(status, word)| (count(status), word)).into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    paper.heading(format!("WHO WAS TOLD   {}", counts.join(", ")).trim_end());
    if letters.is_empty() {
        paper.line(2, "nobody that the outbox remembers");
    }
    for letter in letters.iter().take(LINES_MAX) {
        let Letter { event, route, recipient, subject, created_at, .. } = letter;
        let decided = paper.clock(*created_at);
        paper.line(2, &format!("{decided}  {event} by {route} to {}", Detail::new(recipient)));
        paper.line(4, &Detail::new(subject).to_string());
        paper.line(4, &fate(paper, letter));
    }
    more(paper, letters.len());
}

/// Who is told after the quiet hours of a team.
fn still_held(paper: &mut Paper<'_>, held: &Held) {
    let since = paper.clock(held.since);
    paper.line(2, &format!("{since}  held in the quiet hours of {} from", held.team));
    for recipient in held.to.iter().take(LINES_MAX) {
        paper.line(4, &Detail::new(&recipient.to_string()).to_string());
    }
    more(paper, held.to.len());
}

fn fate(paper: &Paper<'_>, letter: &Letter) -> String {
    let answer = letter.answer.as_ref().map(|answer| format!(": {answer}")).unwrap_or_default();
    let tries = match letter.tries {
        1 => "1 try".to_owned(),
        tries => format!("{tries} tries"),
    };
    let settled = |at: Option<Timestamp>| at.map(|at| paper.clock(at)).unwrap_or_default();
    match letter.status.as_str() {
        "delivered" => format!("delivered {} after {tries}{answer}", settled(letter.settled_at)),
        "given_up" => format!("given up {} after {tries}{answer}", settled(letter.settled_at)),
        _ if letter.tries == 0 => format!("pending, not tried yet, due {}", paper.clock(letter.due_at)),
        _ => format!("pending after {tries}, again {}{answer}", paper.clock(letter.due_at)),
    }
}

fn runs(paper: &mut Paper<'_>, runs: &[Around]) {
    if runs.is_empty() {
        return;
    }
    paper.heading("RUNS AROUND IT   . ok   d degraded   X failed   ? could not look   | the moment");
    for Around { probe, moment, is_end, before, after } in runs {
        let what = if *is_end { "its end" } else { "its beginning" };
        let strip = |runs: &[RecentRun]| runs.iter().map(|run| sign(run.outcome)).collect::<String>();
        let ends = (before.first().or(after.first()), after.last().or(before.last()));
        let (Some(first), Some(last)) = ends else { continue };
        let (first, last) = (paper.clock(first.started_at), paper.clock(last.started_at));
        paper.line(2, &format!("{}, {what} {}", probe.probe, paper.clock(*moment)));
        paper.line(4, &format!("{first}  {}|{}  {last}", strip(before), strip(after)));
    }
}

fn bundles(paper: &mut Paper<'_>, record: &Record, directory: Option<&Path>) {
    let names: Vec<&str> =
        record.happenings.iter().filter_map(|settled| bundle(&settled.happening)).collect();
    if names.is_empty() {
        return;
    }
    let place = directory.map(|directory| format!(" in {}", directory.display())).unwrap_or_default();
    paper.heading(&format!("EVIDENCE KEPT{place}"));
    for name in names.iter().take(LINES_MAX) {
        paper.line(2, name);
    }
    more(paper, names.len());
}

fn bundle(happening: &Happening) -> Option<&str> {
    match &happening.account {
        Account::Change { bundle, .. } => bundle.as_deref(),
        Account::Absence { .. } => None,
    }
}

fn more(paper: &mut Paper<'_>, count: usize) {
    if count > LINES_MAX {
        paper.line(2, &format!("and {} more, all in --json", count - LINES_MAX));
    }
}

fn sign(outcome: RunWord) -> char {
    match outcome {
        RunWord::Ok => '.',
        RunWord::Degraded => 'd',
        RunWord::Failed => 'X',
        RunWord::Inconclusive => '?',
    }
}

#[cfg(test)]
mod tests;
