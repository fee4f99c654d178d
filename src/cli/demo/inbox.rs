//! The demo's mailbox: a small SMTP server on a loopback port that takes every mail and keeps the last ones.
//!
//! It answers for any recipient, offers no TLS and no login, and keeps nothing on disk. What it refuses, it refuses
//! with the codes of RFC 5321, so that a real mail client treats it as a real server. [`session`] speaks the
//! protocol, [`mail`] reads what was received.

pub mod mail;
mod session;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use self::{
    mail::Mail,
    session::{Heard, LINE_LEN_MAX, Session},
};
use crate::clock::Clock;

/// How many mails are kept; an older one makes room.
pub const MAILS_MAX: usize = 500;

/// How many connections are served at once; a further one waits.
const CONNECTIONS_MAX: usize = 32;

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every mail received, newest last. Cheap to share.
#[derive(Clone, Debug)]
pub struct Inbox {
    clock: Clock,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    received: u64,
    mails: VecDeque<Arc<Mail>>,
}

impl Inbox {
    /// An empty mailbox; `clock` labels each mail with its arrival.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, kept: Arc::default() }
    }

    /// The mails kept, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.lock().mails.iter().cloned().collect()
    }

    /// The number of the newest mail; 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.lock().received
    }

    /// Takes mail from `listener` for as long as it is polled; dropping the future closes every connection.
    pub async fn serve(&self, listener: TcpListener) {
        let mut conversations = JoinSet::new();
        loop {
            while conversations.try_join_next().is_some() {}
            if conversations.len() >= CONNECTIONS_MAX {
                conversations.join_next().await;
            }
            match listener.accept().await {
                Ok((stream, _)) => {
                    let inbox = self.clone();
                    conversations.spawn(async move { inbox.converse(stream).await });
                }
                // Out of descriptors, most likely: somebody else has to let go of some first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// One conversation, until the client says goodbye, vanishes or falls silent.
    async fn converse(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufStream::new(stream);
        let mut session = Session::default();
        let mut line = Vec::new();
        let mut reply = Some(session::GREETING.to_owned());
        loop {
            if let Some(reply) = reply.take() {
                stream.write_all(reply.as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
            }
            line.clear();
            let mut limited = (&mut stream).take(LINE_LEN_MAX);
            if timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await.ok()?.ok()? == 0 {
                return None;
            }
            match session.hear(&line) {
                Heard::Nothing => {}
                Heard::Reply(text) => reply = Some(text.to_owned()),
                Heard::Mail { envelope, raw } => {
                    let number = self.keep(&envelope, &raw);
                    reply = Some(format!("250 2.0.0 kept as mail {number}\r\n"));
                }
                Heard::Goodbye(text) => {
                    stream.write_all(text.as_bytes()).await.ok()?;
                    return stream.shutdown().await.ok();
                }
            }
        }
    }

    fn keep(&self, envelope: &mail::Envelope, raw: &[u8]) -> u64 {
        let received_at = self.clock.now();
        let mut kept = self.lock();
        kept.received += 1;
        let number = kept.received;
        if kept.mails.len() == MAILS_MAX {
            kept.mails.pop_front();
        }
        kept.mails.push_back(Arc::new(Mail::read(number, received_at, envelope, raw)));
        number
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_mails_are_kept_and_they_keep_their_numbers() {
        let inbox = Inbox::new(Clock::system());
        for _ in 0..MAILS_MAX + 10 {
            inbox.keep(&mail::Envelope::default(), b"Subject: x\r\n\r\nx\r\n");
        }
        let mails = inbox.mails();
        assert_eq!(mails.len(), MAILS_MAX);
        assert_eq!((mails[0].number, mails[MAILS_MAX - 1].number), (11, 510));
    }
}
