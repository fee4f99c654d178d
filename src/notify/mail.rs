//! Mail over SMTP. One connection carries as many mails as there are to send and is closed when there are none; every
//! step has a time limit. Whatever is not a plain refusal of this very recipient may pass, so it is tried again: a wrong
//! password, a broken certificate or a relay that is closed to us delays mail and loses none.

mod compose;
pub mod fallback;
pub mod mailbox;
mod session;
mod stream;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use lettre::{
    address::Address,
    message::{Mailbox, Mailboxes},
};
use tokio::time::timeout;

use self::{
    compose::Headers,
    session::{Passed, Session, Stage, Trouble},
};
use crate::{
    domain::{
        notification::{Notification, recipient::Addressees},
        outcome::Detail,
    },
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
    /// Of mails to several addresses that some have and some not yet, who has it. A restart forgets it, and those have it
    /// twice then.
    has_it: Mutex<BTreeMap<String, BTreeSet<Address>>>,
}

/// So many mails are remembered that some have and some not yet.
const HALF_DELIVERED_MAX: usize = 1_000;

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
        Ok(Self { server, from, tls, limits, redactor, idle: Mutex::default(), has_it: Mutex::default() })
    }

    async fn try_once(&self, notification: &Notification, late: Duration) -> Result<Delivery, Trouble> {
        let headers = addressed(&notification.recipient)?;
        let message = compose::compose(notification, &self.from, &headers, late)
            .map_err(|error| Trouble::with_address(&error.to_string()))?;
        let everybody: BTreeSet<Address> = headers.everybody().cloned().collect();
        let mut has_it = self.recall(&notification.message_id);
        let left: Vec<Address> = everybody.difference(&has_it).cloned().collect();
        let passed = self.transfer(&left, &message).await?;
        if let [(_, trouble)] = &passed.refused[..]
            && everybody.len() == 1
        {
            return Ok(self.delivery_of(trouble));
        }
        let refused: BTreeSet<&Address> = passed.refused.iter().map(|(address, _)| address).collect();
        has_it.extend(left.iter().filter(|address| !refused.contains(address)).cloned());
        Ok(self.sum_up(&notification.message_id, has_it, passed))
    }

    /// What has become of a mail to several addresses.
    fn sum_up(&self, message_id: &str, has_it: BTreeSet<Address>, passed: Passed) -> Delivery {
        let Passed { words, refused } = passed;
        if refused.is_empty() {
            self.remember(message_id, BTreeSet::new());
            return Delivery::Accepted(self.say(&words.unwrap_or_default()));
        }
        let not_taken: Vec<String> =
            refused.iter().map(|(address, trouble)| format!("{address}: {trouble}")).collect();
        let not_taken = self.say(&format!("not taken for {}", not_taken.join("; ")));
        let is_final =
            |(_, trouble): &(Address, Trouble)| matches!(self.delivery_of(trouble), Delivery::Permanent(_));
        if refused.iter().all(is_final) {
            self.remember(message_id, BTreeSet::new());
            return Delivery::Permanent(not_taken);
        }
        self.remember(message_id, has_it);
        Delivery::Deferred(not_taken)
    }

    fn recall(&self, message_id: &str) -> BTreeSet<Address> {
        let known = self.has_it.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(message_id).cloned().unwrap_or_default()
    }

    fn remember(&self, message_id: &str, has_it: BTreeSet<Address>) {
        let mut known = self.has_it.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(message_id);
        if !has_it.is_empty() {
            if known.len() >= HALF_DELIVERED_MAX {
                known.pop_first();
            }
            known.insert(message_id.to_owned(), has_it);
        }
    }

    /// Sends over the connection left open; if that one has gone stale meanwhile, over a new one.
    async fn transfer(&self, to: &[Address], message: &[u8]) -> Result<Passed, Trouble> {
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

    fn delivery_of(&self, trouble: &Trouble) -> Delivery {
        let place = format!("{}:{}: {trouble}", self.server.host, self.server.port);
        trouble.delivery(self.say(&place))
    }

    fn put_back<T>(&self, session: Session, result: Result<T, Trouble>) -> Result<T, Trouble> {
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
            result.unwrap_or_else(|trouble| self.delivery_of(&trouble)).without_link(notification)
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

/// Who stands in To and Cc.
fn addressed(recipient: &str) -> Result<Headers, Trouble> {
    let read = |text: &str| -> Result<Mailboxes, Trouble> {
        text.parse().map_err(|_| Trouble::with_address("the recipient is not a mail address"))
    };
    let Addressees { to, cc } = Addressees::read(recipient);
    let headers = Headers { to: read(to)?, cc: cc.map(read).transpose()? };
    if headers.everybody().any(|address| !(address.as_ref() as &str).is_ascii()) {
        return Err(Trouble::with_address("the recipient's address has letters outside ASCII"));
    }
    if headers.everybody().next().is_none() {
        return Err(Trouble::with_address("the recipient is not a mail address"));
    }
    Ok(headers)
}
