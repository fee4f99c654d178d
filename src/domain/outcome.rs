//! What one run saw. A failing probe is data: everything a run can meet has a place here, in closed sets that are
//! metric labels, database columns and mail texts at once.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{channel::ProbeKey, contact::Contact, shared::Shared};

/// One run of one probe, as it is judged, stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The probe that ran.
    pub probe: Arc<ProbeKey>,
    /// Wall-clock moment at which the run began; a label only.
    pub started_at: Timestamp,
    /// How long the whole run took, on the monotonic clock.
    pub duration: Duration,
    /// What it saw.
    pub verdict: Verdict,
    /// Its timed parts, in the order in which they began.
    pub phases: Vec<Phase>,
    /// Earliest `notAfter` in the certificate chain that the target presented, where there was one.
    pub certificate_expires_at: Option<Timestamp>,
    /// What it measured on its way to somebody who answers, where that is looked at.
    // Boxed: few probes talk to anybody.
    #[serde(default)]
    pub contact: Option<Box<Contact>>,
    /// The addresses and certificates that it met, on which others may stand too.
    #[serde(default)]
    pub met: Vec<Shared>,
}

/// The verdict of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every expectation held.
    Ok,
    /// It works, but over a budget (slow, certificate about to expire). The failure says which.
    Degraded(Failure),
    /// It does not work for a customer.
    Failed(Failure),
    /// We could not look. Never evidence against the channel.
    Inconclusive(Inconclusive),
}

impl Verdict {
    /// The `outcome` label and column.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded(_) => "degraded",
            Self::Failed(_) => "failed",
            Self::Inconclusive(_) => "inconclusive",
        }
    }

    /// The failure behind a degraded or failed verdict.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Degraded(failure) | Self::Failed(failure) => Some(failure),
            Self::Ok | Self::Inconclusive(_) => None,
        }
    }
}

/// Where it broke, what the customer meets, and why as far as we saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage of the run that broke.
    pub stage: Stage,
    /// The step of a journey that broke; none for a single request.
    pub step: Option<Arc<str>>,
    /// What the customer meets.
    pub reason: Reason,
    /// The technical word behind a support-specific reason.
    pub cause: Option<Reason>,
    /// A short, escaped sentence with the evidence.
    pub detail: Detail,
}

/// Why we could not look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inconclusive {
    /// The word for it.
    pub reason: InconclusiveReason,
    /// A short, escaped sentence with the evidence.
    pub detail: Detail,
}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every member, in the order of the definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used as TOML value, metric label, column and log field.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The member for a word, if there is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_set! {
    /// Where a run broke.
    Stage {
        /// Turning the host name into an address.
        Resolve = "resolve",
        /// The TCP connection.
        Connect = "connect",
        /// The TLS handshake.
        Tls = "tls",
        /// Sending the request.
        Send = "send",
        /// Waiting for the first byte of the answer.
        Wait = "wait",
        /// Reading the answer.
        Transfer = "transfer",
        /// The answer came and was not what it should be.
        Expect = "expect",
        /// A value needed by a later step could not be taken from the answer.
        Capture = "capture",
    }
}

closed_set! {
    /// What the customer meets, or the technical word where a probe has no customer's view.
    Reason {
        /// The entry is not on the page.
        Missing = "missing",
        /// The entry is there but grey.
        Disabled = "disabled",
        /// The entry is there but cannot be hit.
        Obscured = "obscured",
        /// The entry can be hit and nothing usable opens.
        Unresponsive = "unresponsive",
        /// It says closed or offline inside its published hours.
        Closed = "closed",
        /// It refuses this persona while it serves others.
        Restricted = "restricted",
        /// All lines or seats are taken.
        Busy = "busy",
        /// A person is asked for and nobody takes it, with no queue shown.
        NoAnswer = "no_answer",
        /// Taken or open, then silence.
        Silent = "silent",
        /// Queued for longer than the waiting budget.
        QueueTimeout = "queue_timeout",
        /// No way from the bot to a person.
        BotOnly = "bot_only",
        /// A person is further away than the step budget.
        TooManySteps = "too_many_steps",
        /// Accepted, then never arrived at the agents' side.
        Lost = "lost",
        /// Arrived after its budget.
        Late = "late",
        /// A challenge answered instead of the service.
        BotWall = "bot_wall",
        /// The name does not exist.
        DnsNxdomain = "dns_nxdomain",
        /// The resolver answered with a server failure or refused.
        DnsServfail = "dns_servfail",
        /// The resolver did not answer.
        DnsTimeout = "dns_timeout",
        /// The resolver's answer could not be used.
        DnsMalformed = "dns_malformed",
        /// The connection was refused.
        ConnectRefused = "connect_refused",
        /// The connection was not established in time.
        ConnectTimeout = "connect_timeout",
        /// No route to the host or network.
        ConnectUnreachable = "connect_unreachable",
        /// The peer reset the connection.
        Reset = "reset",
        /// The TLS handshake failed.
        TlsHandshake = "tls_handshake",
        /// The TLS handshake was not finished in time.
        TlsTimeout = "tls_timeout",
        /// The certificate has expired or is not valid yet.
        CertificateExpired = "certificate_expired",
        /// The certificate is for another name.
        CertificateName = "certificate_name",
        /// The certificate's issuer is not trusted.
        CertificateUntrusted = "certificate_untrusted",
        /// The answer did not begin in time.
        FirstByteTimeout = "first_byte_timeout",
        /// The answer began and did not end in time.
        TransferTimeout = "transfer_timeout",
        /// It answered, slower than its budget.
        TooSlow = "too_slow",
        /// The body is larger than the limit.
        BodyTooLarge = "body_too_large",
        /// The headers are larger or more than the limit.
        HeaderTooLarge = "header_too_large",
        /// The body inflates beyond the allowed ratio.
        DecompressRatio = "decompress_ratio",
        /// The answer ended before it was complete.
        Truncated = "truncated",
        /// The answer breaks the protocol, or is not in the encoding that it names.
        Protocol = "protocol",
        /// More redirects than the limit.
        RedirectLimit = "redirect_limit",
        /// A redirect leads back to a page already visited.
        RedirectLoop = "redirect_loop",
        /// A redirect leads to a scheme or place that is not followed.
        RedirectBlocked = "redirect_blocked",
        /// The address is one that is never connected to.
        PolicyBlocked = "policy_blocked",
        /// The status code is not an expected one.
        Status = "status",
        /// The content is not what it should be.
        Content = "content",
        /// The credentials were refused.
        Auth = "auth",
        /// The browser's page crashed.
        BrowserCrash = "browser_crash",
        /// The browser did not finish in time.
        BrowserTimeout = "browser_timeout",
    }
}

impl Reason {
    /// Whether a run that failed for this reason counts in the timeout rate.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::DnsTimeout
                | Self::ConnectTimeout
                | Self::TlsTimeout
                | Self::FirstByteTimeout
                | Self::TransferTimeout
                | Self::BrowserTimeout
                | Self::TooSlow
                | Self::NoAnswer
                | Self::Silent
                | Self::QueueTimeout
                | Self::Late
        )
    }

    /// Whether it says that names cannot be resolved.
    #[must_use]
    pub fn is_of_names(self) -> bool {
        matches!(self, Self::DnsNxdomain | Self::DnsServfail | Self::DnsTimeout | Self::DnsMalformed)
    }

    /// Whether a certificate was refused.
    #[must_use]
    pub fn is_of_certificates(self) -> bool {
        matches!(self, Self::CertificateExpired | Self::CertificateName | Self::CertificateUntrusted)
    }

    /// Whether it lies below what a customer would put into words: in names, connections, protocols, or in a service that
    /// answers with an error.
    #[must_use]
    pub fn is_technical(self) -> bool {
        self >= Self::DnsNxdomain && !matches!(self, Self::Content | Self::Auth)
    }
}

closed_set! {
    /// Why we could not look.
    InconclusiveReason {
        /// This machine lacks something: descriptors, memory, ports, a browser.
        MonitorLocal = "monitor_local",
        /// Our own network is gone.
        OwnNetwork = "own_network",
        /// The run was interrupted by shutdown.
        Shutdown = "shutdown",
        /// A bug of ours.
        Internal = "internal",
        /// People have been asked as often today as they may be.
        Capped = "capped",
    }
}

/// The longest detail kept, in characters (`states.md`, limits).
pub const DETAIL_CHARS_MAX: usize = 512;

/// A short text with evidence that may quote the target: control, bidi and line-break characters are escaped, and
/// it is cut at [`DETAIL_CHARS_MAX`], so it can stand on one line of a log, a mail or a page.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Detail(String);

impl Detail {
    /// Escapes and cuts a text that may be hostile.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len().min(DETAIL_CHARS_MAX));
        let mut count = 0;
        for c in text.chars() {
            let piece: Piece =
                if needs_escape(c) { Piece::Escaped(c.escape_unicode()) } else { Piece::Plain(c) };
            let width = piece.width();
            if count + width > DETAIL_CHARS_MAX - 1 {
                escaped.push('…');
                break;
            }
            count += width;
            piece.push_to(&mut escaped);
        }
        Self(escaped)
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

enum Piece {
    Plain(char),
    Escaped(std::char::EscapeUnicode),
}

impl Piece {
    fn width(&self) -> usize {
        match self {
            Self::Plain(_) => 1,
            Self::Escaped(escape) => escape.len(),
        }
    }

    fn push_to(self, text: &mut String) {
        match self {
            Self::Plain(c) => text.push(c),
            Self::Escaped(escape) => text.extend(escape),
        }
    }
}

/// Control characters, line and paragraph separators, the bidi controls of Unicode TR9, zero-width characters and
/// the byte-order mark: everything that can move, hide or reorder what a reader sees; and what no XML may hold.
#[must_use]
pub fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{061c}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The words of a probe's phases as metric labels: phases of a request, or steps of a journey.
pub type PhaseWords = Arc<[Box<str>]>;

/// One timed part of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The step of a journey; none for a single request.
    pub step: Option<Arc<str>>,
    /// Which request of the redirect chain, counted from 0.
    pub hop: u8,
    /// What was done.
    pub kind: PhaseKind,
    /// When it began, from the start of the run.
    pub offset: Duration,
    /// How long it took, or had taken when the run ended.
    pub duration: Duration,
}

closed_set! {
    /// The parts of a request, in the order in which they happen.
    PhaseKind {
        /// Host name to address.
        Resolve = "resolve",
        /// TCP connection.
        Connect = "connect",
        /// TLS handshake.
        Tls = "tls",
        /// Request on the wire.
        Send = "send",
        /// Until the first byte of the answer.
        Wait = "wait",
        /// Until the last byte of the answer.
        Transfer = "transfer",
        /// Waiting in a step that is tried again: everything before its last try.
        Pause = "pause",
    }
}
