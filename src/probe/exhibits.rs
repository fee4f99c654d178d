//! What of a run is kept when it has not gone well: what was asked and answered, clipped and without what says who we
//! are; the connection; what was said.

use std::{collections::BTreeSet, fmt::Write, net::IpAddr};

use http::{HeaderMap, Method, header::SET_COOKIE};
use url::Url;

use crate::{
    domain::{exhibit::Exhibit, shared::Shared},
    probe::{
        conversation::Transcript,
        timeline::{Fact, Reached},
        transport::{Answer, prepared::Prepared, shown},
    },
};

/// So much of a body is kept, in bytes.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// So many header fields are kept of each message.
const FIELDS_MAX: usize = 60;

/// A request as it was made, for when its answer turns out to be no good.
#[derive(Clone, Debug)]
pub struct Asked {
    method: Method,
    url: Url,
    headers: HeaderMap,
}

impl Asked {
    /// What was asked.
    #[must_use]
    pub fn of(prepared: &Prepared) -> Self {
        let (method, url) = (prepared.method.clone(), prepared.target.url.clone());
        Self { method, url, headers: prepared.headers.clone() }
    }

    /// A request and its answer, if one came.
    #[must_use]
    pub fn answered(&self, answer: Option<&Answer>) -> Exhibit {
        let mut text = format!("{} {}\n", self.method, shown(&self.url));
        write_fields(&mut text, &self.headers);
        let Some(answer) = answer else {
            text.push_str("\nno answer\n");
            return Exhibit::text("answer", &text);
        };
        if answer.url != self.url {
            push(&mut text, format_args!("\nanswered by {}", shown(&answer.url)));
        }
        push(&mut text, format_args!("\n{}", answer.status));
        write_fields(&mut text, &answer.headers);
        text.push('\n');
        write_body(&mut text, &answer.body);
        Exhibit::text("answer", &text)
    }
}

/// How a run came to where it ended: addresses, TLS, and what each phase took.
#[must_use]
pub fn connection(reached: &Reached) -> Option<Exhibit> {
    let mut text = String::new();
    for fact in &reached.facts {
        match fact {
            Fact::Resolved(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                push(&mut text, format_args!("resolved to {}", addresses.join(", ")));
            }
            Fact::Connected(address) => push(&mut text, format_args!("connected to {address}")),
            Fact::Presented(digest) => {
                push(&mut text, format_args!("certificate {}", fingerprint(digest)));
            }
            Fact::Tls { version, suite, expires_at } => {
                let until = expires_at.map(|at| format!(", certificates valid until {at}"));
                push(&mut text, format_args!("{version}, {suite}{}", until.unwrap_or_default()));
            }
        }
    }
    for phase in &reached.phases {
        let step = phase.step.as_deref().map(|step| format!("{step}: ")).unwrap_or_default();
        let (offset, took) = (phase.offset.as_secs_f64(), phase.duration.as_secs_f64());
        push(&mut text, format_args!("{offset:>9.3} s  {step}{} for {took:.3} s", phase.kind));
    }
    (!text.is_empty()).then(|| Exhibit::text("connection", &text))
}

/// The addresses and the certificates that a run met, each once.
#[must_use]
pub fn met(reached: &Reached) -> Vec<Shared> {
    let address = |address: IpAddr| Shared::Address(address.to_canonical().to_string().into());
    let shared = |fact: &Fact| match fact {
        Fact::Resolved(addresses) => addresses.iter().map(|one| address(one.ip())).collect(),
        Fact::Connected(one) => vec![address(*one)],
        Fact::Presented(digest) => {
            vec![Shared::Certificate(fingerprint(&digest[..SHOWN_OF_FINGERPRINT]).into())]
        }
        Fact::Tls { .. } => Vec::new(),
    };
    let met: BTreeSet<Shared> = reached.facts.iter().flat_map(shared).collect();
    met.into_iter().collect()
}

/// So many bytes of a fingerprint tell certificates apart where people read it: 2^64 of them are too many to meet two by
/// chance.
const SHOWN_OF_FINGERPRINT: usize = 8;

/// A fingerprint as openssl writes it.
fn fingerprint(digest: &[u8]) -> String {
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// What was said.
#[must_use]
pub fn transcript(transcript: &Transcript) -> Option<Exhibit> {
    let mut text = String::new();
    for said in transcript {
        let at = said.at.as_secs_f64();
        push(&mut text, format_args!("{at:>9.3} s  {:<8}  {}", said.speaker.as_str(), said.text));
    }
    (!text.is_empty()).then(|| Exhibit::text("transcript", &text))
}

fn write_fields(text: &mut String, headers: &HeaderMap) {
    for (name, value) in headers.iter().take(FIELDS_MAX) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let shown = match (headers.get(name).is_some_and(http::HeaderValue::is_sensitive), name) {
            (true, _) => "***",
            (false, name) if *name == SET_COOKIE => value.split_once('=').map_or("…", |(cookie, _)| cookie),
            (false, _) => &value,
        };
        push(text, format_args!("{name}: {shown}"));
    }
    if headers.len() > FIELDS_MAX {
        push(text, format_args!("… and {} more", headers.len() - FIELDS_MAX));
    }
}

fn write_body(text: &mut String, body: &[u8]) {
    let kept = &body[..body.len().min(BODY_BYTES_MAX)];
    text.push_str(&String::from_utf8_lossy(kept));
    if body.len() > kept.len() {
        push(text, format_args!("\n… and {} bytes more", body.len() - kept.len()));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing into a string does not fail");
    text.push('\n');
}
