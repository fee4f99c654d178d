//! What a customer sees: looks at elements, through frames and shadow roots.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    super::look::{Aim, Obstacle, SCRIPT, Seen, Target, Wanted},
    Hitch, Visit, text,
};
use crate::domain::outcome::Reason;

/// The name of the world in which our scripts run, where the page's do not reach.
const WORLD: &str = "lamplighter";
/// More shadow roots that are closed to scripts are not searched.
const CLOSED_ROOTS_MAX: usize = 50;
/// How often they are searched, and how soon when something is missing for the first time: it costs the more, the larger
/// the page, and most of what is missing comes in a moment.
const CLOSED_ROOTS_EVERY: Duration = Duration::from_secs(1);
const CLOSED_ROOTS_AFTER: Duration = Duration::from_millis(250);

/// Where a look leads: a document, and the frames around it from the outermost on.
pub(super) struct Place {
    pub(super) session: String,
    pub(super) world: u64,
    around: Vec<(String, u64)>,
}

/// The shadow roots of a document that are closed to scripts, as the browser refers to them.
#[derive(Debug)]
pub(super) struct ClosedRoots {
    session: String,
    world: u64,
    /// When they are to be searched again.
    due_at: Instant,
    roots: Vec<String>,
}

/// What became of a look.
pub enum Looked {
    /// What was seen in the document it was meant for.
    There(Seen),
    /// A frame on the way is not there, or cannot be entered.
    NoFrame {
        /// Which.
        frame: usize,
        /// What was seen of it.
        seen: Seen,
    },
}

impl Visit {
    /// The address of the page in front.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn address(&mut self) -> Result<String, Hitch> {
        let place = self.top().await?;
        let address = json!({ "expression": "location.href", "contextId": place.world });
        let address = self.call(Some(&place.session), "Runtime.evaluate", address).await?;
        Ok(text(&address["result"]["value"]).to_owned())
    }

    /// Looks at an element, in the document that the frames lead to.
    ///
    /// # Errors
    /// When the document went away meanwhile, or cannot be looked at.
    pub async fn look(
        &mut self,
        frames: &[Target],
        target: &Target,
        aim: Aim,
        attribute: Option<&str>,
    ) -> Result<Looked, Hitch> {
        let mut place = self.top().await?;
        for (at, frame) in frames.iter().enumerate() {
            let seen = self.examine(&place, frame, Aim::Frame, None).await?;
            if !(seen.is_clear() && seen.is_frame) {
                return Ok(Looked::NoFrame { frame: at, seen });
            }
            place = self.enter(place).await?;
        }
        let mut seen = self.examine(&place, target, aim, attribute).await?;
        if aim == Aim::Use && seen.is_clear() && seen.is_frame {
            let body = Target { css: Some("body".into()), text: None };
            let inner = Place { around: Vec::new(), ..place };
            place = self.enter(inner).await?;
            let inner = self.examine(&place, &body, Aim::Use, None).await?;
            // A body without anything in it has no size.
            if inner.is_failed || !inner.is_clear() {
                let what = if inner.is_failed {
                    "is open, and what it shows did not load"
                } else {
                    "is open and empty"
                };
                let why = format!("{} {what}", seen.shown.as_deref().unwrap_or_default());
                seen.obstacle = Some(Obstacle { reason: Reason::Unresponsive, why });
            }
            seen.says = inner.says;
            return Ok(Looked::There(seen));
        }
        if seen.is_clear() && !place.around.is_empty() {
            self.hold(&place, aim, &mut seen).await?;
        }
        Ok(Looked::There(seen))
    }

    /// The messages of a chat: every element that is one, in its order, with its text, id, class and attributes.
    ///
    /// # Errors
    /// When the document went away meanwhile, or cannot be looked at.
    pub async fn messages(&mut self, frames: &[Target], target: &Target) -> Result<Vec<Value>, Hitch> {
        let mut place = self.top().await?;
        for frame in frames {
            let seen = self.examine(&place, frame, Aim::Frame, None).await?;
            if !(seen.is_clear() && seen.is_frame) {
                return Ok(Vec::new());
            }
            place = self.enter(place).await?;
        }
        let wanted = json!({ "act": "messages", "css": target.css, "text": target.text });
        let closed = self.closed_roots(&place).await?;
        let mut answer = self.ask(&place, wanted, &closed).await?;
        Ok(answer["all"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Outlines what was looked at last, for a picture; gives the page around it, clipped.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn outline(&mut self) -> Result<String, Hitch> {
        let place = self.top().await?;
        let answer = self.ask(&place, json!({ "act": "outline" }), &[]).await?;
        Ok(text(&answer["markup"]).to_owned())
    }

    /// What stands before a page instead of the service, if anything does.
    ///
    /// # Errors
    /// When the page cannot be looked at.
    pub async fn wall(&mut self) -> Result<Option<String>, Hitch> {
        let is_challenge =
            |frame: &str| self.log.documents.get(frame).is_some_and(|document| document.is_challenge);
        if self.main_frame().is_some_and(is_challenge) {
            return Ok(Some("a page that calls itself a challenge".to_owned()));
        }
        let place = self.top().await?;
        let answer = self.ask(&place, json!({ "act": "wall" }), &[]).await?;
        Ok(answer["why"].as_str().map(str::to_owned))
    }

    pub(super) async fn top(&mut self) -> Result<Place, Hitch> {
        let session = self.front()?;
        let frame = self.main_frame().unwrap_or_default().to_owned();
        let world = self.world(&session, &frame).await?;
        Ok(Place { session, world, around: Vec::new() })
    }

    /// The world of our scripts in a frame.
    async fn world(&mut self, session: &str, frame: &str) -> Result<u64, Hitch> {
        let world = json!({ "frameId": frame, "worldName": WORLD });
        let world = self.call(Some(session), "Page.createIsolatedWorld", world).await?;
        world["executionContextId"].as_u64().ok_or_else(|| Hitch::Refused("no world of our own".to_owned()))
    }

    /// Goes the way through frames that a look has found before.
    pub(super) async fn place(&mut self, frames: &[Target]) -> Result<Place, Hitch> {
        let mut place = self.top().await?;
        for _ in frames {
            place = self.enter(place).await?;
        }
        Ok(place)
    }

    /// Enters the frame that was looked at last.
    async fn enter(&mut self, place: Place) -> Result<Place, Hitch> {
        let Place { session, world, mut around } = place;
        let object = self.found(&session, world).await?;
        let node = self.call(Some(&session), "DOM.describeNode", json!({ "objectId": object })).await?;
        let frame = text(&node["node"]["frameId"]).to_owned();
        let inner = self.frames.get(&frame).cloned().unwrap_or_else(|| session.clone());
        around.push((session, world));
        let world = self.world(&inner, &frame).await?;
        Ok(Place { session: inner, world, around })
    }

    /// The element that was looked at last, as the browser refers to it.
    pub(super) async fn found(&mut self, session: &str, world: u64) -> Result<String, Hitch> {
        let found = json!({ "expression": "lamplighter.found", "contextId": world });
        let found = self.call(Some(session), "Runtime.evaluate", found).await?;
        found["result"]["objectId"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Hitch::Refused("what was found is not there any more".to_owned()))
    }

    async fn examine(
        &mut self,
        place: &Place,
        target: &Target,
        aim: Aim,
        attribute: Option<&str>,
    ) -> Result<Seen, Hitch> {
        let wanted =
            Wanted { act: "look", aim, css: target.css.as_deref(), text: target.text.as_deref(), attribute };
        let wanted = serde_json::to_value(wanted).expect("texts and flags are always JSON");
        let mut seen = self.ask(place, wanted.clone(), &[]).await?;
        if seen["shown"].is_null() {
            let closed = self.closed_roots(place).await?;
            if !closed.is_empty() {
                seen = self.ask(place, wanted, &closed).await?;
            }
        }
        Seen::deserialize(seen).map_err(|error| Hitch::Refused(error.to_string()))
    }

    /// Follows a point outwards through the frames, and sees at each whether something lies over it there.
    async fn hold(&mut self, place: &Place, aim: Aim, seen: &mut Seen) -> Result<(), Hitch> {
        let acts = matches!(aim, Aim::Click | Aim::Fill);
        for (session, world) in place.around.iter().rev() {
            let wanted = json!({ "act": "hold", "aim": "frame", "x": seen.x, "y": seen.y, "acts": acts });
            let around = Place { session: session.clone(), world: *world, around: Vec::new() };
            let held = self.ask(&around, wanted, &[]).await?;
            (seen.x, seen.y) =
                (held["x"].as_f64().unwrap_or_default(), held["y"].as_f64().unwrap_or_default());
            if let Ok(obstacle) = Obstacle::deserialize(&held["obstacle"]) {
                seen.obstacle = Some(obstacle);
                break;
            }
        }
        Ok(())
    }

    /// The shadow roots that are closed to scripts, as of a moment ago.
    async fn closed_roots(&mut self, place: &Place) -> Result<Vec<String>, Hitch> {
        let is_here = |known: &&ClosedRoots| (known.world, &known.session) == (place.world, &place.session);
        let (roots, wait) = match self.closed_roots.as_ref().filter(is_here) {
            Some(known) if Instant::now() < known.due_at => return Ok(known.roots.clone()),
            Some(_) => (self.search_closed_roots(place).await?, CLOSED_ROOTS_EVERY),
            None => (Vec::new(), CLOSED_ROOTS_AFTER),
        };
        self.closed_roots = Some(ClosedRoots {
            session: place.session.clone(),
            world: place.world,
            due_at: Instant::now() + wait,
            roots: roots.clone(),
        });
        Ok(roots)
    }

    async fn search_closed_roots(&mut self, place: &Place) -> Result<Vec<String>, Hitch> {
        let document = json!({ "expression": "document", "contextId": place.world });
        let document = self.call(Some(&place.session), "Runtime.evaluate", document).await?;
        let tree = json!({ "objectId": document["result"]["objectId"], "depth": -1, "pierce": true });
        let tree = self.call(Some(&place.session), "DOM.describeNode", tree).await?;
        let mut closed = Vec::new();
        let mut nodes = vec![&tree["node"]];
        while let Some(node) = nodes.pop() {
            for root in node["shadowRoots"].as_array().into_iter().flatten() {
                if root["shadowRootType"] == "closed" {
                    closed.push(root["backendNodeId"].clone());
                }
                nodes.push(root);
            }
            nodes.extend(node["children"].as_array().into_iter().flatten());
        }
        closed.truncate(CLOSED_ROOTS_MAX);
        let mut objects = Vec::new();
        for node in closed {
            let object = json!({ "backendNodeId": node, "executionContextId": place.world });
            let object = self.call(Some(&place.session), "DOM.resolveNode", object).await?;
            objects.push(text(&object["object"]["objectId"]).to_owned());
        }
        Ok(objects)
    }

    /// Asks the script.
    pub(super) async fn ask(
        &mut self,
        place: &Place,
        wanted: Value,
        closed: &[String],
    ) -> Result<Value, Hitch> {
        let closed = closed.iter().map(|object| json!({ "objectId": object }));
        let arguments: Vec<Value> = std::iter::once(json!({ "value": wanted })).chain(closed).collect();
        let asked = json!({
            "functionDeclaration": SCRIPT, "executionContextId": place.world,
            "arguments": arguments, "returnByValue": true,
        });
        let mut answer = self.call(Some(&place.session), "Runtime.callFunctionOn", asked).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let said = text(&thrown["exception"]["description"]);
            return Err(Hitch::Refused(said.lines().next().unwrap_or("the look failed").to_owned()));
        }
        Ok(answer["result"]["value"].take())
    }
}
