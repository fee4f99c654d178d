//! How mail leaves, and whether it can.

use std::path::PathBuf;

use bytes::Bytes;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    config::{
        report::Report,
        settings::MailSettings,
        tables::{Entry, Tables},
    },
    notify::mail::MailServer,
    secret::Sources,
    setting::{At, Problem},
};

/// Checks `[mail]` and reads its secret. None if something is wrong with it, which has been reported.
pub fn build(entry: &Entry<'_, MailSettings>, sources: &Sources, report: &mut Report) -> Option<MailServer> {
    let settings = entry.section.settings.as_ref()?;
    let missing = |key: &str, example: &str| {
        Problem::at(entry.key.clone(), format!("`{key}` is missing"))
            .hint(format!("add `{key} = \"{example}\"`"))
    };
    let mut problems = Vec::new();
    if settings.from.is_none() && !entry.section.lacks(&["from"]) {
        problems.push(missing("from", "Lamplighter <lamplighter@example.com>"));
    }
    if settings.smtp.is_none() && !entry.section.lacks(&["smtp"]) {
        problems.push(missing("smtp", "smtps://mail.example.com"));
    }
    let password = match settings.password.as_ref().map(|reference| sources.secret(reference)) {
        Some(Err(problem)) => {
            problems.push(problem);
            None
        }
        Some(Ok(secret)) => Some(secret),
        None => None,
    };
    match (&settings.username, &settings.password) {
        (Some(name), None) if !entry.section.lacks(&["password"]) => problems.push(
            name.problem("a user name without a password")
                .hint("add `password = { env = \"SMTP_PASSWORD\" }`"),
        ),
        (None, Some(reference)) if !entry.section.lacks(&["username"]) => problems
            .push(reference.problem("a password without a user name").hint("add `username = \"...\"`")),
        _ => {}
    }
    let root_ca = settings.root_ca.as_ref().and_then(|path| {
        let pem = certificates(path, sources);
        pem.map_err(|problem| problems.push(problem)).ok()
    });
    let is_well = problems.is_empty();
    problems.into_iter().for_each(|problem| report.error(entry.file, problem));
    let smtp = settings.smtp.as_ref().filter(|_| is_well)?;
    Some(MailServer {
        from: settings.from.as_ref()?.0.to_string(),
        host: smtp.host.clone(),
        port: smtp.port,
        security: smtp.security,
        credentials: settings.username.as_ref().map(|name| name.value.clone()).zip(password),
        root_ca,
    })
}

fn certificates(path: &At<PathBuf>, sources: &Sources) -> Result<Bytes, Problem> {
    let pem = sources.file(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let message = match certificates {
        Ok(certificates) if !certificates.is_empty() => return Ok(pem.into()),
        Ok(_) => "the file holds no certificate".to_owned(),
        Err(error) => format!("the file holds a certificate that cannot be read: {error}"),
    };
    Err(path.problem(message).hint("it must begin with -----BEGIN CERTIFICATE-----"))
}

/// A team with recipients needs a way for mail to leave.
pub fn check_way(tables: &Tables<'_>, report: &mut Report) {
    if tables.mail.is_some() || tables.incomplete {
        return;
    }
    let first = tables.teams.values().find_map(|entry| {
        let settings = entry.section.settings.as_ref()?;
        let mut later = settings.escalation.iter().flat_map(|step| &step.mail);
        let address = settings.mail.first().or_else(|| later.next())?;
        Some((entry.file, address))
    });
    if let Some((file, address)) = first {
        let problem = address.problem("a team has recipients, and no [mail] says how mail leaves");
        report.error(
            file,
            problem.hint("add [mail] with from = \"...\" and smtp = \"smtps://...\" to the first file"),
        );
    }
}
