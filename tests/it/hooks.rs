//! An HTTP server of the tests' own that is told of outages: it keeps every request, and answers as it is told to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::io::AsyncWriteExt;

use crate::loopback::{Server, read_request};

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /path HTTP/1.1`.
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_lowercase(), value.trim().to_owned())
        };
        Self {
            line: lines.next().unwrap_or_default().to_owned(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// With this status, these lines of headers, and this body.
    Say(&'static str, &'static str, String),
    /// Not at all.
    Hang,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    requests: Vec<Request>,
}

/// The server.
pub struct Hooks {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _server: Server,
}

impl Hooks {
    /// One that takes everything.
    pub async fn start() -> Self {
        let manner = Manner::Say("200 OK", "", "ok".to_owned());
        let state = Arc::new(Mutex::new(State { manner, requests: Vec::new() }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |mut stream| {
            let state = Arc::clone(&shared);
            async move {
                let text = read_request(&mut stream).await;
                // Whoever asks may be killed in the middle of it.
                if !text.contains("\r\n\r\n") {
                    return;
                }
                let manner = {
                    let mut state = state.lock().unwrap();
                    state.requests.push(Request::read(&text));
                    state.manner.clone()
                };
                match manner {
                    Manner::Say(status, headers, body) => {
                        let length = body.len();
                        let answer = format!(
                            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                        );
                        drop(stream.write_all(answer.as_bytes()).await);
                        drop(stream.shutdown().await);
                    }
                    Manner::Hang => std::future::pending().await,
                }
            }
        })
        .await;
        Self { address: server.address, state, _server: server }
    }

    pub fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
