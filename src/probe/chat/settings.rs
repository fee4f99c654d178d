//! A chat in `probes.toml`.

use std::{collections::BTreeMap, num::NonZeroU16, ops::Range, sync::Arc, time::Duration};

use http::{HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Chat, Place, SAID,
    polling::Polling,
    websocket::{OPEN, WebSocket},
};
use crate::{
    clock::Clock,
    probe::{
        asks::{self, Asks},
        conversation::{
            script::{Script, ScriptSettings, asks_too_often},
            settings::{SignsSettings, TurnSettings},
        },
        request::settings::{RequestSettings, VersionName},
        settings::{BuildContext, Built, EVERY_MIN},
        steps::StepsBudget,
        transport::socket::{MESSAGE_BYTES, MESSAGE_BYTES_MAX, Opening},
        walk::{
            blueprint::{Blueprint, Drawn},
            capture::CaptureSettings,
            frame::{Frame, FrameSettings},
            step::{Step, StepSettings},
        },
    },
    secret::SecretRef,
    setting::{At, ByteSize, JsonPath, Problem, Span},
};

/// How often it is asked what was said, where nothing else is said.
const EVERY: Duration = Duration::from_secs(1);

/// A conversation with the service, held where the customers' page or app holds it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { websocket = { http = { url = \"https://...\" } }, steps = [{ name = \"ask\", say = \"Hello\" }] }"
)]
pub struct ChatSettings {
    /// Over a WebSocket.
    websocket: Option<Box<WebSocketSettings>>,
    /// Over requests: one says something, another asks every so often what was said.
    polling: Option<Box<PollingSettings>>,
    /// Where in a message that is JSON its text stands, such as "$.text". A message without a text there is about the
    /// conversation: a place in the queue, somebody who is typing. Without, each message is a text as it is.
    text: Option<JsonPath>,
    /// Secrets that may be used as variables, by the variable's name.
    #[serde(default)]
    secrets: BTreeMap<String, At<SecretRef>>,
    /// What is said, and what reply is awaited, in its order.
    steps: At<Vec<At<TurnSettings>>>,
    /// By what it is told who speaks.
    #[serde(default)]
    signs: SignsSettings,
    /// How often on one day (UTC) people are asked for at most, since each time costs one of them the time that a customer
    /// waits; 24 without. Further runs say nothing about the channel.
    asks_per_day_max: Option<At<NonZeroU16>>,
    /// How much a customer may have to say until a person is reached; 4 without. More is degraded, with the reason
    /// "too_many_steps".
    steps_max: Option<NonZeroU16>,
}

/// A chat over a WebSocket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { http = { url = \"https://...\" } }")]
pub struct WebSocketSettings {
    /// The request that opens it, with https:// for wss:// and http:// for ws://.
    http: At<RequestSettings>,
    /// The subprotocols that are offered, best first.
    #[serde(default)]
    protocols: Vec<At<String>>,
    /// What is sent as soon as it is open: who one is, which room one enters.
    #[serde(default)]
    first: Vec<At<FrameSettings>>,
    /// In which form something is said; "{text}" stands for it. Without, as it is.
    say: Option<At<FrameSettings>>,
    /// What is sent at the end, before the WebSocket is closed.
    leave: Option<At<FrameSettings>>,
    /// The longest message; "64KiB" without, at most "1MiB".
    message_bytes: Option<At<ByteSize>>,
}

/// A chat over requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { say = { http = { ... } }, hear = { http = { ... }, messages = \"$.messages[*]\" } }"
)]
pub struct PollingSettings {
    /// What opens the conversation; each step may capture what the requests that follow need.
    #[serde(default)]
    open: Vec<StepSettings>,
    /// What says something; "{text}" stands for it.
    say: At<ExchangeSettings>,
    /// What asks for the messages.
    hear: At<HearSettings>,
    /// What ends the conversation.
    leave: Option<At<ExchangeSettings>>,
}

/// A request of a chat, and what is captured from its answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { http = { url = \"https://...\" } }")]
pub struct ExchangeSettings {
    /// The request.
    http: RequestSettings,
    /// Variables for the requests that follow.
    #[serde(default)]
    capture: BTreeMap<String, At<CaptureSettings>>,
}

/// The request that asks for the messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { http = { url = \"https://...\" }, messages = \"$.messages[*]\" }"
)]
pub struct HearSettings {
    /// The request.
    http: RequestSettings,
    /// Where in the answer the messages stand, such as `$.messages[*]`.
    messages: JsonPath,
    /// Where in a message its id stands, such as "$.id", by which one that has come before is known. Without, whatever an
    /// answer has is new.
    id: Option<JsonPath>,
    /// The time between two looks, at least "100ms"; "1s" without.
    every: Option<At<Span>>,
}

impl ChatSettings {
    /// Whether it waits for people, or for their queue.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.steps.iter().any(|turn| turn.waits_for_people())
    }

    /// Checks the whole of it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(at: &At<Self>, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
        let mut blueprint = Blueprint::begin(context);
        blueprint.reserve(SAID);
        blueprint.secrets(&at.secrets);
        let place = at.place(&mut blueprint);
        let others = at.polling.as_ref().map_or(1, |polling| polling.open.len());
        let script = ScriptSettings { steps: &at.steps, signs: &at.signs, others };
        let script = Script::draw(script, context, &mut blueprint.names, &mut blueprint.problems);
        let asks_per_day = at.asks_per_day_max.as_ref().map_or(asks::PER_DAY, |most| most.get().into());
        if script.asks_people() {
            let most = at.asks_per_day_max.as_ref().map(|most| &most.span);
            let span = most.unwrap_or(&at.steps.span).clone();
            blueprint.warnings.extend(asks_too_often(context.every, asks_per_day, span));
        }
        let Drawn { way, mut hosts, warnings } = blueprint.finish()?;
        let Some((place, host)) = place else { return Err(vec![]) };
        hosts.extend(host);
        let opening = match &place {
            Place::WebSocket(_) => vec![OPEN.into()],
            Place::Polling(polling) => polling.open.iter().map(|step| Arc::clone(&step.name)).collect(),
        };
        let phases = opening.iter().chain(script.names()).map(|name| (**name).into()).collect();
        let responders = script.responders().into();
        let counts_steps = script.asks_people();
        let chat = Chat {
            place,
            way,
            script,
            asks: Asks::new(asks_per_day),
            budget: StepsBudget::of(at.steps_max),
            timeout: context.timeout,
            clock: Clock::system(),
            persona: context.persona.cloned(),
        };
        let hosts = hosts.into_iter().collect();
        Ok(Built { hosts, phases, warnings, responders, counts_steps, ..Built::of(Arc::new(chat)) })
    }

    /// Where the chat is held, and the host that is asked besides those of steps.
    fn place(&self, blueprint: &mut Blueprint<'_>) -> Option<(Place, Option<Arc<str>>)> {
        match (&self.websocket, &self.polling) {
            (Some(websocket), None) => {
                let (websocket, host) = websocket.build(self, blueprint)?;
                Some((Place::WebSocket(Box::new(websocket)), host))
            }
            (None, Some(polling)) => Some((Place::Polling(Box::new(polling.build(self, blueprint)?)), None)),
            _ => {
                let problem = self.steps.problem("a chat is held in exactly one place");
                blueprint
                    .problems
                    .push(problem.hint("write one of websocket = { ... } and polling = { ... }"));
                None
            }
        }
    }
}

impl WebSocketSettings {
    fn build(
        &self,
        chat: &ChatSettings,
        blueprint: &mut Blueprint<'_>,
    ) -> Option<(WebSocket, Option<Arc<str>>)> {
        blueprint.names.reserve(OPEN);
        let opening = self.opening(blueprint);
        let first: Vec<Frame> = self.first.iter().filter_map(|frame| blueprint.frame(frame)).collect();
        let leave = self.leave.as_ref().and_then(|frame| blueprint.frame(frame));
        blueprint.knows(SAID);
        let say = match &self.say {
            Some(frame) => blueprint.frame(frame),
            None => Some(Frame::Text(blueprint.written(&format!("{{{SAID}}}"), &self.http.span))),
        };
        let opening = opening?;
        let host = opening.prepared.target.url.host_str().map(Arc::from);
        let text_at = chat.text.as_ref().map(|path| path.0.clone());
        Some((WebSocket { opening, first, say: say?, leave, text_at }, host))
    }

    fn opening(&self, blueprint: &mut Blueprint<'_>) -> Option<Opening> {
        let mut http = self.http.value.clone();
        let unfit = match (&http.method, &http.body, http.version) {
            (Some(method), _, _) if method.value.0 != Method::GET => Some("another method than GET"),
            (_, Some(_), _) => Some("a body"),
            (_, _, VersionName::Http2) => Some("HTTP/2"),
            _ if !http.expect.is_empty() => Some("an answer of which more is expected"),
            _ => None,
        };
        if let Some(what) = unfit {
            let problem = self.http.problem(format!("a WebSocket is not opened by {what}"));
            blueprint
                .problems
                .push(problem.hint("leave it out; what is sent once it is open stands in first"));
        }
        http.version = VersionName::Http1;
        let context = blueprint.context;
        let single = http.single(context, &mut blueprint.problems, &mut blueprint.warnings);
        let protocols = self.protocols(blueprint);
        let message_bytes = self.message_bytes(blueprint);
        let prepared = single?.prepared;
        let has_credentials = prepared.headers.values().any(HeaderValue::is_sensitive);
        Some(Opening { prepared, protocols, message_bytes, has_credentials })
    }

    fn protocols(&self, blueprint: &mut Blueprint<'_>) -> Option<HeaderValue> {
        for protocol in &self.protocols {
            // RFC 6455 (4.1) wants tokens as HTTP has them, which are what names of headers are.
            if http::HeaderName::from_bytes(protocol.to_ascii_lowercase().as_bytes()).is_err() {
                let problem = protocol.problem(format!("{:?} cannot name a subprotocol", protocol.value));
                blueprint.problems.push(problem.hint("write letters, digits, dots and dashes: \"chat.v1\""));
            }
        }
        let names: Vec<&str> = self.protocols.iter().map(|protocol| protocol.as_str()).collect();
        if names.is_empty() { None } else { HeaderValue::from_str(&names.join(", ")).ok() }
    }

    fn message_bytes(&self, blueprint: &mut Blueprint<'_>) -> usize {
        let wanted = self.message_bytes.as_ref().map_or(MESSAGE_BYTES, |bytes| bytes.0);
        if let Some(bytes) =
            self.message_bytes.as_ref().filter(|bytes| !(1..=MESSAGE_BYTES_MAX).contains(&bytes.0))
        {
            let problem = bytes.problem(format!("a message has from 1 to {MESSAGE_BYTES_MAX} bytes"));
            blueprint.problems.push(problem.hint("write \"64KiB\", or more up to \"1MiB\""));
        }
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }
}

impl PollingSettings {
    fn build(&self, chat: &ChatSettings, blueprint: &mut Blueprint<'_>) -> Option<Polling> {
        let open = blueprint.steps(&self.open);
        // Each is drawn after what has surely been asked before it: a chat that begins with a greeting hears first.
        let says_first = chat.steps.first().is_some_and(|turn| turn.says());
        let (say, hear) = if says_first {
            let say = self.say(blueprint);
            (say, self.hear(blueprint))
        } else {
            let hear = self.hear(blueprint);
            (self.say(blueprint), hear)
        };
        let leave = self.leave.as_ref().and_then(|leave| leave.value.step("leave", &leave.span, blueprint));
        if let Some(every) = self.hear.every.as_ref().filter(|every| every.0 < EVERY_MIN) {
            let problem = every.problem(format!("`every` must be at least {}", Span(EVERY_MIN)));
            blueprint.problems.push(problem.hint(format!("write \"{}\" or more", Span(EVERY_MIN))));
        }
        let Some(text_at) = &chat.text else {
            let problem = self.hear.problem("it is not said where in a message its text stands");
            blueprint.problems.push(problem.hint("add text = \"$.text\" to the chat"));
            return None;
        };
        Some(Polling {
            open,
            say: say?,
            hear: hear?,
            leave,
            every: self.hear.every.as_ref().map_or(EVERY, |every| every.0),
            messages_at: self.hear.messages.0.clone(),
            text_at: text_at.0.clone(),
            id_at: self.hear.id.as_ref().map(|path| path.0.clone()),
        })
    }

    fn say(&self, blueprint: &mut Blueprint<'_>) -> Option<Step> {
        blueprint.knows(SAID);
        let say = self.say.value.step("say", &self.say.span, blueprint);
        blueprint.knows_no_more(SAID);
        say
    }

    fn hear(&self, blueprint: &mut Blueprint<'_>) -> Option<Step> {
        let http = self.hear.http.clone();
        ExchangeSettings { http, capture: BTreeMap::new() }.step("hear", &self.hear.span, blueprint)
    }
}

impl ExchangeSettings {
    fn step(&self, name: &str, span: &Range<usize>, blueprint: &mut Blueprint<'_>) -> Option<Step> {
        let name = At { span: span.clone(), value: name.to_owned() };
        blueprint.step(&StepSettings::of(name, self.http.clone(), self.capture.clone()))
    }
}
