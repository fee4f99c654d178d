//! A chat over a WebSocket: each message is a frame.

use std::sync::Arc;

use serde_json_path::JsonPath;
use tokio::time::{Instant, timeout_at};

use super::{Leave, SAID};
use crate::{
    domain::exhibit::Exhibit,
    probe::{
        conversation::{Line, Message, taken_by},
        timeline::Timeline,
        transport::{
            fault::Broken,
            socket::{Opening, Socket},
        },
        walk::{Walk, frame::Frame, in_step},
    },
};

/// The step in which the WebSocket is opened.
pub(super) const OPEN: &str = "open";

/// Where the chat is, and in which form things are said there.
#[derive(Debug)]
pub(super) struct WebSocket {
    pub(super) opening: Opening,
    /// What is sent as soon as it is open.
    pub(super) first: Vec<Frame>,
    pub(super) say: Frame,
    pub(super) leave: Option<Frame>,
    /// Where in a message the text stands.
    pub(super) text_at: Option<JsonPath>,
}

/// An open line.
pub(super) struct WebSocketLine<'c, 'w> {
    place: &'c WebSocket,
    socket: Socket,
    walk: &'c mut Walk<'w>,
}

impl WebSocket {
    /// Opens the WebSocket and says who we are.
    pub(super) async fn open(&self, walk: &Walk<'_>, timeline: &Timeline) -> Result<Socket, Broken> {
        let name: Arc<str> = OPEN.into();
        timeline.enter_step(Arc::clone(&name));
        let opening = async {
            let mut socket = walk.open_socket(&self.opening, timeline).await?;
            for frame in &self.first {
                socket.send(walk.fill(frame)?).await?;
            }
            Ok(socket)
        };
        opening.await.map_err(|broken| in_step(broken, &name))
    }

    pub(super) fn line<'c, 'w>(&'c self, socket: Socket, walk: &'c mut Walk<'w>) -> WebSocketLine<'c, 'w> {
        WebSocketLine { place: self, socket, walk }
    }
}

impl Line for WebSocketLine<'_, '_> {
    async fn say(&mut self, text: &str, until: Instant) -> Result<(), Broken> {
        self.walk.give(SAID, text);
        let frame = self.walk.fill(&self.place.say)?;
        taken_by(until, self.socket.send(frame)).await
    }

    async fn hear(&mut self, until: Instant) -> Result<Option<Message>, Broken> {
        match timeout_at(until, self.socket.next()).await {
            Ok(raw) => Ok(Some(Message::of(&raw?, self.place.text_at.as_ref()))),
            Err(_) => Ok(None),
        }
    }
}

impl Leave for WebSocketLine<'_, '_> {
    fn last_exchange(&self) -> Option<Exhibit> {
        self.walk.last_exchange()
    }

    async fn leave(mut self) -> Result<(), Broken> {
        if let Some(frame) = &self.place.leave {
            let farewell = self.walk.fill(frame)?;
            // Who is gone already needs no farewell.
            if self.socket.send(farewell).await.is_err() {
                return Ok(());
            }
        }
        self.socket.close().await;
        Ok(())
    }
}
