//! From the settings of a journey to the journey, with everything that is wrong found on the way: after this, a run
//! cannot meet a variable without a value, an address that is none, or a wait that does not fit.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::Range,
    sync::Arc,
    time::Duration,
};

use url::{Origin, Url};

use super::{
    CLEANUP_TIMEOUT, Journey, JourneySettings,
    capture::{Capture, CaptureSettings},
    step::{EVERY, EVERY_MIN, Request, Step, StepSettings, Until, UntilSettings, Wording},
    template::{Malformed, Template},
    variables::{NONCE, Variables},
};
use crate::{
    clock::Clock,
    probe::{
        expect::Expectations,
        request::draft::{Draft, Place, Text},
        settings::{BuildContext, Built},
        steps::{self, Names},
    },
    secret::{Secret, SecretRef},
    setting::{At, HttpUrl, Problem, Span, is_variable_name, suggest},
};

/// A journey being drawn up.
pub(super) struct Blueprint<'a> {
    context: &'a BuildContext<'a>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// The variables that have a value at this point of the way.
    known: BTreeSet<String>,
    /// Those of them that are secrets.
    secrets: BTreeSet<String>,
    names: Names,
    time: Time,
    origins: Vec<Origin>,
}

/// The time that the steps have to wait in.
#[derive(Debug)]
struct Time {
    limit: Duration,
    /// The limit in words.
    words: String,
    /// How much of it the waits up to here may take.
    waited: Duration,
}

impl Time {
    fn new(limit: Duration, words: String) -> Self {
        Self { limit, words, waited: Duration::ZERO }
    }
}

impl<'a> Blueprint<'a> {
    pub(super) fn draw(
        settings: &JourneySettings,
        context: &'a BuildContext<'a>,
    ) -> Result<Built, Vec<Problem>> {
        let mut blueprint = Self {
            context,
            problems: Vec::new(),
            warnings: Vec::new(),
            known: BTreeSet::from([NONCE.to_owned()]),
            secrets: BTreeSet::new(),
            names: Names::default(),
            time: Time::new(context.timeout, format!("the run of {}", Span(context.timeout))),
            origins: Vec::new(),
        };
        let example = "{ name = \"open\", http = { url = \"https://...\" } }";
        blueprint.problems.extend(steps::count(&settings.steps, settings.cleanup.len(), "journey", example));
        let cleanup_timeout = blueprint.cleanup_timeout(settings);
        let kept = Span(cleanup_timeout);
        if !settings.cleanup.is_empty() {
            let words = format!("{}, less {kept} for the cleanup,", blueprint.time.words);
            blueprint.time = Time::new(context.timeout.saturating_sub(cleanup_timeout), words);
        }
        let secrets = blueprint.secrets(&settings.secrets);
        let steps = blueprint.steps(&settings.steps.value);
        blueprint.time = Time::new(cleanup_timeout, format!("the cleanup of {kept}"));
        let cleanup = blueprint.steps(&settings.cleanup);
        if !blueprint.problems.is_empty() {
            return Err(blueprint.problems);
        }
        let Self { warnings, origins, .. } = blueprint;
        let hosts: BTreeSet<Arc<str>> = origins.iter().filter_map(host).collect();
        let journey = Journey {
            key: context.key.clone(),
            transport: Arc::clone(context.transport),
            clock: Clock::system(),
            timeout: context.timeout,
            cleanup_timeout,
            secrets,
            steps,
            cleanup,
            origins,
        };
        let phases = journey.steps.iter().chain(&journey.cleanup).map(|step| (*step.name).into()).collect();
        Ok(Built { probe: Arc::new(journey), hosts: hosts.into_iter().collect(), phases, warnings })
    }

    fn cleanup_timeout(&mut self, settings: &JourneySettings) -> Duration {
        let run = self.context.timeout;
        let Some(wanted) = &settings.cleanup_timeout else { return CLEANUP_TIMEOUT.min(run / 4) };
        if wanted.0 >= run {
            let problem = wanted.problem(format!("the cleanup cannot have the whole run of {run:?}"));
            self.problems.push(problem.hint("raise the probe's timeout, or keep less for the cleanup"));
        }
        wanted.0
    }

    fn secrets(&mut self, settings: &BTreeMap<String, At<SecretRef>>) -> Vec<(Box<str>, Secret)> {
        let mut secrets = Vec::new();
        for (name, reference) in settings {
            self.define(name, &reference.span);
            self.secrets.insert(name.clone());
            match self.context.sources.secret(reference) {
                Ok(secret) => secrets.push((name.as_str().into(), secret)),
                Err(problem) => self.problems.push(problem),
            }
        }
        secrets
    }

    /// A variable has its value from here on; each is defined once, so that a text means one thing.
    fn define(&mut self, name: &str, span: &Range<usize>) {
        if !is_variable_name(name) {
            let problem = Problem::at(span.clone(), format!("{name:?} is not the name of a variable"));
            self.problems.push(problem.hint("write a-z, 0-9 and _, beginning with a letter"));
        } else if !self.known.insert(name.to_owned()) {
            let problem = Problem::at(span.clone(), format!("the variable {name:?} is defined already"));
            self.problems.push(problem.hint("give it a name of its own"));
        }
    }

    fn steps(&mut self, steps: &[StepSettings]) -> Vec<Step> {
        steps.iter().filter_map(|step| self.step(step)).collect()
    }

    /// Draws one step, as far as it can be drawn: what is wrong with one part hides nothing of the next.
    fn step(&mut self, settings: &StepSettings) -> Option<Step> {
        self.problems.extend(self.names.take(&settings.name));
        let draft = settings.http.draft(self.context, &mut self.problems);
        let draft = draft.map(|draft| self.with_variables(&draft));
        let is_secret = |text: &Wording| text.is_secret(&self.secrets);
        let has_credentials = draft.as_ref().is_some_and(|draft| draft.has_credentials(is_secret));
        self.warnings.extend(settings.http.warnings(has_credentials));
        let expect = settings.http.expect.build(has_credentials, self.context.timeout, &mut self.problems);
        self.expected_texts(&expect, &settings.name.span);
        let until = settings.until.as_ref().map(|until| self.until(until));
        let captures = self.captures(&settings.capture);
        let name = settings.name.as_str().into();
        Some(Step { name, request: Request { draft: draft? }, expect, until, captures })
    }

    fn with_variables(&mut self, draft: &Draft<Text>) -> Draft<Wording> {
        let worded = draft.try_map(|text, place| Ok::<_, Infallible>(self.wording(text, place)));
        let Ok(worded) = worded;
        worded
    }

    fn wording(&mut self, text: &Text, place: Place) -> Wording {
        if text.is_secret() {
            return Wording::Secret(text.clone());
        }
        let span = text.span.clone().unwrap_or_default();
        let Some(template) = self.template(text.as_str(), &span) else {
            return Wording::Secret(text.clone());
        };
        if place == Place::Address && template.sole_variable().is_none() {
            self.address(&template, &span);
        }
        Wording::Template(template)
    }

    /// A text all of whose variables have a value here.
    fn template(&mut self, text: &str, span: &Range<usize>) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(Malformed { message, hint }) => {
                self.problems.push(Problem::at(span.clone(), message).hint(hint));
                return None;
            }
        };
        for name in template.variables().filter(|name| !self.known.contains(*name)) {
            let problem = Problem::at(span.clone(), format!("the variable {name:?} has no value here"));
            let known: Vec<&String> = self.known.iter().collect();
            let hint = suggest(name, &known, |name| format!("{{{name}}}")).unwrap_or_default();
            self.problems.push(problem.hint(format!("an earlier step has to capture it; {hint}")));
        }
        Some(template)
    }

    fn expected_texts(&mut self, expect: &Expectations, span: &Range<usize>) {
        for text in expect.texts() {
            self.template(text, span);
        }
    }

    /// An address is checked with every variable filled in by a letter; its host must not depend on one.
    fn address(&mut self, template: &Template, span: &Range<usize>) {
        let mut letters = Variables::default();
        for name in template.variables() {
            letters.set(name, "x".to_owned());
        }
        let filled = template.fill(&letters, Place::Address).unwrap_or_default();
        let HttpUrl(url) = match HttpUrl::parse(&filled) {
            Ok(url) => url,
            Err((message, hint)) => return self.problems.push(Problem::at(span.clone(), message).hint(hint)),
        };
        let origin_end = url[..url::Position::AfterPort].len();
        let host_is_fixed = template.variables().next().is_none()
            || Url::parse(template.leading_text()).is_ok_and(|fixed| {
                fixed.origin() == url.origin() && template.leading_text().len() > origin_end
            });
        if !host_is_fixed {
            let problem = Problem::at(span.clone(), "the host of an address must not depend on a variable");
            return self
                .problems
                .push(problem.hint("write the host out; a variable may follow from the path on"));
        }
        if !self.origins.contains(&url.origin()) {
            self.origins.push(url.origin());
        }
    }

    fn until(&mut self, settings: &At<UntilSettings>) -> Until {
        let every = settings.every.as_ref().map_or(EVERY, |every| every.0);
        let within = &settings.within;
        let waited = self.time.waited + within.0;
        if waited >= self.time.limit {
            let problem = within.problem(format!("{} is over before this wait", self.time.words));
            self.problems.push(problem.hint("raise the probe's timeout, or wait for less, here or before"));
        } else {
            // A wait that does not fit says nothing against those after it.
            self.time.waited = waited;
        }
        if let Some(every) = settings.every.as_ref().filter(|every| every.0 < EVERY_MIN) {
            let problem = every.problem(format!("`every` must be at least {}", Span(EVERY_MIN)));
            self.problems.push(problem.hint(format!("write \"{}\" or more", Span(EVERY_MIN))));
        }
        if let Some(every) = settings.every.as_ref().filter(|every| every.0 > within.0) {
            let problem = every.problem("the time between two looks is longer than the whole wait");
            self.problems.push(problem.hint("look more often, or wait longer"));
        }
        if let Some(late) = settings.late_after.as_ref().filter(|late| late.0 >= within.0) {
            let problem = late.problem("nothing can be late when the wait is over by then");
            self.problems.push(problem.hint("write a shorter time than that of within"));
        }
        let before = self.problems.len();
        let expect = settings.expect.build_further(self.context.timeout, &mut self.problems);
        if expect.is_empty() && self.problems.len() == before {
            let problem = settings.expect.problem("nothing is waited for");
            self.problems.push(problem.hint(
                "write what must hold: expect = { json = [{ path = \"$.status\", equals = \"ringing\" }] }",
            ));
        }
        self.expected_texts(&expect, &settings.expect.span);
        let late_after = settings.late_after.as_ref().map(|late| late.0);
        Until { expect, every, within: within.0, late_after, otherwise: settings.otherwise }
    }

    fn captures(&mut self, settings: &BTreeMap<String, At<CaptureSettings>>) -> Vec<Capture> {
        let mut captures = Vec::new();
        for (name, capture) in settings {
            self.define(name, &capture.span);
            match CaptureSettings::build(name, capture) {
                Ok(capture) => captures.push(capture),
                Err(problem) => self.problems.push(problem),
            }
        }
        captures
    }
}

fn host(origin: &Origin) -> Option<Arc<str>> {
    match origin {
        Origin::Tuple(_, host, _) => Some(host.to_string().into()),
        Origin::Opaque(_) => None,
    }
}

#[cfg(test)]
mod tests;
