//! The personas of the first file, built, for the probes that run as them.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{fingerprint, report::Report, tables::Entry},
    domain::channel::{ChannelId, ProbeKey, ProbeName, is_id},
    probe::{
        chromium::Chromium,
        persona::{LOGIN_MAX, Persona, PersonaSettings},
        settings::BuildContext,
        transport::Transport,
    },
    secret::Sources,
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

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&Known> {
        self.0.get(id)
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}
