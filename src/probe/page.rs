//! The kind `page`: the entry as it is served, judged without a browser. It fetches the page, reads its HTML, and looks
//! for the entry, for the script that makes it, for words that say that nobody is there, and for the contacts that the
//! page publishes. What only a browser could tell is named in every report and never counted.

mod contacts;
mod entry;
mod settings;
mod style;
mod text;

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, USER_AGENT,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use regex::Regex;
use scraper::{Html, Selector};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::settings::PageSettings;
use self::{
    contacts::{Contacts, Finding, Published},
    entry::{Entry, Found, Obstacle},
    text::{Effort, text_of},
};
use crate::{
    clock::Clock,
    domain::outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Reason, Stage, Verdict},
    probe::{
        Check, Probe, Report, RunFuture, document,
        exhibits::Asked,
        expect::{Judged, excerpt, worse},
        jar::Jar,
        persona::Persona,
        request::single::Single,
        timeline::Timeline,
        transport::{
            Answer, Transport,
            fault::Broken,
            prepared::{Prepared, Target},
            shown,
        },
    },
};

/// The steps of a run that makes several requests, as they stand in phases and failures.
const PAGE: &str = "page";
const SCRIPT: &str = "script";
const CONFIG: &str = "config";

/// Longer addresses in a page are not made for customers.
const ADDRESS_LEN_MAX: usize = 2_048;
/// What a browser sends with the page and with its scripts; nothing else is meant for both.
const GOES_ALONG: [HeaderName; 4] = [USER_AGENT, ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE];

/// What stands in a report beside what was judged.
const ONLY_A_BROWSER: &str = "whether style sheets or scripts hide, cover or disable it needs a browser";

/// A probe of the kind `page`.
#[derive(Debug)]
struct PageProbe {
    transport: Arc<Transport>,
    clock: Clock,
    page: Single,
    /// The vendor's settings of the widget.
    config: Option<Single>,
    entry: Option<Entry>,
    script: Option<Script>,
    closed: Vec<Regex>,
    contacts: Contacts,
    persona: Option<Arc<Persona>>,
}

/// The script that makes the entry.
#[derive(Debug)]
struct Script {
    /// A part of its address.
    src: String,
}

/// What a run has found so far.
struct Findings {
    verdict: Verdict,
    checks: Vec<Check>,
    /// The step under way, where there are several.
    step: Option<Arc<str>>,
}

impl Findings {
    fn note(&mut self, expectation: impl Into<Arc<str>>, seen: &str, obstacle: Option<Obstacle>) {
        let held = Some(obstacle.is_none());
        let check =
            Check { step: self.step.clone(), expectation: expectation.into(), held, seen: Detail::new(seen) };
        self.checks.push(check);
        if let Some(Obstacle { reason, cause, detail }) = obstacle {
            let (step, detail) = (self.step.clone(), Detail::new(&detail));
            let failure = Failure { stage: Stage::Expect, step, reason, cause, detail };
            self.worsen(Verdict::Failed(failure));
        }
    }

    fn worsen(&mut self, next: Verdict) {
        self.verdict = worse(std::mem::replace(&mut self.verdict, Verdict::Ok), next);
    }

    fn take(&mut self, judged: Judged) {
        let Judged { checks, mut verdict } = judged;
        if let Verdict::Failed(failure) | Verdict::Degraded(failure) = &mut verdict {
            failure.step.clone_from(&self.step);
        }
        let step = self.step.clone();
        self.checks.extend(checks.into_iter().map(|check| Check { step: step.clone(), ..check }));
        self.worsen(verdict);
    }

    /// Names what could not be judged.
    fn leave_open(&mut self, what: &str, why: &str) {
        let step = self.step.clone();
        self.checks.push(Check { step, expectation: what.into(), held: None, seen: Detail::new(why) });
    }

    fn report(self, asked: &Prepared, page: &Answer) -> Report {
        let certificate_expires_at = page.certificate_expires_at;
        let kept = (self.verdict != Verdict::Ok).then(|| Asked::of(asked).answered(Some(page)));
        let (checks, exhibits) = (self.checks, kept.into_iter().collect());
        Report { certificate_expires_at, checks, exhibits, ..Report::without_answer(self.verdict) }
    }

    /// A request has had no answer; to a customer that means `meaning`, if it is not the page itself.
    fn broke(mut self, broken: Broken, meaning: Option<Reason>) -> Report {
        let mut verdict = Verdict::from(broken);
        if let Verdict::Failed(failure) = &mut verdict {
            failure.step.clone_from(&self.step);
            if let Some(meaning) = meaning {
                failure.cause = Some(failure.cause.unwrap_or(failure.reason));
                failure.reason = meaning;
            }
        }
        self.worsen(verdict);
        Report { checks: self.checks, ..Report::without_answer(self.verdict) }
    }
}

impl PageProbe {
    /// Looks as a persona, whose session it may have to begin.
    async fn look_as(&self, persona: &Persona, timeline: &Timeline, stop: &CancellationToken) -> Report {
        let session = match persona.session(timeline, stop).await {
            Ok(session) => session,
            Err(failed) => return failed.report(),
        };
        let dressed = |single: &Single| session.dress(&single.prepared, persona.locale.as_deref());
        let (page, config) = (dressed(&self.page), self.config.as_ref().map(dressed));
        let report = self.look(&page, config.as_ref(), session.jar(), timeline).await;
        if matches!(report.verdict, Verdict::Failed(_)) {
            session.distrust();
        }
        Report { captured: session.captured.clone(), ..report }
    }

    async fn look(
        &self,
        page: &Prepared,
        config_request: Option<&Prepared>,
        jar: Jar,
        timeline: &Timeline,
    ) -> Report {
        let mut findings = Findings { verdict: Verdict::Ok, checks: Vec::new(), step: None };
        self.enter(PAGE, &mut findings, timeline);
        let answer = match self.transport.exchange(page, &jar, timeline).await {
            Ok(answer) => answer,
            Err(broken) => return findings.broke(broken, None),
        };
        findings.take(self.page.judge(&answer, self.clock.now()));
        // What stands on an error page is not the entry.
        if matches!(findings.verdict, Verdict::Failed(_)) {
            return findings.report(page, &answer);
        }
        let effort = Effort::default();
        let read = document::read(&answer.body, &answer.headers);
        let examined = read.map(|html| self.examine(&html, &answer, &effort, &mut findings));
        let tag = match examined {
            Ok(tag) if !effort.is_spent() => tag,
            // A limit of ours is no fault of the page.
            Ok(_) => return given_up("the page holds more than is searched"),
            Err(why) => return given_up(&why),
        };
        if matches!(findings.verdict, Verdict::Failed(_)) {
            return findings.report(page, &answer);
        }
        if let Some(tag) = tag {
            self.enter(SCRIPT, &mut findings, timeline);
            timeline.on_deadline(Reason::Missing);
            if let Err(broken) = self.load(tag, &answer, &jar, timeline, &mut findings).await {
                return findings.broke(broken, Some(Reason::Missing));
            }
        }
        if let (Some(config), Some(request)) = (&self.config, config_request) {
            self.enter(CONFIG, &mut findings, timeline);
            match self.transport.exchange(request, &jar, timeline).await {
                Ok(answer) => {
                    findings.take(config.judge(&answer, self.clock.now()));
                }
                Err(broken) => return findings.broke(broken, None),
            }
        }
        findings.report(page, &answer)
    }

    /// A run of one request has no steps.
    fn enter(&self, step: &str, findings: &mut Findings, timeline: &Timeline) {
        if self.script.is_some() || self.config.is_some() {
            let step: Arc<str> = step.into();
            timeline.enter_step(Arc::clone(&step));
            findings.step = Some(step);
        }
    }

    /// Judges what the page says; gives the script that is to be loaded.
    fn examine(
        &self,
        page: &Html,
        answer: &Answer,
        effort: &Effort,
        findings: &mut Findings,
    ) -> Option<ScriptTag> {
        let base = base_of(page, &answer.url);
        let found = self.entry.as_ref().and_then(|entry| entry.find(page, effort));
        self.judge_closed(page, found.as_ref(), effort, findings);
        let tag = self.script.as_ref().and_then(|script| script.judge(page, &base, effort, findings));
        self.judge_entry(found.as_ref(), findings);
        if !self.contacts.is_empty() {
            let (text, links) = (text_of(page.root_element(), effort), links(page, &base, effort));
            for finding in self.contacts.check(&Published { text: &text, links: &links }, effort) {
                let Finding { words, held, seen } = finding;
                let detail = format!("expected {words}, the page has {seen}");
                let obstacle = (!held).then(|| Obstacle::new(Reason::Content, detail));
                findings.note(words, &seen, obstacle);
            }
        }
        tag.map(|tag| tag.upgraded(page, answer))
    }

    /// Words that say that nobody is there: in the entry, or where none is looked for, anywhere.
    fn judge_closed(&self, page: &Html, found: Option<&Found>, effort: &Effort, findings: &mut Findings) {
        let text = match (found, &self.entry) {
            _ if self.closed.is_empty() => return,
            (Some(found), _) => found.text.clone(),
            (None, None) => text_of(page.root_element(), effort),
            (None, Some(_)) => {
                return findings
                    .leave_open("that the entry does not say it is closed", "it is not in the HTML");
            }
        };
        for pattern in &self.closed {
            let said = pattern.find(&text).map(|said| excerpt(said.as_str()));
            let obstacle =
                said.as_ref().map(|said| Obstacle::new(Reason::Closed, format!("the page says {said:?}")));
            findings.note(
                format!("nothing that matches {pattern}"),
                said.as_deref().unwrap_or_default(),
                obstacle,
            );
        }
    }

    fn judge_entry(&self, found: Option<&Found>, findings: &mut Findings) {
        let Some(entry) = &self.entry else { return };
        match found {
            Some(found) => {
                let obstacle = found.obstacle.clone();
                let is_clear = obstacle.is_none();
                findings.note(&*entry.words, &found.shown, obstacle);
                if is_clear {
                    findings.leave_open("that it is seen and can be clicked", ONLY_A_BROWSER);
                }
            }
            None if self.script.is_some() => {
                findings.leave_open(&entry.words, "a script makes it, and that needs a browser");
            }
            None => {
                let detail =
                    format!("expected {}, and there is none on the page as it is served", entry.words);
                findings.note(&*entry.words, "none", Some(Obstacle::new(Reason::Missing, detail)));
            }
        }
    }

    /// Loads the script as a browser would: without what is meant for the page alone, and from no address that the page
    /// may not send us to.
    async fn load(
        &self,
        tag: ScriptTag,
        page: &Answer,
        jar: &Jar,
        timeline: &Timeline,
        findings: &mut Findings,
    ) -> Result<(), Broken> {
        let asked = &self.page.prepared;
        let target = Target::of(tag.url.clone()).map_err(|why| {
            Broken::failed(Stage::Send, Reason::PolicyBlocked, format_args!("{}: {why}", shown(&tag.url)))
        })?;
        let goes_along =
            |(name, value): &(&HeaderName, &HeaderValue)| GOES_ALONG.contains(name) && !value.is_sensitive();
        let headers = asked.headers.iter().filter(goes_along);
        let prepared = Prepared {
            method: Method::GET,
            target: target.into(),
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: Bytes::new(),
            body_is_secret: false,
            route: Arc::clone(&asked.route),
        };
        let answer =
            self.transport.exchange_within(page, &asked.target.url, &prepared, jar, timeline).await?;
        let kind = answer.headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
        let kind = kind.unwrap_or_default();
        let is_strict = tag.is_module || answer.headers.contains_key(X_CONTENT_TYPE_OPTIONS);
        let (cause, why) = if !answer.status.is_success() {
            (Some(Reason::Status), format!("answered {}", answer.status))
        } else if answer.body.is_empty() {
            (Some(Reason::Content), "is empty".to_owned())
        } else if !is_run(&kind, is_strict) {
            (Some(Reason::Content), format!("is of the type {kind:?}"))
        } else {
            (None, format!("{} bytes", answer.body.len()))
        };
        let obstacle = cause.map(|cause| Obstacle {
            cause: Some(cause),
            ..Obstacle::new(
                Reason::Missing,
                format!("the script {} that makes the entry {why}", shown(&tag.url)),
            )
        });
        findings.note("a script that loads", &why, obstacle);
        Ok(())
    }
}

/// A run that has met a limit of ours.
fn given_up(why: &str) -> Report {
    let (reason, detail) = (InconclusiveReason::MonitorLocal, Detail::new(why));
    Report::without_answer(Verdict::Inconclusive(Inconclusive { reason, detail }))
}

/// A script of a page.
struct ScriptTag {
    url: Url,
    is_module: bool,
}

impl ScriptTag {
    /// A page over https may ask a browser to load all it needs over https too.
    fn upgraded(mut self, page: &Html, answer: &Answer) -> Self {
        if (answer.url.scheme(), self.url.scheme()) == ("https", "http") && asks_to_upgrade(page, answer) {
            // It fails only between schemes of which one is not for the web.
            let _changed = self.url.set_scheme("https");
        }
        self
    }
}

/// Whether the policy of a page, in its header or in itself, has insecure requests upgraded.
fn asks_to_upgrade(page: &Html, answer: &Answer) -> bool {
    let metas = Selector::parse("meta[http-equiv=content-security-policy i][content]");
    let metas = metas.expect("a selector of ours is one");
    let by_page = page.select(&metas).filter_map(|meta| meta.attr("content"));
    let by_header = answer.headers.get_all(CONTENT_SECURITY_POLICY).iter();
    let mut policies = by_header.filter_map(|policy| policy.to_str().ok()).chain(by_page);
    policies.any(|policy| policy.to_ascii_lowercase().contains("upgrade-insecure-requests"))
}

impl Script {
    /// The tag of which the address has this part; none is an obstacle.
    fn judge(&self, page: &Html, base: &Url, effort: &Effort, findings: &mut Findings) -> Option<ScriptTag> {
        let tags = Selector::parse("script[src]").expect("a selector of ours is one");
        let mut tags = page.select(&tags).filter_map(|tag| {
            let is_module = tag.attr("type").is_some_and(|kind| kind.eq_ignore_ascii_case("module"));
            Some(ScriptTag { url: joined(base, tag.attr("src")?, effort)?, is_module })
        });
        let words = format!("a script from {:?}", self.src);
        let found = tags.find(|tag| tag.url.as_str().contains(&self.src));
        let obstacle = found
            .is_none()
            .then(|| Obstacle::new(Reason::Missing, format!("expected {words}, and the page has none")));
        findings.note(words, if found.is_some() { "" } else { "none" }, obstacle);
        found
    }
}

/// What relative addresses of a page are relative to.
fn base_of(page: &Html, url: &Url) -> Url {
    let base = Selector::parse("base[href]").expect("a selector of ours is one");
    let href = page.select(&base).next().and_then(|base| base.attr("href"));
    let href = href.filter(|href| href.len() <= ADDRESS_LEN_MAX);
    href.and_then(|href| url.join(href).ok()).unwrap_or_else(|| url.clone())
}

/// An address of a page, whole; none where it is none, or where the effort is spent.
fn joined(base: &Url, address: &str, effort: &Effort) -> Option<Url> {
    let address = address.trim();
    let is_meant = address.len() <= ADDRESS_LEN_MAX && effort.spend(base.as_str().len() + address.len());
    is_meant.then(|| base.join(address).ok())?
}

fn links(page: &Html, base: &Url, effort: &Effort) -> Vec<Url> {
    let links = Selector::parse("a[href], area[href]").expect("a selector of ours is one");
    page.select(&links).filter_map(|link| joined(base, link.attr("href")?, effort)).collect()
}

/// Whether a browser runs a script of this media type (HTML, 4.12.1; Fetch, 2.9). An error page is none.
fn is_run(kind: &str, is_strict: bool) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_named =
        ["javascript", "ecmascript", "jscript", "livescript"].iter().any(|word| essence.contains(word));
    let is_other = ["text/html", "text/csv", "image/", "audio/", "video/"]
        .iter()
        .any(|other| essence.starts_with(other));
    is_named || (!is_strict && !is_other)
}

impl Probe for PageProbe {
    fn run<'a>(&'a self, timeline: &'a Timeline, stop: &'a CancellationToken) -> RunFuture<'a> {
        match &self.persona {
            Some(persona) => Box::pin(self.look_as(persona, timeline, stop)),
            None => {
                let config = self.config.as_ref().map(|config| &config.prepared);
                Box::pin(self.look(&self.page.prepared, config, Jar::default(), timeline))
            }
        }
    }
}
