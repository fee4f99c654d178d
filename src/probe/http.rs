//! The kind `http`: one request, and what is expected of its answer.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    domain::outcome::{PhaseKind, PhaseWords},
    probe::{
        Probe, Report, RunFuture,
        captured::Captured,
        expect::{Expectations, Judged},
        jar::Jar,
        request::{
            Unsendable,
            draft::Text,
            settings::{RequestSettings, TokenSettings},
        },
        settings::{BuildContext, Built},
        timeline::Timeline,
        transport::{Transport, prepared::Prepared},
    },
    setting::Problem,
};

/// A probe of the kind `http`.
#[derive(Debug)]
struct HttpProbe {
    transport: Arc<Transport>,
    prepared: Prepared,
    expectations: Expectations,
    clock: Clock,
}

/// Builds a probe that makes one request.
///
/// # Errors
/// Everything that is wrong with the settings.
pub fn build(settings: &RequestSettings, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
    let mut problems = Vec::new();
    let draft = settings.draft(context, &mut problems);
    let has_credentials = draft.as_ref().is_some_and(|draft| draft.has_credentials(Text::is_secret));
    problems.extend(stray_variable(settings));
    let sound = draft.as_ref().filter(|_| problems.is_empty());
    let expectations = settings.expect.build(has_credentials, context.timeout, &mut problems);
    let prepared = sound.and_then(|draft| match draft.prepare() {
        Ok(prepared) => Some(prepared),
        Err(error) => {
            problems.push(unsendable(settings, &error));
            None
        }
    });
    let (Some(prepared), true) = (prepared, problems.is_empty()) else {
        return Err(problems);
    };
    let url = &prepared.target.url;
    Ok(Built {
        hosts: url.host_str().map(Arc::from).into_iter().collect(),
        phases: phases(&prepared),
        warnings: settings.warnings(has_credentials),
        probe: Arc::new(HttpProbe {
            transport: context.transport.clone(),
            expectations,
            clock: Clock::system(),
            prepared,
        }),
    })
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

/// The phases a run can have.
fn phases(prepared: &Prepared) -> PhaseWords {
    /// By whether a name is resolved and whether hands are shaken; the same for ten thousand probes.
    static WORDS: LazyLock<[[PhaseWords; 2]; 2]> =
        LazyLock::new(|| [false, true].map(|resolves| [false, true].map(|tls| words(resolves, tls))));
    let follows = prepared.route.redirects_max > 0;
    let url = &prepared.target.url;
    let resolves = follows || url.domain().is_some();
    let shakes_hands = follows || url.scheme() == "https";
    Arc::clone(&WORDS[usize::from(resolves)][usize::from(shakes_hands)])
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

impl HttpProbe {
    async fn look(&self, timeline: &Timeline) -> Report {
        let jar = Jar::default();
        match self.transport.exchange(&self.prepared, &jar, timeline).await {
            Ok(answer) => {
                let Judged { checks, verdict } =
                    self.expectations.judge(&answer, self.clock.now(), &as_written);
                Report {
                    verdict,
                    certificate_expires_at: answer.certificate_expires_at,
                    checks,
                    captured: Captured::default(),
                }
            }
            Err(broken) => Report::without_answer(broken.into()),
        }
    }
}

/// There are no variables in a single request.
fn as_written(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

impl Probe for HttpProbe {
    fn run<'a>(&'a self, timeline: &'a Timeline, _: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(self.look(timeline))
    }
}
