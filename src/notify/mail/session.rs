//! One SMTP session: connect, greet, protect, log in, then any number of mails. It knows at which step something went
//! wrong, because what a refusal means depends on the step.

use std::{fmt, future::Future, io, net::SocketAddr, time::Duration};

use lettre::{
    address::Address,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail, Rcpt, Rset},
        extension::ClientId,
    },
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    Limits, MailServer,
    stream::{Encrypted, Wire},
    tls::Tls,
};
use crate::notify::Delivery;

/// How long a server may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// So many addresses of a server are tried at most.
const ADDRESSES_MAX: usize = 8;

/// A step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Reading the recipient's address and writing the mail, before any connection.
    Address,
    /// Name resolution and TCP connection.
    Connect,
    /// TLS handshake, from the first byte or after STARTTLS.
    Tls,
    /// Banner and EHLO.
    Greeting,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, up to the go-ahead.
    Data,
    /// The mail itself, up to the server's word that it has taken it.
    Content,
    /// The whole of it took too long.
    Whole,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Address => "writing the mail",
            Self::Connect => "connecting",
            Self::Tls => "TLS handshake",
            Self::Greeting => "greeting",
            Self::Login => "login",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "end of data",
            Self::Whole => "the whole session",
        }
    }
}

/// What went wrong, and where.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) stage: Stage,
    /// The server's reply code; none where it said nothing that is a reply.
    code: Option<u16>,
    /// The reply's enhanced code, where it has one.
    enhanced: Option<Enhanced>,
    what: String,
}

impl Trouble {
    /// This mail cannot be written or addressed.
    pub(super) fn with_address(what: &str) -> Self {
        Self::without_reply(Stage::Address, what.to_owned())
    }

    /// The session as a whole took too long.
    pub(super) fn unfinished(limit: Duration) -> Self {
        Self::without_reply(Stage::Whole, format!("not done within {} s", limit.as_secs_f64()))
    }

    fn at(stage: Stage, error: &smtp::Error) -> Self {
        let said = std::error::Error::source(error).map(ToString::to_string);
        let Some(code) = error.status().map(u16::from) else {
            return Self::without_reply(stage, said.unwrap_or_else(|| error.to_string()));
        };
        let words = said.unwrap_or_default();
        let what = format!("the server said {code} {words}").trim_end().to_owned();
        Self { stage, code: Some(code), enhanced: Enhanced::of(&words), what }
    }

    fn silence(stage: Stage, limit: Duration) -> Self {
        Self::without_reply(stage, format!("no answer within {} s", limit.as_secs_f64()))
    }

    fn without_reply(stage: Stage, what: String) -> Self {
        Self { stage, code: None, enhanced: None, what }
    }

    /// What it means for the notification. Only a refusal of this very recipient is final; a server's policy, its
    /// filters and its limits change, and an outage told late is better than one not told. What the server says before
    /// it has heard of the recipient, 421 (closing), and 500 to 504 and 530 to 538 (it does not understand or trust
    /// us) would meet every mail, so every mail waits.
    pub(super) fn delivery(&self, words: String) -> Delivery {
        match (self.stage, self.code) {
            (Stage::Address, _) => Delivery::Permanent(words),
            (_, Some(421 | 500..=504 | 530..=538)) => Delivery::Transient(words),
            (Stage::Recipient | Stage::Data | Stage::Content, Some(500..=599))
                if self.refuses_recipient() =>
            {
                Delivery::Permanent(words)
            }
            (Stage::Recipient, Some(400..=599)) | (Stage::Data | Stage::Content, Some(500..=599)) => {
                Delivery::Deferred(words)
            }
            _ => Delivery::Transient(words),
        }
    }

    /// Whether the server said it of this one recipient, not of us or of itself.
    fn is_about_recipient(&self) -> bool {
        self.stage == Stage::Recipient
            && !matches!(self.delivery(String::new()), Delivery::Transient(_) | Delivery::Busy(..))
    }

    /// Whether a 5xx says that there is no such address or that its mailbox takes no mail. Without an enhanced code
    /// only the codes that RFC 5321 keeps for that, in answer to the recipient, are taken for it.
    fn refuses_recipient(&self) -> bool {
        match self.enhanced {
            Some(enhanced) => enhanced.refuses_recipient(),
            None => self.stage == Stage::Recipient && matches!(self.code, Some(550 | 551 | 553)),
        }
    }
}

/// An enhanced status code (RFC 3463), such as 5.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enhanced {
    class: u16,
    subject: u16,
    detail: u16,
}

impl Enhanced {
    /// The code with which a reply's words begin.
    fn of(words: &str) -> Option<Self> {
        let mut numbers = words.split_whitespace().next()?.split('.').map(|number| number.parse().ok());
        let code = Self { class: numbers.next()??, subject: numbers.next()??, detail: numbers.next()?? };
        numbers.next().is_none().then_some(code)
    }

    /// 5.1 is about addresses and 5.2 about mailboxes; 5.1.7 and 5.1.8 are about the sender's.
    fn refuses_recipient(self) -> bool {
        self.class == 5 && matches!(self.subject, 1 | 2) && !matches!((self.subject, self.detail), (1, 7 | 8))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.as_str(), self.what)
    }
}

/// What has become of a mail that the server was ready to hear.
pub(super) struct Passed {
    /// The server's own words; none if it took the mail for nobody.
    pub(super) words: Option<String>,
    /// For whom it did not take it, and why.
    pub(super) refused: Vec<(Address, Trouble)>,
}

/// A session that is logged in.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    limits: Limits,
    usable: bool,
}

impl Session {
    /// Connects, greets, protects the connection and logs in.
    pub(super) async fn open(
        server: &MailServer,
        name: &str,
        tls: Option<&Tls>,
        limits: Limits,
    ) -> Result<Self, Trouble> {
        let connecting = connect(&server.host, server.port, limits.connect);
        let wire = Wire::new(io_step(Stage::Connect, limits.connect, connecting).await?);
        let stream: Box<dyn AsyncTokioStream> = match tls {
            Some(Tls::Implicit { connector, name }) => {
                let handshake = connector.connect(name.clone(), wire);
                Box::new(Encrypted(io_step(Stage::Tls, limits.command, handshake).await?))
            }
            Some(Tls::StartTls(_)) | None => Box::new(wire),
        };
        let hello = ClientId::Domain(name.to_owned());
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
        let mut connection = step(Stage::Greeting, limits.command, greeting).await?;
        if let Some(Tls::StartTls(parameters)) = tls {
            let upgrade = connection.starttls(parameters.clone(), &hello);
            step(Stage::Tls, limits.command, upgrade).await?;
        }
        if let Some((user, password)) = &server.credentials {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            step(Stage::Login, limits.command, login).await?;
        }
        Ok(Self { connection, limits, usable: true })
    }

    /// Hands over one mail; whom the server did not take it for is said, and harms nobody else.
    pub(super) async fn deliver(
        &mut self,
        from: &Address,
        to: &[Address],
        message: &[u8],
    ) -> Result<Passed, Trouble> {
        let result = self.converse(from, to, message).await;
        match &result {
            Err(trouble) => {
                self.usable = trouble.code.is_some_and(|code| code != 421) && self.reset().await;
            }
            Ok(Passed { words: None, .. }) => self.usable = self.reset().await,
            Ok(_) => {}
        }
        result
    }

    async fn converse(&mut self, from: &Address, to: &[Address], message: &[u8]) -> Result<Passed, Trouble> {
        let limit = self.limits.command;
        let connection = &mut self.connection;
        step(Stage::Sender, limit, connection.command(Mail::new(Some(from.clone()), Vec::new()))).await?;
        let mut refused = Vec::new();
        for address in to {
            let command = connection.command(Rcpt::new(address.clone(), Vec::new()));
            match step(Stage::Recipient, limit, command).await {
                Ok(_) => {}
                Err(trouble) if trouble.is_about_recipient() => refused.push((address.clone(), trouble)),
                Err(trouble) => return Err(trouble),
            }
        }
        if refused.len() == to.len() {
            return Ok(Passed { words: None, refused });
        }
        step(Stage::Data, limit, connection.command(Data)).await?;
        let reply = step(Stage::Content, limit, connection.message(message)).await?;
        let words = format!("{} {}", reply.code(), reply.message().collect::<Vec<_>>().join(" "));
        Ok(Passed { words: Some(words), refused })
    }

    async fn reset(&mut self) -> bool {
        matches!(timeout(self.limits.command, self.connection.command(Rset)).await, Ok(Ok(_)))
    }

    /// Whether another mail may follow.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Says goodbye, if the server listens.
    pub(super) async fn close(mut self) {
        // The mails are delivered; nothing depends on how the goodbye is taken.
        drop(timeout(GOODBYE_MAX, self.connection.quit()).await);
    }
}

/// Connects to the first address that answers. Each has its share of the time, so that one that swallows packets does
/// not use up what the next one needs.
async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.take(ADDRESSES_MAX).collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(failure)
}

/// One step with its time limit.
async fn step<T>(
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, Trouble> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| Trouble::at(stage, &error)),
        Err(_) => Err(Trouble::silence(stage, limit)),
    }
}

async fn io_step<T>(
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Trouble> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| Trouble::without_reply(stage, error.to_string())),
        Err(_) => Err(Trouble::silence(stage, limit)),
    }
}
