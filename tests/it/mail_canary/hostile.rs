//! A server of mailboxes that means no good: every look ends in time, hears no more than it must and says why.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lamplighter::{
    notify::mail::{
        Limits, MailSecurity,
        mailbox::{ImapMailbox, Mailbox, MailboxServer, Wanted},
    },
    secret::Secret,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::loopback::Server;

const PASSWORD: &str = "kestrel-and-harrier";

/// What no look may hear more of, with what the sockets hold.
const HEARD_MAX: u64 = 8 << 20;

/// What the server does in answer to a command; `{tag}` is the command's.
#[derive(Clone, Copy)]
enum Answer {
    Say(&'static str),
    /// Says this again and again.
    Repeat(&'static str),
    /// A byte now and then.
    Drip,
    Silence,
}

use Answer::{Drip, Repeat, Say, Silence};

const WELL: [Answer; 5] = [
    Say("* OK ready\r\n"),
    Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK\r\n"),
    Say("{tag} OK\r\n"),
    Say("{tag} OK\r\n"),
    Say("* SEARCH\r\n{tag} OK\r\n"),
];

/// Answers the greeting and each command in turn, and AUTHENTICATE's second line.
async fn act(mut stream: TcpStream, answers: Vec<Answer>, said: Arc<AtomicU64>) {
    let mut tag = String::new();
    for answer in answers {
        let talk = async {
            match answer {
                Say(words) => {
                    let words = words.replace("{tag}", &tag);
                    stream.write_all(words.as_bytes()).await.ok()?;
                }
                Repeat(words) => {
                    let words = words.repeat(64 * 1024 / words.len());
                    loop {
                        stream.write_all(words.as_bytes()).await.ok()?;
                        said.fetch_add(words.len() as u64, Relaxed);
                    }
                }
                Drip => loop {
                    stream.write_all(b"*").await.ok()?;
                    sleep(Duration::from_millis(20)).await;
                },
                Silence => std::future::pending::<()>().await,
            }
            let mut heard = [0; 1_024];
            let count = stream.read(&mut heard).await.ok().filter(|count| *count > 0)?;
            let line = String::from_utf8_lossy(&heard[..count]).into_owned();
            let mut tag = line.split(' ').next().unwrap().to_owned();
            if line.contains("AUTHENTICATE") {
                stream.write_all(b"+ \r\n").await.ok()?;
                stream.read(&mut heard).await.ok().filter(|count| *count > 0)?;
            }
            tag.truncate(8);
            Some(tag)
        };
        match talk.await {
            Some(next) => tag = next,
            None => return,
        }
    }
}

fn mailbox(port: u16, security: MailSecurity) -> ImapMailbox {
    let server = MailboxServer {
        host: "127.0.0.1".to_owned(),
        port,
        security,
        username: "canary".to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
        folder: "INBOX".to_owned(),
        root_ca: None,
    };
    let limits = Limits {
        connect: Duration::from_secs(5),
        command: Duration::from_millis(500),
        whole: Duration::from_secs(5),
    };
    ImapMailbox::new(server, limits).unwrap()
}

fn wanted() -> Wanted {
    Wanted { message_id: "canary.1.mail.2@example.com".to_owned(), mark: "canary.1.mail.".to_owned() }
}

async fn look(answers: Vec<Answer>, security: MailSecurity) -> (Result<bool, String>, u64) {
    let said = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&said);
    let server = Server::start(move |stream| act(stream, answers.clone(), Arc::clone(&shared))).await;
    let result = mailbox(server.address.port(), security).look(&wanted()).await;
    // What is still on its way comes to nobody.
    server.stop().await;
    (result, said.load(Relaxed))
}

#[tokio::test]
async fn an_empty_mailbox_is_one_in_which_it_is_not() {
    assert_eq!(look(WELL.to_vec(), MailSecurity::Plain).await.0, Ok(false));
}

#[tokio::test]
async fn whatever_it_does_at_any_step_the_look_ends_in_time_and_hears_little() {
    let harms: [(&str, Answer, &[&str]); 12] = [
        ("silence", Silence, &["no answer within"]),
        ("a byte now and then", Drip, &["no answer within"]),
        ("a line without an end", Repeat("x"), &["has no end"]),
        ("lines without an end", Repeat("* 1 EXISTS\r\n"), &["has no end", "greeting: the server said"]),
        ("a huge literal", Repeat("* LIST {4294967295}\r\n"), &["has no end"]),
        (
            "literals without an end",
            Repeat("* LIST {9}\r\n123456789\r\n"),
            &["has no end", "greeting: the server said"],
        ),
        ("a literal of no number", Say("* X {99999999999999999999999999}\r\n"), &["has no end"]),
        (
            "asks without an end",
            Repeat("+ \r\n"),
            &["has no end", "no answer", "greeting: the server said", "reset", "Broken pipe"],
        ),
        ("goodbye", Say("* BYE \u{1b}[31m kestrel-and-harrier AGtlc3RyZWw\r\n"), &["the server said"]),
        ("refusal", Say("a1 NO no\r\na2 NO no\r\na3 NO no\r\na4 NO no\r\n"), &["the server said"]),
        ("no IMAP", Say("HTTP/1.1 400 Bad Request\r\n\r\n"), &["the server said", "no answer"]),
        ("no UTF-8", Say("\u{fffd}\0\r\n"), &["the server said", "no answer"]),
    ];
    for (what, harm, whys) in harms {
        for step in 0..WELL.len() {
            let mut answers = WELL.to_vec();
            answers[step] = harm;
            answers.truncate(step + 1);
            answers.push(Silence);
            let began = Instant::now();
            let (result, said) = look(answers, MailSecurity::Plain).await;
            let why = result.expect_err(what);
            assert!(began.elapsed() < Duration::from_secs(6), "{what}: {:?}", began.elapsed());
            assert!(whys.iter().any(|expected| why.contains(expected)), "{what} at {step}: {why}");
            assert!(said < HEARD_MAX, "{what} at {step}: {said} bytes");
            assert!(!why.contains(PASSWORD) && !why.contains('\u{1b}') && why.len() < 2_500, "{why}");
        }
    }
}

#[tokio::test]
async fn what_is_said_out_of_turn_before_tls_ends_the_look() {
    let answers =
        vec![Say("* OK ready\r\n"), Say("{tag} OK go ahead\r\na1 OK you are logged in\r\n"), Silence];
    let (result, _) = look(answers, MailSecurity::StartTls).await;
    assert!(result.as_ref().is_err_and(|why| why.contains("out of turn")), "{result:?}");
    let refused = vec![Say("* OK ready\r\n"), Say("{tag} BAD what?\r\n"), Silence];
    let (result, _) = look(refused, MailSecurity::StartTls).await;
    assert!(result.as_ref().is_err_and(|why| why.contains("STARTTLS: the server said")), "{result:?}");
}

#[tokio::test]
async fn a_server_that_finds_millions_of_mails_is_heard_to_a_limit() {
    let mut answers = WELL.to_vec();
    answers[4] = Repeat("* SEARCH 1 2 3\r\n");
    let (result, said) = look(answers, MailSecurity::Plain).await;
    assert!(result.is_err_and(|why| why.contains("has no end")));
    assert!(said < HEARD_MAX);
}
