//! What a team wants told of a case that stays dark, as the operator writes it: reminders, steps of a ladder, and the
//! summary that ends it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{report::Report, tables::Tables, team::TeamSettings},
    domain::{
        escalation::{Ladder, REMINDERS_APART_MAX, Step},
        notification::{Recipient, Route},
    },
    setting::{At, MailAddress, Problem, Span, SpanOrOff},
};

/// So long after the beginning people are reminded, where the team says nothing.
const REMIND_AFTER: Duration = Duration::from_secs(60 * 60);

/// Sooner than this a reminder is no reminder.
const REMIND_AFTER_MIN: Duration = Duration::from_secs(60);

/// So long after the beginning the summary is sent, where the team says nothing.
const SUMMARY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// `[[team.ID.escalation]]`: who is told besides when nobody takes an outage in hand.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { after = \"15m\", mail = [\"lead@example.com\"] }"
)]
pub struct EscalationSettings {
    /// So long after the team was told. The steps stand in the order of time.
    pub after: At<Span>,
    /// The mail addresses of those who are told. Without anybody, the summary goes to the team itself.
    #[serde(default)]
    pub mail: Vec<At<MailAddress>>,
    /// Webhooks that are told, by the ids of their tables.
    #[serde(default)]
    pub webhook: Vec<At<String>>,
    /// Alertmanagers that are told, by the ids of their tables.
    #[serde(default)]
    pub alertmanager: Vec<At<String>>,
    /// Whether they get the summary of the whole story instead of how things stand. Then there is no other.
    #[serde(default)]
    pub summary: bool,
}

impl EscalationSettings {
    /// Everybody and everything that is told by it.
    fn recipients(&self) -> Vec<Recipient> {
        let by = |route, ids: &[At<String>]| -> Vec<Recipient> {
            ids.iter().map(|id| Recipient { route, address: id.value.clone() }).collect()
        };
        let mails = self.mail.iter().map(|address| Recipient::mail(address.0.to_string()));
        let endpoints = by(Route::Webhook, &self.webhook).into_iter();
        mails.chain(endpoints).chain(by(Route::Alertmanager, &self.alertmanager)).collect()
    }
}

/// Reports everything that is wrong with the ladders.
pub fn check(tables: &Tables<'_>, report: &mut Report) {
    for entry in tables.teams.values() {
        let Some(settings) = &entry.section.settings else { continue };
        // A list of which a part could not be read may say more than is left of it.
        let is_whole = !entry.section.lacks(&["escalation"]);
        problems(settings, is_whole).into_iter().for_each(|problem| report.error(entry.file, problem));
    }
}

fn problems(settings: &TeamSettings, is_whole: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(remind_after) = &settings.remind_after
        && let SpanOrOff::Span(span) = remind_after.value
    {
        if span.0 < REMIND_AFTER_MIN {
            let problem = remind_after.problem("so soon nobody needs to be reminded");
            problems.push(problem.hint("write at least \"1m\", or \"off\" for no reminders"));
        } else if span.0 > REMINDERS_APART_MAX {
            let problem = remind_after.problem("the first reminder would come after more than a day");
            problems.push(problem.hint("write at most \"24h\", or \"off\" for no reminders"));
        }
    }
    let steps = if is_whole { settings.escalation.as_slice() } else { &[] };
    for pair in steps.windows(2) {
        if pair[1].after.0 <= pair[0].after.0 {
            let before = pair[0].after.value;
            let problem =
                pair[1].after.problem(format!("this step comes no later than the one before it, {before}"));
            problems.push(problem.hint("write the steps in the order of time, each after a longer span"));
        }
    }
    for step in steps.iter().filter(|step| step.recipients().is_empty() && !step.summary) {
        let problem = step.after.problem("nobody is told by this step");
        problems.push(problem.hint(
            "add `mail = [\"lead@example.com\"]` or `webhook = [\"pager\"]`, or `summary = true` for the team itself",
        ));
    }
    if let Some(summary_after) = &settings.summary_after
        && settings.escalation.iter().any(|step| step.summary)
    {
        let problem = summary_after.problem("a step of this team sends the summary already");
        problems.push(problem.hint("leave out `summary_after`, or `summary = true` of the step"));
    }
    problems
}

/// The ladder of a team; where the team gives no step that sends the summary, it ends with one to the team itself.
#[must_use]
pub fn ladder(settings: &TeamSettings) -> Ladder {
    let span = |setting: Option<&At<SpanOrOff>>, otherwise| match setting.map(|setting| setting.value) {
        None => Some(otherwise),
        Some(SpanOrOff::Off) => None,
        Some(SpanOrOff::Span(span)) => Some(span.0),
    };
    let step = |step: &EscalationSettings| Step {
        after: step.after.0,
        to: step.recipients(),
        is_summary: step.summary,
    };
    let mut steps: Vec<Step> = settings.escalation.iter().map(step).collect();
    let has_summary = steps.iter().any(|step| step.is_summary);
    if let Some(after) = span(settings.summary_after.as_ref(), SUMMARY_AFTER).filter(|_| !has_summary) {
        steps.push(Step { after, to: Vec::new(), is_summary: true });
        steps.sort_by_key(|step| step.after);
    }
    Ladder { remind_after: span(settings.remind_after.as_ref(), REMIND_AFTER), steps }
}
