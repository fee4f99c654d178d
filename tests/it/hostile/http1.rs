//! HTTP/1.1 that is silent, slow, cut off, endless or broken.

use std::time::Duration;

use lamplighter::domain::outcome::{Reason, Stage};

use super::{Act, Case, Expected, LONG, REFUSED, SHORT, Server, Target, play, run_all};

use Act::{Drip, Endlessly, Hang, Reset, Say};
use Stage::{Send, Transfer, Wait};

fn failed(stage: Stage, reason: Reason) -> Expected {
    Expected::Failed(stage, reason)
}

fn say(text: &str) -> Act {
    Say(text.as_bytes().to_vec())
}

fn endlessly(text: &str) -> Act {
    Endlessly(text.repeat(64).into_bytes())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const BETWEEN_BYTES: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_slowness_and_cuts_have_their_reasons() {
    run_all(|_| Box::pin(silent_slow_cut())).await;
}

async fn silent_slow_cut() -> Vec<Case> {
    let reset_at_once = |stream| play(stream, false, vec![Reset]);
    let close_at_once = |stream| play(stream, false, vec![]);
    let mut cases = vec![
        Case::of("refused", LONG, REFUSED, "url = 'http://127.0.0.1:1/'".to_owned(), Target::Nothing),
        Case::serves("reset after accept", LONG, Expected::FailedEarly(Reason::Reset), "", reset_at_once)
            .await,
        Case::serves("close after accept", LONG, Expected::FailedEarly(Reason::Truncated), "", close_at_once)
            .await,
    ];
    for (name, timeout, expected, acts) in slow().into_iter().chain(cut()) {
        cases.push(Case::plays(name, timeout, expected, acts).await);
    }
    cases.push(nobody_accepts().await);
    cases.push(a_large_request_that_nobody_reads().await);
    cases
}

type Row = (&'static str, Duration, Expected, Vec<Act>);

fn slow() -> Vec<Row> {
    vec![
        ("accept, then silence", SHORT, failed(Wait, Reason::FirstByteTimeout), vec![Hang]),
        (
            "a byte of header now and then",
            SHORT,
            failed(Transfer, Reason::TransferTimeout),
            vec![Drip(HEAD, BETWEEN_BYTES), Hang],
        ),
        (
            "half a header, then silence",
            SHORT,
            failed(Transfer, Reason::TransferTimeout),
            vec![say("HTTP/1.1 200 OK\r\nx-a"), Hang],
        ),
        (
            "a byte of body now and then",
            SHORT,
            failed(Transfer, Reason::TransferTimeout),
            vec![
                say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"),
                Drip("slow and slower and slower", BETWEEN_BYTES),
                Hang,
            ],
        ),
        (
            "slower than 100 bytes a second",
            LONG,
            failed(Transfer, Reason::TooSlow),
            vec![say(CHUNKED), Drip("1\r\na\r\n", BETWEEN_BYTES), Hang],
        ),
    ]
}

fn cut() -> Vec<Row> {
    vec![
        ("reset before the headers", LONG, failed(Wait, Reason::Reset), vec![Reset]),
        (
            "reset in the headers",
            LONG,
            failed(Transfer, Reason::Reset),
            vec![say("HTTP/1.1 200 OK\r\nx-a: b"), Drip("cd", BETWEEN_BYTES), Reset],
        ),
        (
            "reset in the body",
            LONG,
            failed(Transfer, Reason::Reset),
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Drip("ab", BETWEEN_BYTES), Reset],
        ),
        ("close before the headers", LONG, failed(Wait, Reason::Truncated), vec![]),
        (
            "close in the headers",
            LONG,
            failed(Transfer, Reason::Truncated),
            vec![say("HTTP/1.1 200 OK\r\nx-a: b")],
        ),
        (
            "close in a body of known length",
            LONG,
            failed(Transfer, Reason::Truncated),
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")],
        ),
        (
            "close in a chunk",
            LONG,
            failed(Transfer, Reason::Truncated),
            vec![say(CHUNKED), say("64\r\nhalf")],
        ),
        (
            "close before the last chunk",
            LONG,
            failed(Transfer, Reason::Truncated),
            vec![say(CHUNKED), say("4\r\nhalf\r\n")],
        ),
        ("a body up to the close", LONG, Expected::Ok, vec![say("HTTP/1.1 200 OK\r\n\r\nall of it")]),
    ]
}

/// The system answers for a listener that never accepts: connected, and silent.
async fn nobody_accepts() -> Case {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("url = 'http://{}/'", listener.local_addr().unwrap());
    let held = Server::holding(listener.local_addr().unwrap(), listener);
    Case::of("never accepted", SHORT, failed(Wait, Reason::FirstByteTimeout), settings, Target::Server(held))
}

async fn a_large_request_that_nobody_reads() -> Case {
    let settings = format!("body = {{ text = '{}' }}", "x".repeat(16 << 20));
    let hang = |stream| play(stream, false, vec![Hang]);
    Case::serves(
        "a large request that nobody reads",
        SHORT,
        failed(Send, Reason::FirstByteTimeout),
        &settings,
        hang,
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_end_is_cut_off() {
    run_all(|_| Box::pin(endless())).await;
}

async fn endless() -> Vec<Case> {
    let too_large = failed(Transfer, Reason::HeaderTooLarge);
    let body_too_large = failed(Transfer, Reason::BodyTooLarge);
    let mut cases = Vec::new();
    for (name, expected, acts) in [
        (
            "endless body of unknown length",
            body_too_large,
            vec![say("HTTP/1.1 200 OK\r\n\r\n"), endlessly("0123456789abcdef")],
        ),
        ("endless chunks", body_too_large, vec![say(CHUNKED), endlessly("10\r\n0123456789abcdef\r\n")]),
        (
            "endless chunks of one byte",
            failed(Transfer, Reason::Protocol),
            vec![say(CHUNKED), endlessly("1\r\na\r\n")],
        ),
        (
            "a body said to be of 2 MiB",
            body_too_large,
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 2097152\r\n\r\n"), Hang],
        ),
        ("endless header fields", too_large, vec![say(HEAD), endlessly("x-a: b\r\n")]),
        ("one endless header field", too_large, vec![say(HEAD), say("x-a: "), endlessly("b")]),
        ("an endless status line", too_large, vec![say("HTTP/1.1 200 "), endlessly("OK")]),
        (
            "a header field of 1 MiB",
            too_large,
            vec![say(&format!("{HEAD}x-a: {}\r\n\r\n", "b".repeat(1 << 20)))],
        ),
        ("10,000 header fields", too_large, vec![say(&format!("{HEAD}{}\r\n", "x: y\r\n".repeat(10_000)))]),
        ("101 header fields", too_large, vec![say(&format!("{HEAD}{}\r\n", "x: y\r\n".repeat(101)))]),
        ("endless 100 Continue", too_large, vec![endlessly("HTTP/1.1 100 Continue\r\n\r\n")]),
        (
            "endless 103 Early Hints",
            too_large,
            vec![endlessly("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")],
        ),
        (
            "an endless chunk extension",
            failed(Transfer, Reason::Protocol),
            vec![say(CHUNKED), say("1;"), endlessly("x=y;")],
        ),
        (
            "endless chunk extensions",
            failed(Transfer, Reason::Protocol),
            vec![say(CHUNKED), endlessly("1;extension=0123456789abcdef\r\na\r\n")],
        ),
        (
            "endless trailers",
            failed(Transfer, Reason::Protocol),
            vec![say(CHUNKED), say("0\r\n"), endlessly("x-a: b\r\n")],
        ),
    ] {
        cases.push(Case::plays(name, LONG, expected, acts).await);
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_protocol_is_told_as_that() {
    run_all(|_| Box::pin(broken())).await;
}

async fn broken() -> Vec<Case> {
    let protocol = failed(Transfer, Reason::Protocol);
    let length =
        |length: &str| vec![say(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nhello"))];
    let chunk = |chunk: &str| vec![say(CHUNKED), say(chunk)];
    let mut cases = Vec::new();
    for (name, expected, acts) in [
        ("not HTTP at all", protocol, vec![say("220 mail.example.com ESMTP\r\n")]),
        ("bytes that mean nothing", protocol, vec![Say(vec![0, 159, 146, 150, 13, 10, 13, 10])]),
        ("a status of two digits", protocol, vec![say("HTTP/1.1 20 OK\r\n\r\n")]),
        ("a status beyond 999", protocol, vec![say("HTTP/1.1 2000 OK\r\n\r\n")]),
        ("HTTP/2 without being asked", protocol, vec![say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]),
        ("NUL in a header", protocol, vec![say("HTTP/1.1 200 OK\r\nx-a: b\0c\r\n\r\n")]),
        ("a header without a colon", protocol, vec![say("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")]),
        (
            "a header that is not UTF-8",
            Expected::Ok,
            vec![Say(b"HTTP/1.1 200 OK\r\nx-a: \xff\xfe\r\ncontent-length: 0\r\n\r\n".to_vec())],
        ),
        (
            "a reason that is not UTF-8",
            Expected::Ok,
            vec![Say(b"HTTP/1.1 200 \xff\xfe\r\ncontent-length: 0\r\n\r\n".to_vec())],
        ),
        ("a negative content-length", protocol, length("-1")),
        ("a content-length in words", protocol, length("five")),
        ("a content-length of 2^63", failed(Transfer, Reason::BodyTooLarge), length("9223372036854775808")),
        ("a content-length beyond 2^64", protocol, length("99999999999999999999999999")),
        ("the same content-length twice", Expected::Ok, length("5\r\ncontent-length: 5")),
        ("two content-lengths", protocol, length("5\r\ncontent-length: 6")),
        ("a content-length that is too long", failed(Transfer, Reason::Truncated), length("6")),
        ("a content-length that is too short", Expected::Ok, length("4")),
        ("a chunk size in words", protocol, chunk("many\r\n")),
        ("a negative chunk size", protocol, chunk("-1\r\na\r\n0\r\n\r\n")),
        ("a chunk size beyond 2^64", protocol, chunk("fffffffffffffffff\r\n")),
        ("a chunk longer than its size", protocol, chunk("2\r\nabcdef\r\n0\r\n\r\n")),
        ("an empty chunk size", protocol, chunk("\r\n\r\n")),
    ] {
        cases.push(Case::plays(name, LONG, expected, acts).await);
    }
    cases
}

#[tokio::test]
async fn a_machine_out_of_descriptors_says_nothing_about_the_target() {
    let expected = Expected::Inconclusive(lamplighter::domain::outcome::InconclusiveReason::MonitorLocal);
    let case = Case::plays("no descriptor left", LONG, expected, vec![Hang]).await;
    let mut held = Vec::new();
    let before = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 64, before.1).unwrap();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
    }
    let wrong = case.run().await.wrong();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, before.0, before.1).unwrap();
    assert!(!held.is_empty());
    assert_eq!(wrong, None);
}
