//! The address of the mail server: its scheme says how the connection is protected.

use url::{Host, Url};

use crate::{
    notify::mail::MailSecurity,
    setting::{Refused, is_loopback, shown_scheme, written_as_text},
};

/// The address of a mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpUrl {
    /// Its host name or address, without brackets.
    pub host: String,
    /// Its port: 465 for TLS, 587 for STARTTLS, 25 for neither, if the address names none.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
}

const EXAMPLES: &str =
    "write \"smtps://mail.example.com\" for TLS or \"smtp://mail.example.com\" for STARTTLS";

impl SmtpUrl {
    fn parse(text: &str) -> Result<Self, Refused> {
        let url = Url::parse(text)
            .map_err(|_| ("not the address of a mail server".to_owned(), EXAMPLES.to_owned()))?;
        let (security, port) = match url.scheme() {
            "smtps" => (MailSecurity::Tls, 465),
            "smtp" => (MailSecurity::StartTls, 587),
            "smtp+plain" => (MailSecurity::Plain, 25),
            _ => {
                let scheme = shown_scheme(&url);
                return Err((format!("{scheme} is not a way to a mail server"), EXAMPLES.to_owned()));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err((
                "an address must not carry a user name or password".to_owned(),
                "take them out of the address and write username = \"...\" and password = { env = \"SMTP_PASSWORD\" }".to_owned(),
            ));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_ascii_lowercase(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(("the address names no host".to_owned(), EXAMPLES.to_owned())),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err((
                "the address of a mail server ends with its host and port".to_owned(),
                EXAMPLES.to_owned(),
            ));
        }
        if security == MailSecurity::Plain && !is_loopback(&host) {
            return Err((
                format!("mail must not cross the network in the clear, and {host} is not this machine"),
                format!(
                    "write \"smtp://{host}\" for STARTTLS or \"smtps://{host}\" for TLS; smtp+plain:// is for localhost"
                ),
            ));
        }
        Ok(Self { host, port: url.port().unwrap_or(port), security })
    }
}

written_as_text!(SmtpUrl, "the address of a mail server", "smtps://mail.example.com", {
    "type": "string",
    "pattern": "^(smtps|smtp|smtp\\+plain)://",
    "description": "\"smtps://host\" for TLS, \"smtp://host\" for STARTTLS, \"smtp+plain://localhost\" for neither."
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_how_the_connection_is_protected() {
        for (text, host, port, security) in [
            ("smtps://mail.example.com", "mail.example.com", 465, MailSecurity::Tls),
            ("smtp://Mail.example.com:2525/", "mail.example.com", 2525, MailSecurity::StartTls),
            ("smtp+plain://127.0.0.1:2525", "127.0.0.1", 2525, MailSecurity::Plain),
            ("smtp+plain://[::1]", "::1", 25, MailSecurity::Plain),
            ("smtp+plain://localhost", "localhost", 25, MailSecurity::Plain),
        ] {
            assert_eq!(SmtpUrl::parse(text), Ok(SmtpUrl { host: host.to_owned(), port, security }), "{text}");
        }
    }

    #[test]
    fn mail_in_the_clear_goes_to_this_machine_only() {
        for text in
            ["smtp+plain://mail.example.com", "smtp+plain://10.0.0.1", "smtp+plain://localhost.example.com"]
        {
            let (message, _) = SmtpUrl::parse(text).unwrap_err();
            assert!(message.contains("in the clear"), "{text}: {message}");
        }
    }

    #[test]
    fn what_may_be_a_token_is_not_repeated() {
        let (message, _) = SmtpUrl::parse("t0ken:x@mail.example.com").unwrap_err();
        assert_eq!(message, "what this begins with is not a way to a mail server");
    }

    #[test]
    fn an_address_without_host_or_with_more_than_that_is_refused() {
        for text in [
            "smtp://",
            "smtps:mail",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://h/path",
            "smtp://u:p@h",
        ] {
            assert!(SmtpUrl::parse(text).is_err(), "{text}");
        }
    }
}
