//! A notification as the bytes of a mail (RFC 5322, RFC 2045).
//!
//! Invariants, whatever the texts contain: all ASCII; lines end in CRLF and are at most 78 octets in the body and 998
//! in the headers; no bare CR, bare LF or NUL; a text can add no header. The same notification gives the same mail,
//! but for the line that says how late it is, and a link where the token of links has changed.

use std::time::{Duration, SystemTime};

use lettre::{
    Message,
    address::Address,
    message::{
        Attachment, Body, Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{Cc, ContentTransferEncoding, ContentType, Date, HeaderName, HeaderValue, To},
    },
};
use sha2::{Digest, Sha256};

use crate::domain::notification::{Notification, PICTURE_ID};

/// The longest subject sent, in characters; in encoded words that are folded, or on one line of ASCII.
const SUBJECT_CHARS_MAX: usize = 200;

/// The longest Message-ID sent; ours are far shorter.
const ID_CHARS_MAX: usize = 900;

/// Who stands in the mail.
pub(super) struct Headers {
    pub(super) to: Mailboxes,
    pub(super) cc: Option<Mailboxes>,
}

impl Headers {
    /// Everybody who is to have it.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &Address> {
        self.to.iter().chain(self.cc.iter().flat_map(Mailboxes::iter)).map(|mailbox| &mailbox.email)
    }
}

/// Writes the mail.
pub(super) fn compose(
    notification: &Notification,
    from: &Mailbox,
    headers: &Headers,
    late: Duration,
) -> Result<Vec<u8>, lettre::error::Error> {
    let content = notification.content.sent_late(late);
    let message_id = format!("<{}>", id_of(&notification.message_id));
    let mut builder = Message::builder()
        .header(Date::new(SystemTime::from(notification.created_at)))
        .from(from.clone())
        .mailbox(To::from(headers.to.clone()))
        .subject(subject(&content.subject))
        .message_id(Some(message_id))
        .raw_header(constant("Auto-Submitted", "auto-generated"))
        .raw_header(constant("X-Auto-Response-Suppress", "All"));
    if let Some(cc) = &headers.cc {
        builder = builder.mailbox(Cc::from(cc.clone()));
    }
    if let Some(first) = &notification.in_reply_to {
        let first = format!("<{}>", id_of(first));
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    let boundary = boundary(notification);
    // RFC 2045, section 7: no two mails have a part of the same name.
    let picture_id = format!("{boundary}.{PICTURE_ID}");
    let html = content.html.replace(&format!("cid:{PICTURE_ID}"), &format!("cid:{picture_id}"));
    let html = part(ContentType::TEXT_HTML, &html);
    let parts = MultiPart::alternative()
        .boundary(boundary.clone())
        .singlepart(part(ContentType::TEXT_PLAIN, &content.text));
    let parts = match &content.picture {
        None => parts.singlepart(html),
        Some(picture) => parts.multipart(
            MultiPart::related()
                // A boundary that begins with the one around it would end that one (RFC 2046, section 5.1.1).
                .boundary(format!("related-{boundary}"))
                .singlepart(html)
                .singlepart(inline(picture, picture_id)),
        ),
    };
    Ok(builder.multipart(parts)?.formatted())
}

fn constant(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A part in quoted-printable, which keeps lines short and text readable in a raw mail.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    let body = Body::new_with_encoding(lines(text), ContentTransferEncoding::QuotedPrintable)
        .expect("quoted-printable takes any text");
    SinglePart::builder().header(content_type).body(body)
}

/// The picture to which the HTML part refers.
fn inline(picture: &[u8], id: String) -> SinglePart {
    let jpeg = ContentType::parse("image/jpeg").expect("this is a media type");
    let attachment = Attachment::new_inline_with_name(id, "window.jpg".to_owned());
    attachment.body(picture.to_vec(), jpeg)
}

/// Every way to end a line becomes LF, which lettre writes as CRLF; other control characters become visible.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// One line, cut, in which nothing can be taken for an encoded word (RFC 2047) of ours.
fn subject(text: &str) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = one_line.replace("=?", "= ?");
    match plain.char_indices().nth(SUBJECT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

/// Only what may stand in a Message-ID (RFC 5322, `dot-atom-text` and one `@`), on one line.
fn id_of(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "@.-_+=".contains(*c);
    text.chars().filter(allowed).take(ID_CHARS_MAX).collect()
}

/// The same for the same mail, and not to be foreseen by a text inside it.
fn boundary(notification: &Notification) -> String {
    let mut hash = Sha256::new();
    for text in [&notification.message_id, &notification.content.text, &notification.content.html] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}
