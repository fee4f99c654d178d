//! The mail route against a server that keeps what it takes, misbehaves at any step, and finds fault with every octet.

use std::{sync::Arc, time::Duration};

use lamplighter::{
    domain::{incident::IncidentEvent, notification::Notification},
    notify::{
        Delivery, Notifier,
        mail::{Limits, MailRoute, MailSecurity, MailServer},
    },
    secret::Secret,
};
use mail_parser::{Message, MessageParser};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::Certificates,
    samples::{notification, start},
    smtp_sink::{Fault, Protection, Sink, Step},
};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";
const PASSWORD: &str = "correct horse battery";

/// Long enough for a busy machine, where a test does not wait for the limit.
const PATIENT: Limits = Limits {
    connect: Duration::from_secs(10),
    command: Duration::from_secs(10),
    whole: Duration::from_secs(20),
};

/// For tests that wait for the limit.
const HASTY: Limits = Limits {
    connect: Duration::from_secs(10),
    command: Duration::from_millis(300),
    whole: Duration::from_secs(20),
};

fn server(sink: &Sink, security: MailSecurity) -> MailServer {
    MailServer {
        from: "Lamplighter <lamplighter@example.com>".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: sink.port(),
        security,
        credentials: None,
        root_ca: None,
    }
}

fn plain(sink: &Sink, limits: Limits) -> MailRoute {
    MailRoute::new(server(sink, MailSecurity::Plain), limits).unwrap()
}

fn opened(recipient: &str) -> Notification {
    notification("20261121T020412Z-web-chat", IncidentEvent::Opened, recipient, start())
}

async fn send(route: &MailRoute, notification: &Notification) -> Delivery {
    route.send(notification, Duration::ZERO).await
}

fn parse(data: &[u8]) -> Message<'_> {
    MessageParser::default().parse(data).unwrap()
}

fn header<'a>(message: &'a Message<'_>, name: &'a str) -> &'a str {
    message.header_raw(name).unwrap_or_else(|| panic!("no {name}")).trim()
}

#[tokio::test]
async fn a_mail_arrives_with_its_headers_both_parts_and_its_thread() {
    let sink = Sink::start(Protection::None).await;
    let route = plain(&sink, PATIENT);
    let opened = opened("Anna Ångström <anna@example.com>");
    let resolved =
        notification("20261121T020412Z-web-chat", IncidentEvent::Resolved, &opened.recipient, start());
    assert_eq!(send(&route, &opened).await, Delivery::Accepted("250 2.0.0 taken".to_owned()));
    assert_eq!(send(&route, &resolved).await, Delivery::Accepted("250 2.0.0 taken".to_owned()));

    let taken = sink.taken();
    assert_eq!((taken[0].from.as_str(), taken[0].to.as_str()), ("lamplighter@example.com", ANNA));
    let first = parse(&taken[0].data);
    assert_eq!(first.subject(), Some(opened.content.subject.as_str()));
    assert_eq!(first.from().unwrap().first().unwrap().name(), Some("Lamplighter"));
    assert_eq!(first.to().unwrap().first().unwrap().name(), Some("Anna Ångström"));
    assert_eq!(first.to().unwrap().first().unwrap().address(), Some(ANNA));
    assert_eq!(first.message_id(), Some(opened.message_id.as_str()));
    assert_eq!(first.date().unwrap().to_timestamp(), opened.created_at.as_second());
    assert_eq!(header(&first, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&first, "X-Auto-Response-Suppress"), "All");
    assert_eq!(header(&first, "MIME-Version"), "1.0");
    assert!(header(&first, "Content-Type").starts_with("multipart/alternative"));
    assert!(first.header_raw("In-Reply-To").is_none());
    assert_eq!(first.body_text(0).unwrap().replace("\r\n", "\n"), opened.content.text);
    assert_eq!(first.body_html(0).unwrap().replace("\r\n", "\n"), opened.content.html);
    assert_eq!((first.text_body_count(), first.html_body_count()), (1, 1));

    let second = parse(&taken[1].data);
    let thread = format!("<{}>", opened.message_id);
    assert_eq!(header(&second, "In-Reply-To"), thread);
    assert_eq!(header(&second, "References"), thread);
    assert_eq!(sink.connects(), 1, "one connection carries both");
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test]
async fn a_mail_is_the_same_on_every_try_but_for_saying_how_late_it_is() {
    let sink = Sink::start(Protection::None).await;
    let route = plain(&sink, PATIENT);
    let opened = opened(ANNA);
    for late in [0, 59, 7500] {
        route.send(&opened, Duration::from_secs(late)).await;
    }
    let taken = sink.taken();
    assert_eq!(taken[0].data, taken[1].data);
    let late = parse(&taken[2].data);
    assert!(late.body_text(0).unwrap().starts_with("This mail is 2 h 5 min late"), "{:?}", late.body_text(0));
    assert_eq!(late.message_id(), Some(opened.message_id.as_str()));
    assert_eq!(late.date().unwrap().to_timestamp(), start().as_second());
}

#[tokio::test]
async fn no_text_can_add_a_header_end_the_mail_or_break_a_line() {
    let sink = Sink::start(Protection::None).await;
    let route = plain(&sink, PATIENT);
    let long_word = "x".repeat(5000);
    let long_text = "lorem ipsum ".repeat(900);
    let hostile = [
        "\r\nBcc: eve@example.org\r\n\r\nHello",
        "\nBcc: eve@example.org",
        "\rBcc: eve@example.org",
        "a\r\n.\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\n",
        "a\n.\nQUIT\n",
        "a\r.\rQUIT",
        ".",
        "..",
        ".\r\n.\r\n",
        "nul \0 bell \u{7} escape \u{1b}[31m",
        "=?utf-8?q?=0D=0ABcc:_eve@example.org?=",
        "\u{202e}gnp.exe \u{200b} \u{2028}Bcc: eve@example.org",
        "<script>alert(1)</script>",
        "Größe 漢字 🔥",
        "--boundary\r\nContent-Type: text/html\r\n\r\n<b>",
        &long_word,
        &long_text,
        "",
        " ",
        "\t",
        "ends in a space \r\nand = signs = =3D\r\n",
    ];
    for text in hostile {
        let mut notification = opened(ANNA);
        notification.content.subject = text.to_owned();
        notification.content.text = format!("{text}\nlast line");
        notification.content.html = format!("<pre>{text}</pre>");
        notification.message_id = format!("{text}@x");
        notification.in_reply_to = Some(text.to_owned());
        let delivery = send(&route, &notification).await;
        assert_eq!(delivery, Delivery::Accepted("250 2.0.0 taken".to_owned()), "{text:?}");

        let taken = sink.taken().pop().unwrap();
        assert_eq!(taken.to, ANNA, "{text:?}");
        let message = parse(&taken.data);
        let allowed = [
            "date",
            "from",
            "to",
            "subject",
            "message-id",
            "auto-submitted",
            "x-auto-response-suppress",
            "in-reply-to",
            "references",
            "mime-version",
            "content-type",
        ];
        for header in message.headers() {
            let name = header.name().to_ascii_lowercase();
            assert!(allowed.contains(&name.as_str()), "{text:?} adds {name}");
        }
        assert_eq!(message.parts.len(), 3, "{text:?}: multipart, text, HTML");
        let body = message.body_text(0).unwrap();
        assert!(body.trim_end().ends_with("last line"), "{text:?}: {body:?}");
        assert_eq!(body.chars().filter(|c| c.is_control() && !"\r\n\t".contains(*c)).count(), 0);
        assert!(!message.subject().unwrap_or_default().contains(['\r', '\n']), "{text:?}");
    }
    assert_eq!(sink.taken().len(), hostile.len());
    assert_eq!(sink.violations(), [""; 0]);
}

#[test]
fn a_text_that_is_plain_stays_as_it_is() {
    // The table of the last runs is aligned by spaces: nothing may be re-flowed.
    let text = "run        took    saw\n03:04:12   812 ms  failed\n\n  indented, with ünïcödé\n";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sink = Sink::start(Protection::None).await;
        let mut notification = opened(ANNA);
        notification.content.text = text.to_owned();
        send(&plain(&sink, PATIENT), &notification).await;
        let taken = sink.taken();
        assert_eq!(parse(&taken[0].data).body_text(0).unwrap().replace("\r\n", "\n"), text);
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Deferred,
    Transient,
    Permanent,
}

fn kind(delivery: &Delivery) -> Kind {
    match delivery {
        Delivery::Deferred(_) => Kind::Deferred,
        Delivery::Transient(_) | Delivery::Busy(..) => Kind::Transient,
        Delivery::Permanent(_) => Kind::Permanent,
        Delivery::Accepted(words) => panic!("accepted: {words}"),
    }
}

#[tokio::test]
async fn only_a_refusal_of_this_very_recipient_is_final() {
    use Kind::{Deferred, Permanent, Transient};
    let table = [
        (Step::Connect, "421 closing", Transient),
        (Step::Connect, "554 no service", Transient),
        (Step::Ehlo, "550 who are you", Transient),
        (Step::Mail, "451 try later", Transient),
        (Step::Mail, "550 sender refused", Transient),
        (Step::Mail, "550 5.1.1 no such user", Transient),
        (Step::Rcpt, "421 closing", Transient),
        (Step::Rcpt, "450 busy", Deferred),
        (Step::Rcpt, "451 greylisted", Deferred),
        (Step::Rcpt, "452 mailbox full", Deferred),
        (Step::Rcpt, "503 bad sequence", Transient),
        (Step::Rcpt, "530 login first", Transient),
        (Step::Rcpt, "550 no such user", Permanent),
        (Step::Rcpt, "550 5.1.1 no such user", Permanent),
        (Step::Rcpt, "550 5.2.1 mailbox disabled", Permanent),
        (Step::Rcpt, "551 not here", Permanent),
        (Step::Rcpt, "553 bad mailbox", Permanent),
        (Step::Rcpt, "554 5.1.0 rejected address", Permanent),
        (Step::Rcpt, "550 5.1.8 domain of the sender not found", Deferred),
        (Step::Rcpt, "550 5.7.1 relaying denied", Deferred),
        (Step::Rcpt, "554 5.7.1 relay access denied", Deferred),
        (Step::Rcpt, "554 relay access denied", Deferred),
        (Step::Rcpt, "550 4.4.3 cannot look it up", Deferred),
        (Step::Data, "421 closing", Transient),
        (Step::Data, "451 error", Transient),
        (Step::Data, "550 blocked", Deferred),
        (Step::Data, "554 no valid recipients", Deferred),
        (Step::Dot, "421 closing", Transient),
        (Step::Dot, "451 error", Transient),
        (Step::Dot, "452 no space", Transient),
        (Step::Dot, "550 5.1.1 no such user", Permanent),
        (Step::Dot, "552 5.3.4 too big", Deferred),
        (Step::Dot, "554 5.7.1 looks like spam", Deferred),
        (Step::Dot, "nonsense", Transient),
    ];
    for (step, line, expected) in table {
        let sink = Sink::start(Protection::None).await;
        sink.fault(step, Fault::say(line));
        let delivery = send(&plain(&sink, PATIENT), &opened(ANNA)).await;
        assert_eq!(kind(&delivery), expected, "{step:?} {line}: {delivery:?}");
        println!("{step:?} {line:?}: {delivery:?}");
        assert!(sink.taken().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_leaves_falls_silent_or_babbles_at_any_step_is_transient_and_soon_over() {
    let steps = [Step::Connect, Step::Ehlo, Step::Mail, Step::Rcpt, Step::Data, Step::Dot];
    for step in steps {
        for fault in [Fault::Close, Fault::Stall, Fault::Babble] {
            let sink = Sink::start(Protection::None).await;
            sink.fault(step, fault.clone());
            let route = plain(&sink, HASTY);
            let delivery = timeout(PATIENT.whole, send(&route, &opened(ANNA))).await.expect("it ends");
            assert_eq!(kind(&delivery), Kind::Transient, "{step:?} {fault:?}: {delivery:?}");
        }
    }
}

#[tokio::test]
async fn the_whole_of_a_mail_has_a_limit_too() {
    let sink = Sink::start(Protection::None).await;
    sink.fault(Step::Data, Fault::Stall);
    let limits = Limits { command: Duration::from_secs(3600), whole: Duration::from_millis(300), ..PATIENT };
    let delivery = send(&plain(&sink, limits), &opened(ANNA)).await;
    let Delivery::Transient(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.contains("not done within 0.3 s"), "{words}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_transient_and_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sink = Sink::start(Protection::None).await;
    let mut gone = server(&sink, MailSecurity::Plain);
    gone.port = port;
    let delivery = send(&MailRoute::new(gone, PATIENT).unwrap(), &opened(ANNA)).await;
    let Delivery::Transient(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.contains(&format!("127.0.0.1:{port}")) && words.contains("refused"), "{words}");
}

#[tokio::test]
async fn a_recipient_refused_for_good_does_not_cost_the_next_one_the_connection() {
    let sink = Sink::start(Protection::None).await;
    sink.answer_recipient(ANNA, "550 5.1.1 no such user");
    let route = plain(&sink, PATIENT);
    let refused = send(&route, &opened(ANNA)).await;
    let Delivery::Permanent(words) = refused else { panic!("{refused:?}") };
    assert!(words.contains("550 5.1.1 no such user"), "{words}");
    assert_eq!(send(&route, &opened(BERT)).await, Delivery::Accepted("250 2.0.0 taken".to_owned()));
    assert_eq!(sink.connects(), 1);
}

#[tokio::test]
async fn a_connection_that_went_stale_is_made_anew_at_once() {
    let sink = Sink::start(Protection::None).await;
    let route = plain(&sink, PATIENT);
    send(&route, &opened(ANNA)).await;
    sink.fault(Step::Mail, Fault::SayAndClose("421 4.4.2 idle for too long".to_owned()));
    // The server closes the idle connection at the next command, and takes a new one as usual.
    let (sink, route) = (Arc::new(sink), route);
    let mending = Arc::clone(&sink);
    sink.once_at(Step::Connect, move || mending.mend());
    assert_eq!(send(&route, &opened(BERT)).await, Delivery::Accepted("250 2.0.0 taken".to_owned()));
    assert_eq!(sink.connects(), 2);

    route.rest().await;
    send(&route, &opened(ANNA)).await;
    assert_eq!(sink.connects(), 3, "at rest, nothing is kept open");
}

#[tokio::test]
async fn an_address_that_cannot_be_written_is_final_without_a_connection() {
    let sink = Sink::start(Protection::None).await;
    let route = plain(&sink, PATIENT);
    for recipient in ["nobody", "a@b\r\nRCPT TO:<eve@example.org>", "grün@example.com", ""] {
        let delivery = send(&route, &opened(recipient)).await;
        assert_eq!(kind(&delivery), Kind::Permanent, "{recipient:?}");
    }
    assert_eq!(sink.connects(), 0);
}

fn both(acceptor: &TlsAcceptor) -> [(MailSecurity, Protection); 2] {
    [
        (MailSecurity::Tls, Protection::Implicit(acceptor.clone())),
        (MailSecurity::StartTls, Protection::StartTls(acceptor.clone())),
    ]
}

#[tokio::test]
async fn mail_travels_by_tls_and_by_starttls_with_a_login() {
    let certificates = Certificates::for_name("127.0.0.1");
    for (security, protection) in both(&certificates.acceptor) {
        let sink = Sink::start(protection).await;
        sink.require_login("lamplighter", PASSWORD);
        let mut server = server(&sink, security);
        server.credentials = Some(("lamplighter".to_owned(), Secret::new(PASSWORD.to_owned())));
        server.root_ca = Some(certificates.root());
        let route = MailRoute::new(server, PATIENT).unwrap();
        let delivery = send(&route, &opened(ANNA)).await;
        assert_eq!(delivery, Delivery::Accepted("250 2.0.0 taken".to_owned()), "{security:?}");
        assert_eq!(sink.taken().len(), 1);
        assert_eq!(sink.violations(), [""; 0]);
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_transient_and_nothing_is_sent() {
    let good = Certificates::for_name("127.0.0.1");
    let wrong_name = Certificates::for_name("elsewhere.example.com");
    let expired = Certificates::with("127.0.0.1", |parameters| {
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2020, 2, 1);
    });
    let table = [
        ("untrusted", &good, wrong_name.root()),
        ("wrong name", &wrong_name, wrong_name.root()),
        ("expired", &expired, expired.root()),
    ];
    for (case, certificates, root) in table {
        for (security, protection) in both(&certificates.acceptor) {
            let sink = Sink::start(protection).await;
            let mut server = server(&sink, security);
            server.credentials = Some(("lamplighter".to_owned(), Secret::new(PASSWORD.to_owned())));
            server.root_ca = Some(root.clone());
            let delivery = send(&MailRoute::new(server, PATIENT).unwrap(), &opened(ANNA)).await;
            assert_eq!(kind(&delivery), Kind::Transient, "{case} {security:?}: {delivery:?}");
            println!("{case}, {security:?}: {delivery:?}");
            assert!(sink.logins().is_empty() && sink.taken().is_empty(), "{case} {security:?}");
        }
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_login_nor_mail() {
    let sink = Sink::start(Protection::None).await;
    let mut server = server(&sink, MailSecurity::StartTls);
    server.credentials = Some(("lamplighter".to_owned(), Secret::new(PASSWORD.to_owned())));
    let delivery = send(&MailRoute::new(server, PATIENT).unwrap(), &opened(ANNA)).await;
    let Delivery::Transient(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.contains("STARTTLS is not supported"), "{words}");
    assert!(sink.logins().is_empty() && sink.taken().is_empty());
}

#[tokio::test]
async fn words_slipped_in_before_tls_are_not_heard() {
    let certificates = Certificates::for_name("127.0.0.1");
    let sink = Sink::start(Protection::StartTls(certificates.acceptor.clone())).await;
    sink.fault(Step::StartTls, Fault::say("220 go ahead\r\n250-evil\r\n250 AUTH PLAIN"));
    let mut server = server(&sink, MailSecurity::StartTls);
    server.root_ca = Some(certificates.root());
    let delivery = send(&MailRoute::new(server, PATIENT).unwrap(), &opened(ANNA)).await;
    let Delivery::Transient(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.contains("out of turn"), "{words}");
}

#[tokio::test]
async fn a_server_that_echoes_the_password_does_not_get_it_into_our_words() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let echo = [
        PASSWORD.to_owned(),
        STANDARD.encode(PASSWORD),
        STANDARD.encode(format!("\0lamplighter\0{PASSWORD}")),
    ];
    for echoed in echo {
        for step in [Step::Auth, Step::Mail, Step::Rcpt, Step::Dot] {
            let sink = Sink::start(Protection::None).await;
            sink.require_login("lamplighter", PASSWORD);
            sink.fault(step, Fault::Say(format!("550 do not know {echoed}")));
            let mut server = server(&sink, MailSecurity::Plain);
            server.credentials = Some(("lamplighter".to_owned(), Secret::new(PASSWORD.to_owned())));
            let delivery = send(&MailRoute::new(server, PATIENT).unwrap(), &opened(ANNA)).await;
            let words = format!("{delivery:?}");
            assert!(!words.contains(&echoed) && words.contains("***"), "{step:?}: {words}");
        }
    }
}

#[tokio::test]
async fn a_server_that_finds_fault_with_the_link_does_not_get_it_into_our_words() {
    let link = "https://l.example.com/acknowledge/ID/v61Ynf4DSCxCV9ayZVcoMPJ2hG9vkpoRmGcy1opjMxo";
    let sink = Sink::start(Protection::None).await;
    sink.fault(Step::Dot, Fault::say(&format!("554 5.7.1 listed: {link}")));
    let opened = opened(ANNA);
    let content = opened.content.with_acknowledge(link);
    let said = send(&plain(&sink, PATIENT), &Notification { content, ..opened.clone() }).await;
    let said = format!("{said:?}");
    assert!(said.contains("listed: https://l.example.com/acknowledge/ID/***\""), "{said}");
}

#[tokio::test]
async fn what_a_server_says_is_one_harmless_line() {
    let sink = Sink::start(Protection::None).await;
    let evil = format!("550 \u{1b}[31mred\u{202e} {}", "a".repeat(800));
    sink.answer_recipient(ANNA, &evil);
    let delivery = send(&plain(&sink, PATIENT), &opened(ANNA)).await;
    let Delivery::Permanent(words) = delivery else { panic!("{delivery:?}") };
    assert!(words.chars().count() <= 512 && !words.contains(['\u{1b}', '\u{202e}', '\n']), "{words}");
}

#[test]
fn a_root_certificate_that_is_none_is_refused_when_the_route_is_built() {
    let server = MailServer {
        from: "lamplighter@example.com".to_owned(),
        host: "mail.example.com".to_owned(),
        port: 465,
        security: MailSecurity::Tls,
        credentials: None,
        root_ca: Some("hello".into()),
    };
    let refused = MailRoute::new(server, Limits::default()).err().unwrap().to_string();
    assert!(refused.contains("must be in PEM"), "{refused}");
}
