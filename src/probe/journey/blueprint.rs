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
    CLEANUP_TIMEOUT, Journey, JourneySettings, STEPS_MAX,
    capture::{Capture, CaptureSettings},
    step::{EVERY, Request, Step, StepSettings, Until, UntilSettings, Wording},
    template::{Malformed, Template},
    variables::{NONCE, Variables},
};
use crate::{
    clock::Clock,
    domain::channel::{ID_LEN_MAX, is_id},
    probe::{
        expect::Expectations,
        request::draft::{Draft, Place, Text},
        settings::{BuildContext, Built},
    },
    secret::{Secret, SecretRef},
    setting::{At, HttpUrl, Problem, is_variable_name},
};

/// A journey being drawn up.
pub(super) struct Blueprint<'a> {
    context: &'a BuildContext<'a>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// The variables that have a value at this point of the way.
    known: BTreeSet<String>,
    names: BTreeSet<String>,
    origins: Vec<Origin>,
    host: Option<Arc<str>>,
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
            names: BTreeSet::new(),
            origins: Vec::new(),
            host: None,
        };
        blueprint.count(settings);
        let cleanup_timeout = blueprint.cleanup_timeout(settings);
        let secrets = blueprint.secrets(&settings.secrets);
        let steps = blueprint.steps(&settings.steps.value);
        let cleanup = blueprint.steps(&settings.cleanup);
        if !blueprint.problems.is_empty() {
            return Err(blueprint.problems);
        }
        let Self { warnings, origins, host, .. } = blueprint;
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
        let phases = journey.steps.iter().chain(&journey.cleanup).map(|step| step.name.to_string()).collect();
        Ok(Built { probe: Arc::new(journey), host, phases, warnings })
    }

    fn count(&mut self, settings: &JourneySettings) {
        let count = settings.steps.len() + settings.cleanup.len();
        if settings.steps.is_empty() {
            let hint = "write at least one: { name = \"open\", http = { url = \"https://...\" } }";
            self.problems.push(settings.steps.problem("a journey needs steps").hint(hint));
        } else if count > STEPS_MAX {
            let problem =
                settings.steps.problem(format!("{count} steps are more than the {STEPS_MAX} of a journey"));
            self.problems.push(problem.hint("split it into several probes"));
        }
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
        self.name(&settings.name);
        let draft = self.take(settings.http.draft(self.context));
        self.warnings.extend(draft.as_ref().into_iter().flat_map(|draft| settings.http.warnings(draft)));
        let has_credentials = draft.as_ref().is_some_and(Draft::has_credentials);
        let expect = self.take(settings.http.expect.build(has_credentials));
        self.expected_texts(expect.as_ref(), &settings.name.span);
        let draft = draft.map(|draft| self.with_variables(&draft));
        let until = settings.until.as_ref().map(|until| self.until(until));
        let captures = self.captures(&settings.capture);
        let name = settings.name.as_str().into();
        Some(Step {
            name,
            request: Request { draft: draft? },
            expect: expect?,
            until: until.flatten(),
            captures,
        })
    }

    fn take<T>(&mut self, built: Result<T, Vec<Problem>>) -> Option<T> {
        built.map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn name(&mut self, name: &At<String>) {
        if !is_id(name) {
            let problem = name.problem(format!("{:?} cannot name a step", name.value));
            let hint =
                format!("write 1 to {ID_LEN_MAX} of a-z, 0-9, - and _, beginning with a letter or digit");
            self.problems.push(problem.hint(hint));
        } else if !self.names.insert(name.value.clone()) {
            let problem = name.problem(format!("there are two steps named {:?}", name.value));
            self.problems.push(problem.hint("give each a name of its own: failures and phases tell it"));
        }
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
            self.problems.push(problem.hint(self.known_variables(name)));
        }
        Some(template)
    }

    fn expected_texts(&mut self, expect: Option<&Expectations>, span: &Range<usize>) {
        for text in expect.into_iter().flat_map(Expectations::texts) {
            self.template(text, span);
        }
    }

    fn known_variables(&self, wanted: &str) -> String {
        let alike = |known: &&String| strsim::jaro_winkler(wanted, known);
        let nearest = self.known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        match nearest.filter(|nearest| alike(nearest) > 0.8) {
            Some(nearest) => format!("did you mean {{{nearest}}}?"),
            None => {
                let known: Vec<String> = self.known.iter().map(|name| format!("{{{name}}}")).collect();
                format!("an earlier step has to capture it; here there are: {}", known.join(", "))
            }
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
        if self.host.is_none() {
            self.host = url.host_str().map(Arc::from);
        }
        if !self.origins.contains(&url.origin()) {
            self.origins.push(url.origin());
        }
    }

    fn until(&mut self, settings: &At<UntilSettings>) -> Option<Until> {
        let every = settings.every.as_ref().map_or(EVERY, |every| every.0);
        let within = &settings.within;
        if within.0 >= self.context.timeout {
            let run = self.context.timeout;
            let problem = within.problem(format!("the run of {run:?} is over before this wait"));
            self.problems.push(problem.hint("raise the probe's timeout, or wait for less"));
        }
        if let Some(every) = settings.every.as_ref().filter(|every| every.0 > within.0) {
            let problem = every.problem("the time between two looks is longer than the whole wait");
            self.problems.push(problem.hint("look more often, or wait longer"));
        }
        if let Some(late) = settings.late_after.as_ref().filter(|late| late.0 >= within.0) {
            let problem = late.problem("nothing can be late when the wait is over by then");
            self.problems.push(problem.hint("write a shorter time than that of within"));
        }
        let expect = self.take(settings.expect.build_further());
        if expect.as_ref().is_some_and(Expectations::is_empty) {
            let problem = settings.problem("nothing is waited for");
            self.problems.push(problem.hint(
                "write what must hold: expect = { json = [{ path = \"$.status\", equals = \"ringing\" }] }",
            ));
        }
        self.expected_texts(expect.as_ref(), &settings.span);
        let late_after = settings.late_after.as_ref().map(|late| late.0);
        Some(Until { expect: expect?, every, within: within.0, late_after, otherwise: settings.otherwise })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        domain::channel::{ChannelId, ProbeKey, ProbeName},
        probe::transport::{Transport, resolve::Resolver},
        secret::Sources,
    };

    fn draw(toml: &str) -> Result<Built, Vec<Problem>> {
        let settings: JourneySettings = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
        let key = ProbeKey { channel: ChannelId::new("ticket-form"), probe: ProbeName::new("submit") };
        let sources = Sources::new(Path::new("/nowhere"));
        let transport = Transport::new(Resolver::asking(vec![]));
        let timeout = Duration::from_secs(10);
        settings.build(&BuildContext { key: &key, timeout, sources: &sources, transport: &transport })
    }

    /// A journey of one step `first` and what `rest` adds; the texts pointed at, and what is said of each.
    fn problems(rest: &str) -> Vec<(String, String)> {
        let first = r#"{ name = "first", http = { url = "https://shop.example.com/" }, capture = { token = { header = "etag" } } }"#;
        let toml = rest.replace("FIRST", first);
        let problems = draw(&toml).err().unwrap_or_default();
        problems
            .into_iter()
            .map(|problem| {
                assert!(problem.hint.is_some(), "{problem:?}");
                (toml[problem.span.unwrap()].to_owned(), problem.message)
            })
            .collect()
    }

    #[test]
    fn a_journey_knows_its_steps_and_its_host() {
        let built = draw(
            r#"
            steps = [
                { name = "ask", http = { url = "https://shop.example.com/a?x={nonce}" }, capture = { id = { json = "$.id" } } },
                { name = "look", http = { url = "https://api.example.com/{id}", expect = { body = [{ contains = "{nonce}" }] } } },
            ]
            cleanup = [{ name = "cancel", http = { method = "DELETE", url = "{id}" } }]
            "#,
        )
        .unwrap();
        assert_eq!(built.phases, ["ask", "look", "cancel"]);
        assert_eq!(built.host.as_deref(), Some("shop.example.com"));
    }

    /// What is wrong with a second step: the step, the text pointed at, and what is said of it.
    const WRONG_STEPS: [(&str, &str, &str); 14] = [
        (
            r#"http = { url = "https://x.example.com/{tokn}" }"#,
            r#""https://x.example.com/{tokn}""#,
            r#"the variable "tokn" has no value here"#,
        ),
        (
            r#"http = { url = "https://x.example.com/", headers = { x-a = "{later}" } }"#,
            r#""{later}""#,
            r#"the variable "later" has no value here"#,
        ),
        (
            r#"http = { url = "https://{token}.example.com/" }"#,
            r#""https://{token}.example.com/""#,
            "the host of an address must not depend on a variable",
        ),
        (
            r#"http = { url = "https://x.example.com{token}" }"#,
            r#""https://x.example.com{token}""#,
            "the host of an address must not depend on a variable",
        ),
        (
            r#"http = { url = "https://x.example.com:{token}/" }"#,
            r#""https://x.example.com:{token}/""#,
            "not a web address: invalid port number",
        ),
        (
            r#"http = { url = "shop/{token}" }"#,
            r#""shop/{token}""#,
            "not a web address: relative URL without a base",
        ),
        (
            r#"http = { url = "https://x.example.com/{To ken}" }"#,
            r#""https://x.example.com/{To ken}""#,
            r#""{To" begins a variable and does not end as one"#,
        ),
        (
            r#"HTTP, capture = { token = { header = "etag" } }"#,
            r#"{ header = "etag" }"#,
            r#"the variable "token" is defined already"#,
        ),
        (
            r#"HTTP, capture = { nonce = { header = "etag" } }"#,
            r#"{ header = "etag" }"#,
            r#"the variable "nonce" is defined already"#,
        ),
        (
            r#"HTTP, capture = { To = { header = "etag" } }"#,
            r#"{ header = "etag" }"#,
            r#""To" is not the name of a variable"#,
        ),
        (
            r#"HTTP, until = { within = "10s", expect = { status = [200] } }"#,
            r#""10s""#,
            "the run of 10s is over before this wait",
        ),
        (
            r#"HTTP, until = { within = "2s", every = "3s", expect = { status = [200] } }"#,
            r#""3s""#,
            "the time between two looks is longer than the whole wait",
        ),
        (
            r#"HTTP, until = { within = "2s", late_after = "2s", expect = { status = [200] } }"#,
            r#""2s""#,
            "nothing can be late when the wait is over by then",
        ),
        (
            r#"HTTP, until = { within = "2s", expect = {} }"#,
            r#"{ within = "2s", expect = {} }"#,
            "nothing is waited for",
        ),
    ];

    #[test]
    fn what_is_wrong_with_a_step_is_said_where_it_stands() {
        for (step, place, said) in WRONG_STEPS {
            let step = step.replace("HTTP", r#"http = { url = "https://x.example.com/" }"#);
            let found = problems(&format!("steps = [FIRST, {{ name = \"next\", {step} }}]"));
            assert!(found.contains(&(place.to_owned(), said.to_owned())), "{step}\n{found:#?}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_whole_is_said_where_it_stands() {
        for (journey, place, said) in [
            ("steps = []", "[]", "a journey needs steps"),
            ("steps = [FIRST, FIRST]", r#""first""#, "there are two steps named \"first\""),
            (
                "cleanup_timeout = \"10s\"\nsteps = [FIRST]",
                r#""10s""#,
                "the cleanup cannot have the whole run of 10s",
            ),
        ] {
            let found = problems(journey);
            assert!(found.contains(&(place.to_owned(), said.to_owned())), "{journey}\n{found:#?}");
        }
    }

    #[test]
    fn a_name_is_an_id_and_thirty_two_steps_are_enough() {
        let found =
            problems(r#"steps = [{ name = "Not an id", http = { url = "https://x.example.com/" } }]"#);
        assert_eq!(found, [("\"Not an id\"".to_owned(), "\"Not an id\" cannot name a step".to_owned())]);
        let many: Vec<String> = (0..33)
            .map(|at| format!(r#"{{ name = "s{at}", http = {{ url = "https://x.example.com/" }} }}"#))
            .collect();
        let found = problems(&format!("steps = [{}]", many.join(", ")));
        assert_eq!(found[0].1, "33 steps are more than the 32 of a journey");
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let found = problems(
            r#"
            secrets = { key = { file = "nothing" } }
            steps = [
                { name = "a", http = { url = "https://x.example.com/{one}" }, capture = { t = { json = "$", regex = "x" } } },
                { name = "a", http = { url = "https://x.example.com/{two}" } },
            ]
            "#,
        );
        let said: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
        assert_eq!(said.len(), 5, "{said:#?}");
    }

    #[test]
    fn a_slip_in_a_variable_is_met_with_the_nearest_one() {
        let toml = r#"
            steps = [
                { name = "a", http = { url = "https://x.example.com/" }, capture = { token = { header = "etag" } } },
                { name = "b", http = { url = "https://x.example.com/{tokn}" } },
            ]
        "#;
        assert_eq!(draw(toml).unwrap_err()[0].hint.as_deref(), Some("did you mean {token}?"));
    }
}
