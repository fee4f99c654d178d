//! Probers that do nothing but probe, to compare with: no schedule worth the name, no record, no judgement, no metrics.
//! Each runs in a process of its own (`speed prober KIND TARGET RATE [ROOT_CA]`) and opens a fresh connection per probe.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    ask,
    process::{OURSELVES, Process},
};

/// How a prober probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prober {
    /// Blocking connect, GET, close.
    Raw,
    /// A hyper connection over TCP.
    HyperHttp,
    /// A hyper connection over rustls; every handshake is a full one.
    HyperHttps,
    /// reqwest, one shared client that keeps no connection.
    Reqwest,
}

impl Prober {
    const ALL: [Self; 4] = [Self::Raw, Self::HyperHttp, Self::HyperHttps, Self::Reqwest];

    fn word(self) -> String {
        format!("{self:?}")
    }

    /// Starts it in a process of its own.
    pub fn start(self, target: SocketAddr, rate: u32, root_ca: &Path, folder: &Path) -> Process {
        let mut command = Command::new(OURSELVES);
        command.args(["prober", &self.word(), &target.to_string(), &rate.to_string()]).arg(root_ca);
        Process::start(command, folder)
    }
}

/// The process itself; ends when it is killed.
pub fn main(args: &[String]) {
    let [kind, target, rate, root_ca] = args else { panic!("prober KIND TARGET RATE ROOT_CA") };
    let prober = Prober::ALL.into_iter().find(|prober| prober.word() == *kind).expect("a kind of prober");
    let target: SocketAddr = target.parse().unwrap();
    let rate: u32 = rate.parse().unwrap();
    if prober == Prober::Raw {
        return raw(target, rate);
    }
    // One thread, as cheap as it can be had: several wake each other up more often than they help at this rate.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        match prober {
            Prober::Raw => unreachable!("has returned"),
            Prober::HyperHttp => paced(rate, move || hyper_http(target)).await,
            Prober::HyperHttps => {
                let tls = tls_configuration(Path::new(root_ca));
                paced(rate, move || hyper_https(target, Arc::clone(&tls))).await;
            }
            Prober::Reqwest => {
                let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
                paced(rate, move || with_reqwest(client.clone(), target)).await;
            }
        }
    });
}

fn raw(target: SocketAddr, rate: u32) {
    let began = Instant::now();
    let mut buffer = [0; 4096];
    for turn in 0.. {
        let due = Duration::from_secs(turn) / rate;
        if let Some(early) = due.checked_sub(began.elapsed()) {
            ask::pause(early);
        }
        let mut stream = TcpStream::connect(target).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        while stream.read(&mut buffer).unwrap() > 0 {}
    }
}

/// Starts `rate` probes a second, evenly, in portions of a millisecond.
async fn paced<F: Future<Output = ()> + Send + 'static>(rate: u32, probe: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    let mut started = 0;
    let mut running = JoinSet::new();
    loop {
        ticks.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        for _ in started..due {
            running.spawn(probe());
        }
        started = due;
        while let Some(ended) = running.try_join_next() {
            ended.unwrap();
        }
    }
}

async fn hyper_http(target: SocketAddr) {
    exchange(tokio::net::TcpStream::connect(target).await.unwrap()).await;
}

async fn hyper_https(target: SocketAddr, tls: Arc<rustls::ClientConfig>) {
    let stream = tokio::net::TcpStream::connect(target).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    exchange(tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.unwrap()).await;
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let request = http::Request::get("/")
        .header(http::header::HOST, "localhost")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = async {
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.unwrap();
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        () = &mut answer => {}
        _ = &mut connection => answer.await,
    }
}

async fn with_reqwest(client: reqwest::Client, target: SocketAddr) {
    let answer = client.get(format!("http://{target}/")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
}

fn tls_configuration(root_ca: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root_ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    configuration.resumption = rustls::client::Resumption::disabled();
    Arc::new(configuration)
}
