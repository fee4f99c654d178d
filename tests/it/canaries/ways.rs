//! The ways in which a target fails, each a channel of its own, and the targets that do it.

use std::{future::pending, sync::Arc};

use hickory_resolver::proto::op::{Message, ResponseCode};
use lamplighter::domain::outcome::Reason;
use rcgen::date_time_ymd;
use tokio::net::TcpListener;

use super::{parrot::Parrot, search::Net};
use crate::loopback::{
    Server,
    certificates::{Authority, self_signed},
    dns::{NameServer, alias_circle, answer_to},
};

/// The way on which a client certificate is shown.
pub const SHOWS_CERTIFICATE: &str = "client";

/// One of them.
pub struct Way {
    /// The channel.
    pub name: &'static str,
    pub url: String,
    pub timeout: &'static str,
    /// What the first probe of the channel fails for.
    pub reason: Reason,
}

/// All of them, and who is behind them.
pub struct Ways {
    pub list: Vec<Way>,
    pub parrot: Arc<Parrot>,
    /// On another origin: `/elsewhere` leads here.
    pub stranger: Arc<Parrot>,
    pub names: NameServer,
    plain: Server,
    others: Vec<Server>,
}

/// The paths of the target, and what becomes of a request to them.
const PATHS: [(&str, Reason); 23] = [
    ("body", Reason::Content),
    ("sent", Reason::Content),
    ("json", Reason::Content),
    ("header", Reason::Content),
    ("elsewhere", Reason::Content),
    ("headers", Reason::HeaderTooLarge),
    ("status", Reason::Status),
    ("denied", Reason::Auth),
    ("encoding", Reason::Protocol),
    ("gzip", Reason::Protocol),
    ("large", Reason::BodyTooLarge),
    ("away", Reason::Status),
    ("circle", Reason::RedirectLoop),
    ("on", Reason::RedirectLimit),
    ("metadata", Reason::PolicyBlocked),
    ("file", Reason::RedirectBlocked),
    ("userinfo", Reason::RedirectBlocked),
    ("illegible", Reason::RedirectBlocked),
    ("hang", Reason::FirstByteTimeout),
    ("crawl", Reason::TransferTimeout),
    ("cut", Reason::Truncated),
    ("noise", Reason::Protocol),
    ("reset", Reason::Reset),
];

impl Ways {
    pub async fn open(net: &Arc<Net>, authority: &Authority) -> Self {
        let stranger = Parrot::new(net, None);
        let elsewhere = stranger.listen().await;
        let parrot = Parrot::new(net, Some(elsewhere.address));
        let plain = parrot.listen().await;
        let mut ways = Self {
            list: Vec::new(),
            names: NameServer::start(no_such_name).await,
            parrot,
            stranger,
            plain,
            others: vec![elsewhere],
        };
        for (path, reason) in PATHS {
            ways.add(path, format!("http://{}/{path}", ways.plain.address), reason);
        }
        for (name, reason) in [
            ("nowhere", Reason::DnsNxdomain),
            ("broken", Reason::DnsServfail),
            ("aliases", Reason::DnsMalformed),
            ("silent", Reason::DnsTimeout),
        ] {
            ways.add(name, format!("http://{name}.example/"), reason);
        }
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        ways.add("closed", format!("http://{closed}/"), Reason::ConnectRefused);
        ways.add("no-tls", format!("https://{}/", ways.plain.address), Reason::TlsHandshake);
        ways.add_tls(authority).await;
        ways
    }

    /// Where a journey learns what it sent.
    pub fn echo(&self) -> String {
        format!("http://{}/sent", self.plain.address)
    }

    fn add(&mut self, name: &'static str, url: String, reason: Reason) {
        // What runs out of time is not waited for longer than a busy machine needs to get there.
        let timeout = if reason.is_timeout() { "1s" } else { "10s" };
        self.list.push(Way { name, url, timeout, reason });
    }

    async fn add_tls(&mut self, authority: &Authority) {
        let expired = authority.sign(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2021, 1, 1));
        let good = authority.sign(&["127.0.0.1"], |_| {});
        for (name, acceptor, reason) in [
            (SHOWS_CERTIFICATE, authority.acceptor_of_known_clients(&good), Reason::Content),
            ("expired", expired.acceptor(&[]), Reason::CertificateExpired),
            ("other", authority.sign(&["other.example"], |_| {}).acceptor(&[]), Reason::CertificateName),
            ("self-signed", self_signed(&["127.0.0.1"]).acceptor(&[]), Reason::CertificateUntrusted),
        ] {
            let server = self.parrot.listen_by_tls(acceptor).await;
            self.add(name, format!("https://{}/body", server.address), reason);
            self.others.push(server);
        }
        let mute = Server::start(|stream| async move {
            pending::<()>().await;
            drop(stream);
        })
        .await;
        self.add("mute", format!("https://{}/", mute.address), Reason::TlsTimeout);
        self.others.push(mute);
    }
}

/// Fails as the name asked for says.
fn no_such_name(question: &Message) -> Option<Vec<u8>> {
    let code = match question.queries[0].name().to_ascii().split('.').next()? {
        "silent" => return None,
        "aliases" => return Some(alias_circle(question)),
        "broken" => ResponseCode::ServFail,
        _ => ResponseCode::NXDomain,
    };
    Some(answer_to(question, code).to_vec().unwrap())
}
