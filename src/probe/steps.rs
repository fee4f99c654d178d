//! What kinds with steps ask of them before they look at each: that there are some, not too many, and that each has a
//! name of its own, by which outcomes, phases and failures tell it. And how many a customer may have to take until a
//! person is reached.

use std::{collections::BTreeSet, num::NonZeroU16, sync::Arc};

use crate::{
    domain::{
        channel::{ID_LEN_MAX, is_id},
        outcome::{Detail, Failure, Reason, Stage},
    },
    setting::{At, Problem},
};

/// The most steps of a probe.
const STEPS_MAX: usize = 32;

/// What is wrong with how many steps there are. `others` are steps that stand elsewhere and count too; `of` is the word
/// for what they belong to, and `example` a step.
pub fn count<T>(steps: &At<Vec<T>>, others: usize, of: &str, example: &str) -> Option<Problem> {
    let count = steps.len() + others;
    if steps.is_empty() {
        let hint = format!("write at least one: {example}");
        return Some(steps.problem(format!("a {of} needs steps")).hint(hint));
    }
    let message = || format!("{count} steps are more than the {STEPS_MAX} of a {of}");
    (count > STEPS_MAX).then(|| steps.problem(message()).hint("split it into several probes"))
}

/// The names that steps have taken.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Keeps a name for a step that the operator does not write.
    pub fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// Takes a name; gives what is wrong if it cannot be had.
    pub fn take(&mut self, name: &At<String>) -> Option<Problem> {
        if !is_id(name) {
            let hint =
                format!("write 1 to {ID_LEN_MAX} of a-z, 0-9, - and _, beginning with a letter or digit");
            return Some(name.problem(format!("{:?} cannot name a step", name.value)).hint(hint));
        }
        let is_new = self.0.insert(name.value.clone());
        let problem = || name.problem(format!("there are two steps named {:?}", name.value));
        (!is_new).then(|| problem().hint("give each a name of its own: failures and phases tell it"))
    }
}

/// How many things a customer may have to do until a person is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepsBudget(pub u16);

impl StepsBudget {
    /// The budget where none is given.
    pub const DEFAULT: Self = Self(4);

    /// The budget as the operator has set it.
    #[must_use]
    pub fn of(setting: Option<NonZeroU16>) -> Self {
        setting.map_or(Self::DEFAULT, |most| Self(most.get()))
    }

    /// What it means that a person was reached in this step, after so many; none within the budget.
    #[must_use]
    pub fn exceeded(self, steps: u16, step: &Arc<str>) -> Option<Failure> {
        let Self(most) = self;
        let detail = || format!("a person is {steps} steps away, more than {most}");
        (steps > most).then(|| Failure {
            stage: Stage::Expect,
            step: Some(Arc::clone(step)),
            reason: Reason::TooManySteps,
            cause: None,
            detail: Detail::new(&detail()),
        })
    }
}
