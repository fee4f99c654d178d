//! `[[api.client]]`: who may ask and command over HTTP with a token of its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{report::Report, settings::ApiSettings, tables::Entry, value::Id},
    domain::access::{self, Client, Scope},
    setting::{At, Refused, written_as_text},
};

/// `[[api.client]]`: a program or a person that asks and commands.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [[api.client]]")]
pub struct ClientSettings {
    /// What it is called in the log.
    pub name: At<Id>,
    /// What it may do: "read" pages, metrics and the API, "acknowledge" incidents, announce "maintenance", "run" probes now.
    pub scopes: At<Vec<Scope>>,
    /// The hash of its token, as `lamplighter token` prints it.
    pub hash: At<TokenHash>,
}

/// The hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub access::TokenHash);

impl TokenHash {
    fn parse(text: &str) -> Result<Self, Refused> {
        access::TokenHash::parse(text).map(Self).ok_or_else(|| {
            (
                "this is not the hash of a token".to_owned(),
                "write what `lamplighter token NAME` prints: \"sha256:\" and 64 hexadecimal digits; the token itself does \
                 not belong into this file"
                    .to_owned(),
            )
        })
    }
}

written_as_text!(TokenHash, "the hash of a token", "sha256:...", {
    "type": "string",
    "pattern": "^sha256:[0-9a-fA-F]{64}$",
    "description": "The hash of a token, as `lamplighter token` prints it."
});

/// The clients, each with a name and a token of its own.
pub fn build(entry: &Entry<'_, ApiSettings>, report: &mut Report) -> Vec<Client> {
    let Some(settings) = &entry.section.settings else { return Vec::new() };
    let (mut names, mut hashes) = (BTreeMap::new(), BTreeMap::new());
    let mut clients = Vec::new();
    for client in &settings.client {
        let ClientSettings { name, scopes, hash } = client;
        if scopes.is_empty() {
            let problem = scopes.problem("a client that may do nothing");
            report
                .error(entry.file, problem.hint("write what it may do, such as [\"read\"], or leave it out"));
        }
        let mut is_first =
            |first: Option<&std::ops::Range<usize>>, place: &std::ops::Range<usize>, what, hint| {
                let Some(first) = first.cloned() else { return };
                let problem = crate::setting::Problem::at(place.clone(), what).hint(hint);
                report.error_with(entry.file, problem, (entry.file, first, "first here"));
            };
        is_first(
            names.get(&name.value),
            &name.span,
            "two clients of one name",
            "the log could not tell them apart; rename one of the two",
        );
        is_first(
            hashes.get(&hash.value.0),
            &hash.span,
            "two clients with one token",
            "give each a token of its own: lamplighter token NAME",
        );
        names.insert(name.value.clone(), name.span.clone());
        hashes.insert(hash.value.0, hash.span.clone());
        clients.push(Client {
            name: name.value.0.as_str().into(),
            scopes: scopes.value.iter().copied().collect(),
            hash: hash.value.0,
        });
    }
    clients
}
