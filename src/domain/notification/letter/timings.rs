//! The table of where the time of the last run went. A journey has more phases than a phone shows: the step that broke
//! is always among those shown, then what led to it, then what came after it; what is left out is said in one row.

use std::ops::Range;

use crate::domain::{
    notification::{
        letter::{Body, Column, Section, cut, sections::NAME_MAX},
        tell,
    },
    outcome::{Detail, Phase},
};

/// So many phases are shown.
const PHASES_MAX: usize = 18;

/// The table; none where nothing was timed. `broken` is the step that broke.
pub(super) fn table(phases: &[Phase], broken: Option<&str>) -> Option<Section> {
    if phases.is_empty() {
        return None;
    }
    let has_steps = phases.iter().any(|phase| phase.step.is_some());
    let mut columns = vec![
        Column { name: "Phase", is_number: false },
        Column { name: "Began", is_number: true },
        Column { name: "Took", is_number: true },
    ];
    if has_steps {
        columns.insert(0, Column { name: "Step", is_number: false });
    }
    let shown = shown(phases, broken);
    let (earlier, later) = (&phases[..shown.start], &phases[shown.end..]);
    let mut rows = Vec::new();
    rows.extend(left_out(earlier, "earlier", &phases[shown.start], has_steps));
    rows.extend(phases[shown.clone()].iter().map(|phase| row(phase, has_steps)));
    rows.extend(left_out(later, "later", &phases[shown.end - 1], has_steps));
    Some(Section { title: "Timings of the last run".to_owned(), body: Body::Table { columns, rows } })
}

/// The phases of one step; all of them where it is not among them.
pub(super) fn of_step<'p>(phases: &'p [Phase], step: Option<&str>) -> &'p [Phase] {
    let of_it =
        steps(phases).into_iter().find(|range| step.is_some() && phases[range.start].step.as_deref() == step);
    of_it.map_or(phases, |range| &phases[range])
}

/// The phases step by step; those of a single request are one.
fn steps(phases: &[Phase]) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |step: &[Phase]| {
        end += step.len();
        end - step.len()..end
    };
    phases.chunk_by(|one, next| one.step == next.step).map(range).collect()
}

/// The step that broke, or the last one, as far as there is room, and as many whole steps around it as there is room
/// for.
fn shown(phases: &[Phase], broken: Option<&str>) -> Range<usize> {
    let steps = steps(phases);
    let is_broken = |range: &Range<usize>| broken.is_some() && phases[range.start].step.as_deref() == broken;
    let at = steps.iter().position(is_broken).unwrap_or(steps.len() - 1);
    let mut shown = steps[at].clone();
    if shown.len() > PHASES_MAX {
        return shown.end - PHASES_MAX..shown.end;
    }
    for before in steps[..at].iter().rev().take_while(|step| shown.end - step.start <= PHASES_MAX) {
        shown.start = before.start;
    }
    for after in &steps[at + 1..] {
        if after.end - shown.start > PHASES_MAX {
            break;
        }
        shown.end = after.end;
    }
    shown
}

fn row(phase: &Phase, has_steps: bool) -> Vec<String> {
    let part = match phase.hop {
        0 => phase.kind.to_string(),
        hop => format!("{} (redirect {hop})", phase.kind),
    };
    let mut row = vec![part, tell::took(phase.offset), tell::took(phase.duration)];
    if has_steps {
        let step = phase.step.as_deref().unwrap_or_default();
        row.insert(0, cut(Detail::new(step).as_str(), NAME_MAX));
    }
    row
}

/// The row that stands for phases that are not shown: `4 earlier steps`, or `12 earlier phases` where the step is shown
/// to which some of them belong.
fn left_out(phases: &[Phase], side: &str, neighbour: &Phase, has_steps: bool) -> Option<Vec<String>> {
    let first = phases.first()?;
    let (count, what) = match phases.iter().any(|phase| phase.step == neighbour.step) {
        true => (phases.len(), "phase"),
        false => (steps(phases).len(), "step"),
    };
    let plural = if count == 1 { "" } else { "s" };
    let took = phases.iter().map(|phase| phase.duration).sum();
    let mut row = vec![format!("{count} {side} {what}{plural}"), tell::took(first.offset), tell::took(took)];
    if has_steps {
        row.insert(1, String::new());
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::domain::outcome::PhaseKind;

    /// Steps of so many phases each, named `a`, `b`, `c` and so on.
    fn journey(steps: &[usize]) -> Vec<Phase> {
        let phase = |step: &str| Phase {
            step: Some(Arc::from(step)),
            hop: 0,
            kind: PhaseKind::Wait,
            offset: Duration::ZERO,
            duration: Duration::from_millis(10),
        };
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        steps.iter().zip(names).flat_map(|(&count, name)| vec![phase(name); count]).collect()
    }

    #[test]
    fn the_step_that_broke_is_always_shown_and_its_neighbours_as_far_as_there_is_room() {
        for (steps, broken, expected) in [
            (&[6, 6, 6][..], Some("b"), 0..18),
            (&[6, 6, 6, 6], Some("a"), 0..18),
            (&[6, 6, 6, 6], Some("d"), 6..24),
            (&[6, 6, 6, 6, 6, 6, 6], Some("c"), 0..18),
            (&[6, 6, 6, 6, 6, 6, 6], Some("e"), 12..30),
            (&[1, 6, 6, 6, 1], Some("d"), 1..19),
            (&[6, 6, 6, 6], None, 6..24),
            (&[6, 6, 6, 6], Some("nowhere"), 6..24),
            (&[6, 30, 6], Some("b"), 18..36),
            (&[30], None, 12..30),
        ] {
            let phases = journey(steps);
            assert_eq!(shown(&phases, broken), expected, "{steps:?} {broken:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_counted_and_timed() {
        let told = |steps: &[usize], broken| {
            let Body::Table { rows, .. } = table(&journey(steps), Some(broken)).unwrap().body else {
                panic!()
            };
            let is_told = |row: &Vec<String>| row[0].contains(' ');
            rows.into_iter().filter(is_told).map(|row| row.join("|")).collect::<Vec<_>>()
        };
        assert_eq!(told(&[6, 6, 6], "c"), [""; 0]);
        assert_eq!(
            told(&[6, 6, 6, 6, 6, 6, 6], "d"),
            ["1 earlier step||0 ms|60 ms", "3 later steps||0 ms|180 ms"]
        );
        assert_eq!(told(&[6, 30, 6], "b"), ["18 earlier phases||0 ms|180 ms", "1 later step||0 ms|60 ms"]);
    }
}
