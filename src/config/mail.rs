//! How mail leaves, and whether it can.

use std::{ops::Range, path::PathBuf, time::Duration};

use bytes::Bytes;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    config::{
        report::Report,
        settings::MailSettings,
        smtp::SmtpUrl,
        tables::{Entry, Tables},
    },
    notify::mail::{MailServer, fallback::Fallback},
    secret::{SecretRef, Sources},
    setting::{At, MailAddress, Problem},
};

/// After how long the fallback is used where the configuration does not say.
const FALLBACK_AFTER: Duration = Duration::from_secs(120);

/// The keys of a mail server, as both tables have them.
struct Server<'s> {
    /// The table's place.
    key: Range<usize>,
    /// Whether the value of a key was wrong and is not in the settings.
    lacks: &'s dyn Fn(&str) -> bool,
    from: Option<&'s MailAddress>,
    smtp: Option<&'s At<SmtpUrl>>,
    username: Option<&'s At<String>>,
    password: Option<&'s At<SecretRef>>,
    root_ca: Option<&'s At<PathBuf>>,
}

/// Checks `[mail]` and reads its secret. None if something is wrong with it, which has been reported.
pub fn build(entry: &Entry<'_, MailSettings>, sources: &Sources, report: &mut Report) -> Option<MailServer> {
    let settings = entry.section.settings.as_ref()?;
    let server = Server {
        key: entry.key.clone(),
        lacks: &|key| entry.section.lacks(&[key]),
        from: settings.from.as_ref(),
        smtp: settings.smtp.as_ref(),
        username: settings.username.as_ref(),
        password: settings.password.as_ref(),
        root_ca: settings.root_ca.as_ref(),
    };
    let mut problems = Vec::new();
    let built = server.build(sources, &mut problems);
    problems.into_iter().for_each(|problem| report.error(entry.file, problem));
    built
}

/// Checks `[mail.fallback]` and reads its secret. None without one, or if something is wrong with it.
pub fn fallback(entry: &Entry<'_, MailSettings>, sources: &Sources, report: &mut Report) -> Option<Fallback> {
    let first = entry.section.settings.as_ref()?;
    let settings = first.fallback.as_ref()?;
    let server = Server {
        key: settings.span.clone(),
        // Where [mail] has no sender either, that has been said.
        lacks: &|key| key == "from" || entry.section.lacks(&["fallback", key]),
        from: settings.from.as_ref().or(first.from.as_ref()),
        smtp: settings.smtp.as_ref(),
        username: settings.username.as_ref(),
        password: settings.password.as_ref(),
        root_ca: settings.root_ca.as_ref(),
    };
    let mut problems = Vec::new();
    let built = server.build(sources, &mut problems);
    problems.into_iter().for_each(|problem| report.error(entry.file, problem));
    Some(Fallback { server: built?, after: settings.after.map_or(FALLBACK_AFTER, |span| span.0) })
}

impl Server<'_> {
    fn build(&self, sources: &Sources, problems: &mut Vec<Problem>) -> Option<MailServer> {
        let missing = |key: &str, example: &str| {
            Problem::at(self.key.clone(), format!("`{key}` is missing"))
                .hint(format!("add `{key} = \"{example}\"`"))
        };
        let before = problems.len();
        if self.from.is_none() && !(self.lacks)("from") {
            problems.push(missing("from", "Lamplighter <lamplighter@example.com>"));
        }
        if self.smtp.is_none() && !(self.lacks)("smtp") {
            problems.push(missing("smtp", "smtps://mail.example.com"));
        }
        let password = self.password.map(|reference| sources.secret(reference));
        let password = password.and_then(|read| read.map_err(|problem| problems.push(problem)).ok());
        match (self.username, self.password) {
            (Some(name), None) if !(self.lacks)("password") => problems.push(
                name.problem("a user name without a password")
                    .hint("add `password = { env = \"SMTP_PASSWORD\" }`"),
            ),
            (None, Some(reference)) if !(self.lacks)("username") => problems
                .push(reference.problem("a password without a user name").hint("add `username = \"...\"`")),
            _ => {}
        }
        let root_ca = self.root_ca.and_then(|path| {
            let pem = certificates(path, sources);
            pem.map_err(|problem| problems.push(problem)).ok()
        });
        let smtp = self.smtp.filter(|_| problems.len() == before)?;
        Some(MailServer {
            from: self.from?.0.to_string(),
            host: smtp.host.clone(),
            port: smtp.port,
            security: smtp.security,
            credentials: self.username.map(|name| name.value.clone()).zip(password),
            root_ca,
        })
    }
}

/// Reads root certificates, at least one.
pub(super) fn certificates(path: &At<PathBuf>, sources: &Sources) -> Result<Bytes, Problem> {
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
        let said = "a team has recipients, and no [mail] says how mail leaves";
        let mut later = settings.escalation.iter().flat_map(|step| &step.mail);
        let first = settings.mail.first().map(|entry| entry.problem(said));
        Some((entry.file, first.or_else(|| later.next().map(|address| address.problem(said)))?))
    });
    if let Some((file, problem)) = first {
        report.error(
            file,
            problem.hint("add [mail] with from = \"...\" and smtp = \"smtps://...\" to the first file"),
        );
    }
}
