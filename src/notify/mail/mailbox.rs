//! The mailbox in which canaries are looked for, by IMAP. A look is a session of its own, so that a mailbox that cannot
//! be opened any more is found too. What was found is deleted, and with it what came too late to be found.

mod imap;

use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::imap::{Dialogue, Wire};
use super::{Limits, MailSecurity};
use crate::{
    domain::outcome::Detail,
    notify::post,
    secret::{Redactor, Secret},
};

/// A mailbox on an IMAP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxServer {
    /// Host name of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The folder, of printable ASCII characters.
    pub folder: String,
    /// A further root certificate to trust, in PEM.
    pub root_ca: Option<Bytes>,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The Message-ID, without angle brackets.
    pub message_id: String,
    /// What the Message-IDs of all begin with that are deleted along with it.
    pub mark: String,
}

/// A future that borrows its mailbox: whether the mail is there, or why that cannot be told.
pub type LookFuture<'a> = Pin<Box<dyn Future<Output = Result<bool, String>> + Send + 'a>>;

/// A mailbox into which can be looked.
pub trait Mailbox: fmt::Debug + Send + Sync {
    /// Looks once, and deletes what was found. What quotes the other side is one escaped line without secrets.
    fn look<'a>(&'a self, wanted: &'a Wanted) -> LookFuture<'a>;
}

/// A mailbox that is looked into by IMAP.
pub struct ImapMailbox {
    server: MailboxServer,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limits: Limits,
    redactor: Redactor,
}

impl fmt::Debug for ImapMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapMailbox").field("server", &self.server).finish_non_exhaustive()
    }
}

impl ImapMailbox {
    /// A mailbox; nothing is connected yet.
    ///
    /// # Errors
    /// Why TLS cannot be set up for it.
    pub fn new(server: MailboxServer, limits: Limits) -> Result<Self, String> {
        let tls = match server.security {
            MailSecurity::Plain => None,
            MailSecurity::Tls | MailSecurity::StartTls => {
                let connector =
                    post::connector(server.root_ca.as_ref()).map_err(|error| error.to_string())?;
                let name = ServerName::try_from(server.host.clone()).map_err(|error| error.to_string())?;
                Some((connector, name))
            }
        };
        let redactor = Redactor::new([&server.password]);
        Ok(Self { server, tls, limits, redactor })
    }

    async fn look_once(&self, wanted: &Wanted) -> Result<bool, String> {
        let mut dialogue = self.open().await?;
        dialogue.select(&self.server.folder).await?;
        let found = dialogue.find(&format!("<{}>", wanted.message_id)).await?;
        if !found.is_empty() {
            let all = dialogue.find(&format!("<{}", wanted.mark)).await.unwrap_or_default();
            if let Err(why) = dialogue.delete(if all.is_empty() { &found } else { &all }).await {
                let why = self.say(&why);
                tracing::warn!(why, "a canary has arrived and could not be deleted from its mailbox");
            }
        }
        dialogue.close().await;
        Ok(!found.is_empty())
    }

    /// Connects, protects the connection and logs in.
    async fn open(&self) -> Result<Dialogue, String> {
        let MailboxServer { host, port, security, username, password, .. } = &self.server;
        let limit = self.limits.command;
        let socket = timeout(self.limits.connect, post::connect(host, *port, self.limits.connect))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|error| format!("connecting: {error}"))?;
        let mut dialogue = match security {
            MailSecurity::Tls => Dialogue::new(self.encrypt(Box::new(socket)).await?, limit),
            MailSecurity::StartTls | MailSecurity::Plain => Dialogue::new(Box::new(socket), limit),
        };
        dialogue.greeting().await?;
        if *security == MailSecurity::StartTls {
            let wire = dialogue.start_tls().await?;
            dialogue = Dialogue::new(self.encrypt(wire).await?, limit);
        }
        dialogue.login(username, password).await?;
        Ok(dialogue)
    }

    async fn encrypt(&self, wire: Box<dyn Wire>) -> Result<Box<dyn Wire>, String> {
        let (connector, name) = self.tls.as_ref().expect("it is there wherever the connection is protected");
        let limit = self.limits.command;
        match timeout(limit, connector.connect(name.clone(), wire)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(format!("TLS handshake: {error}")),
            Err(_) => Err(format!("TLS handshake: no answer within {} s", limit.as_secs_f64())),
        }
    }

    /// One line that may quote the server, without secrets.
    fn say(&self, why: &str) -> String {
        let MailboxServer { host, port, .. } = &self.server;
        Detail::new(&self.redactor.redact(&format!("{host}:{port}: {why}"))).as_str().to_owned()
    }
}

impl Mailbox for ImapMailbox {
    fn look<'a>(&'a self, wanted: &'a Wanted) -> LookFuture<'a> {
        Box::pin(async move {
            let whole = self.limits.whole;
            let result = timeout(whole, self.look_once(wanted)).await.unwrap_or_else(|_| {
                Err(format!("the whole session: not done within {} s", whole.as_secs_f64()))
            });
            result.map_err(|why| self.say(&why))
        })
    }
}
