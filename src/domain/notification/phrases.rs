//! What a reason means to people: the sentence that says what a customer meets, by kind of door, and the words that
//! explain a reason to the person on call.

use crate::domain::{channel::ChannelKind, incident::Severity, outcome::Reason};

/// The door as it stands in the middle of a sentence.
pub(super) fn door(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Chat => "the chat",
        ChannelKind::Hotline => "the hotline",
        ChannelKind::Ticket => "the ticket form",
        ChannelKind::Mail => "the support mailbox",
        ChannelKind::Help => "the help centre",
        ChannelKind::Bot => "the bot",
        ChannelKind::Social => "the social account",
        ChannelKind::Dependency => "what stands behind it",
    }
}

/// What customers meet at a door that flaps.
pub(super) fn comes_and_goes(door: &str) -> String {
    format!("get through at times only: {door} comes and goes")
}

/// What a customer meets, short enough to stand on a line of a mail beside its label.
pub(super) fn customer_meets(kind: ChannelKind, reason: Reason, severity: Severity) -> String {
    match severity {
        Severity::Degraded => while_degraded(kind, reason),
        Severity::Dark => own_words(kind, reason).map_or_else(|| while_dark(kind, reason), str::to_owned),
    }
}

fn while_degraded(kind: ChannelKind, reason: Reason) -> String {
    use Reason::*;
    let door = door(kind);
    match reason {
        CertificateExpired => format!("{door} works; its certificate expires soon"),
        Restricted => format!("{door} works for some customers only"),
        Late | QueueTimeout | NoAnswer => format!("{door} works, with longer waits than promised"),
        TooManySteps => format!("{door} works, with more steps than promised"),
        timeout if timeout.is_timeout() => format!("{door} works, but slowly"),
        _ => format!("{door} works, but not as it should"),
    }
}

/// Where a kind of door has words of its own.
fn own_words(kind: ChannelKind, reason: Reason) -> Option<&'static str> {
    use ChannelKind::{Bot, Chat, Help, Hotline, Mail, Social, Ticket};
    use Reason::*;
    Some(match (reason, kind) {
        (Missing, Chat) => "the chat button is not on the page",
        (Missing, Hotline) => "no number and no call-back is offered",
        (Missing, Ticket) => "the ticket form is not on the page",
        (Missing, Mail) => "no support address is shown",
        (Missing, Help) => "the help centre is not where it should be",
        (Missing, Bot) => "the bot is not on the page",
        (Missing, Social) => "the account cannot be found",
        (Disabled, Chat) => "the chat button is there but grey",
        (Disabled, Hotline) => "the call-back is there but switched off",
        (Disabled, Ticket) => "the ticket form is there but cannot be sent",
        (Obscured, Chat) => "the chat button is there but cannot be clicked",
        (Obscured, Ticket) => "the ticket form is there but cannot be reached",
        (Unresponsive, Chat) => "they click the chat button and nothing usable opens",
        (Unresponsive, Ticket) => "they send the ticket form and nothing happens",
        (Busy, Chat | Bot) => "all agents are busy; no chat begins",
        (Busy, Hotline) => "the line is busy",
        (NoAnswer, Chat | Bot) => "they ask for a person and nobody comes",
        (NoAnswer, Hotline) => "it rings and nobody answers",
        (Silent, Chat | Bot) => "the chat opens and nobody says anything",
        (Silent, Hotline) => "the call is taken, then there is silence",
        (QueueTimeout, Hotline) => "callers wait in the queue longer than promised",
        (QueueTimeout, Chat | Bot) => "they wait in the chat queue longer than promised",
        (Lost, Chat | Bot | Social) => "messages are accepted and never reach the agents",
        (Lost, Hotline) => "call-back requests are accepted and never come true",
        (Lost, Ticket) => "tickets are accepted and never reach the agents",
        (Lost, Mail) => "mails are accepted and never reach the agents",
        (Late, Ticket) => "tickets reach the agents too late",
        (Late, Mail) => "mails reach the agents too late",
        (Late, Hotline) => "call-backs come too late",
        _ => return None,
    })
}

/// The words that fit every kind of door.
fn while_dark(kind: ChannelKind, reason: Reason) -> String {
    use Reason::*;
    let door = door(kind);
    match reason {
        Missing => format!("{door} is not there"),
        Disabled => format!("{door} is there but switched off"),
        Obscured => format!("{door} is there but cannot be clicked"),
        Unresponsive => format!("{door} opens nothing usable"),
        Closed => format!("{door} says closed, inside its opening hours"),
        Restricted => format!("{door} turns some customers away"),
        Busy => format!("{door} is busy and takes nothing"),
        NoAnswer => format!("nobody answers at {door}"),
        Silent => format!("{door} takes them in, then stays silent"),
        QueueTimeout => format!("{door}: longer waits than promised"),
        BotOnly => "no way leads from the bot to a person".to_owned(),
        TooManySteps => "a person is further away than promised".to_owned(),
        Lost => "what they send is accepted and never reaches the agents".to_owned(),
        Late => "what they send reaches the agents too late".to_owned(),
        BotWall => format!("a robot check stands before {door}"),
        DnsNxdomain | DnsServfail | DnsTimeout | DnsMalformed | ConnectRefused | ConnectTimeout
        | ConnectUnreachable => {
            format!("{door} cannot be reached: no server answers")
        }
        Reset | TlsHandshake | TlsTimeout | Truncated => {
            format!("{door} cannot be used: the connection breaks")
        }
        Protocol => format!("{door} cannot be used: its answer is garbled"),
        // Our own limits: what lies beyond them, a customer may well meet in good order.
        BodyTooLarge | HeaderTooLarge | DecompressRatio => {
            "not known: our probe refused so large an answer".to_owned()
        }
        PolicyBlocked => "not known: our probe refused to go to such an address".to_owned(),
        CertificateExpired | CertificateName | CertificateUntrusted => {
            format!("browsers warn that {door} is not safe")
        }
        FirstByteTimeout | TransferTimeout | TooSlow | BrowserTimeout => {
            format!("{door} hangs: no answer comes in time")
        }
        RedirectLimit | RedirectLoop | RedirectBlocked => {
            format!("{door} leads nowhere: a redirect goes wrong")
        }
        Status => format!("{door} shows an error"),
        Content => format!("{door} shows something other than it should"),
        Auth => format!("{door} refuses the login"),
        BrowserCrash => format!("{door} crashes the browser"),
    }
}

/// What a reason's word means, for somebody who does not know it by heart.
pub(crate) fn meaning(reason: Reason) -> &'static str {
    use Reason::*;
    match reason {
        Missing => "the entry is not on the page",
        Disabled => "the entry is there but grey",
        Obscured => "the entry is there but cannot be hit",
        Unresponsive => "the entry can be hit and nothing usable opens",
        Closed => "says closed inside its published hours",
        Restricted => "refuses this persona while it serves others",
        Busy => "all lines or seats are taken",
        NoAnswer => "a person is asked for and nobody takes it",
        Silent => "taken or open, then silence",
        QueueTimeout => "queued for longer than the waiting budget",
        BotOnly => "no way from the bot to a person",
        TooManySteps => "a person is further away than the step budget",
        Lost => "accepted, then never arrived at the agents' side",
        Late => "arrived after its budget",
        BotWall => "a challenge answered instead of the service",
        DnsNxdomain => "the host name does not exist",
        DnsServfail => "the name server answered with a failure",
        DnsTimeout => "the name server did not answer",
        DnsMalformed => "the name server's answer could not be used",
        ConnectRefused => "the connection was refused",
        ConnectTimeout => "no connection came about in time",
        ConnectUnreachable => "there is no route to the host",
        Reset => "the other side reset the connection",
        TlsHandshake => "the TLS handshake failed",
        TlsTimeout => "the TLS handshake did not end in time",
        CertificateExpired => "outside the certificate's days of validity, or near their end",
        CertificateName => "the certificate is for another name",
        CertificateUntrusted => "the certificate's issuer is not trusted",
        FirstByteTimeout => "the answer did not begin in time",
        TransferTimeout => "the answer began and did not end in time",
        TooSlow => "it answered, slower than its budget",
        BodyTooLarge => "the answer is larger than the limit",
        HeaderTooLarge => "the headers are larger or more than the limit",
        DecompressRatio => "the answer inflates beyond the limit",
        Truncated => "the answer ended before it was complete",
        Protocol => "the answer breaks the protocol, or is not in its encoding",
        RedirectLimit => "more redirects than the limit",
        RedirectLoop => "a redirect leads back to where it came from",
        RedirectBlocked => "a redirect leads to a place that is not followed",
        PolicyBlocked => "the address is one that is never connected to",
        Status => "the status code is not an expected one",
        Content => "the content is not what it should be",
        Auth => "the credentials were refused",
        BrowserCrash => "the browser's page crashed",
        BrowserTimeout => "the browser did not finish in time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of 72 characters, without its label `Customers: `.
    const SENTENCE_MAX: usize = 61;

    const KINDS: [ChannelKind; 7] = [
        ChannelKind::Chat,
        ChannelKind::Hotline,
        ChannelKind::Ticket,
        ChannelKind::Mail,
        ChannelKind::Help,
        ChannelKind::Bot,
        ChannelKind::Social,
    ];

    #[test]
    fn every_sentence_fits_on_its_line() {
        for kind in KINDS {
            for &reason in Reason::ALL {
                for severity in [Severity::Degraded, Severity::Dark] {
                    let sentence = customer_meets(kind, reason, severity);
                    assert!(sentence.chars().count() <= SENTENCE_MAX, "{sentence}");
                }
            }
        }
    }

    #[test]
    fn what_our_own_limits_refuse_is_not_said_to_be_broken() {
        use Reason::*;
        for kind in KINDS {
            for reason in [BodyTooLarge, HeaderTooLarge, DecompressRatio, PolicyBlocked] {
                let sentence = customer_meets(kind, reason, Severity::Dark);
                assert!(sentence.starts_with("not known: our probe refused"), "{sentence}");
            }
        }
    }

    #[test]
    fn a_customer_never_meets_a_technical_word() {
        for kind in KINDS {
            for &reason in Reason::ALL.iter().filter(|reason| reason.as_str().contains('_')) {
                let sentence = customer_meets(kind, reason, Severity::Dark);
                assert!(!sentence.contains(reason.as_str()), "{sentence}");
                assert!(!sentence.contains("TLS") && !sentence.contains("DNS"), "{sentence}");
            }
        }
    }
}
