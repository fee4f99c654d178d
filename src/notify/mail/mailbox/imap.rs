//! The few words of IMAP (RFC 3501) by which a mail is looked for and deleted. It fetches nothing, so all that a server
//! has to say is short: what is longer ends the session, and of a literal nothing is kept, whatever length it announces.
//! Nothing is logged of what is said.

use std::{fmt, io, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};

use crate::secret::Secret;

/// So much a server may say in a session, and in one line.
const SAID_MAX: usize = 256 * 1024;
const LINE_MAX: usize = 32 * 1024;

/// So many mails are deleted at once at most.
const DELETED_MAX: usize = 1_000;

/// How long a server may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// What a session is held over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A session.
pub(super) struct Dialogue {
    wire: BufReader<Box<dyn Wire>>,
    limit: Duration,
    /// How much the server has said.
    said: usize,
    /// How many commands it was given.
    commands: u32,
}

/// What a server said to a command that it has carried out.
struct Answer {
    /// The lines before the last.
    untagged: Vec<String>,
}

impl Answer {
    /// What follows a word in the untagged lines.
    fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let after = move |line: &'a String| {
            let (first, rest) = line.strip_prefix("* ")?.split_once(' ').or(Some((&line[2..], "")))?;
            first.eq_ignore_ascii_case(word).then_some(rest)
        };
        self.untagged.iter().filter_map(after).flat_map(str::split_ascii_whitespace)
    }

    fn has_capability(&self, name: &str) -> bool {
        self.words("CAPABILITY").any(|word| word.eq_ignore_ascii_case(name))
    }
}

impl Dialogue {
    /// A session over a connection; every command and its answer may take `limit`.
    pub(super) fn new(wire: Box<dyn Wire>, limit: Duration) -> Self {
        Self { wire: BufReader::new(wire), limit, said: 0, commands: 0 }
    }

    /// Hears the greeting.
    pub(super) async fn greeting(&mut self) -> Result<(), String> {
        let line = self.in_time("greeting", async |it| it.line().await).await?;
        match line.get(..5) {
            Some(ok) if ok.eq_ignore_ascii_case("* OK ") => Ok(()),
            _ => Err(format!("greeting: the server said {line}")),
        }
    }

    /// Gets the connection ready for TLS. What has been said before is forgotten with the session.
    pub(super) async fn start_tls(mut self) -> Result<Box<dyn Wire>, String> {
        self.command("STARTTLS", "STARTTLS", None).await?;
        // It would be taken for the first words inside TLS.
        if !self.wire.buffer().is_empty() {
            return Err("STARTTLS: the server spoke out of turn".to_owned());
        }
        Ok(self.wire.into_inner())
    }

    /// Logs in.
    pub(super) async fn login(&mut self, username: &str, password: &Secret) -> Result<(), String> {
        let offered = self.command("CAPABILITY", "CAPABILITY", None).await?;
        if offered.has_capability("AUTH=PLAIN") {
            let words = STANDARD.encode(format!("\0{username}\0{}", password.expose()));
            return self.command("login", "AUTHENTICATE PLAIN", Some(&words)).await.map(drop);
        }
        let (Some(username), Some(password)) = (quoted(username), quoted(password.expose())) else {
            return Err(
                "login: the server does not offer AUTH=PLAIN, and LOGIN takes ASCII characters alone"
                    .to_owned(),
            );
        };
        self.command("login", &format!("LOGIN {username} {password}"), None).await.map(drop)
    }

    /// Opens a folder.
    pub(super) async fn select(&mut self, folder: &str) -> Result<(), String> {
        // In the names of folders `&` begins what is encoded.
        let name = quoted(&folder.replace('&', "&-")).ok_or("SELECT: the folder is not written in ASCII")?;
        self.command("SELECT", &format!("SELECT {name}"), None).await.map(drop)
    }

    /// The mails of the open folder whose Message-ID contains a text.
    pub(super) async fn find(&mut self, text: &str) -> Result<Vec<u32>, String> {
        let text = quoted(text).ok_or("SEARCH: not written in ASCII")?;
        let answer = self.command("SEARCH", &format!("UID SEARCH HEADER Message-ID {text}"), None).await?;
        Ok(answer.words("SEARCH").filter_map(|uid| uid.parse().ok()).take(DELETED_MAX).collect())
    }

    /// Deletes mails. A server without UIDPLUS could only take along what others have marked: there they stay marked.
    pub(super) async fn delete(&mut self, uids: &[u32]) -> Result<(), String> {
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mark = format!("UID STORE {set} +FLAGS.SILENT (\\Seen \\Deleted)");
        self.command("STORE", &mark, None).await?;
        if self.command("CAPABILITY", "CAPABILITY", None).await?.has_capability("UIDPLUS") {
            self.command("EXPUNGE", &format!("UID EXPUNGE {set}"), None).await?;
        }
        Ok(())
    }

    /// Says goodbye, if the server listens.
    pub(super) async fn close(mut self) {
        self.limit = GOODBYE_MAX;
        // What there was to do is done; nothing depends on how the goodbye is taken.
        drop(self.command("LOGOUT", "LOGOUT", None).await);
    }

    /// Gives a command, and `more` when the server asks for it. `stage` is how it is called where it fails: what is sent
    /// may be a secret.
    async fn command(&mut self, stage: &str, words: &str, more: Option<&str>) -> Result<Answer, String> {
        self.commands += 1;
        let tag = format!("a{}", self.commands);
        self.in_time(stage, async |it| {
            it.send(&format!("{tag} {words}")).await?;
            let mut more = more;
            let mut untagged = Vec::new();
            loop {
                let line = it.line().await?;
                if let Some(status) = line.strip_prefix(&tag).and_then(|rest| rest.strip_prefix(' ')) {
                    let is_done = status.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("OK"));
                    return if is_done {
                        Ok(Answer { untagged })
                    } else {
                        Err(Fault::Said(status.to_owned()))
                    };
                }
                if line.starts_with('+') {
                    // One that asks again has no use for what it was given.
                    it.send(more.take().unwrap_or("*")).await?;
                } else if line.get(..5).is_some_and(|bye| bye.eq_ignore_ascii_case("* BYE"))
                    && stage != "LOGOUT"
                {
                    return Err(Fault::Said(line[2..].to_owned()));
                } else {
                    untagged.push(line);
                }
            }
        })
        .await
    }

    async fn in_time<T>(
        &mut self,
        stage: &str,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, String> {
        let limit = self.limit;
        match timeout(limit, work(self)).await {
            Ok(result) => result.map_err(|fault| format!("{stage}: {fault}")),
            Err(_) => Err(format!("{stage}: no answer within {} s", limit.as_secs_f64())),
        }
    }

    async fn send(&mut self, line: &str) -> Result<(), Fault> {
        self.wire.write_all(format!("{line}\r\n").as_bytes()).await?;
        Ok(self.wire.flush().await?)
    }

    /// The next line, without the literals in it.
    async fn line(&mut self) -> Result<String, Fault> {
        let mut line = Vec::new();
        loop {
            let heard = self.wire.fill_buf().await?;
            if heard.is_empty() {
                return Err(Fault::Gone);
            }
            let end = heard.iter().position(|octet| *octet == b'\n');
            let count = end.map_or(heard.len(), |end| end + 1);
            line.extend_from_slice(&heard[..count]);
            self.hear(count)?;
            if line.len() > LINE_MAX {
                return Err(Fault::Endless);
            }
            if end.is_none() {
                continue;
            }
            while line.last().is_some_and(|octet| matches!(octet, b'\r' | b'\n')) {
                line.pop();
            }
            match literal(&line) {
                Some(length) => self.skip(length).await?,
                None => return Ok(String::from_utf8_lossy(&line).into_owned()),
            }
        }
    }

    /// Reads past a literal.
    async fn skip(&mut self, mut length: usize) -> Result<(), Fault> {
        if length > SAID_MAX {
            return Err(Fault::Endless);
        }
        while length > 0 {
            let count = self.wire.fill_buf().await?.len().min(length);
            if count == 0 {
                return Err(Fault::Gone);
            }
            self.hear(count)?;
            length -= count;
        }
        Ok(())
    }

    fn hear(&mut self, count: usize) -> Result<(), Fault> {
        self.wire.consume(count);
        self.said += count;
        if self.said > SAID_MAX { Err(Fault::Endless) } else { Ok(()) }
    }
}

/// Why a session ends early.
enum Fault {
    Io(io::Error),
    /// The server has closed the connection.
    Gone,
    /// The server does not come to an end.
    Endless,
    /// The server has refused.
    Said(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Gone => f.write_str("the server closed the connection"),
            Self::Endless => f.write_str("the server's answer has no end"),
            Self::Said(words) => write!(f, "the server said {words}"),
        }
    }
}

/// The length of the literal that a line announces at its end. One that is too long for a number is too long.
fn literal(line: &[u8]) -> Option<usize> {
    let begin = line.iter().rposition(|octet| *octet == b'{')?;
    let digits = std::str::from_utf8(&line[begin + 1..]).ok()?.strip_suffix('}')?;
    let digits = digits.strip_suffix('+').unwrap_or(digits);
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// A quoted string; none of what cannot be written as one.
fn quoted(text: &str) -> Option<String> {
    let is_writable = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    is_writable.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_known_by_the_end_of_its_line() {
        for (line, length) in [
            ("* 1 FETCH (BODY[] {12}", Some(12)),
            ("* LIST () \"/\" {3+}", Some(3)),
            ("* X {99999999999999999999999}", Some(usize::MAX)),
            ("* OK {}", None),
            ("* OK {a}", None),
            ("* OK {3} more", None),
            ("a1 OK done", None),
        ] {
            assert_eq!(literal(line.as_bytes()), length, "{line}");
        }
    }

    #[test]
    fn a_quoted_string_can_be_left_by_nothing_in_it() {
        assert_eq!(quoted(r#"a "b" \c"#).as_deref(), Some(r#""a \"b\" \\c""#));
        for text in ["a\r\nb", "ä", "\0"] {
            assert_eq!(quoted(text), None, "{text:?}");
        }
    }
}
