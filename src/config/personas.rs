//! The personas of the first file, built, for the probes that run as them.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{fingerprint, report::Report, tables::Entry, wording::in_backticks},
    domain::channel::{ChannelId, ProbeKey, ProbeName, is_id},
    probe::{
        chromium::Chromium,
        persona::{GUEST, LOGIN_MAX, Persona, PersonaSettings},
        settings::BuildContext,
        transport::Transport,
    },
    secret::Sources,
    setting::{At, Problem, suggest},
};

/// The personas, by their ids.
#[derive(Debug, Default)]
pub struct Personas(BTreeMap<String, Known>);

/// A persona of the configuration.
#[derive(Clone, Debug)]
pub struct Known {
    /// The persona; none if something is wrong with it.
    pub persona: Option<Arc<Persona>>,
    /// Equal for two that are configured alike.
    pub fingerprint: u64,
}

impl Personas {
    /// Builds them; what is wrong is reported.
    pub fn build(
        entries: &BTreeMap<String, Entry<'_, PersonaSettings>>,
        sources: &Sources,
        transport: &Arc<Transport>,
        chromium: &Arc<Chromium>,
        report: &mut Report,
    ) -> Self {
        let mut known = BTreeMap::new();
        for (id, entry) in entries {
            let name = if is_id(id) { id } else { "unnamed" };
            let key = ProbeKey { channel: ChannelId::new("persona"), probe: ProbeName::new(name) };
            let context = BuildContext {
                key: &key,
                every: LOGIN_MAX,
                timeout: LOGIN_MAX,
                first_response: None,
                persona: None,
                sources,
                transport,
                chromium,
            };
            let persona = match entry.section.settings.as_ref().map(|settings| settings.build(id, &context)) {
                Some(Ok((persona, warnings))) => {
                    warnings.into_iter().for_each(|warning| report.warning(entry.file, warning));
                    Some(Arc::new(persona))
                }
                Some(Err(problems)) => {
                    problems.into_iter().for_each(|problem| report.error(entry.file, problem));
                    None
                }
                None => None,
            };
            known.insert(
                id.clone(),
                Known { persona, fingerprint: fingerprint::of_value(entry.section.tree.get_ref()) },
            );
        }
        Self(known)
    }

    /// The names under which a probe runs, each with its persona; just the one where none is named.
    pub fn as_whom(
        &self,
        name: &str,
        ids: &[At<String>],
        problems: &mut Vec<Problem>,
    ) -> Vec<(ProbeName, Option<Known>)> {
        if ids.is_empty() {
            return vec![(ProbeName::new(name), None)];
        }
        let mut named = BTreeMap::new();
        for id in ids {
            let known = self.0.get(&id.value);
            if known.is_none() && id.value != GUEST {
                let there_are: Vec<&String> = self.0.keys().collect();
                let problem = id.problem(format!("there is no persona {:?}", id.value));
                let hint = suggest(id, &there_are, in_backticks);
                problems.push(problem.hint(hint.unwrap_or_else(|| {
                    format!("add a table [persona.{}] to the first file, or write \"{GUEST}\"", id.value)
                })));
            } else if named.insert(id.value.clone(), known.cloned()).is_some() {
                let problem = id.problem(format!("{:?} is named twice", id.value));
                problems.push(problem.hint("leave one out"));
            }
        }
        named.into_iter().map(|(id, known)| (ProbeName::of_persona(name, &id), known)).collect()
    }
}
