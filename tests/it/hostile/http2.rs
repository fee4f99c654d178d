//! HTTP/2 that breaks off, floods, or lies. Frames are written by hand: a library would not send them.

use std::{future::Future, time::Duration};

use lamplighter::domain::outcome::{Reason, Stage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Act, Case, Expected, LONG, SHORT, Server, Target, play, run_all};

use Stage::{Transfer, Wait};

const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const STREAM: u32 = 1;
/// `:status: 200` in the static table of HPACK.
const STATUS_200: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that is not indexed and has a new name, both texts plain; lengths up to 126.
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// A field of 4,000 bytes that is put into the table, and then named by a single byte so many times.
fn bomb(times: usize) -> Vec<u8> {
    const INDEXED_LITERAL: u8 = 0x40;
    /// The first entry after the 61 of the static table.
    const FIRST_DYNAMIC: u8 = 0x80 | 62;
    // 4,000 with a prefix of 7 bits (RFC 7541, 5.1).
    let length = [0x7f, 0xa1, 0x1e];
    let mut block = vec![STATUS_200, INDEXED_LITERAL, 3];
    block.extend(b"x-a");
    block.extend(length);
    block.extend([b'b'; 4000]);
    block.extend(vec![FIRST_DYNAMIC; times]);
    block
}

type Row = (&'static str, Duration, Expected, Vec<Act>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_that_goes_wrong_says_how() {
    run_all(|_| Box::pin(cases())).await;
}

async fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, timeout, expected, acts) in cut().into_iter().chain(broken()).chain(floods()) {
        let server = Server::start(move |stream| play_after_request(stream, acts.clone())).await;
        let settings = format!("url = 'http://{}/'\nversion = '2'", server.address);
        cases.push(Case::of(&format!("HTTP/2: {name}"), timeout, expected, settings, Target::Server(server)));
    }
    cases.push(large_request("a request for which there is no window", Stage::Send, no_window).await);
    cases.push(large_request("silence after a large request", Wait, large_window).await);
    cases
}

/// A case of a request that is larger than what may be sent unasked.
async fn large_request<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    stage: Stage,
    act: impl Fn(TcpStream) -> F + Send + 'static,
) -> Case {
    let server = Server::start(act).await;
    let body = "x".repeat(200_000);
    let settings = format!("url = 'http://{}/'\nversion = '2'\nbody = {{ text = '{body}' }}", server.address);
    let expected = at(stage, Reason::FirstByteTimeout);
    Case::of(&format!("HTTP/2: {name}"), SHORT, expected, settings, Target::Server(server))
}

/// Reads whatever comes, and lets nothing more come than that.
async fn no_window(mut stream: TcpStream) {
    const INITIAL_WINDOW_SIZE: u8 = 4;
    let none = frame(SETTINGS, 0, 0, &[0, INITIAL_WINDOW_SIZE, 0, 0, 0, 0]);
    stream.write_all(&none).await.unwrap();
    let _end = stream.read_to_end(&mut Vec::new()).await;
}

/// Lets the whole request come, and says nothing to it.
async fn large_window(mut stream: TcpStream) {
    let more = (1_u32 << 20).to_be_bytes();
    let windows = [frame(SETTINGS, 0, 0, &[]), frame(WINDOW_UPDATE, 0, 0, &more)].concat();
    stream.write_all(&windows).await.unwrap();
    read_up_to(&mut stream, HEADERS).await;
    stream.write_all(&frame(WINDOW_UPDATE, 0, STREAM, &more)).await.unwrap();
    let _end = stream.read_to_end(&mut Vec::new()).await;
}

fn at(stage: Stage, reason: Reason) -> Expected {
    Expected::Failed(stage, reason)
}

fn say(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Act {
    Act::Say(frame(kind, flags, stream, payload))
}

fn hello() -> Act {
    say(SETTINGS, 0, 0, &[])
}

fn head(flags: u8) -> Act {
    say(HEADERS, END_HEADERS | flags, STREAM, &[STATUS_200])
}

fn endlessly(bytes: &[u8]) -> Act {
    Act::Endlessly(bytes.repeat(64))
}

fn cut() -> Vec<Row> {
    vec![
        ("an answer", LONG, Expected::Ok, vec![hello(), head(0), say(DATA, END_STREAM, STREAM, b"hello")]),
        ("silence", SHORT, at(Wait, Reason::FirstByteTimeout), vec![Act::Hang]),
        ("settings, then silence", SHORT, at(Wait, Reason::FirstByteTimeout), vec![hello(), Act::Hang]),
        (
            "headers, then silence",
            SHORT,
            at(Transfer, Reason::TransferTimeout),
            vec![hello(), head(0), Act::Hang],
        ),
        (
            "HTTP/1 instead",
            LONG,
            at(Wait, Reason::Protocol),
            vec![Act::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())],
        ),
        ("close before the answer", LONG, at(Wait, Reason::Truncated), vec![hello()]),
        (
            "close in the body",
            LONG,
            at(Transfer, Reason::Truncated),
            vec![hello(), head(0), say(DATA, 0, STREAM, b"half")],
        ),
        (
            "reset of the connection",
            LONG,
            at(Wait, Reason::Reset),
            vec![hello(), Act::Drip("\0", super::SHORT / 8), Act::Reset],
        ),
        (
            "GOAWAY before the answer",
            LONG,
            at(Wait, Reason::Reset),
            vec![hello(), say(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]), Act::Hang],
        ),
        (
            "GOAWAY in the body",
            LONG,
            at(Transfer, Reason::Reset),
            vec![hello(), head(0), say(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2])],
        ),
        (
            "RST_STREAM before the answer",
            LONG,
            at(Wait, Reason::Reset),
            vec![hello(), say(RST_STREAM, 0, STREAM, &[0, 0, 0, 7]), Act::Hang],
        ),
        (
            "RST_STREAM in the body",
            LONG,
            at(Transfer, Reason::Reset),
            vec![hello(), head(0), say(RST_STREAM, 0, STREAM, &[0, 0, 0, 2]), Act::Hang],
        ),
    ]
}

fn broken() -> Vec<Row> {
    let many = [vec![STATUS_200], field("x-a", "b").repeat(200)].concat();
    vec![
        (
            "DATA before the headers",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), say(DATA, 0, STREAM, b"x"), Act::Hang],
        ),
        (
            "a stream nobody opened",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), say(HEADERS, END_HEADERS, 7, &[STATUS_200]), Act::Hang],
        ),
        (
            "a frame over its size",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), Act::Say(frame(DATA, 0, STREAM, &[0; 40_000]))],
        ),
        (
            "broken HPACK",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), say(HEADERS, END_HEADERS, STREAM, &[0xff; 20]), Act::Hang],
        ),
        (
            "header fields of 200 KiB",
            LONG,
            at(Transfer, Reason::HeaderTooLarge),
            vec![hello(), say(HEADERS, END_HEADERS | END_STREAM, STREAM, &bomb(50))],
        ),
        (
            "header fields of 48 MiB in 16 KiB",
            LONG,
            at(Wait, Reason::HeaderTooLarge),
            vec![hello(), say(HEADERS, END_HEADERS | END_STREAM, STREAM, &bomb(12_000))],
        ),
        (
            "200 header fields",
            LONG,
            at(Transfer, Reason::HeaderTooLarge),
            vec![hello(), say(HEADERS, END_HEADERS | END_STREAM, STREAM, &many)],
        ),
    ]
}

fn floods() -> Vec<Row> {
    let bulk = field("x-a", &"b".repeat(100)).repeat(100);
    vec![
        (
            "a flood of SETTINGS",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), endlessly(&frame(SETTINGS, 0, 0, &[]))],
        ),
        (
            "a flood of PING",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), endlessly(&frame(PING, 0, 0, &[0; 8]))],
        ),
        (
            "a flood of WINDOW_UPDATE",
            LONG,
            at(Wait, Reason::Protocol),
            vec![hello(), endlessly(&frame(WINDOW_UPDATE, 0, STREAM, &[0, 0, 0, 1]))],
        ),
        (
            "a flood of CONTINUATION",
            LONG,
            at(Wait, Reason::HeaderTooLarge),
            vec![
                hello(),
                say(HEADERS, 0, STREAM, &[STATUS_200]),
                endlessly(&frame(CONTINUATION, 0, STREAM, &bulk)),
            ],
        ),
        (
            "a flood of empty CONTINUATION",
            LONG,
            at(Wait, Reason::HeaderTooLarge),
            vec![
                hello(),
                say(HEADERS, 0, STREAM, &[STATUS_200]),
                endlessly(&frame(CONTINUATION, 0, STREAM, &[])),
            ],
        ),
        (
            "a flood of empty DATA",
            LONG,
            at(Transfer, Reason::Protocol),
            vec![hello(), head(0), endlessly(&frame(DATA, 0, STREAM, &[]))],
        ),
        (
            "DATA beyond the window",
            LONG,
            Expected::FailedEither(Transfer, Reason::Protocol, Reason::BodyTooLarge),
            vec![hello(), head(0), endlessly(&frame(DATA, 0, STREAM, &[b'x'; 1000]))],
        ),
        (
            "1.5 MiB of DATA",
            LONG,
            at(Transfer, Reason::BodyTooLarge),
            vec![
                hello(),
                say(SETTINGS, ACK, 0, &[]),
                head(0),
                Act::Say(frame(DATA, 0, STREAM, &[b'x'; 16384]).repeat(96)),
                Act::Hang,
            ],
        ),
    ]
}

/// Reads frames up to the one that holds the request's headers, then plays.
async fn play_after_request(mut stream: TcpStream, acts: Vec<Act>) {
    read_up_to(&mut stream, HEADERS).await;
    play(stream, false, acts).await;
}

/// Reads the client's preface and its frames, up to the first of a kind.
async fn read_up_to(stream: &mut TcpStream, kind: u8) {
    let mut preface = [0; PREFACE.len()];
    let mut header = [0; 9];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(preface, PREFACE);
    while header[3] != kind {
        stream.read_exact(&mut header).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
    }
}
