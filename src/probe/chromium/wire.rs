//! The DevTools protocol on one WebSocket: commands out, answers and events in. Whoever holds the wire reads it; nothing
//! is spawned, so dropping it ends what it began, and the browser disposes of what was made over it.

use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

/// The largest message taken from the browser: a picture, or the tree of a page.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A connection to a browser.
pub(super) struct Wire {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
}

/// What the browser says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Incoming {
    /// Of an answer: to which command.
    pub(super) id: Option<u64>,
    /// Of an event: which.
    pub(super) method: Option<String>,
    /// The session that it is about; none for the browser as a whole.
    pub(super) session_id: Option<String>,
    /// What an event says.
    #[serde(default)]
    pub(super) params: Value,
    /// What a command gave.
    #[serde(default)]
    pub(super) result: Value,
    /// Why a command was not obeyed.
    pub(super) error: Option<Refusal>,
}

/// Why a command was not obeyed.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) message: String,
}

/// The browser is gone, or makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("the browser is gone: {0}")]
pub struct Lost(String);

impl From<tungstenite::Error> for Lost {
    fn from(error: tungstenite::Error) -> Self {
        Self(error.to_string())
    }
}

impl Wire {
    /// Connects to a browser on this machine.
    pub(super) async fn connect(port: u16, path: &str) -> Result<Self, Lost> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        let stream = stream.map_err(|error| Lost(error.to_string()))?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let address = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = client_async_with_config(address, stream, Some(limits)).await?;
        Ok(Self { socket, last_id: 0 })
    }

    /// Sends a command; gives the number that its answer will have.
    pub(super) async fn send(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<u64, Lost> {
        self.last_id += 1;
        let mut command = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        self.socket.send(Message::text(command.to_string())).await?;
        Ok(self.last_id)
    }

    /// The next thing it says. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Result<Incoming, Lost> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(text.as_str()).map_err(|error| Lost(error.to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Lost("it closed the connection".to_owned())),
            }
        }
    }
}
