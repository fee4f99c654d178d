//! The kind `http`: one request, and what is expected of its answer.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    domain::outcome::Verdict,
    probe::{
        Probe, Report, RunFuture,
        exhibits::Asked,
        expect::Judged,
        jar::Jar,
        persona::Persona,
        request::{settings::RequestSettings, single::Single},
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
    request: Single,
    persona: Option<Arc<Persona>>,
    clock: Clock,
}

/// Builds a probe that makes one request.
///
/// # Errors
/// Everything that is wrong with the settings.
pub fn build(settings: &RequestSettings, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let Some(request) = settings.single(context, &mut problems, &mut warnings) else { return Err(problems) };
    let (hosts, phases) = (request.host().into_iter().collect(), request.phases());
    let transport = Arc::clone(context.transport);
    let persona = context.persona.cloned();
    let probe = HttpProbe { transport, clock: Clock::system(), request, persona };
    Ok(Built { hosts, phases, warnings, ..Built::of(Arc::new(probe)) })
}

impl HttpProbe {
    /// Looks as a persona, whose session it may have to begin.
    async fn look_as(&self, persona: &Persona, timeline: &Timeline, stop: &CancellationToken) -> Report {
        let session = match persona.session(timeline, stop).await {
            Ok(session) => session,
            Err(failed) => return failed.report(),
        };
        let prepared = session.dress(&self.request.prepared, persona.locale.as_deref());
        let report = self.look(&prepared, session.jar(), timeline).await;
        if matches!(report.verdict, Verdict::Failed(_)) {
            session.distrust();
        }
        Report { captured: session.captured.clone(), ..report }
    }

    async fn look(&self, prepared: &Prepared, jar: Jar, timeline: &Timeline) -> Report {
        match self.transport.exchange(prepared, &jar, timeline).await {
            Ok(answer) => {
                let Judged { checks, verdict } = self.request.judge(&answer, self.clock.now());
                let certificate_expires_at = answer.certificate_expires_at;
                let kept = (verdict != Verdict::Ok).then(|| Asked::of(prepared).answered(Some(&answer)));
                let exhibits = kept.into_iter().collect();
                Report { certificate_expires_at, checks, exhibits, ..Report::without_answer(verdict) }
            }
            Err(broken) => Report::without_answer(broken.into()),
        }
    }
}

impl Probe for HttpProbe {
    fn run<'a>(&'a self, timeline: &'a Timeline, stop: &'a CancellationToken) -> RunFuture<'a> {
        match &self.persona {
            None => Box::pin(self.look(&self.request.prepared, Jar::default(), timeline)),
            Some(persona) => Box::pin(self.look_as(persona, timeline, stop)),
        }
    }
}
