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
        request::{settings::RequestSettings, single::Single},
        settings::{BuildContext, Built},
        timeline::Timeline,
        transport::Transport,
    },
    setting::Problem,
};

/// A probe of the kind `http`.
#[derive(Debug)]
struct HttpProbe {
    transport: Arc<Transport>,
    request: Single,
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
    let probe = HttpProbe { transport, clock: Clock::system(), request };
    Ok(Built { hosts, phases, warnings, ..Built::of(Arc::new(probe)) })
}

impl HttpProbe {
    async fn look(&self, timeline: &Timeline) -> Report {
        let jar = Jar::default();
        match self.transport.exchange(&self.request.prepared, &jar, timeline).await {
            Ok(answer) => {
                let Judged { checks, verdict } = self.request.judge(&answer, self.clock.now());
                let certificate_expires_at = answer.certificate_expires_at;
                let kept =
                    (verdict != Verdict::Ok).then(|| Asked::of(&self.request.prepared).answered(&answer));
                let exhibits = kept.into_iter().collect();
                Report { certificate_expires_at, checks, exhibits, ..Report::without_answer(verdict) }
            }
            Err(broken) => Report::without_answer(broken.into()),
        }
    }
}

impl Probe for HttpProbe {
    fn run<'a>(&'a self, timeline: &'a Timeline, _: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(self.look(timeline))
    }
}
