//! Name servers that know nothing, lie, or do not answer.

use std::time::Duration;

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use lamplighter::domain::outcome::{Reason, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Act, Case, Expected, LONG, REFUSED, SHORT, Server, Target, play, run_all};
use crate::loopback::dns::{NameServer, addresses, alias_circle, answer_to, truncated};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_not_to_resolve_has_its_reason() {
    run_all(|_| Box::pin(cases())).await;
}

fn code(code: ResponseCode) -> impl Fn(&Message) -> Option<Vec<u8>> + Send + 'static {
    move |question| answer_to(question, code).to_vec().ok()
}

fn wrong_id(question: &Message) -> Option<Vec<u8>> {
    let mut packet = addresses(question, &[[127, 0, 0, 1]]);
    packet[0] ^= 0xff;
    Some(packet)
}

fn wrong_name(question: &Message) -> Option<Vec<u8>> {
    let mut packet = addresses(question, &[[127, 0, 0, 1]]);
    // The first letter of the name in the question.
    packet[13] ^= 0x01;
    Some(packet)
}

fn mangled(question: &Message) -> Option<Vec<u8>> {
    let mut packet = addresses(question, &[[127, 0, 0, 1]]);
    packet.truncate(packet.len() - 6);
    packet.extend([0xff; 3]);
    Some(packet)
}

/// A name that points to itself.
fn compression_circle(question: &Message) -> Option<Vec<u8>> {
    let mut packet = answer_to(question, ResponseCode::NoError).to_vec().ok()?;
    packet[7] = 1;
    let at = u8::try_from(packet.len()).unwrap();
    packet.extend([0xc0, at, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    Some(packet)
}

type Answering = Box<dyn Fn(&Message) -> Option<Vec<u8>> + Send>;

async fn cases() -> Vec<Case> {
    let mut cases = vec![nobody_there(), own_limit().await, rebinding().await];
    cases.extend(over_tcp().await);
    for (name, timeout, reason, answering) in answers() {
        let names = NameServer::start(answering).await;
        let settings = "url = 'http://support.example.com/'".to_owned();
        let expected = Expected::Failed(Stage::Resolve, reason);
        cases.push(Case::of(name, timeout, expected, settings, Target::Names(names)));
    }
    cases
}

fn answers() -> Vec<(&'static str, Duration, Reason, Answering)> {
    use Reason::{DnsMalformed, DnsNxdomain, DnsServfail, DnsTimeout, PolicyBlocked};
    let given = |list: &'static [[u8; 4]]| move |question: &Message| Some(addresses(question, list));
    vec![
        ("NXDOMAIN", LONG, DnsNxdomain, Box::new(code(ResponseCode::NXDomain))),
        ("SERVFAIL", LONG, DnsServfail, Box::new(code(ResponseCode::ServFail))),
        ("REFUSED", LONG, DnsServfail, Box::new(code(ResponseCode::Refused))),
        ("a name without addresses", LONG, DnsNxdomain, Box::new(code(ResponseCode::NoError))),
        ("a silent name server", SHORT, DnsTimeout, Box::new(|_| None)),
        ("answers with another id", SHORT, DnsTimeout, Box::new(wrong_id)),
        ("answers to another question", SHORT, DnsTimeout, Box::new(wrong_name)),
        ("truncated, and no TCP", LONG, DnsMalformed, Box::new(|question| Some(truncated(question)))),
        ("a mangled answer", LONG, DnsMalformed, Box::new(mangled)),
        ("a compression circle", LONG, DnsMalformed, Box::new(compression_circle)),
        ("aliases in a circle", LONG, DnsMalformed, Box::new(|question| Some(alias_circle(question)))),
        ("0.0.0.0 as the address", LONG, PolicyBlocked, Box::new(given(&[[0, 0, 0, 0]]))),
        ("169.254.169.254 as the address", LONG, PolicyBlocked, Box::new(given(&[[169, 254, 169, 254]]))),
        (
            "a good address and 169.254.169.254",
            LONG,
            PolicyBlocked,
            Box::new(given(&[[127, 0, 0, 1], [169, 254, 169, 254]])),
        ),
    ]
}

/// A name server's port where nobody listens.
fn nobody_there() -> Case {
    let mut case = Case::of(
        "no name server there",
        LONG,
        Expected::Failed(Stage::Resolve, Reason::DnsServfail),
        "url = 'http://support.example.com/'".to_owned(),
        Target::Nothing,
    );
    let resolver =
        lamplighter::probe::transport::resolve::Resolver::asking(vec!["127.0.0.1:1".parse().unwrap()]);
    case.transport = lamplighter::probe::transport::Transport::new(resolver);
    case
}

/// What comes over TCP once an answer did not fit into a packet.
async fn over_tcp() -> Vec<Case> {
    let no_answer = |reason| Expected::Failed(Stage::Resolve, reason);
    let silent = NameServer::truncating(|mut stream| async move {
        let mut heard = Vec::new();
        let _end = stream.read_to_end(&mut heard).await;
    })
    .await;
    let half = NameServer::truncating(|mut stream| async move {
        stream.write_all(&[0, 100, 1, 2, 3]).await.unwrap();
    })
    .await;
    let whole = NameServer::over_tcp(|question| addresses(question, &[[127, 0, 0, 1]])).await;
    let good_first = NameServer::over_tcp(|question| thousands(question, 4000, 0)).await;
    let bad_first = NameServer::over_tcp(|question| thousands(question, 4000, ADDRESSES_TRIED)).await;
    let ten_thousand = NameServer::over_tcp(|question| thousands(question, 10_000, 0)).await;
    vec![
        resolving("truncated, and silent over TCP", SHORT, no_answer(Reason::DnsTimeout), silent).await,
        resolving("truncated, and half an answer over TCP", LONG, no_answer(Reason::DnsMalformed), half)
            .await,
        resolving("truncated, and whole over TCP", LONG, Expected::Ok, whole).await,
        resolving("4,000 addresses over TCP, the first of them good", LONG, Expected::Ok, good_first).await,
        resolving("4,000 addresses over TCP, the 17th of them good", LONG, REFUSED, bad_first).await,
        resolving("10,000 addresses said to be there", LONG, no_answer(Reason::DnsMalformed), ten_thousand)
            .await,
    ]
}

/// Beyond so many addresses of a name, none is tried.
const ADDRESSES_TRIED: u16 = 16;

/// As many addresses as fit into the 64 KiB of an answer, which says how many they are. Nobody listens there but at
/// the one after `bad` others.
fn thousands(question: &Message, said: u16, bad: u16) -> Vec<u8> {
    let mut packet = answer_to(question, ResponseCode::NoError).to_vec().unwrap();
    if question.queries[0].query_type() == RecordType::A {
        packet[6..8].copy_from_slice(&said.to_be_bytes());
        for n in 0..4000_u16 {
            let [high, low] = n.to_be_bytes();
            // The name is that in the question; class, type, a minute to live, length.
            packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            packet.extend(if n == bad { [127, 0, 0, 1] } else { [127, 1, high, low] });
        }
    }
    packet
}

/// A target at 127.0.0.1, under a name for which this server is asked.
async fn resolving(name: &str, timeout: Duration, expected: Expected, names: NameServer) -> Case {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let server = Server::start(move |stream| play(stream, true, vec![Act::Say(answer.clone())])).await;
    let settings = format!("url = 'http://support.example.com:{}/'", server.address.port());
    Case::of(name, timeout, expected, settings, Target::Both(names, server))
}

async fn own_limit() -> Case {
    let names = NameServer::start(|_| None).await;
    let settings = "url = 'http://support.example.com/'\nlimits = { phase = '200ms' }".to_owned();
    let expected = Expected::Failed(Stage::Resolve, Reason::DnsTimeout);
    Case::of("a silent name server, over the phase's limit", LONG, expected, settings, Target::Names(names))
}

/// The name leads to the target first, and to another private address once the target sends us back to it.
async fn rebinding() -> Case {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let names = NameServer::start(move |question| {
        let times = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Two questions, one for each family, on the first hop.
        Some(addresses(question, &[[127, 0, 0, if times < 2 { 1 } else { 2 }]]))
    })
    .await;
    let server = Server::start(|mut stream| async move {
        crate::loopback::read_request(&mut stream).await;
        let answer = b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let settings = format!("url = 'http://support.example.com:{}/'", server.address.port());
    let expected = Expected::Failed(Stage::Resolve, Reason::PolicyBlocked);
    Case::of(
        "a name that leads elsewhere the second time",
        LONG,
        expected,
        settings,
        Target::Both(names, server),
    )
}
