//! From what broke to the word for it. Every error of the layers below (system, TLS, HTTP) is told apart here and
//! nowhere else, by what it is and never by its text.

use std::{error::Error, fmt, io};

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, pki_types::UnixTime};

use crate::domain::outcome::{
    Detail, Failure, Inconclusive, InconclusiveReason, PhaseKind, Reason, Stage, Verdict,
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The target's doing.
    Failed(Failure),
    /// Ours: we could not look.
    Inconclusive(Inconclusive),
}

impl Broken {
    /// A failure of the target at a stage.
    pub fn failed(stage: Stage, reason: Reason, detail: impl fmt::Display) -> Self {
        let detail = Detail::new(&detail.to_string());
        Self::Failed(Failure { stage, step: None, reason, cause: None, detail })
    }

    /// This machine lacks something.
    pub fn local(detail: impl fmt::Display) -> Self {
        let detail = Detail::new(&detail.to_string());
        Self::Inconclusive(Inconclusive { reason: InconclusiveReason::MonitorLocal, detail })
    }

    /// This machine has no way to where it wants to go.
    pub fn own_network(detail: impl fmt::Display) -> Self {
        let detail = Detail::new(&detail.to_string());
        Self::Inconclusive(Inconclusive { reason: InconclusiveReason::OwnNetwork, detail })
    }

    /// A bug of ours.
    pub fn internal(detail: impl fmt::Display) -> Self {
        let detail = Detail::new(&detail.to_string());
        Self::Inconclusive(Inconclusive { reason: InconclusiveReason::Internal, detail })
    }
}

impl From<Broken> for Verdict {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Failed(failure) => Self::Failed(failure),
            Broken::Inconclusive(inconclusive) => Self::Inconclusive(inconclusive),
        }
    }
}

/// The stage of a run that is in a phase.
#[must_use]
pub fn stage_of(phase: Option<PhaseKind>) -> Stage {
    match phase {
        Some(PhaseKind::Resolve) => Stage::Resolve,
        Some(PhaseKind::Connect) => Stage::Connect,
        Some(PhaseKind::Tls) => Stage::Tls,
        Some(PhaseKind::Send) => Stage::Send,
        Some(PhaseKind::Wait | PhaseKind::Pause) | None => Stage::Wait,
        Some(PhaseKind::Transfer) => Stage::Transfer,
    }
}

/// What running out of time means in a phase.
#[must_use]
pub fn timeout_in(phase: Option<PhaseKind>) -> Reason {
    match phase {
        Some(PhaseKind::Resolve) => Reason::DnsTimeout,
        Some(PhaseKind::Connect) => Reason::ConnectTimeout,
        Some(PhaseKind::Tls) => Reason::TlsTimeout,
        Some(PhaseKind::Send | PhaseKind::Wait | PhaseKind::Pause) | None => Reason::FirstByteTimeout,
        Some(PhaseKind::Transfer) => Reason::TransferTimeout,
    }
}

/// A limit of `states.md` that the I/O enforces; travels through the layers inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitHit {
    /// More header bytes than allowed, informational answers included.
    Head,
    /// Framing without content: empty frames, chunk extensions, control frames.
    Framing,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "the headers do not end within the limit",
            Self::Framing => "far more framing than content",
        })
    }
}

impl Error for LimitHit {}

/// The word for an I/O error of a connection attempt or of an open connection.
pub(super) fn of_io(stage: Stage, error: &io::Error) -> Broken {
    use io::ErrorKind as Kind;
    if is_ours(error) {
        return Broken::local(format_args!("failed to open a connection: {error}"));
    }
    if let Some(known) = error.get_ref().and_then(|inner| of_layer(stage, inner)) {
        return known;
    }
    let reason = match error.kind() {
        // How HTTP/2 says that the connection was closed; the system's own error has a number.
        Kind::BrokenPipe if error.raw_os_error().is_none() => Reason::Truncated,
        Kind::ConnectionRefused => Reason::ConnectRefused,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => {
            Reason::Reset
        }
        // Only our own interface can be down.
        Kind::NetworkDown => return Broken::own_network(error),
        Kind::NetworkUnreachable | Kind::HostUnreachable => Reason::ConnectUnreachable,
        // The system's own limit on unanswered SYNs or retransmissions.
        Kind::TimedOut if stage == Stage::Connect => Reason::ConnectTimeout,
        Kind::TimedOut => Reason::Reset,
        Kind::UnexpectedEof if stage == Stage::Tls => Reason::TlsHandshake,
        Kind::UnexpectedEof => Reason::Truncated,
        Kind::InvalidData if stage == Stage::Tls => Reason::TlsHandshake,
        _ if stage == Stage::Connect => Reason::ConnectUnreachable,
        _ => Reason::Protocol,
    };
    Broken::failed(stage, reason, error)
}

/// Whether an error says that this machine lacks something: descriptors, memory, ports, a permission.
pub(super) fn is_ours(error: &io::Error) -> bool {
    let Some(code) = error.raw_os_error() else { return error.kind() == io::ErrorKind::OutOfMemory };
    matches!(
        code,
        libc::EMFILE
            | libc::ENFILE
            | libc::ENOMEM
            | libc::ENOBUFS
            | libc::EADDRNOTAVAIL
            | libc::EAFNOSUPPORT
            | libc::EPERM
            | libc::EACCES
    )
}

/// The word for an error of the HTTP layer, found by walking down to the layer that knows.
pub(super) fn of_http(stage: Stage, error: &hyper::Error) -> Broken {
    if error.is_parse_too_large() {
        return Broken::failed(stage, Reason::HeaderTooLarge, "more or larger headers than the limit");
    }
    if let Some(known) = error.source().and_then(|inner| of_layer(stage, inner)) {
        return known;
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Broken::failed(
            stage,
            Reason::Truncated,
            "the connection was closed before the answer was complete",
        );
    }
    Broken::failed(stage, Reason::Protocol, error)
}

/// The word for the first error of a chain that belongs to a layer we know.
fn of_layer(stage: Stage, error: &(dyn Error + 'static)) -> Option<Broken> {
    if let Some(limit) = error.downcast_ref::<LimitHit>() {
        let reason = match limit {
            LimitHit::Head => Reason::HeaderTooLarge,
            LimitHit::Framing => Reason::Protocol,
        };
        return Some(Broken::failed(stage, reason, limit));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(of_http(stage, error));
    }
    if let Some(error) = error.downcast_ref::<TlsError>() {
        return Some(of_tls(stage, error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(of_io(stage, error));
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return Some(of_h2(stage, error));
    }
    of_layer(stage, error.source()?)
}

fn of_h2(stage: Stage, error: &h2::Error) -> Broken {
    if let Some(io) = error.get_io() {
        return of_io(stage, io);
    }
    if error.is_remote() {
        return Broken::failed(stage, Reason::Reset, error);
    }
    let calmed = error.is_go_away() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    if calmed && stage != Stage::Transfer {
        // Before an answer there is one thing of which the library has had too much: header fields.
        return Broken::failed(stage, Reason::HeaderTooLarge, LimitHit::Head);
    }
    Broken::failed(stage, Reason::Protocol, error)
}

/// The word for an error of the TLS layer.
pub(super) fn of_tls(stage: Stage, error: &TlsError) -> Broken {
    let reason = match error {
        TlsError::InvalidCertificate(why) => return of_certificate(stage, why),
        TlsError::NoCertificatesPresented => Reason::CertificateUntrusted,
        TlsError::AlertReceived(AlertDescription::UnrecognisedName) => Reason::CertificateName,
        TlsError::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => {
            return Broken::failed(
                stage,
                Reason::TlsHandshake,
                "more certificates than fit into a handshake",
            );
        }
        TlsError::InvalidMessage(_) | TlsError::InappropriateMessage { .. } if stage == Stage::Tls => {
            return Broken::failed(stage, Reason::TlsHandshake, format_args!("{error}; is this a TLS port?"));
        }
        _ => Reason::TlsHandshake,
    };
    Broken::failed(stage, reason, error)
}

fn of_certificate(stage: Stage, error: &CertificateError) -> Broken {
    use CertificateError as Why;
    let failed = |reason, detail: String| Broken::failed(stage, reason, detail);
    match error {
        Why::Expired => failed(Reason::CertificateExpired, "the certificate has expired".to_owned()),
        Why::ExpiredContext { not_after, .. } => {
            failed(Reason::CertificateExpired, format!("the certificate expired at {}", moment(*not_after)))
        }
        Why::NotValidYet => failed(Reason::CertificateExpired, "the certificate is not valid yet".to_owned()),
        Why::NotValidYetContext { not_before, .. } => failed(
            Reason::CertificateExpired,
            format!("the certificate is not valid before {}", moment(*not_before)),
        ),
        Why::NotValidForName => {
            failed(Reason::CertificateName, "the certificate is for another name".to_owned())
        }
        Why::NotValidForNameContext { expected, presented } => failed(
            Reason::CertificateName,
            format!("the certificate is not for {} but for {}", expected.to_str(), names(presented)),
        ),
        Why::UnknownIssuer => {
            failed(Reason::CertificateUntrusted, "the certificate's issuer is not trusted".to_owned())
        }
        Why::Other(why) => {
            failed(Reason::CertificateUntrusted, format!("the certificate is not accepted: {why}"))
        }
        other => failed(Reason::CertificateUntrusted, format!("the certificate is not accepted: {other}")),
    }
}

/// `DnsName("a.example")` and the like, as names for people.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

fn moment(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    second.map_or_else(|| "an impossible time".to_owned(), |second| second.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_never_the_targets_doing() {
        for (code, reason) in [
            (libc::EMFILE, InconclusiveReason::MonitorLocal),
            (libc::ENFILE, InconclusiveReason::MonitorLocal),
            (libc::ENOMEM, InconclusiveReason::MonitorLocal),
            (libc::ENOBUFS, InconclusiveReason::MonitorLocal),
            (libc::EADDRNOTAVAIL, InconclusiveReason::MonitorLocal),
            (libc::EAFNOSUPPORT, InconclusiveReason::MonitorLocal),
            (libc::EPERM, InconclusiveReason::MonitorLocal),
            (libc::ENETDOWN, InconclusiveReason::OwnNetwork),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let Broken::Inconclusive(why) = of_io(Stage::Connect, &error) else { panic!("{error}") };
            assert_eq!(why.reason, reason, "{error}");
        }
    }

    #[test]
    fn a_system_error_has_the_word_of_what_the_target_did() {
        for (stage, code, reason) in [
            (Stage::Connect, libc::ECONNREFUSED, Reason::ConnectRefused),
            (Stage::Connect, libc::ETIMEDOUT, Reason::ConnectTimeout),
            (Stage::Connect, libc::EHOSTUNREACH, Reason::ConnectUnreachable),
            (Stage::Connect, libc::ENETUNREACH, Reason::ConnectUnreachable),
            (Stage::Tls, libc::ECONNRESET, Reason::Reset),
            (Stage::Send, libc::EPIPE, Reason::Reset),
            (Stage::Transfer, libc::ETIMEDOUT, Reason::Reset),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let Broken::Failed(failure) = of_io(stage, &error) else { panic!("{error}") };
            assert_eq!((failure.stage, failure.reason), (stage, reason), "{error}");
        }
    }
}
