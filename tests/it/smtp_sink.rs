//! An SMTP server of the tests' own: it keeps what it takes, counts copies by Message-ID, finds fault with every octet
//! that RFC 5321 forbids, and misbehaves at any step as told.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Notify,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// A step of a session, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Connect,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The mail has come in whole; the answer is due.
    Dot,
    /// The mail has been answered with 250.
    Answered,
}

/// What the server does at a step instead of what it should.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers with this line and goes on.
    Say(String),
    /// Answers with this line and closes.
    SayAndClose(String),
    /// Closes without a word.
    Close,
    /// Says nothing more.
    Stall,
    /// Talks without end and without a line break.
    Babble,
}

impl Fault {
    pub fn say(line: &str) -> Self {
        Self::Say(line.to_owned())
    }
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub from: String,
    /// For whom it was taken, with commas.
    pub to: String,
    pub message_id: String,
    /// The mail, dots unstuffed.
    pub data: Vec<u8>,
}

/// How a connection is protected.
#[derive(Clone, Default)]
pub enum Protection {
    #[default]
    None,
    Implicit(TlsAcceptor),
    StartTls(TlsAcceptor),
}

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    faults: HashMap<Step, Fault>,
    /// Recipients that get an answer of their own at RCPT.
    recipients: HashMap<String, String>,
    credentials: Option<(String, String)>,
    /// What is done once, at a step, before the server answers.
    hook: Option<(Step, Hook)>,
    taken: Vec<Taken>,
    ids: HashSet<String>,
    connects: usize,
    /// Logins tried, as the client sent them.
    logins: Vec<String>,
    violations: Vec<String>,
}

/// The server.
pub struct Sink {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
    _sessions: JoinSet<()>,
}

impl Sink {
    /// Listens on a free port.
    pub async fn start(protection: Protection) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let news = Arc::new(Notify::new());
        let mut sessions = JoinSet::new();
        let (shared, bell) = (Arc::clone(&state), Arc::clone(&news));
        sessions.spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                shared.lock().unwrap().connects += 1;
                let (state, news, protection) = (Arc::clone(&shared), Arc::clone(&bell), protection.clone());
                running.spawn(async move {
                    // A session ends when the client leaves, however it leaves.
                    drop(session(Box::new(socket), &state, &news, protection).await);
                });
            }
        });
        Self { address, state, news, _sessions: sessions }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on the server misbehaves at a step.
    pub fn fault(&self, step: Step, fault: Fault) {
        self.state.lock().unwrap().faults.insert(step, fault);
    }

    /// From now on the server behaves.
    pub fn mend(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Answers one recipient differently.
    pub fn answer_recipient(&self, recipient: &str, line: &str) {
        self.state.lock().unwrap().recipients.insert(recipient.to_owned(), line.to_owned());
    }

    /// Wants a login.
    pub fn require_login(&self, user: &str, password: &str) {
        self.state.lock().unwrap().credentials = Some((user.to_owned(), password.to_owned()));
    }

    /// Does something once, when a session reaches a step.
    pub fn once_at(&self, step: Step, hook: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().hook = Some((step, Box::new(hook)));
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.state.lock().unwrap().taken.clone()
    }

    pub fn connects(&self) -> usize {
        self.state.lock().unwrap().connects
    }

    pub fn logins(&self) -> Vec<String> {
        self.state.lock().unwrap().logins.clone()
    }

    pub fn violations(&self) -> Vec<String> {
        self.state.lock().unwrap().violations.clone()
    }

    pub fn taken_count(&self) -> usize {
        self.state.lock().unwrap().taken.len()
    }

    /// How many different mails were taken.
    pub fn ids_count(&self) -> usize {
        self.state.lock().unwrap().ids.len()
    }

    /// Waits until so many different mails were taken.
    pub async fn wait_for_ids(&self, count: usize) {
        loop {
            let news = self.news.notified();
            if self.ids_count() >= count {
                return;
            }
            news.await;
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type Wire = BufReader<Box<dyn Stream>>;

/// Whether the session goes on after an answer.
#[derive(PartialEq, Eq)]
enum Next {
    Proceed,
    Refused,
    End,
}

struct Session<'a> {
    wire: Wire,
    state: &'a Mutex<State>,
}

impl Session<'_> {
    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.wire.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.wire.get_mut().flush().await
    }

    /// Answers at a step: as told, or with what is right.
    async fn answer(&mut self, step: Step, right: &str) -> io::Result<Next> {
        let hook = {
            let mut state = self.state.lock().unwrap();
            if state.hook.as_ref().is_some_and(|(at, _)| *at == step) { state.hook.take() } else { None }
        };
        if let Some((_, hook)) = hook {
            hook();
        }
        let fault = self.state.lock().unwrap().faults.get(&step).cloned();
        match fault {
            None => {
                self.say(right).await?;
                let refused = right.starts_with(['4', '5']);
                Ok(if refused { Next::Refused } else { Next::Proceed })
            }
            Some(Fault::Say(line)) => {
                self.say(&line).await?;
                Ok(Next::Refused)
            }
            Some(Fault::SayAndClose(line)) => {
                self.say(&line).await?;
                Ok(Next::End)
            }
            Some(Fault::Close) => Ok(Next::End),
            Some(Fault::Stall) => {
                std::future::pending::<()>().await;
                Ok(Next::End)
            }
            Some(Fault::Babble) => loop {
                self.wire.get_mut().write_all(&[b'2'; 8192]).await?;
            },
        }
    }

    /// The next line, without its end; none when the client has left.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.wire.read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(None);
        }
        self.inspect(&line, 512);
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    /// Notes what RFC 5321 forbids in a line.
    fn inspect(&self, line: &[u8], longest: usize) {
        let say = |what: &str| {
            let line = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
            self.state.lock().unwrap().violations.push(format!("{what}: {line:?}"));
        };
        let Some(text) = line.strip_suffix(b"\r\n") else { return say("a line that does not end in CRLF") };
        if text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            say("a bare CR, LF or NUL");
        }
        if !text.is_ascii() {
            say("an octet above 127");
        }
        if line.len() > longest {
            say("a line too long");
        }
    }

    /// The mail up to the dot.
    async fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.wire.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok(data);
            }
            self.inspect(&line, 1000);
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn encrypt(self, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let stream = acceptor.accept(self.wire.into_inner()).await?;
        Ok(Session { wire: BufReader::new(Box::new(stream)), state: self.state })
    }
}

async fn session(
    stream: Box<dyn Stream>,
    state: &Mutex<State>,
    news: &Notify,
    protection: Protection,
) -> io::Result<()> {
    let mut session = Session { wire: BufReader::new(stream), state };
    let mut starttls = None;
    match protection {
        Protection::None => {}
        Protection::Implicit(acceptor) => session = session.encrypt(&acceptor).await?,
        Protection::StartTls(acceptor) => starttls = Some(acceptor),
    }
    if session.answer(Step::Connect, "220 sink.test ESMTP").await? != Next::Proceed {
        return Ok(());
    }
    let (mut from, mut to) = (String::new(), Vec::new());
    while let Some(line) = session.line().await? {
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let next = match verb.as_str() {
            "EHLO" => {
                let offer = if starttls.is_some() { "250-STARTTLS\r\n" } else { "" };
                session.answer(Step::Ehlo, &format!("250-sink.test\r\n{offer}250 AUTH PLAIN LOGIN")).await?
            }
            "STAR" => {
                let next = session.answer(Step::StartTls, "220 go ahead").await?;
                if next == Next::Proceed
                    && let Some(acceptor) = starttls.take()
                {
                    session = session.encrypt(&acceptor).await?;
                }
                next
            }
            "AUTH" => {
                let right = judge_login(state, &line);
                session.answer(Step::Auth, right).await?
            }
            "MAIL" => {
                from = address(&line);
                to.clear();
                session.answer(Step::Mail, "250 ok").await?
            }
            "RCPT" => {
                let one = address(&line);
                let own = state.lock().unwrap().recipients.get(&one).cloned();
                let right = own.as_deref().unwrap_or("250 ok");
                if right.starts_with('2') {
                    to.push(one);
                }
                session.answer(Step::Rcpt, right).await?
            }
            "DATA" => take(&mut session, &from, &to.join(", "), news).await?,
            "QUIT" => {
                session.say("221 goodbye").await?;
                Next::End
            }
            "RSET" | "NOOP" => {
                session.say("250 ok").await?;
                Next::Proceed
            }
            _ => {
                session.say("502 what?").await?;
                Next::Refused
            }
        };
        if next == Next::End {
            return Ok(());
        }
    }
    Ok(())
}

async fn take(session: &mut Session<'_>, from: &str, to: &str, news: &Notify) -> io::Result<Next> {
    let next = session.answer(Step::Data, "354 go ahead").await?;
    if next != Next::Proceed {
        return Ok(next);
    }
    let data = session.content().await?;
    // It has the mail before it says so: that is where copies come from.
    let refused = session.state.lock().unwrap().faults.contains_key(&Step::Dot);
    if !refused {
        let parsed = mail_parser::MessageParser::default().parse(&data);
        let id = parsed.as_ref().and_then(|mail| mail.message_id()).unwrap_or_default();
        let (from, to, message_id) = (from.to_owned(), to.to_owned(), id.to_owned());
        let mut state = session.state.lock().unwrap();
        state.ids.insert(message_id.clone());
        state.taken.push(Taken { from, to, message_id, data });
        drop(state);
        news.notify_waiters();
    }
    let next = session.answer(Step::Dot, "250 2.0.0 taken").await?;
    let hook = {
        let mut state = session.state.lock().unwrap();
        if matches!(state.hook, Some((Step::Answered, _))) { state.hook.take() } else { None }
    };
    if let Some((_, hook)) = hook {
        hook();
    }
    Ok(next)
}

fn judge_login(state: &Mutex<State>, line: &str) -> &'static str {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut state = state.lock().unwrap();
    state.logins.push(line.to_owned());
    let Some((user, password)) = &state.credentials else { return "503 nobody asked" };
    let right = STANDARD.encode(format!("\0{user}\0{password}"));
    if line.strip_prefix("AUTH PLAIN ") == Some(&right) { "235 welcome" } else { "535 5.7.8 wrong" }
}

fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
