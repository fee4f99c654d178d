//! TLS that cannot be trusted, is no TLS, or does not come.

use std::{path::Path, time::Duration};

use lamplighter::domain::outcome::{Reason, Stage};
use rcgen::date_time_ymd;
use rustls::pki_types::CertificateDer;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Act, Case, Expected, LONG, SHORT, Server, Target, play, run_all};
use crate::loopback::{
    certificates::{Authority, Signed, self_signed},
    read_request,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_trusted_says_why() {
    run_all(|folder| Box::pin(certificates(folder))).await;
}

async fn certificates(folder: std::path::PathBuf) -> Vec<Case> {
    let authority = Authority::new();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let expired = authority.sign(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2021, 1, 1));
    let early = authority.sign(&["127.0.0.1"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    let other = authority.sign(&["other.example"], |_| {});
    let stranger = Authority::new().sign(&["127.0.0.1"], |_| {});
    let good = authority.sign(&["127.0.0.1"], |_| {});
    let tls = |reason| Expected::Failed(Stage::Tls, reason);
    vec![
        shows("a good certificate", good.acceptor(&[]), Expected::Ok, &folder).await,
        shows("an expired certificate", expired.acceptor(&[]), tls(Reason::CertificateExpired), &folder)
            .await,
        shows("a certificate not valid yet", early.acceptor(&[]), tls(Reason::CertificateExpired), &folder)
            .await,
        shows("a certificate for another name", other.acceptor(&[]), tls(Reason::CertificateName), &folder)
            .await,
        shows(
            "a certificate of an unknown authority",
            stranger.acceptor(&[]),
            tls(Reason::CertificateUntrusted),
            &folder,
        )
        .await,
        shows(
            "a self-signed certificate",
            self_signed(&["127.0.0.1"]).acceptor(&[]),
            tls(Reason::CertificateUntrusted),
            &folder,
        )
        .await,
        shows(
            "only protocols we do not offer",
            good.acceptor(&["spdy/3"]),
            tls(Reason::TlsHandshake),
            &folder,
        )
        .await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_may_be_long_and_costs_little() {
    run_all(|folder| Box::pin(chains(folder))).await;
}

async fn chains(folder: std::path::PathBuf) -> Vec<Case> {
    let root = Authority::new();
    std::fs::write(folder.join("ca.pem"), root.pem()).unwrap();
    let good = root.sign(&["127.0.0.1"], |_| {});
    let strangers = vec![Authority::new().der(); 99];
    let (deep, between) = line_of_authorities(&root, |n| format!("authority {n}"));
    // Each of them could have signed any other: only trying tells.
    let (alike, all_alike) = line_of_authorities(&root, |_| "authority".to_owned());
    let untrusted = Expected::Failed(Stage::Tls, Reason::CertificateUntrusted);
    let handshake = Expected::Failed(Stage::Tls, Reason::TlsHandshake);
    vec![
        shows("a certificate and 99 strangers", good.acceptor_with(strangers, &[]), Expected::Ok, &folder)
            .await,
        shows("a chain of 100 certificates", deep.acceptor_with(between, &[]), untrusted, &folder).await,
        shows("100 certificates of one name", alike.acceptor_with(all_alike, &[]), untrusted, &folder).await,
        shows("1,000 certificates", good.acceptor_with(vec![root.der(); 999], &[]), handshake, &folder).await,
    ]
}

/// A certificate at the end of a line of 99 authorities, each of which the one before vouches for, and these from the
/// last to the first.
fn line_of_authorities(
    root: &Authority,
    name: impl Fn(usize) -> String,
) -> (Signed, Vec<CertificateDer<'static>>) {
    let mut line = vec![root.vouch(&name(0))];
    while line.len() < 99 {
        line.push(line[line.len() - 1].vouch(&name(line.len())));
    }
    let signed = line[line.len() - 1].sign(&["127.0.0.1"], |_| {});
    (signed, line.iter().rev().map(Authority::der).collect())
}

async fn shows(name: &str, acceptor: TlsAcceptor, expected: Expected, folder: &Path) -> Case {
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_request(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        }
    })
    .await;
    let settings = format!("url = 'https://{}/'\ntls = {{ root_ca = 'ca.pem' }}", server.address);
    Case::of(name, LONG, expected, settings, Target::Server(server)).in_folder(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_goes_wrong_says_how() {
    run_all(|_| Box::pin(handshakes())).await;
}

async fn handshakes() -> Vec<Case> {
    let failed = |reason| Expected::Failed(Stage::Tls, reason);
    let plain = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec();
    // A record that says it holds 16 KiB of a handshake, and then drips.
    let slow_hello = vec![
        Act::Say(vec![22, 3, 3, 0x40, 0]),
        Act::Drip("\u{2}\0\0\0", Duration::from_millis(50)),
        Act::Hang,
    ];
    let mut cases = Vec::new();
    for (name, timeout, expected, acts) in [
        ("plain HTTP on the TLS port", LONG, failed(Reason::TlsHandshake), vec![Act::Say(plain)]),
        (
            "mail on the TLS port",
            LONG,
            failed(Reason::TlsHandshake),
            vec![Act::Say(b"220 mail.example.com ESMTP\r\n".to_vec())],
        ),
        ("silence in the handshake", SHORT, failed(Reason::TlsTimeout), vec![Act::Hang]),
        ("a byte of hello now and then", SHORT, failed(Reason::TlsTimeout), slow_hello),
        ("close in the handshake", LONG, failed(Reason::TlsHandshake), vec![]),
        ("reset in the handshake", LONG, failed(Reason::Reset), vec![Act::Reset]),
        (
            "an alert instead of a hello",
            LONG,
            failed(Reason::TlsHandshake),
            vec![Act::Say(vec![21, 3, 3, 0, 2, 2, 40])],
        ),
        (
            "endless empty records",
            LONG,
            failed(Reason::TlsHandshake),
            vec![Act::Endlessly([23, 3, 3, 0, 0].repeat(100))],
        ),
    ] {
        let server = Server::start(move |stream| play_after_hello(stream, acts.clone())).await;
        let settings = format!("url = 'https://{}/'", server.address);
        cases.push(Case::of(name, timeout, expected, settings, Target::Server(server)));
    }
    cases
}

/// Reads the client's hello, then plays.
async fn play_after_hello(mut stream: TcpStream, acts: Vec<Act>) {
    let hello = stream.read(&mut [0; 4096]).await;
    assert!(hello.is_ok_and(|len| len > 0));
    play(stream, false, acts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_has_a_limit_of_its_own() {
    run_all(|_| Box::pin(own_limit())).await;
}

async fn own_limit() -> Vec<Case> {
    let server = Server::start(|stream| play(stream, false, vec![Act::Hang])).await;
    let settings = format!("url = 'https://{}/'\nlimits = {{ phase = '200ms' }}", server.address);
    let expected = Expected::Failed(Stage::Tls, Reason::TlsTimeout);
    vec![Case::of("a handshake over its own limit", LONG, expected, settings, Target::Server(server))]
}
