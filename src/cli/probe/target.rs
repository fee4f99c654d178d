//! From what stands on the command line to the probes that are meant.

use std::sync::Arc;

use crate::{
    cli::unknown,
    config::plan::{Plan, ProbePlan},
    domain::channel::ProbeName,
};

/// The probes of `CHANNEL` or the one of `CHANNEL/PROBE`; what to write instead, otherwise.
pub(super) fn select<'p>(plan: &'p Plan, target: &str) -> Result<Vec<&'p Arc<ProbePlan>>, String> {
    let (channel, probe) = match target.split_once('/') {
        Some((channel, probe)) => (channel, Some(probe)),
        None => (target, None),
    };
    let Some((_, found)) = plan.channels.iter().find(|(id, _)| id.as_str() == channel) else {
        return Err(unknown("channel", channel, plan.channels.keys().map(|id| id.as_str()), str::to_owned));
    };
    let Some(probe) = probe else { return Ok(found.probes.values().collect()) };
    let names = found.probes.keys().map(|name| name.as_str());
    // Without a persona, all of them are meant.
    let is_meant = |name: &ProbeName| name.as_str() == probe || name.base() == probe;
    let meant: Vec<_> =
        found.probes.iter().filter(|(name, _)| is_meant(name)).map(|(_, plan)| plan).collect();
    match meant.is_empty() {
        false => Ok(meant),
        true => Err(unknown("probe", probe, names, |name| format!("{channel}/{name}"))),
    }
}
