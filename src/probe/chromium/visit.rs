//! One visit of one customer: a context of the browser that is empty at first, with its tabs and the frames in them.
//!
//! A tab that the page opens comes to the front, as it does for a customer, and what follows happens there. Dialogs are
//! accepted at once. All of it lives on one wire; when that is dropped, the browser disposes of the context.

mod hands;
mod sight;

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use self::sight::ClosedRoots;
pub use self::sight::Looked;
use super::{
    Running,
    events::Log,
    wire::{Incoming, Lost, Wire},
};

/// More tabs than this are closed as they open.
const TABS_MAX: usize = 8;

/// As whom and with what a customer comes.
#[derive(Clone, Debug)]
pub struct Device {
    /// The width of the window, in CSS pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether it is a telephone: a finger instead of a mouse, the mobile layout.
    pub is_mobile: bool,
    /// Physical pixels for one CSS pixel.
    pub scale: f64,
    /// Whether its colours are dark.
    pub is_dark: bool,
    /// Its language, such as "de-DE"; none for that of the browser.
    pub locale: Option<Arc<str>>,
    /// Its time zone, such as "Europe/Berlin"; none for that of this machine.
    pub time_zone: Option<Arc<str>>,
    /// What it calls itself; none for what the browser calls itself when it has a window.
    pub user_agent: Option<Arc<str>>,
}

/// Why a command has not been obeyed.
#[derive(Debug, thiserror::Error)]
pub enum Hitch {
    /// The browser is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// What it was about is not there any more, or cannot be done; in the browser's words.
    #[error("{0}")]
    Refused(String),
    /// The page has crashed.
    #[error("the page has crashed")]
    Crashed,
}

/// A page that has crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// By its own doing.
    OfPage,
    /// Somebody on this machine has killed it.
    Killed,
}

struct Tab {
    target: String,
    session: String,
}

/// A visit under way.
pub struct Visit {
    wire: Wire,
    running: Arc<Running>,
    device: Arc<Device>,
    agent: Arc<str>,
    context: String,
    tabs: Vec<Tab>,
    /// The sessions of frames that have processes of their own, by frame.
    frames: HashMap<String, String>,
    closed_roots: Option<ClosedRoots>,
    /// What has happened.
    pub log: Log,
    /// Set when the page in front has crashed.
    pub crash: Option<Crash>,
}

impl Visit {
    /// Begins a visit with one empty tab.
    ///
    /// # Errors
    /// When the browser does not do as it is told; nothing has been asked of the target.
    pub async fn begin(running: Arc<Running>, device: Arc<Device>) -> Result<Self, Hitch> {
        let (wire, agent) = (running.wire(), running.agent());
        let mut visit = Self {
            wire,
            running,
            device,
            agent,
            context: String::new(),
            tabs: Vec::new(),
            frames: HashMap::new(),
            closed_roots: None,
            log: Log::default(),
            crash: None,
        };
        let context = visit.call(None, "Target.createBrowserContext", json!({})).await?;
        visit.context = text(&context["browserContextId"]).to_owned();
        let downloads = json!({ "behavior": "deny", "browserContextId": visit.context });
        visit.tell(None, "Browser.setDownloadBehavior", downloads).await?;
        let tab = json!({
            "url": "about:blank", "browserContextId": visit.context,
            "width": visit.device.width, "height": visit.device.height,
        });
        let tab = visit.call(None, "Target.createTarget", tab).await?;
        let target = text(&tab["targetId"]).to_owned();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = visit.call(None, "Target.attachToTarget", attach).await?;
        let session = text(&session["sessionId"]).to_owned();
        if !visit.tabs.iter().any(|tab| tab.session == session) {
            visit.adopt(target, session.clone()).await?;
        }
        // Answered in turn: when this is, the page's process knows what it is to tell. A document that is loaded before
        // is silent about its first requests.
        visit.call(Some(&session), "Page.getFrameTree", json!({})).await?;
        Ok(visit)
    }

    /// Gives the customer a cookie, as if it came from an address.
    ///
    /// # Errors
    /// When the browser does not take it.
    pub async fn set_cookie(&mut self, url: &str, name: &str, value: &str) -> Result<(), Hitch> {
        let session = self.front()?;
        let cookie = json!({ "url": url, "name": name, "value": value });
        self.call(Some(&session), "Network.setCookie", cookie).await?;
        Ok(())
    }

    /// Goes to an address; gives the browser's name of the error if there is no page. It waits for the answer to begin.
    ///
    /// # Errors
    /// When the browser does not do as it is told.
    pub async fn navigate(&mut self, url: &str) -> Result<Option<String>, Hitch> {
        let session = self.front()?;
        let gone = self.call(Some(&session), "Page.navigate", json!({ "url": url })).await?;
        Ok(gone["errorText"].as_str().map(str::to_owned))
    }

    /// The main frame of the tab in front.
    #[must_use]
    pub fn main_frame(&self) -> Option<&str> {
        self.tabs.last().map(|tab| &*tab.target)
    }

    /// What the window shows, as a PNG.
    ///
    /// # Errors
    /// When the page cannot be drawn.
    pub async fn picture(&mut self) -> Result<Bytes, Hitch> {
        let session = self.front()?;
        let shot = self.call(Some(&session), "Page.captureScreenshot", json!({ "format": "png" })).await?;
        let picture = STANDARD.decode(text(&shot["data"]));
        picture.map(Bytes::from).map_err(|error| Hitch::Refused(error.to_string()))
    }

    /// What the window shows at half its size, small enough for a mail.
    ///
    /// # Errors
    /// When the page cannot be drawn.
    pub async fn small_picture(&mut self) -> Result<Bytes, Hitch> {
        let session = self.front()?;
        // A clip is a part of the page, and the window may have been scrolled.
        let layout = self.call(Some(&session), "Page.getLayoutMetrics", json!({})).await?;
        let window = &layout["cssVisualViewport"];
        let (x, y) = (&window["pageX"], &window["pageY"]);
        let (width, height) = (self.device.width, self.device.height);
        let clip =
            json!({ "x": x, "y": y, "width": width, "height": height, "scale": 0.5 / self.device.scale });
        let shot = json!({ "format": "jpeg", "quality": 60, "clip": clip });
        let shot = self.call(Some(&session), "Page.captureScreenshot", shot).await?;
        let picture = STANDARD.decode(text(&shot["data"]));
        picture.map(Bytes::from).map_err(|error| Hitch::Refused(error.to_string()))
    }

    /// Lets things happen until a moment.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn linger(&mut self, until: Instant) -> Result<(), Hitch> {
        while let Ok(incoming) = timeout_at(until, self.wire.receive()).await {
            self.note(incoming?).await?;
        }
        Ok(())
    }

    /// Whether the browser itself still answers.
    pub async fn is_browser_alive(&mut self, within: Duration) -> bool {
        let crash = self.crash.take();
        let asking = self.call(None, "Browser.getVersion", json!({}));
        let alive = tokio::time::timeout(within, asking).await.is_ok_and(|answer| answer.is_ok());
        self.crash = crash;
        alive
    }

    /// Ends the visit and lets go of the browser. What is left when `until` is over, the browser disposes of by itself.
    pub async fn leave(mut self, until: Instant) {
        self.crash = None;
        let context = json!({ "browserContextId": self.context });
        let disposing = self.call(None, "Target.disposeBrowserContext", context);
        match timeout_at(until, disposing).await {
            Ok(Ok(_)) => self.wire.forget(&self.context),
            // A browser that does not let go of a page may keep its processes.
            _ => self.running.spend(),
        }
        let Self { running, wire, .. } = self;
        drop(wire);
        super::release(running).await;
    }

    fn front(&self) -> Result<String, Hitch> {
        let tab = self.tabs.last().ok_or_else(|| Hitch::Refused("the page has closed itself".to_owned()))?;
        Ok(tab.session.clone())
    }

    /// A tab that has opened.
    async fn adopt(&mut self, target: String, session: String) -> Result<(), Hitch> {
        self.furnish(&session).await?;
        let Device { width, height, scale, is_mobile, .. } = *self.device;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_mobile });
        self.tell(Some(&session), "Emulation.setDeviceMetricsOverride", metrics).await?;
        self.tabs.push(Tab { target, session });
        Ok(())
    }

    /// Makes a tab, or a frame with a process of its own, tell what happens in it and look like the device.
    async fn furnish(&mut self, session: &str) -> Result<(), Hitch> {
        let device = Arc::clone(&self.device);
        let frames = json!({
            "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true,
            "filter": [{ "type": "iframe" }, { "exclude": true }],
        });
        let network = json!({ "maxTotalBufferSize": 1 << 20, "maxResourceBufferSize": 1 << 16 });
        let mut agent = json!({ "userAgent": device.user_agent.as_ref().unwrap_or(&self.agent) });
        if let Some(locale) = &device.locale {
            agent["acceptLanguage"] = json!(locale);
        }
        let scheme = if device.is_dark { "dark" } else { "light" };
        let colours = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let mut commands = vec![
            ("Page.enable", json!({})),
            ("Runtime.enable", json!({})),
            ("Network.enable", network),
            ("Target.setAutoAttach", frames),
            ("Emulation.setUserAgentOverride", agent),
            ("Emulation.setEmulatedMedia", colours),
            ("Emulation.setTouchEmulationEnabled", json!({ "enabled": device.is_mobile })),
        ];
        if let Some(locale) = &device.locale {
            commands.push(("Emulation.setLocaleOverride", json!({ "locale": locale })));
        }
        if let Some(zone) = &device.time_zone {
            commands.push(("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })));
        }
        commands.push(("Runtime.runIfWaitingForDebugger", json!({})));
        for (method, params) in commands {
            self.tell(Some(session), method, params).await?;
        }
        Ok(())
    }

    /// Sends a command whose answer does not matter.
    async fn tell(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<(), Hitch> {
        self.wire.send(session, method, params).await?;
        Ok(())
    }

    /// Sends a command and waits for its answer; what happens meanwhile is taken note of.
    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Hitch> {
        let id = self.wire.send(session, method, params).await?;
        loop {
            if self.crash.is_some() && session.is_some() {
                return Err(Hitch::Crashed);
            }
            let incoming = self.wire.receive().await?;
            if incoming.id == Some(id) {
                return match incoming.error {
                    Some(refusal) => Err(Hitch::Refused(refusal.message)),
                    None => Ok(incoming.result),
                };
            }
            Box::pin(self.note(incoming)).await?;
        }
    }

    /// Takes note of an event, and does at once what it calls for.
    async fn note(&mut self, incoming: Incoming) -> Result<(), Hitch> {
        let Incoming { method: Some(method), session_id: session, params, .. } = incoming else {
            return Ok(());
        };
        self.log.note(&method, &params);
        let target = &params["targetInfo"];
        match &*method {
            "Page.javascriptDialogOpening" => {
                let accept = json!({ "accept": true });
                self.tell(session.as_deref(), "Page.handleJavaScriptDialog", accept).await?;
            }
            "Target.attachedToTarget" if target["type"] == "iframe" => {
                let (frame, session) =
                    (text(&target["targetId"]).to_owned(), text(&params["sessionId"]).to_owned());
                self.furnish(&session).await?;
                self.frames.insert(frame, session);
            }
            "Target.attachedToTarget" if target["type"] == "page" && !self.tabs.is_empty() => {
                let session = text(&params["sessionId"]).to_owned();
                if !self.tabs.iter().any(|tab| tab.session == session) {
                    self.adopt(text(&target["targetId"]).to_owned(), session).await?;
                }
            }
            "Target.detachedFromTarget" => {
                let gone = text(&params["sessionId"]);
                self.frames.retain(|_, session| session != gone);
                self.tabs.retain(|tab| tab.session != gone);
            }
            "Target.targetCreated" => self.opened(target).await?,
            "Target.targetCrashed" if self.is_in_front(text(&params["targetId"])) => {
                let is_killed = text(&params["status"]) == "killed";
                self.crash = Some(if is_killed { Crash::Killed } else { Crash::OfPage });
            }
            _ => {}
        }
        Ok(())
    }

    /// A tab has opened somewhere in the browser; one of ours is attended to.
    async fn opened(&mut self, target: &Value) -> Result<(), Hitch> {
        let id = text(&target["targetId"]);
        let is_ours = target["browserContextId"].as_str() == Some(&self.context);
        // The first is attended to by whoever opens it.
        if !is_ours || self.tabs.is_empty() || self.tabs.iter().any(|tab| tab.target == id) {
            return Ok(());
        }
        if self.tabs.len() < TABS_MAX {
            self.tell(None, "Target.attachToTarget", json!({ "targetId": id, "flatten": true })).await
        } else {
            self.tell(None, "Target.closeTarget", json!({ "targetId": id })).await
        }
    }

    fn is_in_front(&self, target: &str) -> bool {
        self.main_frame() == Some(target)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
