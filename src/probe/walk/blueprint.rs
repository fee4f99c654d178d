//! From the settings of steps to the steps, with everything that is wrong found on the way: after this, a run cannot
//! meet a variable without a value, an address that is none, or a wait that does not fit.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::Range,
    sync::Arc,
    time::Duration,
};

use url::{Origin, Url};

use super::{
    Way,
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
        settings::BuildContext,
        steps::Names,
    },
    secret::{Secret, SecretRef},
    setting::{At, HttpUrl, Problem, Span, is_variable_name, suggest},
};

/// Steps being drawn up.
pub struct Blueprint<'a> {
    /// What the probe is built from.
    pub context: &'a BuildContext<'a>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
    /// What deserves a second look.
    pub warnings: Vec<Problem>,
    /// The names that steps have taken.
    pub names: Names,
    /// The variables that have a value at this point of the way.
    known: BTreeSet<String>,
    /// The names that no secret and no capture may have.
    reserved: BTreeSet<String>,
    /// Those variables that are secrets.
    secret_names: BTreeSet<String>,
    secrets: Vec<(Box<str>, Secret)>,
    time: Time,
    origins: Vec<Origin>,
}

/// What was drawn up, in good order.
#[derive(Debug)]
pub struct Drawn {
    /// The way.
    pub way: Way,
    /// Every host on it.
    pub hosts: BTreeSet<Arc<str>>,
    /// What deserves a second look.
    pub warnings: Vec<Problem>,
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
    /// Nothing yet: the steps have the whole run to wait in.
    #[must_use]
    pub fn begin(context: &'a BuildContext<'a>) -> Self {
        Self {
            context,
            problems: Vec::new(),
            warnings: Vec::new(),
            names: Names::default(),
            known: BTreeSet::from([NONCE.to_owned()]),
            reserved: BTreeSet::new(),
            secret_names: BTreeSet::new(),
            secrets: Vec::new(),
            time: Time::new(context.timeout, format!("the run of {}", Span(context.timeout))),
            origins: Vec::new(),
        }
    }

    /// The steps that follow have this time to wait in, called by these words.
    pub fn within(&mut self, limit: Duration, words: String) {
        self.time = Time::new(limit, words);
    }

    /// Secrets that steps may use as variables.
    pub fn secrets(&mut self, settings: &BTreeMap<String, At<SecretRef>>) {
        for (name, reference) in settings {
            self.define(name, &reference.span);
            self.secret_names.insert(name.clone());
            match self.context.sources.secret(reference) {
                Ok(secret) => self.secrets.push((name.as_str().into(), secret)),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// A variable that has its value before the steps begin that follow.
    pub fn knows(&mut self, name: &str) {
        self.known.insert(name.to_owned());
    }

    /// The opposite of [`Self::knows`]: the steps that follow may come before it has a value.
    pub fn knows_no_more(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// A variable that we give values to: nothing else may be called so.
    pub fn reserve(&mut self, name: &str) {
        self.reserved.insert(name.to_owned());
    }

    /// The way; or what is wrong.
    ///
    /// # Errors
    /// Everything that was found wrong.
    pub fn finish(self) -> Result<Drawn, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let hosts = self.origins.iter().filter_map(host).collect();
        let way = Way {
            transport: Arc::clone(self.context.transport),
            clock: Clock::system(),
            secrets: self.secrets,
            origins: self.origins,
        };
        Ok(Drawn { way, hosts, warnings: self.warnings })
    }

    /// A variable has its value from here on; each is defined once, so that a text means one thing.
    fn define(&mut self, name: &str, span: &Range<usize>) {
        if !is_variable_name(name) {
            let problem = Problem::at(span.clone(), format!("{name:?} is not the name of a variable"));
            self.problems.push(problem.hint("write a-z, 0-9 and _, beginning with a letter"));
        } else if self.reserved.contains(name) || !self.known.insert(name.to_owned()) {
            let problem = Problem::at(span.clone(), format!("the variable {name:?} is defined already"));
            self.problems.push(problem.hint("give it a name of its own"));
        }
    }

    /// Draws steps in their order.
    pub fn steps(&mut self, steps: &[StepSettings]) -> Vec<Step> {
        steps.iter().filter_map(|step| self.step(step)).collect()
    }

    /// Draws one step, as far as it can be drawn: what is wrong with one part hides nothing of the next.
    pub fn step(&mut self, settings: &StepSettings) -> Option<Step> {
        self.problems.extend(self.names.take(&settings.name));
        let draft = settings.http.draft(self.context, &mut self.problems);
        let draft = draft.map(|draft| self.with_variables(&draft));
        let is_secret = |text: &Wording| text.is_secret(&self.secret_names);
        let has_credentials = draft.as_ref().is_some_and(|draft| draft.has_credentials(is_secret));
        self.warnings.extend(settings.http.warnings(has_credentials));
        let expect = settings.http.expect.build(has_credentials, self.context.timeout, &mut self.problems);
        self.expected_texts(&expect, &settings.name.span);
        let until = settings.until.as_ref().map(|until| self.until(until));
        let captures = self.captures(&settings.capture);
        let name = settings.name.as_str().into();
        let reaches_person = settings.reaches_person;
        Some(Step { name, request: Request { draft: draft? }, expect, until, reaches_person, captures })
    }

    fn with_variables(&mut self, draft: &Draft<Text>) -> Draft<Wording> {
        let worded = draft.try_map(|text, place| Ok::<_, Infallible>(self.wording(text, place)));
        let Ok(worded) = worded;
        worded
    }

    pub(super) fn wording(&mut self, text: &Text, place: Place) -> Wording {
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
