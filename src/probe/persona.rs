//! As whom a run is made: a guest, a new account, an old one. A persona brings headers and cookies, and may log in first:
//! by steps as a journey has them, whose session serves the runs that follow until it is to be renewed.
//!
//! Nobody waits for another's login: two runs that find no session both log in, and the session that was begun last stays.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_LANGUAGE, COOKIE},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::outcome::{Reason, Stage},
    probe::{
        Report,
        captured::Captured,
        jar::Jar,
        request::{draft::Text, header_value},
        run::out_of_time,
        settings::BuildContext,
        steps,
        timeline::Timeline,
        transport::{fault::Broken, prepared::Prepared},
        walk::{
            Walk, Way,
            blueprint::{Blueprint, Drawn},
            step::{Step, StepSettings, Wording},
        },
    },
    secret::{MaybeSecret, Secret, SecretRef},
    setting::{At, HeaderName, Locale, Problem, Span},
};

/// The persona that every configuration has: nobody in particular.
pub const GUEST: &str = "guest";

/// How long a session serves where nothing is said.
const RENEW_AFTER: Duration = Duration::from_secs(30 * 60);

/// How long a login goes on at most. A run with more time than this would else spend it on a target that stays silent.
pub const LOGIN_MAX: Duration = Duration::from_secs(60);

/// `[persona.ID]`: as whom runs are made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { headers = { x-account = \"new\" } }")]
pub struct PersonaSettings {
    /// Headers of every request, in place of the probe's own of that name. A value may be a secret, or have a variable
    /// that the login has captured: "Bearer {token}".
    #[serde(default)]
    headers: BTreeMap<HeaderName, At<MaybeSecret>>,
    /// Cookies of every request. A value may be a secret, or have a variable.
    #[serde(default)]
    cookies: BTreeMap<String, At<MaybeSecret>>,
    /// The language, such as "de-DE": what a browser is set to, and the header accept-language elsewhere.
    locale: Option<At<Locale>>,
    /// How it logs in.
    login: Option<At<LoginSettings>>,
}

/// How a persona logs in: the cookies that it is given are its session, and what is captured may stand in its headers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { steps = [{ name = \"login\", http = { url = \"https://...\" } }] }"
)]
pub struct LoginSettings {
    /// The steps, in their order.
    steps: At<Vec<StepSettings>>,
    /// Secrets that steps may use as variables, by the variable's name.
    #[serde(default)]
    secrets: BTreeMap<String, At<SecretRef>>,
    /// How long the session serves; "30m" without. It is renewed sooner when a run with it fails.
    renew_after: Option<At<Span>>,
}

/// A persona, ready to be put on.
#[derive(Debug)]
pub struct Persona {
    /// Its id.
    pub id: Box<str>,
    /// Its language.
    pub locale: Option<Arc<str>>,
    headers: Vec<(http::HeaderName, Wording)>,
    cookies: Vec<(String, Wording)>,
    way: Way,
    login: Vec<Step>,
    renew_after: Duration,
    session: Mutex<Option<Arc<Session>>>,
}

/// What a persona brings along, for as long as its session serves.
pub struct Session {
    headers: HeaderMap,
    cookies: Vec<(String, Text)>,
    jar: Jar,
    /// What the login has captured, to be kept out of what people read.
    pub captured: Captured,
    began: Instant,
    /// Set by a run that has failed with it, and never cleared.
    is_distrusted: AtomicBool,
}

/// A login that has failed. What it has captured is hidden where secrets are, and not here: those must go first.
pub struct NotLoggedIn {
    /// What broke.
    pub broken: Broken,
    /// What it had captured by then, to be kept out of what people read.
    pub captured: Captured,
}

impl PersonaSettings {
    /// Checks the whole of it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(
        &self,
        id: &str,
        context: &BuildContext<'_>,
    ) -> Result<(Persona, Vec<Problem>), Vec<Problem>> {
        let mut blueprint = Blueprint::begin(context);
        let mut login = Vec::new();
        if let Some(settings) = &self.login {
            let example = "{ name = \"login\", http = { url = \"https://...\" } }";
            blueprint.problems.extend(steps::count(&settings.steps, 0, "login", example));
            blueprint.secrets(&settings.secrets);
            login = blueprint.steps(&settings.steps.value);
        }
        let headers = self.headers.iter();
        let headers = headers
            .map(|(name, text)| (name.0.clone(), worded(&mut blueprint, &name.0, text, str::to_owned)));
        let headers = headers.collect();
        let cookies = self.cookies.iter().map(|(name, text)| {
            let pair = |value: &str| format!("{name}={value}");
            (name.clone(), worded(&mut blueprint, &COOKIE, text, pair))
        });
        let cookies = cookies.collect();
        let Drawn { way, warnings, .. } = blueprint.finish()?;
        let renew_after = self.login.as_ref().and_then(|login| login.renew_after.as_ref());
        let persona = Persona {
            id: id.into(),
            locale: self.locale.as_ref().map(|locale| locale.0.as_str().into()),
            headers,
            cookies,
            way,
            login,
            renew_after: renew_after.map_or(RENEW_AFTER, |after| after.0),
            session: Mutex::default(),
        };
        Ok((persona, warnings))
    }
}

/// A value, which must fit into the header as it stands there. What its variables are filled in with is checked when the
/// persona has logged in.
fn worded(
    blueprint: &mut Blueprint<'_>,
    header: &http::HeaderName,
    text: &At<MaybeSecret>,
    stands: impl Fn(&str) -> String,
) -> Wording {
    let unfit = |value: &str| {
        let unsendable = header_value(header, &Text::filled(stands(value), true)).err()?;
        let problem = text.problem(unsendable.to_string());
        Some(
            problem
                .hint("write one line, without control characters; a file with a secret has that line alone"),
        )
    };
    match &text.value {
        MaybeSecret::Plain(plain) => {
            blueprint.problems.extend(unfit(plain));
            blueprint.written(plain, &text.span)
        }
        MaybeSecret::Secret(_) => {
            let secret = blueprint.context.sources.text(text);
            let secret = secret.unwrap_or_else(|problem| {
                blueprint.problems.push(problem);
                Secret::new(String::new())
            });
            blueprint.problems.extend(unfit(secret.expose()));
            Wording::Secret(Text::written(secret, true, text.span.clone()))
        }
    }
}

impl Persona {
    /// Whether it brings headers, which a browser would send to everybody.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// What is wrong with a probe that names it and whose run is over before the login's waits are.
    #[must_use]
    pub fn unfinished_login(&self, named: &At<String>, timeout: Duration) -> Option<Problem> {
        let waits: Duration = self.login.iter().map(Step::within).sum();
        if waits < timeout || waits.is_zero() {
            return None;
        }
        let (id, waits, timeout) = (&self.id, Span(waits), Span(timeout));
        let problem = named.problem(format!(
            "the login of {id:?} may wait for {waits}, and the run is over after {timeout}"
        ));
        Some(problem.hint("raise the probe's timeout, or let the login wait for less"))
    }

    /// Its session: that of the run before, or a new one.
    ///
    /// # Errors
    /// What broke while it logged in.
    pub async fn session(
        &self,
        timeline: &Timeline,
        stop: &CancellationToken,
    ) -> Result<Arc<Session>, NotLoggedIn> {
        if let Some(session) = self.kept().as_ref().filter(|session| session.serves(self.renew_after)) {
            return Ok(Arc::clone(session));
        }
        let session = timeout(LOGIN_MAX, self.log_in(timeline, stop)).await;
        let session = session.unwrap_or_else(|_| {
            let broken = Broken::Failed(out_of_time(&timeline.whereabouts(), LOGIN_MAX));
            Err(NotLoggedIn { broken, captured: Captured::default() })
        })?;
        Ok(Arc::clone(self.kept().insert(Arc::new(session))))
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn log_in(&self, timeline: &Timeline, stop: &CancellationToken) -> Result<Session, NotLoggedIn> {
        let mut walk = Walk::begin(&self.way, timeline, stop);
        for step in &self.login {
            if let Err(broken) = walk.take(step).await {
                return Err(NotLoggedIn { broken, captured: walk.into_captured() });
            }
        }
        timeline.leave_steps();
        let (headers, cookies) = match self.clothes(&walk) {
            Ok(clothes) => clothes,
            Err(broken) => return Err(NotLoggedIn { broken, captured: walk.into_captured() }),
        };
        let (jar, captured) = walk.into_session();
        let (began, is_distrusted) = (Instant::now(), AtomicBool::default());
        Ok(Session { headers, cookies, jar, captured, began, is_distrusted })
    }

    /// The headers and cookies, with what the login has captured.
    fn clothes(&self, walk: &Walk<'_>) -> Result<(HeaderMap, Vec<(String, Text)>), Broken> {
        let mut headers = HeaderMap::new();
        for (name, wording) in &self.headers {
            let text = walk.word(wording)?;
            let value = HeaderValue::from_str(text.as_str());
            let mut value = value.map_err(|_| unfit(&format!("the header {name}")))?;
            value.set_sensitive(text.is_secret() || !self.login.is_empty());
            headers.insert(name, value);
        }
        let cookies = self.cookies.iter().map(|(name, wording)| {
            let text = walk.word(wording)?;
            let fits = HeaderValue::from_str(text.as_str()).is_ok();
            let pair = (name.clone(), text);
            fits.then_some(pair).ok_or_else(|| unfit(&format!("the cookie {name}")))
        });
        Ok((headers, cookies.collect::<Result<_, Broken>>()?))
    }
}

fn unfit(what: &str) -> Broken {
    let detail = format_args!("what the login has captured does not fit into {what}");
    Broken::failed(Stage::Send, Reason::Content, detail)
}

impl NotLoggedIn {
    /// All that a run reports that got no further.
    #[must_use]
    pub fn report(self) -> Report {
        Report { captured: self.captured, ..Report::without_answer(self.broken.into()) }
    }
}

impl std::fmt::Debug for NotLoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotLoggedIn").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    fn serves(&self, renew_after: Duration) -> bool {
        !self.is_distrusted.load(Ordering::Relaxed) && self.began.elapsed() < renew_after
    }

    /// A run has failed with it, which may be what it failed for: the next one logs in anew.
    pub fn distrust(&self) {
        self.is_distrusted.store(true, Ordering::Relaxed);
    }

    /// The cookies that a run begins with.
    #[must_use]
    pub fn jar(&self) -> Jar {
        self.jar.copy()
    }

    /// Every cookie for an address, by name and value: for a browser.
    #[must_use]
    pub fn cookies(&self, url: &url::Url) -> Vec<(String, String)> {
        let own = self.cookies.iter().map(|(name, text)| (name.clone(), text.as_str().to_owned()));
        self.jar.values(url).into_iter().chain(own).collect()
    }

    /// A request as this persona makes it.
    #[must_use]
    pub fn dress(&self, prepared: &Prepared, locale: Option<&str>) -> Prepared {
        let mut dressed = prepared.clone();
        for (name, value) in &self.headers {
            dressed.headers.insert(name, value.clone());
        }
        if let Some(locale) = locale.and_then(|locale| HeaderValue::from_str(locale).ok()) {
            dressed.headers.entry(ACCEPT_LANGUAGE).or_insert(locale);
        }
        if !self.cookies.is_empty() {
            let own = dressed
                .headers
                .get(COOKIE)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let pairs = self.cookies.iter().map(|(name, text)| format!("{name}={}", text.as_str()));
            let all: Vec<String> = own.into_iter().chain(pairs).collect();
            if let Ok(mut value) = HeaderValue::from_str(&all.join("; ")) {
                value.set_sensitive(true);
                dressed.headers.insert(COOKIE, value);
            }
        }
        dressed
    }
}
