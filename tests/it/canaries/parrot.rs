//! A target that sends back what it knows: secrets in every disguise, and the request itself, in every part of an
//! answer. It remembers which canaries came to it: one that never did would prove nothing.

use std::{
    collections::BTreeSet,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::{
    places::WATCHED,
    search::{CLIENT_KEY, Net, canary, hex, percent},
};
use crate::loopback::Server;

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 22;

/// Requests to these bring what Lamplighter has sent by itself; in others may be what a redirect has put there.
const HONEST: [&str; 2] = ["/sent", "/body"];

pub struct Parrot {
    net: Arc<Net>,
    turn: AtomicUsize,
    seen: Mutex<BTreeSet<usize>>,
    /// Where `/elsewhere` leads.
    elsewhere: Option<SocketAddr>,
}

impl Parrot {
    pub fn new(net: &Arc<Net>, elsewhere: Option<SocketAddr>) -> Arc<Self> {
        let (turn, seen) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { net: Arc::clone(net), turn, seen, elsewhere })
    }

    /// Answers on a port of its own.
    pub async fn listen(self: &Arc<Self>) -> Server {
        let parrot = Arc::clone(self);
        Server::start(move |stream| {
            let parrot = Arc::clone(&parrot);
            async move {
                let _answered = parrot.hear(stream).await;
            }
        })
        .await
    }

    /// Answers on a port of its own, by TLS.
    pub async fn listen_by_tls(self: &Arc<Self>, acceptor: TlsAcceptor) -> Server {
        let parrot = Arc::clone(self);
        Server::start(move |stream| {
            let (parrot, acceptor) = (Arc::clone(&parrot), acceptor.clone());
            async move {
                let _answered = parrot.hear_by_tls(stream, &acceptor).await;
            }
        })
        .await
    }

    /// How many requests have come.
    pub fn asked(&self) -> usize {
        self.turn.load(Relaxed)
    }

    /// The canaries that have come since this was last asked.
    pub fn take_seen(&self) -> BTreeSet<usize> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    async fn hear(&self, mut stream: TcpStream) -> Option<()> {
        let request = read_request(&mut stream).await?;
        if request.starts_with("POST /reset") || request.starts_with("PUT /reset") {
            return stream.set_zero_linger().ok();
        }
        self.answer(stream, &request).await
    }

    async fn hear_by_tls(&self, stream: TcpStream, acceptor: &TlsAcceptor) -> Option<()> {
        let mut stream = acceptor.accept(stream).await.ok()?;
        if stream.get_ref().1.peer_certificates().is_some() {
            self.seen.lock().unwrap().insert(CLIENT_KEY);
        }
        let request = read_request(&mut stream).await?;
        self.answer(stream, &request).await
    }

    /// Each time another canary in another disguise.
    fn phrase(&self) -> String {
        let turn = self.turn.fetch_add(1, Relaxed);
        let value = canary(turn % WATCHED + 1);
        match turn / WATCHED % 5 {
            0 => value,
            1 => STANDARD.encode(format!("user:{value}")),
            2 => percent(&value),
            3 => hex(value.as_bytes()),
            _ => URL_SAFE.encode(value),
        }
    }

    /// Does what the path says.
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Option<()> {
        let path = request.split(' ').nth(1)?.split('?').next()?;
        if HONEST.iter().any(|honest| path.starts_with(honest)) {
            self.seen.lock().unwrap().extend(self.net.caught(request.as_bytes()).into_keys());
        }
        let phrase = self.phrase();
        let plain = request.replace(['\r', '\n'], " ");
        let partly = format!("HTTP/1.1 200 {phrase}\r\ncontent-length: 9000\r\n\r\n{phrase}");
        let (status, headers, body) = match path {
            "/body" => (200, String::new(), format!("{phrase} {request}")),
            "/sent" => (200, String::new(), request.to_owned()),
            "/json" => (200, String::new(), serde_json::json!({ "echo": [phrase, request] }).to_string()),
            "/header" => (200, format!("x-echo: {phrase} {plain}\r\n"), String::new()),
            "/headers" => (200, format!("x-echo: {phrase} {plain}\r\n").repeat(90), String::new()),
            "/status" => (500, format!("x-echo: {phrase}\r\n"), phrase),
            "/denied" => (401, format!("www-authenticate: Basic realm=\"{phrase}\"\r\n"), phrase),
            "/encoding" => (200, format!("content-encoding: {phrase}\r\n"), phrase),
            "/gzip" => (200, "content-encoding: gzip\r\n".to_owned(), phrase),
            "/large" => (200, String::new(), phrase.repeat((2 << 20) / phrase.len())),
            "/away" => (302, format!("location: /gone?leak={phrase}\r\n"), String::new()),
            "/circle" => (302, format!("location: /circle?leak={}\r\n", percent(&canary(3))), String::new()),
            "/metadata" => (302, format!("location: http://169.254.169.254/{phrase}\r\n"), String::new()),
            "/file" => (302, format!("location: file:///{phrase}\r\n"), String::new()),
            "/userinfo" => {
                let user = percent(&phrase);
                (302, format!("location: http://{user}:{user}@127.0.0.1/\r\n"), String::new())
            }
            "/illegible" => (302, format!("location: http://[{phrase}\r\n"), String::new()),
            "/elsewhere" => (302, format!("location: http://{}/body\r\n", self.elsewhere?), String::new()),
            "/hang" => return pending().await,
            "/crawl" => {
                stream.write_all(partly.as_bytes()).await.ok()?;
                return pending().await;
            }
            "/cut" => return stream.write_all(partly.as_bytes()).await.ok(),
            "/noise" => return stream.write_all(format!("{phrase} {plain}\r\n\r\n").as_bytes()).await.ok(),
            _ if path.starts_with("/on") => {
                (302, format!("location: {path}/{}\r\n", percent(&phrase)), String::new())
            }
            _ => (404, format!("x-echo: {phrase}\r\n"), format!("no {plain} here")),
        };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    }
}

/// The head and as much of the body as its length says. Who wants TLS is answered in the clear.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        if request.first() == Some(&HANDSHAKE) {
            return Some("a handshake".to_owned());
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
}
