//! The addresses of mail servers and of mailboxes: their schemes say how the connection is protected.

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

/// The address of a mailbox's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImapUrl {
    /// Its host name or address, without brackets.
    pub host: String,
    /// Its port: 993 for TLS, 143 for STARTTLS or neither, if the address names none.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
}

/// What addresses of one protocol look like.
struct Protocol {
    /// The scheme for STARTTLS; with an `s` it is that for TLS, with `+plain` that for neither.
    scheme: &'static str,
    /// The ports for TLS, STARTTLS and neither.
    ports: [u16; 3],
    /// What an address leads to.
    server: &'static str,
    examples: &'static str,
    /// The variable of an example.
    variable: &'static str,
}

const SMTP: Protocol = Protocol {
    scheme: "smtp",
    ports: [465, 587, 25],
    server: "a mail server",
    examples: "write \"smtps://mail.example.com\" for TLS or \"smtp://mail.example.com\" for STARTTLS",
    variable: "SMTP_PASSWORD",
};

const IMAP: Protocol = Protocol {
    scheme: "imap",
    ports: [993, 143, 143],
    server: "a mailbox",
    examples: "write \"imaps://mail.example.com\" for TLS or \"imap://mail.example.com\" for STARTTLS",
    variable: "IMAP_PASSWORD",
};

impl Protocol {
    fn parse(&self, text: &str) -> Result<(String, u16, MailSecurity), Refused> {
        let Self { scheme: word, ports, server, examples, variable } = self;
        let refused = |message: String| (message, (*examples).to_owned());
        let url = Url::parse(text).map_err(|_| refused(format!("not the address of {server}")))?;
        let (security, port) = match url.scheme().strip_prefix(word) {
            Some("s") => (MailSecurity::Tls, ports[0]),
            Some("") => (MailSecurity::StartTls, ports[1]),
            Some("+plain") => (MailSecurity::Plain, ports[2]),
            _ => return Err(refused(format!("{} is not a way to {server}", shown_scheme(&url)))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err((
                "an address must not carry a user name or password".to_owned(),
                format!(
                    "take them out of the address and write username = \"...\" and password = {{ env = \"{variable}\" }}"
                ),
            ));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_ascii_lowercase(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(refused("the address names no host".to_owned())),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused(format!("the address of {server} ends with its host and port")));
        }
        if security == MailSecurity::Plain && !is_loopback(&host) {
            return Err((
                format!("mail must not cross the network in the clear, and {host} is not this machine"),
                format!(
                    "write \"{word}://{host}\" for STARTTLS or \"{word}s://{host}\" for TLS; {word}+plain:// is for localhost"
                ),
            ));
        }
        Ok((host, url.port().unwrap_or(port), security))
    }
}

impl SmtpUrl {
    fn parse(text: &str) -> Result<Self, Refused> {
        SMTP.parse(text).map(|(host, port, security)| Self { host, port, security })
    }
}

impl ImapUrl {
    fn parse(text: &str) -> Result<Self, Refused> {
        IMAP.parse(text).map(|(host, port, security)| Self { host, port, security })
    }
}

written_as_text!(SmtpUrl, "the address of a mail server", "smtps://mail.example.com", {
    "type": "string",
    "pattern": "^(smtps|smtp|smtp\\+plain)://",
    "description": "\"smtps://host\" for TLS, \"smtp://host\" for STARTTLS, \"smtp+plain://localhost\" for neither."
});

written_as_text!(ImapUrl, "the address of a mailbox", "imaps://mail.example.com", {
    "type": "string",
    "pattern": "^(imaps|imap|imap\\+plain)://",
    "description": "\"imaps://host\" for TLS, \"imap://host\" for STARTTLS, \"imap+plain://localhost\" for neither."
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
    fn the_address_of_a_mailbox_is_read_alike() {
        for (text, port, security) in [
            ("imaps://mail.example.com", 993, MailSecurity::Tls),
            ("imap://mail.example.com", 143, MailSecurity::StartTls),
        ] {
            let host = "mail.example.com".to_owned();
            assert_eq!(ImapUrl::parse(text), Ok(ImapUrl { host, port, security }), "{text}");
        }
        for text in
            ["imap+plain://mail.example.com", "smtps://mail.example.com", "imaps://u:p@mail.example.com"]
        {
            assert!(ImapUrl::parse(text).is_err(), "{text}");
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
