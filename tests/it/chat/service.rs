//! A chat service that does what it is told to, over a WebSocket and to who polls.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::HeaderMap,
    response::IntoResponse,
    routing::{any, get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet, time::Instant};

/// What the service does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends this.
    Say(Value),
    /// Lets so many milliseconds pass.
    Wait(u64),
    /// Sends back the first thing that it was sent.
    Echo,
    /// Closes the WebSocket with this code.
    Close(u16),
}

/// A service on a free loopback port.
pub struct Service {
    pub base: String,
    memory: Arc<Memory>,
    _served: JoinSet<()>,
}

#[derive(Default)]
struct Memory {
    /// At the opening, and at each thing that is said.
    acts: Vec<Vec<Act>>,
    heard: Mutex<Vec<Value>>,
    headers: Mutex<HeaderMap>,
    farewells: Mutex<usize>,
    polled: Mutex<BTreeMap<String, Polled>>,
    bell: Notify,
}

/// A conversation with one who polls.
#[derive(Default)]
struct Polled {
    said: usize,
    /// What there is to hear, and from when on.
    coming: Vec<(Instant, Value)>,
}

impl Service {
    pub async fn open(acts: Vec<Vec<Act>>) -> Self {
        let memory = Arc::new(Memory { acts, ..Memory::default() });
        let routes = Router::new()
            .route("/socket", any(upgrade))
            .route("/conversations", post(open))
            .route("/conversations/{id}", axum::routing::delete(leave))
            .route("/conversations/{id}/messages", get(hear).post(say))
            .with_state(Arc::clone(&memory));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut served = JoinSet::new();
        served.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { base, memory, _served: served }
    }

    /// Everything that was sent to it.
    pub fn heard(&self) -> Vec<Value> {
        self.memory.heard.lock().unwrap().clone()
    }

    /// How often somebody has said good-bye.
    pub fn farewells(&self) -> usize {
        *self.memory.farewells.lock().unwrap()
    }

    /// A header of the last request to open a WebSocket.
    pub fn header(&self, name: &str) -> Option<String> {
        self.memory.headers.lock().unwrap().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    /// Waits until this was said.
    pub async fn until_heard(&self, text: &str) {
        loop {
            let bell = self.memory.bell.notified();
            if self.heard().iter().any(|said| said["text"] == text) {
                return;
            }
            bell.await;
        }
    }
}

impl Memory {
    fn hear(&self, said: Value) {
        self.heard.lock().unwrap().push(said);
        self.bell.notify_waiters();
    }

    fn leave(&self) {
        *self.farewells.lock().unwrap() += 1;
    }
}

async fn upgrade(
    State(memory): State<Arc<Memory>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> impl IntoResponse {
    *memory.headers.lock().unwrap() = headers;
    upgrade.protocols(["chat.v1"]).on_upgrade(|socket| converse(socket, memory))
}

async fn converse(mut socket: WebSocket, memory: Arc<Memory>) {
    let mut acts: VecDeque<Act> = VecDeque::new();
    let mut turns = memory.acts.iter();
    loop {
        while let Some(act) = acts.pop_front() {
            match act {
                Act::Say(value) => drop(socket.send(Message::text(value.to_string())).await),
                Act::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                Act::Echo => {
                    let first = memory.heard.lock().unwrap().first().cloned().unwrap_or_default();
                    let echo = json!({ "from": "bot", "text": first.to_string() });
                    drop(socket.send(Message::text(echo.to_string())).await);
                }
                Act::Close(code) => {
                    let frame = axum::extract::ws::CloseFrame { code, reason: "as told".into() };
                    drop(socket.send(Message::Close(Some(frame))).await);
                }
            }
        }
        let Some(Ok(message)) = socket.recv().await else { return };
        let Message::Text(text) = message else { continue };
        let said: Value = serde_json::from_str(&text).unwrap();
        let kind = said["type"].as_str().unwrap_or_default().to_owned();
        if kind == "bye" {
            memory.leave();
        } else {
            acts.extend(turns.next().cloned().unwrap_or_default());
        }
        memory.hear(said);
    }
}

async fn open(State(memory): State<Arc<Memory>>, Json(said): Json<Value>) -> Json<Value> {
    let id = format!("conversation-{}", memory.polled.lock().unwrap().len());
    memory.hear(said);
    let mut polled = Polled::default();
    polled.act(&memory);
    memory.polled.lock().unwrap().insert(id.clone(), polled);
    Json(json!({ "id": id }))
}

async fn say(
    State(memory): State<Arc<Memory>>,
    Path(id): Path<String>,
    Json(said): Json<Value>,
) -> Json<Value> {
    if let Some(polled) = memory.polled.lock().unwrap().get_mut(&id) {
        polled.act(&memory);
    }
    memory.hear(said);
    Json(json!({}))
}

/// The whole conversation so far, each time.
async fn hear(State(memory): State<Arc<Memory>>, Path(id): Path<String>) -> Json<Value> {
    let polled = memory.polled.lock().unwrap();
    let now = Instant::now();
    let coming = polled.get(&id).map(|polled| polled.coming.as_slice()).unwrap_or_default();
    let messages: Vec<Value> = coming
        .iter()
        .enumerate()
        .filter(|(_, (at, _))| *at <= now)
        .map(|(number, (_, value))| {
            let mut message = value.clone();
            message["id"] = number.into();
            message
        })
        .collect();
    Json(json!({ "messages": messages }))
}

async fn leave(State(memory): State<Arc<Memory>>, Path(id): Path<String>) -> Json<Value> {
    assert!(memory.polled.lock().unwrap().remove(&id).is_some(), "who leaves was there");
    memory.leave();
    Json(json!({}))
}

impl Polled {
    fn act(&mut self, memory: &Memory) {
        let acts = memory.acts.get(self.said).cloned().unwrap_or_default();
        self.said += 1;
        let mut at = Instant::now();
        for act in acts {
            match act {
                Act::Say(value) => self.coming.push((at, value)),
                Act::Wait(ms) => at += Duration::from_millis(ms),
                Act::Echo | Act::Close(_) => panic!("only a WebSocket is told to do that"),
            }
        }
    }
}
