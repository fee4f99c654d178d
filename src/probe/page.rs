//! The kind `page`: the entry as it is served, judged without a browser. It fetches the page, reads its HTML, and looks
//! for the entry, for the script that makes it, for words that say that nobody is there, and for the contacts that the
//! page publishes. What only a browser could tell is named in every report and never counted.

mod contacts;
mod entry;
mod settings;
mod style;

use std::sync::Arc;

use http::{HeaderMap, Method, header};
use regex::Regex;
use scraper::{ElementRef, Html, Selector};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::settings::PageSettings;
use self::{
    contacts::{Contacts, Finding, Published},
    entry::{Effort, Entry, Found, Obstacle, text_of},
};
use crate::{
    clock::Clock,
    domain::outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Reason, Stage, Verdict},
    probe::{
        Check, Probe, Report, RunFuture,
        captured::Captured,
        document,
        expect::{Judged, worse},
        jar::Jar,
        request::single::Single,
        timeline::Timeline,
        transport::{
            Answer, Transport,
            fault::Broken,
            prepared::{Prepared, Target},
        },
    },
};

/// The steps of a run that makes several requests, as they stand in phases and failures.
const PAGE: &str = "page";
const SCRIPT: &str = "script";
const CONFIG: &str = "config";

/// How much of what a page says is shown, in characters.
const SHOWN_CHARS: usize = 120;
/// So many links of a page are looked at.
const LINKS_MAX: usize = 5_000;

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
            self.verdict = worse(std::mem::replace(&mut self.verdict, Verdict::Ok), Verdict::Failed(failure));
        }
    }

    fn take(&mut self, judged: Judged) {
        let Judged { checks, mut verdict } = judged;
        if let Verdict::Failed(failure) | Verdict::Degraded(failure) = &mut verdict {
            failure.step.clone_from(&self.step);
        }
        let step = self.step.clone();
        self.checks.extend(checks.into_iter().map(|check| Check { step: step.clone(), ..check }));
        self.verdict = worse(std::mem::replace(&mut self.verdict, Verdict::Ok), verdict);
    }

    /// Names what could not be judged.
    fn leave_open(&mut self, what: &str, why: &str) {
        let step = self.step.clone();
        self.checks.push(Check { step, expectation: what.into(), held: None, seen: Detail::new(why) });
    }

    fn report(self, page: &Answer) -> Report {
        Report {
            verdict: self.verdict,
            certificate_expires_at: page.certificate_expires_at,
            checks: self.checks,
            captured: Captured::default(),
        }
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
        self.verdict = worse(self.verdict, verdict);
        Report { checks: self.checks, ..Report::without_answer(self.verdict) }
    }
}

impl PageProbe {
    async fn look(&self, timeline: &Timeline) -> Report {
        let jar = Jar::default();
        let mut findings = Findings { verdict: Verdict::Ok, checks: Vec::new(), step: None };
        self.enter(PAGE, &mut findings, timeline);
        let answer = match self.transport.exchange(&self.page.prepared, &jar, timeline).await {
            Ok(answer) => answer,
            Err(broken) => return findings.broke(broken, None),
        };
        findings.take(self.page.judge(&answer, self.clock.now()));
        // What stands on an error page is not the entry.
        if matches!(findings.verdict, Verdict::Failed(_)) {
            return findings.report(&answer);
        }
        let script = match document::read(&answer.body, &answer.headers) {
            Ok(page) => self.examine(&page, &answer, &mut findings),
            Err(why) => {
                // A limit of ours is no fault of the page.
                let (reason, detail) = (InconclusiveReason::MonitorLocal, Detail::new(&why));
                return Report::without_answer(Verdict::Inconclusive(Inconclusive { reason, detail }));
            }
        };
        if matches!(findings.verdict, Verdict::Failed(_)) {
            return findings.report(&answer);
        }
        if let Some(url) = script {
            self.enter(SCRIPT, &mut findings, timeline);
            timeline.on_deadline(Reason::Missing);
            if let Err(broken) = self.load(url, &answer, &jar, timeline, &mut findings).await {
                return findings.broke(broken, Some(Reason::Missing));
            }
        }
        if let Some(config) = &self.config {
            self.enter(CONFIG, &mut findings, timeline);
            match self.transport.exchange(&config.prepared, &jar, timeline).await {
                Ok(answer) => {
                    findings.take(config.judge(&answer, self.clock.now()));
                }
                Err(broken) => return findings.broke(broken, None),
            }
        }
        findings.report(&answer)
    }

    /// A run of one request has no steps.
    fn enter(&self, step: &str, findings: &mut Findings, timeline: &Timeline) {
        if self.script.is_some() || self.config.is_some() {
            let step: Arc<str> = step.into();
            timeline.enter_step(Arc::clone(&step));
            findings.step = Some(step);
        }
    }

    /// Judges what the page says; gives the address of the script that is to be loaded.
    fn examine(&self, page: &Html, answer: &Answer, findings: &mut Findings) -> Option<Url> {
        let base = base_of(page, &answer.url);
        let found = self.entry.as_ref().and_then(|entry| entry.find(page));
        self.judge_closed(page, found.as_ref(), findings);
        let script = self.script.as_ref().and_then(|script| judge_script(script, page, &base, findings));
        self.judge_entry(found.as_ref(), findings);
        if !self.contacts.is_empty() {
            let (text, links) = (text_of(page.root_element(), &Effort::default()), links(page, &base));
            for finding in self.contacts.check(&Published { text: &text, links: &links }) {
                let Finding { words, held, seen } = finding;
                let detail = format!("expected {words}, the page has {seen}");
                let obstacle = (!held).then(|| Obstacle::new(Reason::Content, detail));
                findings.note(words, &seen, obstacle);
            }
        }
        script
    }

    /// Words that say that nobody is there: in the entry, or where none is looked for, anywhere.
    fn judge_closed(&self, page: &Html, found: Option<&Found>, findings: &mut Findings) {
        if self.closed.is_empty() {
            return;
        }
        let text = match found {
            Some(found) => found.text.clone(),
            None => text_of(page.root_element(), &Effort::default()),
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
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
        url: Url,
        page: &Answer,
        jar: &Jar,
        timeline: &Timeline,
        findings: &mut Findings,
    ) -> Result<(), Broken> {
        let broken =
            |why: &str| Broken::failed(Stage::Send, Reason::PolicyBlocked, format_args!("{url}: {why}"));
        if page.url.scheme() == "https" && url.scheme() == "http" {
            return Err(broken("a browser loads no script over http into a page over https"));
        }
        let target = Target::of(url.clone()).map_err(|why| broken(&why))?;
        let own = |(name, _): &(&http::HeaderName, &http::HeaderValue)| {
            [header::USER_AGENT, header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE]
                .contains(name)
        };
        let headers: HeaderMap = self
            .page
            .prepared
            .headers
            .iter()
            .filter(own)
            .filter(|(_, value)| !value.is_sensitive())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let prepared = Prepared {
            method: Method::GET,
            target: target.into(),
            headers,
            body: bytes::Bytes::new(),
            body_is_secret: false,
            route: Arc::clone(&self.page.prepared.route),
        };
        let answer = self.transport.exchange_for(page.home, &prepared, jar, timeline).await?;
        let kind =
            answer.headers.get(header::CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
        let (cause, why) = if !answer.status.is_success() {
            (Some(Reason::Status), format!("answered {}", answer.status))
        } else if answer.body.is_empty() {
            (Some(Reason::Content), "is empty".to_owned())
        } else if kind.as_ref().is_some_and(|kind| !is_script(kind)) {
            (Some(Reason::Content), format!("is of type {}", kind.unwrap_or_default()))
        } else {
            (None, format!("{} bytes", answer.body.len()))
        };
        let obstacle = cause.map(|cause| Obstacle {
            cause: Some(cause),
            ..Obstacle::new(Reason::Missing, format!("the script {url} that makes the entry {why}"))
        });
        findings.note("a script that loads", &why, obstacle);
        Ok(())
    }
}

/// The script of which the address has this part; none is an obstacle.
fn judge_script(script: &Script, page: &Html, base: &Url, findings: &mut Findings) -> Option<Url> {
    let scripts = Selector::parse("script[src]").expect("a selector of ours is one");
    let mut sources = page.select(&scripts).filter_map(|tag| base.join(tag.attr("src")?.trim()).ok());
    let words = format!("a script from {:?}", script.src);
    match sources.find(|source| source.as_str().contains(&script.src)) {
        Some(source) => {
            findings.note(words, "", None);
            Some(source)
        }
        None => {
            let detail = format!("expected {words}, and the page has none");
            findings.note(words, "none", Some(Obstacle::new(Reason::Missing, detail)));
            None
        }
    }
}

/// What relative addresses of a page are relative to.
fn base_of(page: &Html, url: &Url) -> Url {
    let base = Selector::parse("base[href]").expect("a selector of ours is one");
    let href = page.select(&base).next().and_then(|base| base.attr("href"));
    href.and_then(|href| url.join(href).ok()).unwrap_or_else(|| url.clone())
}

fn links(page: &Html, base: &Url) -> Vec<Url> {
    let links = Selector::parse("a[href], area[href]").expect("a selector of ours is one");
    let target = |link: ElementRef<'_>| base.join(link.attr("href")?.trim()).ok();
    page.select(&links).take(LINKS_MAX).filter_map(target).collect()
}

/// Whether a browser runs what has this media type (HTML, 4.12.1; WHATWG MIME Sniffing, 4.6).
fn is_script(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty()
        || ["javascript", "ecmascript", "jscript", "livescript"].iter().any(|word| essence.contains(word))
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl Probe for PageProbe {
    fn run<'a>(&'a self, timeline: &'a Timeline, _: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(self.look(timeline))
    }
}
