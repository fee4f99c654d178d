//! A WebSocket (RFC 6455): the same way to a target as a request takes, and then messages both ways. Pings are answered
//! while it is listened to; nothing is read ahead, and every message and the whole have a limit.

use futures_util::{SinkExt, StreamExt};
use http::{
    HeaderValue, Request, StatusCode, Uri, Version,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, COOKIE, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use jiff::Timestamp;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message,
        error::{CapacityError, ProtocolError},
        handshake::client::generate_key,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    Transport,
    address::Chosen,
    fault::{Broken, of_io},
    meter::{FirstByte, Meter, Metered},
    prepared::Prepared,
    talk::joined,
};
use crate::{
    domain::outcome::{PhaseKind, Reason, Stage},
    probe::timeline::Timeline,
};

/// The longest message unless the operator says otherwise (`states.md`, limits).
pub const MESSAGE_BYTES: u64 = 64 << 10;
/// The longest message that may be allowed.
pub const MESSAGE_BYTES_MAX: u64 = 1 << 20;
/// So much may come over one connection.
const CONNECTION_BYTES_MAX: u64 = 16 << 20;

/// An open WebSocket. Dropping it closes the connection.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<Metered>,
    /// Earliest `notAfter` among the certificates presented.
    pub certificate_expires_at: Option<Timestamp>,
}

/// How a WebSocket is asked for.
#[derive(Debug)]
pub struct Opening {
    /// The request, a GET over HTTP/1.1.
    pub prepared: Prepared,
    /// The subprotocols that are offered, best first, as the header has them; none without.
    pub protocols: Option<HeaderValue>,
    /// The longest message.
    pub message_bytes: usize,
    /// Whether we say who we are: then a refusal is `auth`.
    pub has_credentials: bool,
}

impl Transport {
    /// Opens a WebSocket by its request as it is made this time, with the cookies of a jar.
    ///
    /// # Errors
    /// What broke, with the stage it broke in. There is no limit of time on the whole: that is the runner's.
    pub async fn open_socket(
        &self,
        opening: &Opening,
        prepared: &Prepared,
        cookies: Option<HeaderValue>,
        timeline: &Timeline,
    ) -> Result<Socket, Broken> {
        let (wire, _, peer) = self.dial(prepared, Chosen::ByOperator, timeline).await?;
        timeline.begin(PhaseKind::Send);
        let head_max = u64::from(prepared.route.limits.header_bytes);
        let meter = Meter::new(timeline.clone(), FirstByte::IsAnswer, head_max, CONNECTION_BYTES_MAX);
        let metered = Metered { wire, meter: meter.clone() };
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(opening.message_bytes);
        config.max_frame_size = Some(opening.message_bytes);
        let shaken =
            client_async_with_config(opening.request(prepared, cookies), metered, Some(config)).await;
        let (stream, _) = shaken.map_err(|error| opening.refused(error))?;
        meter.head_complete();
        timeline.end();
        Ok(Socket { stream, certificate_expires_at: peer.certificate_expires_at })
    }
}

impl Opening {
    fn request(&self, prepared: &Prepared, cookies: Option<HeaderValue>) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.address();
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        *headers = prepared.headers.clone();
        // What these say is of an answer with a body, which does not come.
        headers.remove(ACCEPT);
        headers.remove(ACCEPT_ENCODING);
        if !headers.contains_key(HOST) {
            headers.insert(HOST, prepared.target.host_header.clone());
        }
        if let Some(cookies) = cookies {
            let all = match headers.get(COOKIE) {
                Some(own) => joined(own, &cookies),
                None => cookies,
            };
            headers.insert(COOKIE, all);
        }
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let key = generate_key();
        headers.insert(SEC_WEBSOCKET_KEY, key.parse().expect("a key is base64"));
        if let Some(protocols) = &self.protocols {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols.clone());
        }
        request
    }

    /// The address by the scheme that the library tells a WebSocket by.
    fn address(&self) -> Uri {
        let target = &self.prepared.target;
        let mut parts = target.absolute(None).into_parts();
        let scheme = if target.server_name.is_some() { "wss" } else { "ws" };
        parts.scheme = Some(scheme.parse().expect("these are schemes"));
        Uri::from_parts(parts).expect("it was an address with another scheme")
    }

    fn refused(&self, error: Error) -> Broken {
        match error {
            Error::Http(answer) => {
                let status = answer.status();
                let is_refusal = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                let reason = if self.has_credentials && is_refusal { Reason::Auth } else { Reason::Status };
                let detail = format_args!("answered {status} in place of opening a WebSocket");
                Broken::failed(Stage::Expect, reason, detail)
            }
            Error::Protocol(ProtocolError::HandshakeIncomplete) => {
                let detail = "the connection was closed before the WebSocket was open";
                Broken::failed(Stage::Wait, Reason::Truncated, detail)
            }
            error => of_socket(Stage::Wait, error),
        }
    }
}

impl Socket {
    /// Sends a message.
    ///
    /// # Errors
    /// What broke.
    pub async fn send(&mut self, text: String) -> Result<(), Broken> {
        self.stream.send(Message::text(text)).await.map_err(|error| of_socket(Stage::Send, error))
    }

    /// The next message, for ever if none comes. Dropping the future loses none.
    ///
    /// # Errors
    /// What broke; that the other side closes is one of it.
    pub async fn next(&mut self) -> Result<String, Broken> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(of_socket(Stage::Transfer, error)),
                None => return Err(closed(None)),
            }
        }
    }

    /// Says that it is over, and waits until the other side has said so too.
    pub async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        if self.stream.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }
}

/// The other side has said that it is over.
fn closed(frame: Option<&CloseFrame>) -> Broken {
    let Some(frame) = frame else {
        return Broken::failed(Stage::Transfer, Reason::Truncated, "the service ended the conversation");
    };
    let CloseFrame { code, reason } = frame;
    let words = if reason.is_empty() { String::new() } else { format!(": {:?}", reason.as_str()) };
    let detail = format_args!("the service ended the conversation with code {}{words}", u16::from(*code));
    // "Try again later": the service is overloaded (the registry of WebSocket close codes of IANA, 1013).
    let reason = if *code == CloseCode::Again { Reason::Busy } else { Reason::Truncated };
    Broken::failed(Stage::Transfer, reason, detail)
}

fn of_socket(stage: Stage, error: Error) -> Broken {
    match error {
        Error::Io(error) => of_io(stage, &error),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Broken::failed(stage, Reason::Truncated, "the connection was closed in the middle")
        }
        Error::Capacity(CapacityError::TooManyHeaders) => {
            Broken::failed(stage, Reason::HeaderTooLarge, "more headers than the limit")
        }
        Error::Capacity(error) => Broken::failed(stage, Reason::BodyTooLarge, error),
        error => Broken::failed(stage, Reason::Protocol, error),
    }
}
