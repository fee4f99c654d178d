//! From the settings of a browser probe to the probe: all that can be wrong with it besides what a page does is found
//! here, and all of it at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    BrowserProbe,
    settings::{
        BrowserSettings, ExpectSettings, ReachSettings, Selector, StepSettings, TalkSettings, TargetSettings,
        WindowSettings,
    },
    step::{Action, Element, Expectation, Reach, Spot, Step, Talk},
};
use crate::{
    domain::contact::Responder,
    probe::{
        asks::{self, Asks},
        chromium::{look::Target, not_installed, visit::Device},
        conversation::script::{Script, ScriptSettings, asks_too_often},
        settings::{BuildContext, Built},
        steps::{self, Names, StepsBudget},
    },
    secret::MaybeSecret,
    setting::{At, Problem, Span},
};

/// How long a step may take that does not say.
const WITHIN: Duration = Duration::from_secs(5);
/// How long a page may take to open where nothing is said.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long a way to a person may take where nothing is said.
const REACH_WITHIN: Duration = Duration::from_secs(20);
/// How many clicks are tried on it where nothing is said, and at most.
const CLICKS: u16 = 10;
const CLICKS_MAX: u16 = 20;
/// The sizes that a window can have, in CSS pixels.
const WINDOW: std::ops::RangeInclusive<u32> = 100..=4_000;

const ACTIONS: &str = "open, click, type, press, select, upload, wait_for, expect, talk, reach";

/// Checks the whole probe.
pub(super) fn draw(at: &At<BrowserSettings>, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
    let mut blueprint =
        Blueprint { context, problems: Vec::new(), warnings: Vec::new(), names: Names::default() };
    let steps = blueprint.steps(&at.steps);
    let device = blueprint.device(at);
    if let Some(persona) = context.persona.filter(|persona| persona.has_headers()) {
        // A browser would send them to every host from which a page loads anything.
        let message =
            format!("a browser brings the cookies and the language of {:?}, and no headers", persona.id);
        let problem = at.steps.problem(message);
        blueprint.problems.push(problem.hint("log in by a cookie, or take a persona without headers"));
    }
    if !blueprint.problems.is_empty() {
        return Err(blueprint.problems);
    }
    let addresses = at.steps.iter().filter_map(|step| step.open.as_ref());
    let hosts: BTreeSet<Arc<str>> = addresses.filter_map(|url| url.0.host_str()).map(Arc::from).collect();
    let mut warnings = blueprint.warnings;
    warnings.extend((!context.chromium.is_installed()).then(|| not_installed(at.span.clone())));
    let phases = steps.iter().flat_map(Step::names).map(|name| (**name).into()).collect();
    let talks: Vec<&Script> = steps.iter().filter_map(Step::script).collect();
    let responders: BTreeSet<Responder> = talks.iter().flat_map(|script| script.responders()).collect();
    let counts_steps =
        steps.iter().any(|step| step.reaches_person || matches!(step.action, Action::Reach(_)))
            || talks.iter().any(|script| script.asks_people());
    let responders = responders.into_iter().collect();
    let probe = BrowserProbe {
        chromium: Arc::clone(context.chromium),
        timeout: context.timeout,
        device: Arc::new(device),
        closed: at.closed.iter().map(|pattern| pattern.0.clone()).collect(),
        steps,
        persona: context
            .persona
            .cloned()
            .zip(at.steps.iter().find_map(|step| Some(step.open.as_ref()?.0.clone()))),
        budget: StepsBudget::of(at.steps_max),
    };
    Ok(Built {
        responders,
        counts_steps,
        hosts: hosts.into_iter().collect(),
        phases,
        warnings,
        ..Built::of(Arc::new(probe))
    })
}

struct Blueprint<'a> {
    context: &'a BuildContext<'a>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    names: Names,
}

impl Blueprint<'_> {
    fn steps(&mut self, settings: &At<Vec<At<StepSettings>>>) -> Vec<Step> {
        let example = "{ name = \"open\", open = \"https://...\" }";
        self.problems.extend(steps::count(settings, 0, "browser", example));
        if let Some(first) = settings.first().filter(|first| first.open.is_none()) {
            let problem = first.name.problem("there is no page yet");
            self.problems.push(problem.hint("begin with a step that opens one: open = \"https://...\""));
        }
        settings.iter().filter_map(|step| self.step(step)).collect()
    }

    fn step(&mut self, settings: &At<StepSettings>) -> Option<Step> {
        self.problems.extend(self.names.take(&settings.name));
        let otherwise = match (&settings.open, &settings.reach) {
            (Some(_), _) => OPEN_WITHIN,
            (_, Some(_)) => REACH_WITHIN,
            _ => WITHIN,
        };
        let within = settings.within.as_ref().map_or(otherwise.min(self.context.timeout), |within| within.0);
        if let Some(within) = settings.within.as_ref().filter(|within| within.0 > self.context.timeout) {
            let run = Span(self.context.timeout);
            let problem = within.problem(format!("the run is over after {run}"));
            self.problems.push(problem.hint("raise the probe's timeout, or wait a shorter time"));
        }
        if let Some(late) = settings.late_after.as_ref().filter(|late| late.0 >= within) {
            let problem = late.problem("nothing can be late when the step is over by then");
            self.problems.push(problem.hint("write a shorter time than that of within"));
        }
        if let Some(opens) = settings.opens.as_ref().filter(|_| settings.click.is_none()) {
            let problem = opens.problem("nothing is clicked that could open it");
            self.problems.push(problem.hint("add click = \"#chat\", or write wait_for"));
        }
        if settings.optional && settings.click.is_none() {
            let problem = settings.name.problem("only a click can be optional");
            self.problems.push(problem.hint("leave optional out, or make a click of it"));
        }
        let action = self.action(settings)?;
        Some(Step {
            name: settings.name.as_str().into(),
            action,
            within,
            late_after: settings.late_after.as_ref().map(|late| late.0),
            is_optional: settings.optional,
            otherwise: settings.otherwise,
            has_picture: settings.screenshot,
            reaches_person: settings.reaches_person,
        })
    }

    /// The one thing that a step does.
    fn action(&mut self, settings: &At<StepSettings>) -> Option<Action> {
        let before = self.problems.len();
        let open = settings.open.as_ref().map(|url| Action::Open(url.0.clone()));
        let click = settings.click.as_ref().map(|on| Action::Click {
            on: spot(on),
            opens: settings.opens.as_ref().map(|opens| spot(&opens.value)),
        });
        let writes =
            settings.writes.as_ref().and_then(|writes| match self.context.sources.text(&writes.text) {
                Ok(text) => {
                    let is_secret = matches!(writes.text.value, MaybeSecret::Secret(_));
                    Some(Action::Type { into: spot(&writes.into), text, is_secret })
                }
                Err(problem) => {
                    self.problems.push(problem);
                    None
                }
            });
        let press = settings.press.map(Action::Press);
        let select = settings
            .select
            .as_ref()
            .map(|select| Action::Select { from: spot(&select.from), option: select.option.as_str().into() });
        let upload = settings.upload.as_ref().and_then(|upload| {
            // Read only to say now what is wrong with it; the browser reads it anew.
            if let Err(problem) = self.context.sources.file(&upload.file) {
                self.problems.push(problem);
            }
            let file = std::path::absolute(self.context.sources.resolve(&upload.file)).ok()?;
            Some(Action::Upload { into: spot(&upload.into), file: file.to_str()?.into() })
        });
        let wait_for = settings.wait_for.as_ref().map(|target| Action::WaitFor(spot(target)));
        let expect = settings.expect.as_ref().map(|expect| Action::Expect(self.expectation(expect)));
        let talk = settings.talk.as_ref().map(|talk| Action::Talk(Box::new(self.talk(talk))));
        let reach = settings.reach.as_ref().map(|reach| Action::Reach(Box::new(self.reach(reach))));
        let mut actions =
            [open, click, writes, press, select, upload, wait_for, expect, talk, reach].into_iter().flatten();
        match (actions.next(), actions.next()) {
            (Some(action), None) => Some(action),
            (None, _) => {
                if self.problems.len() == before {
                    let problem = settings.problem("this step does nothing");
                    self.problems.push(problem.hint(format!("add one of {ACTIONS}")));
                }
                None
            }
            (Some(_), Some(_)) => {
                let problem = settings.name.problem("a step does one thing");
                self.problems.push(problem.hint(format!("make a step of its own of each: {ACTIONS}")));
                None
            }
        }
    }

    fn talk(&mut self, settings: &TalkSettings) -> Talk {
        // Beside its turns stands at least the step that opens the page.
        let script = ScriptSettings { steps: &settings.steps, signs: &settings.signs, others: 1 };
        let asks_per_day = settings.asks_per_day_max.as_ref().map_or(asks::PER_DAY, |most| most.get().into());
        let script = Script::draw(script, self.context, &mut self.names, &mut self.problems);
        if script.asks_people() {
            let most = settings.asks_per_day_max.as_ref().map(|most| &most.span);
            let span = most.unwrap_or(&settings.steps.span).clone();
            self.warnings.extend(asks_too_often(self.context.every, asks_per_day, span));
        }
        Talk {
            into: spot(&settings.into),
            send: settings.send.as_ref().map(spot),
            messages: spot(&settings.message),
            leave: settings.leave.as_ref().map(spot),
            script,
            asks: Asks::new(asks_per_day),
        }
    }

    fn reach(&mut self, settings: &At<ReachSettings>) -> Reach {
        if settings.by.is_empty() {
            let problem = settings.by.problem("it is not said what is clicked on the way");
            self.problems
                .push(problem.hint("write such as by = [{ text = \"Help\" }, { text = \"Contact us\" }]"));
        }
        let clicks_max = settings.clicks_max.as_ref().map_or(CLICKS, |most| most.get());
        if let Some(most) = settings.clicks_max.as_ref().filter(|most| most.get() > CLICKS_MAX) {
            let problem = most.problem(format!("no customer clicks more than {CLICKS_MAX} times"));
            self.problems.push(problem.hint(format!("write {CLICKS_MAX} or less")));
        }
        Reach { person: spot(&settings.person), by: settings.by.iter().map(spot).collect(), clicks_max }
    }

    fn expectation(&mut self, at: &At<ExpectSettings>) -> Expectation {
        let has_detail = at.matches.is_some()
            || at.not_matches.is_some()
            || at.attribute.is_some()
            || at.count.is_some()
            || at.hidden;
        if at.element.is_none() && has_detail {
            let problem = at.problem("it does not say of which element this is expected");
            self.problems.push(problem.hint("add element = \"#panel\""));
        } else if at.element.is_none() && at.url.is_none() && !at.no_errors && at.request.is_none() {
            let problem = at.problem("nothing is expected");
            self.problems.push(problem.hint("add element = \"#panel\", url, no_errors or request"));
        }
        if at.hidden && (at.matches.is_some() || at.attribute.is_some() || at.count.is_some()) {
            let problem = at.problem("what is not seen cannot be looked at more closely");
            self.problems.push(problem.hint("leave hidden out, or all but element and hidden"));
        }
        let element = at.element.as_ref().map(|element| Element {
            spot: spot(element),
            matches: at.matches.as_ref().map(|pattern| pattern.0.clone()),
            not_matches: at.not_matches.as_ref().map(|pattern| pattern.0.clone()),
            attribute: at
                .attribute
                .as_ref()
                .map(|attribute| (attribute.name.as_str().into(), attribute.matches.0.clone())),
            count: at.count,
            is_hidden: at.hidden,
        });
        Expectation {
            element,
            url: at.url.as_ref().map(|pattern| pattern.0.clone()),
            no_errors: at.no_errors,
            request: at.request.as_ref().map(|request| (request.url.0.clone(), request.status)),
        }
    }

    fn device(&mut self, at: &At<BrowserSettings>) -> Device {
        if let Some(window) = &at.window
            && !(WINDOW.contains(&window.width) && WINDOW.contains(&window.height))
        {
            let (least, most) = (WINDOW.start(), WINDOW.end());
            let problem = window.problem(format!("a window has from {least} to {most} pixels each way"));
            self.problems.push(problem.hint("write such as { width = 1280, height = 800 }"));
        }
        if let Some(zone) = at.time_zone.as_ref().filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
            let problem = zone.problem(format!("{:?} is not a time zone", zone.value));
            self.problems.push(problem.hint("write one of the IANA database, such as \"Europe/Berlin\""));
        }
        if let Some(agent) = &at.user_agent
            && !agent.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        {
            let problem = agent.problem("a browser cannot call itself so");
            self.problems.push(problem.hint("write plain ASCII without line breaks"));
        }
        let (width, height) = if at.mobile { (390, 844) } else { (1280, 800) };
        let window = at.window.as_ref().map_or(WindowSettings { width, height }, |window| window.value);
        Device {
            width: window.width,
            height: window.height,
            is_mobile: at.mobile,
            scale: if at.mobile { 2.0 } else { 1.0 },
            is_dark: at.dark,
            locale: at
                .locale
                .as_ref()
                .map(|locale| locale.0.as_str().into())
                .or_else(|| self.context.persona.and_then(|persona| persona.locale.clone())),
            time_zone: at.time_zone.as_ref().map(|zone| zone.as_str().into()),
            user_agent: at.user_agent.as_ref().map(|agent| agent.as_str().into()),
        }
    }
}

fn spot(settings: &TargetSettings) -> Spot {
    let css = |selector: &Selector| Arc::from(selector.0.as_str());
    let target =
        Target { css: settings.css.as_ref().map(css), text: settings.text.as_deref().map(Arc::from) };
    let frames = settings.frame.iter().map(|frame| Target { css: Some(css(frame)), text: None }).collect();
    Spot { frames, target }
}
