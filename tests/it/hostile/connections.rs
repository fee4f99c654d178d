//! Connections that are not made, lead to nobody, or have to be made another way.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use lamplighter::domain::outcome::{Reason, Stage};
use socket2::{Domain, SockFilter, SockRef, Socket, Type};

use super::{Act, Case, Expected, LONG, SHORT, Server, Target, play, run_all};
use crate::loopback::dns::{NameServer, addresses};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_not_there_is_told_from_one_that_is_slow() {
    run_all(|_| Box::pin(unanswered())).await;
}

async fn unanswered() -> Vec<Case> {
    let full = |name, timeout, limit| {
        let (address, held) = full_queue(Ipv4Addr::LOCALHOST.into());
        let settings = format!("url = 'http://{address}/'\n{limit}");
        let expected = Expected::Failed(Stage::Connect, Reason::ConnectTimeout);
        Case::of(name, timeout, expected, settings, Target::Server(Server::holding(address, held)))
    };
    let gone = |name, scheme, stage, reason, settings| {
        let (address, listener) = gone();
        let settings = format!("url = '{scheme}://{address}/'\n{settings}");
        let held = Target::Server(Server::holding(address, listener));
        Case::of(name, SHORT, Expected::Failed(stage, reason), settings, held)
    };
    let large = format!("body = {{ text = '{}' }}", "x".repeat(16 << 20));
    let silent = Reason::FirstByteTimeout;
    vec![
        full("SYN unanswered: the queue is full", SHORT, ""),
        full("the same, over the phase's limit", LONG, "limits = { phase = '200ms' }"),
        gone("half-open: the peer is gone", "http", Stage::Wait, silent, ""),
        gone("half-open, with a large request", "http", Stage::Send, silent, &large),
        gone("half-open, with TLS", "https", Stage::Tls, Reason::TlsTimeout, ""),
        gone("half-open, HTTP/2", "http", Stage::Wait, silent, "version = '2'"),
    ]
}

/// A listener that has as many connections as it has room for, so that the system answers no further SYN; and the
/// connection that fills it.
fn full_queue(address: IpAddr) -> (SocketAddr, (TcpListener, TcpStream)) {
    let any_port = SocketAddr::from((address, 0));
    let socket = Socket::new(Domain::for_address(any_port), Type::STREAM, None).unwrap();
    socket.bind(&any_port.into()).unwrap();
    // Linux takes one connection more than it is told.
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let filling = TcpStream::connect(address).unwrap();
    (address, (listener, filling))
}

/// A listener whose connections are made and then neither acknowledge nor send anything, not even their end, as if
/// the peer's machine had vanished: the system drops every segment that has content before they see it.
fn gone() -> (SocketAddr, TcpListener) {
    const HEADER_WORDS_AT: u32 = 12;
    const EVERYTHING: u32 = u32::MAX;
    let step =
        |code: u32, on_false: u8, k: u32| SockFilter::new(u16::try_from(code).unwrap(), 0, on_false, k);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // The length of the header is in words, in the upper half of its byte.
    let drops_content = [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, HEADER_WORDS_AT),
        step(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 0, 2),
        step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0x3c),
        step(libc::BPF_MISC | libc::BPF_TAX, 0, 0),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_X, 1, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, EVERYTHING),
    ];
    // What it accepts inherits the filter.
    SockRef::from(&listener).attach_filter(&drops_content).unwrap();
    (listener.local_addr().unwrap(), listener)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_out_of_order_does_not_keep_us_from_the_next() {
    run_all(|_| Box::pin(two_addresses())).await;
}

async fn two_addresses() -> Vec<Case> {
    vec![first_of_two("refuses", First::Refuses).await, first_of_two("is silent", First::IsSilent).await]
}

#[derive(PartialEq, Eq)]
enum First {
    Refuses,
    IsSilent,
}

/// Waiting for the first address alone would take the five seconds of its phase.
const SOON: Duration = Duration::from_secs(1);

/// A target whose name leads to two addresses, of which only the second one answers.
async fn first_of_two(what: &str, first: First) -> Case {
    let (address, held, listener) = loop {
        let (address, held) = full_queue(first_address());
        // The port is free at this address; at the other, somebody may have it.
        if let Ok(listener) = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, address.port())).await {
            break (address, held, listener);
        }
    };
    let held = (first == First::IsSilent).then_some(held);
    let server = Server::on(listener, move |stream| {
        let _held = &held;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
        play(stream, true, vec![Act::Say(answer)])
    });
    let both = [address.ip(), Ipv4Addr::LOCALHOST.into()];
    let names = NameServer::start(move |question| Some(addresses(question, &both))).await;
    let settings = format!("url = 'http://support.example.com:{}/'", address.port());
    let name = format!("{} {what}, 127.0.0.1 answers", address.ip());
    Case::of(&name, SOON, Expected::Ok, settings, Target::Both(names, server))
}

/// `::1`; on a machine without IPv6, as many containers are, the name has two IPv4 addresses.
fn first_address() -> IpAddr {
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if has_ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::new(127, 0, 0, 2).into() }
}
