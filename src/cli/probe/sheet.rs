//! One run as a sheet of text: the verdict, the phases as bars on a common time line, every expectation with its tick
//! or cross. Styled throughout; whoever prints it takes the styles away where they are not wanted.

use std::{fmt::Write, time::Duration};

use anstyle::{AnsiColor, Style};

use crate::{
    domain::{
        contact::Contact,
        outcome::{Outcome, Phase, Verdict},
    },
    probe::{Check, conversation::Utterance},
};

/// Below this width the bars get what is left, down to [`BAR_WIDTH_MIN`] columns.
const BAR_WIDTH_MIN: usize = 8;

/// A wider bar says no more.
const BAR_WIDTH_MAX: usize = 72;

/// What was seen where an expectation held is told up to this length.
const SEEN_CHARS_MAX: usize = 40;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAIR: Style = AnsiColor::Yellow.on_default();
const BAR: Style = AnsiColor::Cyan.on_default();
const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Draws one run, at most `width` columns wide where the texts allow.
pub(super) fn draw(outcome: &Outcome, checks: &[Check], transcript: &[Utterance], width: usize) -> String {
    let mut sheet = String::new();
    write_head(&mut sheet, outcome);
    write_phases(&mut sheet, outcome, width);
    write_checks(&mut sheet, checks);
    write_transcript(&mut sheet, transcript);
    sheet
}

/// Appends a formatted line; writing to a `String` cannot fail.
macro_rules! line {
    ($sheet:expr, $($arg:tt)*) => { writeln!($sheet, $($arg)*).expect("a String takes every text") };
}

fn write_head(sheet: &mut String, outcome: &Outcome) {
    let verdict = &outcome.verdict;
    let style = match verdict {
        Verdict::Ok => GOOD,
        Verdict::Failed(_) => BAD,
        Verdict::Degraded(_) | Verdict::Inconclusive(_) => FAIR,
    };
    let took = span(outcome.duration);
    line!(sheet, "{BOLD}{}{BOLD:#}  {style}{}{style:#}  in {took}", outcome.probe, verdict.as_str());
    match verdict {
        Verdict::Ok => {}
        Verdict::Degraded(failure) | Verdict::Failed(failure) => {
            let step = failure.step.as_deref().map(|step| format!(" in step {step}")).unwrap_or_default();
            let cause = failure.cause.map(|cause| format!(", cause {cause}")).unwrap_or_default();
            line!(sheet, "  {style}{}{style:#}{step} (stage {}{cause})", failure.reason, failure.stage);
            line!(sheet, "  {}", failure.detail);
        }
        Verdict::Inconclusive(why) => {
            line!(sheet, "  {style}{}{style:#}: the run says nothing about the channel", why.reason);
            line!(sheet, "  {}", why.detail);
        }
    }
    if let Some(contact) = &outcome.contact {
        write_contact(sheet, contact);
    }
    if let Some(expires_at) = outcome.certificate_expires_at {
        line!(sheet, "  certificate valid until {}", expires_at.strftime("%Y-%m-%d %H:%M UTC"));
    }
}

/// Who answered how soon, and after how much.
fn write_contact(sheet: &mut String, contact: &Contact) {
    let Contact { bot, person, queued, queue_position, steps, .. } = contact;
    let mut said = Vec::new();
    said.extend(bot.map(|took| format!("a bot after {}", span(took))));
    said.extend(person.map(|took| format!("a person after {}", span(took))));
    if !said.is_empty() {
        line!(sheet, "  answered by {}", said.join(", by "));
    }
    if let Some(queued) = queued {
        let place = queue_position.map(|place| format!(" from place {place} on")).unwrap_or_default();
        line!(sheet, "  in the queue for {}{place}", span(*queued));
    }
    if let Some(steps) = steps {
        line!(sheet, "  {steps} {} to a person", if *steps == 1 { "step" } else { "steps" });
    }
}

/// What was said, and when.
fn write_transcript(sheet: &mut String, transcript: &[Utterance]) {
    if !transcript.is_empty() {
        line!(sheet, "");
    }
    for Utterance { at, speaker, text } in transcript {
        line!(sheet, "  {FAINT}{:>8}{FAINT:#}  {:<8}  {text}", span(*at), speaker.as_str());
    }
}

/// The step of a phase, with its redirect.
fn label(phase: &Phase) -> String {
    match (&phase.step, phase.hop) {
        (None, 0) => String::new(),
        (None, hop) => format!("redirect {hop}"),
        (Some(step), 0) => step.to_string(),
        (Some(step), hop) => format!("{step}, redirect {hop}"),
    }
}

fn write_phases(sheet: &mut String, outcome: &Outcome, width: usize) {
    let labels: Vec<String> = outcome.phases.iter().map(label).collect();
    let label_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
    let gap = if label_width == 0 { 0 } else { label_width + 2 };
    let taken = 2 + gap + "transfer".len() + 2 + "999.9 ms".len() + 2;
    let bar_width = width.saturating_sub(taken).clamp(BAR_WIDTH_MIN, BAR_WIDTH_MAX);
    if !labels.is_empty() {
        sheet.push('\n');
    }
    let mut label_before = None;
    for (phase, label) in outcome.phases.iter().zip(&labels) {
        let shown = if label_before == Some(label) { "" } else { label };
        label_before = Some(label);
        let bar = bar(phase.offset, phase.duration, outcome.duration, bar_width);
        let shown = if gap == 0 { String::new() } else { format!("{shown:label_width$}  ") };
        let (kind, took) = (phase.kind.as_str(), span(phase.duration));
        line!(sheet, "  {shown}{kind:8}  {took:>8}  {BAR}{bar}{BAR:#}");
    }
}

/// A bar of `width` columns for the whole run: blank until `offset`, then filled to an eighth of a column.
fn bar(offset: Duration, duration: Duration, whole: Duration, width: usize) -> String {
    let eighths = |part: Duration| {
        let share = part.as_secs_f64() / whole.as_secs_f64().max(f64::EPSILON);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 8 x width"
        )]
        let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
        eighths
    };
    let begin = (eighths(offset) / 8).min(width - 1);
    let length = eighths(duration).clamp(1, (width - begin) * 8);
    let mut bar = " ".repeat(begin);
    bar.extend(std::iter::repeat_n('█', length / 8));
    bar.extend(['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((length % 8).wrapping_sub(1)));
    bar
}

fn write_checks(sheet: &mut String, checks: &[Check]) {
    if !checks.is_empty() {
        sheet.push('\n');
    }
    for check in checks {
        let (style, mark, verb) = match check.held {
            Some(true) => (GOOD, '✓', "saw "),
            Some(false) => (BAD, '✗', "saw "),
            None => (FAINT, '?', ""),
        };
        let step = check.step.as_deref().map(|step| format!("{step}: ")).unwrap_or_default();
        let seen = check.seen.as_str();
        // What was seen of a page that is as it should be only stands in the way.
        let is_told =
            !seen.is_empty() && (check.held != Some(true) || seen.chars().count() <= SEEN_CHARS_MAX);
        let seen = if is_told { format!("  {FAINT}{verb}{seen}{FAINT:#}") } else { String::new() };
        line!(sheet, "  {style}{mark}{style:#} {step}{}{seen}", check.expectation);
    }
}

/// A span as a person reads it: `0.3 ms`, `412.0 ms`, `1.50 s`.
fn span(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1_000.0;
    if ms < 999.95 { format!("{ms:.1} ms") } else { format!("{:.2} s", span.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect_file;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::{Detail, Failure, Inconclusive, InconclusiveReason, PhaseKind, Reason, Stage},
    };
    use crate::probe::conversation::Speaker;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_bar_stands_where_its_phase_was_and_is_never_empty() {
        for (offset, duration, expected) in [
            (0, 100, "██████████"),
            (0, 50, "█████"),
            (50, 25, "     ██▌"),
            (0, 0, "▏"),
            (100, 0, "         ▏"),
            (99, 50, "         █"),
        ] {
            assert_eq!(bar(offset * MS, duration * MS, 100 * MS, 10), expected, "{offset} {duration}");
        }
    }

    fn phase(step: Option<&str>, hop: u8, kind: PhaseKind, offset: u32, duration: u32) -> Phase {
        Phase { step: step.map(Arc::from), hop, kind, offset: offset * MS, duration: duration * MS }
    }

    fn outcome(verdict: Verdict, duration: u32, phases: Vec<Phase>) -> Outcome {
        let probe = ProbeKey { channel: ChannelId::new("ticket-form"), probe: ProbeName::new("submit") };
        Outcome {
            probe: Arc::new(probe),
            started_at: Timestamp::UNIX_EPOCH,
            duration: duration * MS,
            verdict,
            phases,
            contact: None,
            met: Vec::new(),
            certificate_expires_at: Some("2026-12-24T18:00:00Z".parse().unwrap()),
        }
    }

    fn check(step: Option<&str>, held: impl Into<Option<bool>>, expectation: &str, seen: &str) -> Check {
        Check {
            step: step.map(Arc::from),
            expectation: expectation.into(),
            held: held.into(),
            seen: Detail::new(seen),
        }
    }

    fn plain(outcome: &Outcome, checks: &[Check], width: usize) -> String {
        anstream::adapter::strip_str(&draw(outcome, checks, &[], width)).to_string()
    }

    #[test]
    fn a_conversation_shows_who_answered_and_what_was_said() {
        let contact = Contact {
            bot: Some(900 * MS),
            person: Some(41_000 * MS),
            queued: Some(40_000 * MS),
            queue_position: Some(7),
            steps: Some(2),
            person_asked: true,
            waited_in_vain: false,
        };
        let said = |at: u32, speaker, text| Utterance { at: at * MS, speaker, text: Detail::new(text) };
        let transcript = [
            said(40, Speaker::Customer, "human please"),
            said(940, Speaker::Bot, "I am connecting you"),
            said(1_040, Speaker::Service, "{\"position\":7}"),
            said(41_040, Speaker::Person, "Kim here"),
        ];
        let phases = vec![
            phase(Some("open"), 0, PhaseKind::Connect, 0, 2),
            phase(Some("person"), 0, PhaseKind::Wait, 40, 41_000),
        ];
        let contact = Some(Box::new(contact));
        let outcome = Outcome { contact, ..outcome(Verdict::Ok, 41_050, phases) };
        let checks = [check(Some("person"), true, "a person", "Kim here")];
        let drawn = draw(&outcome, &checks, &transcript, 80);
        let drawn = anstream::adapter::strip_str(&drawn).to_string();
        expect_file!["../../../tests/golden/probe/chat.txt"].assert_eq(&drawn);
    }

    #[test]
    fn a_failed_journey_shows_its_step_its_waiting_and_its_crosses() {
        let failure = Failure {
            stage: Stage::Expect,
            step: Some("arrives".into()),
            reason: Reason::Lost,
            cause: Some(Reason::Content),
            detail: Detail::new("not there after 12 tries in 5 s"),
        };
        let phases = vec![
            phase(Some("form"), 0, PhaseKind::Connect, 0, 2),
            phase(Some("form"), 0, PhaseKind::Wait, 2, 120),
            phase(Some("submit"), 0, PhaseKind::Wait, 130, 60),
            phase(Some("submit"), 1, PhaseKind::Wait, 195, 30),
            phase(Some("arrives"), 0, PhaseKind::Pause, 230, 1_040),
            phase(Some("arrives"), 0, PhaseKind::Wait, 1_270, 40),
        ];
        let checks = [
            check(Some("form"), true, "status is 200", "200"),
            check(
                Some("form"),
                true,
                "body that contains \"Write\"",
                "<!doctype html><title>Write to us</title><form>",
            ),
            check(Some("arrives"), false, "$.tickets[0] exists", "nothing"),
        ];
        let outcome = outcome(Verdict::Failed(failure), 1_310, phases);
        expect_file!["../../../tests/golden/probe/failed.txt"].assert_eq(&plain(&outcome, &checks, 80));
    }

    #[test]
    fn a_single_request_that_is_well_fits_a_narrow_terminal() {
        let phases = vec![
            phase(None, 0, PhaseKind::Resolve, 0, 1),
            phase(None, 0, PhaseKind::Connect, 1, 1),
            phase(None, 0, PhaseKind::Tls, 2, 20),
            phase(None, 0, PhaseKind::Wait, 22, 50),
            phase(None, 1, PhaseKind::Wait, 72, 28),
        ];
        let checks = [check(None, true, "status is 200", "200")];
        let drawn = plain(&outcome(Verdict::Ok, 100, phases), &checks, 40);
        expect_file!["../../../tests/golden/probe/ok.txt"].assert_eq(&drawn);
    }

    #[test]
    fn a_run_that_could_not_look_says_so() {
        let why = Inconclusive {
            reason: InconclusiveReason::MonitorLocal,
            detail: Detail::new("failed to open a socket: too many open files"),
        };
        let drawn = plain(&outcome(Verdict::Inconclusive(why), 1, vec![]), &[], 80);
        expect_file!["../../../tests/golden/probe/inconclusive.txt"].assert_eq(&drawn);
    }

    #[test]
    fn a_span_keeps_four_figures_at_most() {
        assert_eq!(span(Duration::from_micros(312)), "0.3 ms");
        assert_eq!(span(Duration::from_micros(999_960)), "1.00 s");
        assert_eq!(span(Duration::from_millis(1_500)), "1.50 s");
    }
}
