//! A request without variables, and what is expected of its answer: all of the kind `http`, and a part of others.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;

use crate::{
    domain::outcome::{PhaseKind, PhaseWords},
    probe::{
        expect::{Expectations, Judged},
        request::{
            Unsendable,
            draft::Text,
            settings::{RequestSettings, TokenSettings},
        },
        settings::BuildContext,
        transport::{Answer, prepared::Prepared},
    },
    setting::Problem,
};

/// A request, ready to be sent, and what is expected of its answer.
#[derive(Debug)]
pub struct Single {
    /// The request.
    pub prepared: Prepared,
    expectations: Expectations,
}

impl RequestSettings {
    /// Checks a request that has no variables; none if something is wrong with it, which is a problem. What deserves a
    /// second look is a warning.
    pub fn single(
        &self,
        context: &BuildContext<'_>,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<Problem>,
    ) -> Option<Single> {
        let before = problems.len();
        let draft = self.draft(context, problems);
        let has_credentials = draft.as_ref().is_some_and(|draft| draft.has_credentials(Text::is_secret));
        problems.extend(stray_variable(self));
        let sound = draft.as_ref().filter(|_| problems.len() == before);
        let expectations = self.expect.build(has_credentials, context.timeout, problems);
        let prepared = sound.and_then(|draft| match draft.prepare() {
            Ok(prepared) => Some(prepared),
            Err(error) => {
                problems.push(unsendable(self, &error));
                None
            }
        });
        warnings.extend(self.warnings(has_credentials));
        Some(Single { prepared: prepared?, expectations }).filter(|_| problems.len() == before)
    }
}

impl Single {
    /// Judges its answer at a moment.
    #[must_use]
    pub fn judge(&self, answer: &Answer, now: Timestamp) -> Judged {
        self.expectations.judge(answer, now, &as_written)
    }

    /// The host that it burdens.
    #[must_use]
    pub fn host(&self) -> Option<Arc<str>> {
        self.prepared.target.url.host_str().map(Arc::from)
    }

    /// The phases that it can have.
    #[must_use]
    pub fn phases(&self) -> PhaseWords {
        /// By whether a name is resolved and whether hands are shaken; the same for ten thousand probes.
        static WORDS: LazyLock<[[PhaseWords; 2]; 2]> =
            LazyLock::new(|| [false, true].map(|resolves| [false, true].map(|tls| words(resolves, tls))));
        let follows = self.prepared.route.redirects_max > 0;
        let url = &self.prepared.target.url;
        let resolves = follows || url.domain().is_some();
        let shakes_hands = follows || url.scheme() == "https";
        Arc::clone(&WORDS[usize::from(resolves)][usize::from(shakes_hands)])
    }
}

fn words(resolves: bool, shakes_hands: bool) -> PhaseWords {
    let has = |kind: &PhaseKind| match kind {
        PhaseKind::Resolve => resolves,
        PhaseKind::Tls => shakes_hands,
        PhaseKind::Pause => false,
        _ => true,
    };
    PhaseKind::ALL.iter().filter(|kind| has(kind)).map(|kind| kind.as_str().into()).collect()
}

/// A token that only a journey could fill in.
fn stray_variable(settings: &RequestSettings) -> Option<Problem> {
    let token = settings.bearer.as_ref().filter(|token| matches!(token.value, TokenSettings::Variable(_)))?;
    let problem = token.problem("a single request has no variables");
    Some(problem.hint(
        "write where the token lies: { env = \"API_TOKEN\" }; a journey can capture one in an earlier step",
    ))
}

fn unsendable(settings: &RequestSettings, error: &Unsendable) -> Problem {
    settings.url.problem(error.to_string()).hint("change that part of the request so that it can be sent")
}

/// There are no variables in a single request.
fn as_written(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
