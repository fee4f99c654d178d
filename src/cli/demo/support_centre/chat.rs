//! The chat behind the button: Vera, a bot, and Kim, who is as good as a person, over a WebSocket.

use std::time::Duration;

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    SupportCentre,
    fault::{Door, Fault},
};

/// How long Kim takes.
const QUEUE_WAIT: Duration = Duration::from_millis(300);

/// More than this is said by nobody.
const SAID_MAX: usize = 100;

pub(super) async fn open(State(centre): State<SupportCentre>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(4 << 10).on_upgrade(move |socket| converse(socket, centre))
}

/// Answers until the customer leaves.
async fn converse(mut socket: WebSocket, centre: SupportCentre) {
    let vera = |text: &str| json!({ "from": "Vera", "text": text });
    if !say(&mut socket, &vera("Hello! I am Vera. How can I help?")).await {
        return;
    }
    for _ in 0..SAID_MAX {
        let said = match socket.recv().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        let said: Value = serde_json::from_str(&said).unwrap_or_default();
        if said["bye"] == true {
            continue;
        }
        let said = said["text"].as_str().unwrap_or_default().to_lowercase();
        let wants_person = ["person", "human", "agent", "kim"].iter().any(|word| said.contains(word));
        let goes_on = match centre.fault(Door::WebChat) {
            Some(Fault::Loop) if wants_person => say(&mut socket, &vera("Sorry, I did not get that.")).await,
            Some(Fault::Queue) if wants_person => say(&mut socket, &json!({ "queue": { "place": 7 } })).await,
            _ if wants_person => {
                let queued = say(&mut socket, &json!({ "queue": { "place": 2 } })).await;
                sleep(QUEUE_WAIT).await;
                queued
                    && say(&mut socket, &json!({ "from": "Kim", "agent": true, "text": "Hi, this is Kim." }))
                        .await
            }
            _ if said.contains("order") => say(&mut socket, &vera("What is the number of your order?")).await,
            _ => say(&mut socket, &vera("You can ask me about an order, or for a person.")).await,
        };
        if !goes_on {
            return;
        }
    }
}

/// Whether the customer is still there.
async fn say(socket: &mut WebSocket, message: &Value) -> bool {
    socket.send(Message::text(message.to_string())).await.is_ok()
}
