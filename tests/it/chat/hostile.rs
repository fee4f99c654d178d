//! What a service may do to who opens a WebSocket, or holds a conversation over one.

use std::time::Duration;

use lamplighter::domain::outcome::Reason;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;

use super::{
    TALK, WEBSOCKET, bot, build, run_built,
    service::{Act, Service},
    talk, verdict,
};

#[tokio::test]
async fn a_service_that_ends_the_conversation_is_told_with_its_code() {
    for (code, reason) in [(1000, Reason::Truncated), (1011, Reason::Truncated), (1013, Reason::Busy)] {
        let service = Service::open(vec![vec![bot("Hello!")], vec![Act::Close(code)]]).await;
        let ended = talk(WEBSOCKET, TALK, &service).await;
        assert_eq!(verdict(&ended), ("failed", Some(reason)), "{code}: {:?}", ended.outcome.verdict);
        let failure = ended.outcome.verdict.failure().unwrap();
        assert_eq!(
            failure.detail.as_str(),
            format!("the service ended the conversation with code {code}: \"as told\"")
        );
        assert_eq!(failure.step.as_deref(), Some("order"));
    }
}

/// How the server answers the handshake, and what it sends then.
struct Way {
    name: &'static str,
    answer: Answer,
    then: Vec<u8>,
    /// Whether `then` is sent again and again.
    again: bool,
    expected: &'static [Reason],
}

enum Answer {
    /// As RFC 6455 wants it.
    Right,
    /// This, in place of it.
    Raw(String),
    /// Nothing.
    Nothing,
}

/// A frame of a server, unmasked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

fn ways() -> Vec<Way> {
    let raw = |text: &str| Answer::Raw(text.to_owned());
    let way = |name, answer, then: Vec<u8>, expected| Way { name, answer, then, again: false, expected };
    let flood =
        |name, then: Vec<u8>, expected| Way { name, answer: Answer::Right, then, again: true, expected };
    let huge = [&[0x81, 127][..], &(1_u64 << 62).to_be_bytes()].concat();
    let impossible = [&[0x81, 127][..], &u64::MAX.to_be_bytes()].concat();
    let masked = [&[0x81, 0x85, 1, 2, 3, 4][..], b"hello"].concat();
    vec![
        way(
            "refuses",
            raw("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
            vec![],
            &[Reason::Status],
        ),
        way(
            "answers as a page",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
            vec![],
            &[Reason::Status],
        ),
        way(
            "accepts wrongly",
            raw(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            ),
            vec![],
            &[Reason::Protocol],
        ),
        way("says nothing", Answer::Nothing, vec![], &[Reason::FirstByteTimeout]),
        way(
            "sends headers without end",
            raw(&format!("HTTP/1.1 101 Switching\r\n{}", "x-a: b\r\n".repeat(200_000))),
            vec![],
            &[Reason::HeaderTooLarge, Reason::Protocol],
        ),
        way("sends garbage", raw("\0\u{1}\u{2}\r\n\r\n"), vec![], &[Reason::Protocol]),
        way("a frame of 2^62 bytes", Answer::Right, huge, &[Reason::BodyTooLarge]),
        way("a frame of 2^64 bytes", Answer::Right, impossible, &[Reason::BodyTooLarge, Reason::Protocol]),
        way("a masked frame", Answer::Right, masked, &[Reason::Protocol]),
        way("bad UTF-8", Answer::Right, frame(0x81, &[0xff, 0xfe]), &[Reason::Protocol]),
        way("a reserved opcode", Answer::Right, frame(0x83, b"x"), &[Reason::Protocol]),
        way("reserved bits", Answer::Right, frame(0xf1, b"x"), &[Reason::Protocol]),
        way("a long ping", Answer::Right, frame(0x89, &[b'x'; 126]), &[Reason::Protocol]),
        way("closes without a word", Answer::Right, frame(0x88, &[]), &[Reason::Truncated]),
        way("closes with half a code", Answer::Right, frame(0x88, &[3]), &[Reason::Protocol]),
        way("is silent", Answer::Right, vec![], &[Reason::Silent]),
        flood("pings without end", frame(0x89, b"x"), &[Reason::Silent, Reason::Protocol]),
        flood("fragments without end", frame(0x01, &[b'x'; 1_000]), &[Reason::Protocol]),
        flood("events without end", frame(0x81, br#"{"typing": true}"#), &[Reason::Protocol, Reason::Silent]),
    ]
}

async fn serve(listener: TcpListener, way: Way) {
    let Ok((mut stream, _)) = listener.accept().await else { return };
    let Some(key) = handshake(&mut stream).await else { return };
    let answer = match way.answer {
        Answer::Nothing => String::new(),
        Answer::Raw(text) => text,
        Answer::Right => {
            let accept = derive_accept_key(key.as_bytes());
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-protocol: chat.v1\r\nsec-websocket-accept: {accept}\r\n\r\n"
            )
        }
    };
    let (mut reading, mut writing) = stream.into_split();
    let writes = async move {
        let mut sent = writing.write_all(answer.as_bytes()).await.is_ok();
        while sent && !way.then.is_empty() {
            sent = writing.write_all(&way.then).await.is_ok() && way.again;
        }
        std::future::pending::<()>().await;
    };
    // Until the client is gone.
    let reads = async move { while reading.read(&mut [0; 4_096]).await.is_ok_and(|count| count > 0) {} };
    tokio::select! { () = writes => {}, () = reads => {} }
}

/// Reads a request to open a WebSocket; gives its key.
async fn handshake(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    let request = String::from_utf8(request).ok()?;
    let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("sec-websocket-key:"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[tokio::test]
async fn a_hostile_service_is_left_in_time_and_named() {
    let timeout = Duration::from_secs(2);
    for way in ways() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (name, expected) = (way.name, way.expected);
        let mut served = JoinSet::new();
        served.spawn(serve(listener, way));
        let toml = format!("{}{TALK}", WEBSOCKET.replace("BASE", &base));
        let built = build(&toml, timeout).unwrap_or_else(|problems| panic!("{problems:?}"));
        let began = Instant::now();
        let ended = run_built(&built, timeout, &CancellationToken::new()).await.unwrap();
        let took = began.elapsed();
        let (outcome, reason) = verdict(&ended);
        println!("chat/hostile   {name:<28} {outcome} {reason:?} in {took:?}");
        assert_eq!(outcome, "failed", "{name}");
        assert!(expected.contains(&reason.unwrap()), "{name}: {:?}", ended.outcome.verdict);
        assert!(took < timeout + Duration::from_secs(1), "{name}: {took:?}");
        // It is gone, and so is our end: the server would wait for it otherwise.
        served.join_next().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn nobody_at_the_port_is_told_as_for_any_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let toml = format!("{}{TALK}", WEBSOCKET.replace("BASE", &base));
    let timeout = Duration::from_secs(2);
    let built = build(&toml, timeout).unwrap_or_else(|problems| panic!("{problems:?}"));
    let ended = run_built(&built, timeout, &CancellationToken::new()).await.unwrap();
    assert_eq!(verdict(&ended), ("failed", Some(Reason::ConnectRefused)));
    assert_eq!(ended.outcome.verdict.failure().unwrap().step.as_deref(), Some("open"));
}
