//! Mail over SMTP. One connection carries as many mails as there are to send and is closed when there are none; every
//! step has a time limit. Whatever is not a plain refusal of this very recipient may pass, so it is tried again: a wrong
//! password, a broken certificate or a relay that is closed to us delays mail and loses none.

mod compose;
mod session;
mod stream;
mod tls;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use lettre::{address::Address, message::Mailbox};
use tokio::time::timeout;

use self::session::{Session, Stage, Trouble};
use crate::{
    domain::{notification::Notification, outcome::Detail},
    notify::{Delivery, Notifier, RestFuture, SendFuture},
    secret::{Redactor, Secret},
};

/// The server through which mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// The From header, with or without a name.
    pub from: String,
    /// Host name of the mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// User name and password, where the server wants them.
    pub credentials: Option<(String, Secret)>,
    /// A further root certificate to trust, in PEM: as content, so that a renewed one makes another server.
    pub root_ca: Option<Bytes>,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte (`smtps://`).
    Tls,
    /// STARTTLS, required (`smtp://`).
    StartTls,
    /// None; only to a loopback address (`smtp+plain://`).
    Plain,
}

/// How long the server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name resolution and TCP connection.
    pub connect: Duration,
    /// Each command and its reply; a TLS handshake counts as one.
    pub command: Duration,
    /// The whole of one mail.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            whole: Duration::from_secs(60),
        }
    }
}

/// Why a mail route cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The From header is no address.
    #[error("failed to read {from:?} as a mail address: write it as \"Name <name@example.com>\"")]
    From {
        /// What was given.
        from: String,
    },
    /// The root certificate cannot be used.
    #[error("failed to read the root certificate for the mail server {host}: {why}")]
    RootCa {
        /// The mail server.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("failed to set up TLS for the mail server {host}: {why}")]
    Tls {
        /// The mail server.
        host: String,
        /// What is wrong.
        why: String,
    },
}

/// The mail route.
pub struct MailRoute {
    server: MailServer,
    from: Mailbox,
    tls: Option<tls::Tls>,
    limits: Limits,
    redactor: Redactor,
    /// The connection left open by the last mail. Whoever sends takes it out and puts it back.
    idle: Mutex<Option<Session>>,
}

impl MailRoute {
    /// A route through a server; nothing is connected yet.
    ///
    /// # Errors
    /// When the From header is no address, or TLS cannot be set up.
    pub fn new(server: MailServer, limits: Limits) -> Result<Self, MailError> {
        let from = server.from.parse().map_err(|_| MailError::From { from: server.from.clone() })?;
        let tls = match server.security {
            MailSecurity::Plain => None,
            MailSecurity::Tls | MailSecurity::StartTls => Some(tls::Tls::new(&server)?),
        };
        let redactor = Redactor::new(server.credentials.as_ref().map(|(_, password)| password));
        Ok(Self { server, from, tls, limits, redactor, idle: Mutex::default() })
    }

    async fn try_once(&self, notification: &Notification, late: Duration) -> Result<String, Trouble> {
        let to: Mailbox = notification
            .recipient
            .parse()
            .map_err(|_| Trouble::with_address("the recipient is not a mail address"))?;
        if !(to.email.as_ref() as &str).is_ascii() {
            return Err(Trouble::with_address("the recipient's address has letters outside ASCII"));
        }
        let message = compose::compose(notification, &self.from, &to, late)
            .map_err(|error| Trouble::with_address(&error.to_string()))?;
        self.transfer(&to.email, &message).await
    }

    /// Sends over the connection left open; if that one has gone stale meanwhile, over a new one.
    async fn transfer(&self, to: &Address, message: &[u8]) -> Result<String, Trouble> {
        if let Some(mut session) = self.take_idle() {
            match session.deliver(&self.from.email, to, message).await {
                Err(trouble) if trouble.stage == Stage::Sender => {}
                result => return self.put_back(session, result),
            }
        }
        let mut session =
            Session::open(&self.server, self.from.email.domain(), self.tls.as_ref(), self.limits).await?;
        let result = session.deliver(&self.from.email, to, message).await;
        self.put_back(session, result)
    }

    fn put_back(&self, session: Session, result: Result<String, Trouble>) -> Result<String, Trouble> {
        if session.is_usable() {
            *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        }
        result
    }

    fn take_idle(&self) -> Option<Session> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// One line that may quote the server, without secrets.
    fn say(&self, text: &str) -> String {
        Detail::new(&self.redactor.redact(text)).as_str().to_owned()
    }
}

impl Notifier for MailRoute {
    fn send<'a>(&'a self, notification: &'a Notification, late: Duration) -> SendFuture<'a> {
        Box::pin(async move {
            let result = timeout(self.limits.whole, self.try_once(notification, late))
                .await
                .unwrap_or_else(|_| Err(Trouble::unfinished(self.limits.whole)));
            match result {
                Ok(words) => Delivery::Accepted(self.say(&words)),
                Err(trouble) => {
                    let place = format!("{}:{}: {trouble}", self.server.host, self.server.port);
                    trouble.delivery(self.say(&place))
                }
            }
        })
    }

    fn rest(&self) -> RestFuture<'_> {
        Box::pin(async move {
            if let Some(session) = self.take_idle() {
                session.close().await;
            }
        })
    }
}
