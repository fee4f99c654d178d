//! From what stands on the command line to the probes that are meant.

use std::sync::Arc;

use crate::config::plan::{Plan, ProbePlan};

/// How alike two words must be for one to be offered in place of the other.
const LIKENESS_MIN: f64 = 0.7;

/// The probes of `CHANNEL` or the one of `CHANNEL/PROBE`; what to write instead, otherwise.
pub(super) fn select<'p>(plan: &'p Plan, target: &str) -> Result<Vec<&'p Arc<ProbePlan>>, String> {
    let (channel, probe) = match target.split_once('/') {
        Some((channel, probe)) => (channel, Some(probe)),
        None => (target, None),
    };
    let ids = || plan.channels.keys().map(|id| id.as_str());
    let Some((_, found)) = plan.channels.iter().find(|(id, _)| id.as_str() == channel) else {
        return Err(unknown("channel", channel, "", ids()));
    };
    let Some(probe) = probe else { return Ok(found.probes.values().collect()) };
    let names = || found.probes.keys().map(|name| name.as_str());
    match found.probes.iter().find(|(name, _)| name.as_str() == probe) {
        Some((_, plan)) => Ok(vec![plan]),
        None => Err(unknown("probe", probe, &format!("{channel}/"), names())),
    }
}

/// Says that there is no such thing, and which one may be meant.
fn unknown<'a>(what: &str, word: &str, prefix: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let alike = |candidate: &str| strsim::jaro_winkler(word, candidate);
    let nearest = known.clone().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    match nearest.filter(|nearest| alike(nearest) >= LIKENESS_MIN) {
        Some(nearest) => format!("there is no {what} {word:?}; did you mean {prefix}{nearest}?"),
        None => {
            let known: Vec<String> = known.map(|known| format!("{prefix}{known}")).collect();
            format!("there is no {what} {word:?}; there are: {}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &str) -> String {
        unknown("channel", word, "", ["hotline", "web-chat"].into_iter())
    }

    #[test]
    fn a_slip_of_the_pen_is_met_with_the_nearest_word() {
        assert_eq!(said("hotlin"), r#"there is no channel "hotlin"; did you mean hotline?"#);
        assert_eq!(said("webchat"), r#"there is no channel "webchat"; did you mean web-chat?"#);
    }

    #[test]
    fn a_word_like_none_is_met_with_all_of_them() {
        assert_eq!(said("mail"), r#"there is no channel "mail"; there are: hotline, web-chat"#);
    }
}
