//! The server's side of one SMTP conversation (RFC 5321): lines in, replies out. It never touches a socket.
//!
//! Invariant: a mail is handed over whole or not at all; a conversation that breaks off in the middle of DATA leaves
//! nothing behind.

use super::mail::Envelope;

/// What the server says first.
pub(super) const GREETING: &str = "220 localhost Lamplighter demo mailbox\r\n";

/// The longest line read, in bytes; RFC 5321 promises 1,000, real mails have longer ones.
pub(super) const LINE_LEN_MAX: u64 = 64 * 1024;

/// The largest mail taken, in bytes. Also said in the answer to EHLO.
const MAIL_LEN_MAX: usize = 1024 * 1024;

/// The most recipients of one mail.
const RECIPIENTS_MAX: usize = 100;

/// What a line leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing to say yet.
    Nothing,
    /// Something to say.
    Reply(&'static str),
    /// A whole mail, to be kept and acknowledged.
    Mail { envelope: Envelope, raw: Vec<u8> },
    /// The client leaves; the last words.
    Goodbye(&'static str),
}

/// Where a conversation is.
#[derive(Debug, Default)]
pub(super) struct Session {
    envelope: Option<Envelope>,
    /// The mail being received; none outside DATA.
    data: Option<Vec<u8>>,
}

impl Session {
    /// Takes one line with its line break.
    pub(super) fn hear(&mut self, line: &[u8]) -> Heard {
        match self.data.take() {
            Some(data) => self.hear_data(data, line),
            None => self.hear_command(String::from_utf8_lossy(line).trim_end()),
        }
    }

    fn hear_data(&mut self, mut data: Vec<u8>, line: &[u8]) -> Heard {
        if line == b".\r\n" || line == b".\n" {
            let envelope = self.envelope.take().unwrap_or_default();
            return if data.len() > MAIL_LEN_MAX {
                Heard::Reply("552 5.3.4 the mail is larger than 1 MiB\r\n")
            } else {
                Heard::Mail { envelope, raw: data }
            };
        }
        // One line over the limit is remembered as "too long"; the rest is swallowed without being kept.
        if data.len() <= MAIL_LEN_MAX {
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        self.data = Some(data);
        Heard::Nothing
    }

    fn hear_command(&mut self, line: &str) -> Heard {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.envelope = None;
                Heard::Reply("250-localhost\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            }
            "HELO" => {
                self.envelope = None;
                Heard::Reply("250 localhost\r\n")
            }
            "MAIL" => self.hear_sender(rest),
            "RCPT" => self.hear_recipient(rest),
            "DATA" => self.hear_data_begin(),
            "RSET" => {
                self.envelope = None;
                Heard::Reply("250 2.0.0 forgotten\r\n")
            }
            "NOOP" => Heard::Reply("250 2.0.0 still here\r\n"),
            "VRFY" => Heard::Reply("252 2.1.5 everybody is welcome\r\n"),
            "QUIT" => Heard::Goodbye("221 2.0.0 goodbye\r\n"),
            _ => Heard::Reply("500 5.5.1 unknown command\r\n"),
        }
    }

    fn hear_sender(&mut self, rest: &str) -> Heard {
        if self.envelope.is_some() {
            return Heard::Reply("503 5.5.1 a mail is already begun\r\n");
        }
        match path(rest, "FROM:") {
            Some(from) => {
                self.envelope = Some(Envelope { from, to: Vec::new() });
                Heard::Reply("250 2.1.0 go on\r\n")
            }
            None => Heard::Reply("501 5.5.4 expected MAIL FROM:<address>\r\n"),
        }
    }

    fn hear_recipient(&mut self, rest: &str) -> Heard {
        let Some(envelope) = &mut self.envelope else {
            return Heard::Reply("503 5.5.1 MAIL first\r\n");
        };
        match path(rest, "TO:") {
            _ if envelope.to.len() == RECIPIENTS_MAX => Heard::Reply("452 4.5.3 too many recipients\r\n"),
            Some(to) if !to.is_empty() => {
                envelope.to.push(to);
                Heard::Reply("250 2.1.5 go on\r\n")
            }
            _ => Heard::Reply("501 5.5.4 expected RCPT TO:<address>\r\n"),
        }
    }

    fn hear_data_begin(&mut self) -> Heard {
        if self.envelope.as_ref().is_none_or(|envelope| envelope.to.is_empty()) {
            return Heard::Reply("503 5.5.1 MAIL and RCPT first\r\n");
        }
        self.data = Some(Vec::new());
        Heard::Reply("354 end with a dot on a line of its own\r\n")
    }
}

/// The address between angle brackets behind `keyword`; parameters such as `SIZE=` are passed over.
fn path(text: &str, keyword: &str) -> Option<String> {
    let head = text.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, _) = text[keyword.len()..].trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Session {
        let mut session = Session::default();
        for line in ["EHLO me", "MAIL FROM:<a@x> SIZE=9", "RCPT TO:<b@x>", "rcpt to:<c@x>"] {
            assert!(matches!(session.hear(line.as_bytes()), Heard::Reply(reply) if reply.starts_with("250")));
        }
        assert!(matches!(session.hear(b"DATA\r\n"), Heard::Reply(reply) if reply.starts_with("354")));
        session
    }

    fn code(heard: &Heard) -> &str {
        match heard {
            Heard::Reply(reply) | Heard::Goodbye(reply) => &reply[..3],
            other => panic!("no reply but {other:?}"),
        }
    }

    #[test]
    fn a_mail_is_handed_over_with_its_envelope_and_its_dots_unstuffed() {
        let mut session = begun();
        assert_eq!(session.hear(b"Subject: x\r\n"), Heard::Nothing);
        assert_eq!(session.hear(b"..two dots\r\n"), Heard::Nothing);
        let Heard::Mail { envelope, raw } = session.hear(b".\r\n") else { panic!("no mail") };
        assert_eq!(envelope, Envelope { from: "a@x".into(), to: vec!["b@x".into(), "c@x".into()] });
        assert_eq!(raw, b"Subject: x\r\n.two dots\r\n");
    }

    #[test]
    fn a_second_mail_may_follow_in_the_same_conversation() {
        let mut session = begun();
        session.hear(b".\r\n");
        assert_eq!(code(&session.hear(b"MAIL FROM:<>")), "250");
    }

    #[test]
    fn commands_out_of_order_are_refused() {
        let mut session = Session::default();
        assert_eq!(code(&session.hear(b"RCPT TO:<b@x>")), "503");
        assert_eq!(code(&session.hear(b"DATA")), "503");
        assert_eq!(code(&session.hear(b"MAIL FROM:a@x")), "501");
        assert_eq!(code(&session.hear(b"BDAT 5")), "500");
        assert_eq!(code(&session.hear(b"QUIT")), "221");
    }

    #[test]
    fn rset_forgets_the_envelope() {
        let mut session = Session::default();
        session.hear(b"MAIL FROM:<a@x>");
        session.hear(b"RCPT TO:<b@x>");
        assert_eq!(code(&session.hear(b"RSET")), "250");
        assert_eq!(code(&session.hear(b"DATA")), "503");
    }

    #[test]
    fn a_mail_over_the_limit_is_refused_and_not_kept_in_memory() {
        let mut session = begun();
        let line = [b"x".repeat(60 * 1024), b"\r\n".to_vec()].concat();
        for _ in 0..100 {
            assert_eq!(session.hear(&line), Heard::Nothing);
        }
        assert!(session.data.as_ref().unwrap().len() < MAIL_LEN_MAX + line.len());
        assert_eq!(code(&session.hear(b".\r\n")), "552");
    }
}
