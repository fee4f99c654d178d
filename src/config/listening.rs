//! Where the pages are served, and whether that is safe: beyond this machine only with tokens and with TLS.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    config::{plan::Plan, report::Report, settings::ApiSettings, tables::Tables},
    domain::access::Scope,
    secret::Sources,
    setting::{At, Problem},
    web::tls::{Identity, Unfit},
};

/// `tls` under `[monitor]`: by what the pages are encrypted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { certificate = \"cert.pem\", key = \"key.pem\" }"
)]
#[schemars(extend("required" = ["certificate", "key"]))]
pub struct TlsSettings {
    /// A PEM file with the certificate, and behind it those that vouch for it.
    pub certificate: Option<At<PathBuf>>,
    /// A PEM file with its key.
    pub key: Option<At<PathBuf>>,
}

/// Reads the certificate and its key. None where there are none, or something is wrong with them, which has been reported.
pub fn identity(tables: &Tables<'_>, sources: &Sources, report: &mut Report) -> Option<Identity> {
    let settings = tables.monitor.tls.as_ref()?;
    // [monitor] stands in the first file only.
    let mut refuse = |problem| report.error(0, problem);
    let missing = |key: &str| {
        Problem::at(settings.span.clone(), format!("`{key}` is missing"))
            .hint(format!("add `{key} = \"/etc/lamplighter/{key}.pem\"`"))
    };
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
        let absent = if settings.certificate.is_none() { "certificate" } else { "key" };
        refuse(missing(absent));
        return None;
    };
    let read = |path: &At<PathBuf>| sources.file(path).map(Zeroizing::new);
    let (chain, secret) = match (read(certificate), read(key)) {
        (Ok(chain), Ok(secret)) => (chain, secret),
        (chain, secret) => {
            chain.err().into_iter().chain(secret.err()).for_each(refuse);
            return None;
        }
    };
    match Identity::new(&chain, &secret) {
        Ok(identity) => Some(identity),
        Err(Unfit::Certificate(what)) => {
            refuse(certificate.problem(what).hint("it must begin with -----BEGIN CERTIFICATE-----"));
            None
        }
        Err(Unfit::Key(what)) => {
            refuse(
                key.problem(what)
                    .hint("it must begin with -----BEGIN PRIVATE KEY-----, and be that of the certificate"),
            );
            None
        }
    }
}

/// Refuses an address beyond this machine where whoever reaches it could read without a token, or listen in.
pub fn check(tables: &Tables<'_>, plan: &Plan, report: &mut Report) {
    let Some(listen) = &tables.monitor.listen else { return };
    if listen.0.ip().to_canonical().is_loopback() {
        return;
    }
    let may_read = plan.access.clients.iter().any(|client| client.scopes.contains(&Scope::Read));
    // What is wrong with a client or a certificate has been said; that there is none follows from it.
    let is_unread = tables.api.as_ref().is_some_and(|entry| {
        entry
            .section
            .settings
            .as_ref()
            .is_none_or(|settings: &ApiSettings| plan.access.root.is_none() && settings.token.is_some())
            || entry.section.lacks(&["client"])
            || entry.section.lacks(&["token"])
    });
    if !may_read && plan.access.root.is_none() && !is_unread {
        let problem = listen
            .problem("beyond this machine nobody may read without a token, and there is none to read by");
        report.error(
            0,
            problem.hint(
                "`lamplighter token NAME --scope read` makes one and prints the [[api.client]] to add; or listen on this \
                 machine alone, such as \"127.0.0.1:9899\"",
            ),
        );
    }
    if tables.monitor.tls.is_none() && !plan.access.behind_proxy {
        let problem = listen.problem("beyond this machine tokens must not cross the network as they are");
        report.error(
            0,
            problem.hint(
                "add tls = { certificate = \"cert.pem\", key = \"key.pem\" }; or behind_proxy = true, if a proxy that speaks TLS \
                 stands before it and nothing else reaches this address",
            ),
        );
    }
}
