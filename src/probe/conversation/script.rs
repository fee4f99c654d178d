//! A conversation, checked: what is said in its order, and what the replies mean.

use std::{ops::Range, time::Duration};

use super::{
    StepName,
    settings::{From, SignSettings, SignsSettings, TurnSettings},
    signs::{Sign, Signs},
};
use crate::{
    domain::contact::Responder,
    probe::{
        settings::BuildContext,
        steps::{self, Names},
    },
    setting::{At, Problem, Span},
};

/// How long a reply is awaited where nothing is said.
const WITHIN: Duration = Duration::from_secs(10);

/// What a conversation is drawn from.
#[derive(Clone, Copy, Debug)]
pub struct ScriptSettings<'a> {
    /// Its turns.
    pub steps: &'a At<Vec<At<TurnSettings>>>,
    /// By what it is told who speaks.
    pub signs: &'a SignsSettings,
    /// How many other steps there are beside these, of which a probe has only so many.
    pub others: usize,
}

/// A conversation, checked.
#[derive(Debug)]
pub struct Script {
    pub(super) turns: Vec<Turn>,
    pub(super) signs: Signs,
}

/// One turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) name: StepName,
    pub(super) say: Option<Box<str>>,
    pub(super) again: Vec<Box<str>>,
    pub(super) expect: Option<Sign>,
    pub(super) from: From,
    pub(super) within: Duration,
    pub(super) late_after: Option<Duration>,
}

impl Script {
    /// Checks the whole of it. What is wrong is added to `problems`; `names` are those of all steps of the probe.
    pub fn draw(
        settings: ScriptSettings<'_>,
        context: &BuildContext<'_>,
        names: &mut Names,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let example = "{ name = \"ask\", say = \"Where is my order?\" }";
        problems.extend(steps::count(settings.steps, settings.others, "conversation", example));
        let mut draft = Draft { context, signs: settings.signs, problems };
        let mut turns = Vec::with_capacity(settings.steps.len());
        for (at, turn) in settings.steps.iter().enumerate() {
            draft.problems.extend(names.take(&turn.name));
            let is_last = at + 1 == settings.steps.len();
            turns.push(draft.turn(turn, is_last));
        }
        Self { turns, signs: settings.signs.build(problems) }
    }

    /// Whether people are disturbed by it: it waits until one of them comes.
    #[must_use]
    pub fn asks_people(&self) -> bool {
        self.turns.iter().any(|turn| turn.from == From::Person)
    }

    /// Whether it waits for people or for their queue.
    #[must_use]
    pub fn waits_for_people(&self) -> bool {
        self.turns.iter().any(|turn| turn.from != From::Anyone)
    }

    /// Whose replies it measures.
    #[must_use]
    pub fn responders(&self) -> Vec<Responder> {
        let bot = self.turns.iter().any(|turn| turn.from == From::Anyone).then_some(Responder::Bot);
        let person = self.asks_people().then_some(Responder::Person);
        bot.into_iter().chain(person).collect()
    }

    /// The last turn: the one in which a person is reached.
    #[must_use]
    pub fn last(&self) -> &StepName {
        &self.turns.last().expect("a conversation without turns is refused").name
    }

    /// The names of its turns.
    pub fn names(&self) -> impl Iterator<Item = &StepName> {
        self.turns.iter().map(|turn| &turn.name)
    }
}

struct Draft<'a> {
    context: &'a BuildContext<'a>,
    signs: &'a SignsSettings,
    problems: &'a mut Vec<Problem>,
}

impl Draft<'_> {
    fn turn(&mut self, settings: &At<TurnSettings>, is_last: bool) -> Turn {
        let from = settings.from.unwrap_or(From::Anyone);
        let run = self.context.timeout;
        let otherwise = if from == From::Person { run } else { WITHIN.min(run) };
        let within = settings.within.as_ref().map_or(otherwise, |within| within.0);
        if let Some(wait) = settings.within.as_ref().filter(|wait| wait.0 > run) {
            let problem = wait.problem(format!("the run is over after {}", Span(run)));
            self.problems.push(problem.hint("raise the probe's timeout, or wait a shorter time"));
        }
        if let Some(late) = settings.late_after.as_ref().filter(|late| late.0 >= within) {
            let problem = late.problem("nothing can be late when the wait is over by then");
            self.problems.push(problem.hint("write a shorter time than that of within"));
        }
        self.whom(settings, from, is_last);
        let expect = settings
            .expect
            .as_ref()
            .and_then(|sign| SignSettings::build(sign).map_err(|problem| self.problems.push(problem)).ok());
        let budget = self.context.first_response.filter(|_| from == From::Person);
        let late_after = settings.late_after.as_ref().map(|late| late.0).or(budget);
        Turn {
            name: settings.name.as_str().into(),
            say: settings.say.as_deref().map(Box::from),
            again: settings.again.iter().map(|text| text.as_str().into()).collect(),
            expect,
            from,
            within,
            late_after: late_after.filter(|late| *late < within),
        }
    }

    /// Who is to reply, and whether that can be told.
    fn whom(&mut self, settings: &At<TurnSettings>, from: From, is_last: bool) {
        let Some(word) = (match from {
            From::Anyone => None,
            From::Queue => Some("queue"),
            From::Person => Some("person"),
        }) else {
            if !settings.again.is_empty() {
                let problem = settings.name.problem("what is said again is for who asks for a person");
                self.problems.push(problem.hint("add from = \"person\", or make a step of its own of each"));
            }
            return;
        };
        let signs = if from == From::Queue { &self.signs.queue } else { &self.signs.person };
        if signs.is_empty() {
            let problem = settings.name.problem(format!("it is not said by what a {word} is told"));
            let example = format!("signs = {{ {word} = [{{ matches = \"...\" }}] }}");
            self.problems.push(problem.hint(format!("add {example} to the probe")));
        }
        if !is_last {
            let problem = settings.name.problem(format!("nothing is said after a {word} is reached"));
            self.problems.push(problem.hint("make it the last step: the conversation is left then"));
        }
        if !settings.again.is_empty() && settings.say.is_none() {
            let problem = settings.name.problem("nothing is said that could be said again");
            self.problems.push(problem.hint("add say = \"I want to talk to a person\""));
        }
    }
}

/// What is wrong with a probe that has asked people as often as it may before the day is over: its further runs say nothing.
#[must_use]
pub fn asks_too_often(every: Duration, most: u32, span: Range<usize>) -> Option<Problem> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    (DAY.as_secs_f64() / every.as_secs_f64() > f64::from(most)).then(|| {
        let message =
            format!("people are asked at most {most} times a day, and a run is due every {}", Span(every));
        let enough = Span(Duration::from_secs(DAY.as_secs().div_ceil(most.into())));
        Problem::at(span, message).hint(format!(
            "further runs of the day say nothing of the channel; write every = \"{enough}\", or raise asks_per_day_max"
        ))
    })
}
