//! A mail as received: its envelope, its headers decoded, its parts. Whatever cannot be read as a mail is shown as
//! plain text, so that nothing received is ever invisible.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders};
use serde::Serialize;

/// From whom and to whom, as said to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The reverse path; empty for a bounce.
    pub from: String,
    /// Every recipient accepted.
    pub to: Vec<String>,
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// Counted from 1 in the order of arrival.
    pub number: u64,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The sender said to the server.
    pub envelope_from: String,
    /// The recipients said to the server.
    pub envelope_to: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// Every header in its order, unfolded, otherwise as received.
    pub headers: Vec<Header>,
    /// The plain text part, decoded; empty if there is none.
    pub text: String,
    /// The HTML part, decoded; none if there is none.
    pub html: Option<String>,
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Its name as written.
    pub name: String,
    /// Its value, unfolded.
    pub value: String,
}

impl Mail {
    /// Reads what came after DATA, dots already unstuffed.
    #[must_use]
    pub fn read(number: u64, received_at: Timestamp, envelope: &Envelope, raw: &[u8]) -> Self {
        let parsed = MessageParser::default().parse(raw).unwrap_or_default();
        let mut mail = Self {
            number,
            received_at,
            envelope_from: envelope.from.clone(),
            envelope_to: envelope.to.clone(),
            subject: parsed.subject().unwrap_or_default().to_owned(),
            headers: parsed
                .headers_raw()
                .map(|(name, value)| Header { name: name.to_owned(), value: unfold(value) })
                .collect(),
            text: parsed.body_text(0).unwrap_or_default().into_owned(),
            html: has_html(&parsed).then(|| with_pictures(&parsed)),
        };
        if mail.text.is_empty() && mail.html.is_none() {
            mail.text = String::from_utf8_lossy(raw).into_owned();
        }
        mail
    }

    /// The value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }
}

/// The HTML part, with the pictures to which it refers in their places.
fn with_pictures(message: &mail_parser::Message<'_>) -> String {
    let mut html = message.body_html(0).unwrap_or_default().into_owned();
    for part in &message.parts {
        let (Some(id), Some(kind)) = (part.content_id(), part.content_type()) else { continue };
        if kind.ctype() == "image" && matches!(kind.subtype(), Some("jpeg" | "png")) {
            let data = STANDARD.encode(part.contents());
            let picture = format!("data:image/{};base64,{data}", kind.subtype().unwrap_or_default());
            html = html.replace(&format!("cid:{id}"), &picture);
        }
    }
    html
}

/// The parser makes an HTML body of a plain one; only one that was sent counts.
fn has_html(message: &mail_parser::Message<'_>) -> bool {
    message.html_bodies().any(|part| matches!(part.body, mail_parser::PartType::Html(_)))
}

fn unfold(value: &str) -> String {
    value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Mail {
        let envelope = Envelope { from: "a@example.com".into(), to: vec!["b@example.com".into()] };
        Mail::read(1, Timestamp::UNIX_EPOCH, &envelope, raw.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn both_parts_of_a_multipart_mail_are_read_and_decoded() {
        let mail = read(
            "Subject: =?utf-8?q?dark_=E2=80=93_hotline?=\nMIME-Version: 1.0\n\
             Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\nfive =3D lines\n--b\nContent-Type: text/html\n\n\
             <p>five</p>\n--b--\n",
        );
        assert_eq!(mail.subject, "dark – hotline");
        assert_eq!(mail.text.trim_end(), "five = lines");
        assert_eq!(mail.html.as_deref().map(str::trim_end), Some("<p>five</p>"));
    }

    #[test]
    fn a_folded_header_is_one_line_and_is_found_in_any_case() {
        let mail = read("References: <a@x>\n <b@x>\n\nhello\n");
        assert_eq!(mail.header("references"), Some("<a@x> <b@x>"));
    }

    #[test]
    fn a_plain_mail_has_no_html_part() {
        let mail = read("Subject: plain\n\nhello\n");
        assert_eq!(mail.html, None);
        assert_eq!(mail.text.trim_end(), "hello");
    }

    #[test]
    fn bytes_that_are_no_mail_are_still_shown() {
        let mail = read("\n");
        assert_eq!(mail.subject, "");
        let mail = Mail::read(1, Timestamp::UNIX_EPOCH, &Envelope::default(), b"\xff\xfe");
        assert!(!mail.text.is_empty());
    }
}
