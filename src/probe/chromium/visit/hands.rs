//! What a customer does with hands: clicks, keys, files. Where, a look has said before.

use serde_json::json;

use super::{
    super::look::{Obstacle, Target},
    Hitch, Visit,
};
use crate::domain::outcome::Reason;

/// Holds when the page has been drawn twice, or is not drawn at all.
const DRAWN: &str = "Promise.race([
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    new Promise((done) => setTimeout(done, 250)),
])";

impl Visit {
    /// Chooses an option of the list that was looked at last; gives what is wrong if it cannot be chosen.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn choose(&mut self, frames: &[Target], option: &str) -> Result<Option<Obstacle>, Hitch> {
        let place = self.place(frames).await?;
        let answer = self.ask(&place, json!({ "act": "choose", "option": option }), &[]).await?;
        let reason = match answer["is_grey"].as_bool() {
            Some(true) => Reason::Disabled,
            _ => Reason::Missing,
        };
        Ok(answer["problem"].as_str().map(|why| Obstacle { reason, why: why.to_owned() }))
    }

    /// Whether a text stands in the field that was looked at last.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn has_typed(&mut self, frames: &[Target], written: &str) -> Result<bool, Hitch> {
        let place = self.place(frames).await?;
        let answer = self.ask(&place, json!({ "act": "typed", "text": written }), &[]).await?;
        Ok(answer["is_there"].as_bool() == Some(true))
    }

    /// Puts a file into the field that was looked at last.
    ///
    /// # Errors
    /// When the field takes no file.
    pub async fn upload(&mut self, frames: &[Target], file: &str) -> Result<(), Hitch> {
        let place = self.place(frames).await?;
        let field = self.found(&place.session, place.world).await?;
        let files = json!({ "files": [file], "objectId": field });
        self.call(Some(&place.session), "DOM.setFileInputFiles", files).await?;
        Ok(())
    }

    /// Clicks at a point of the window, at something in these frames: with a finger where the device has one.
    ///
    /// # Errors
    /// When the browser does not do as it is told.
    pub async fn click(&mut self, frames: &[Target], x: f64, y: f64) -> Result<(), Hitch> {
        let session = self.front()?;
        if !frames.is_empty() {
            self.draw().await?;
        }
        if self.device.is_mobile {
            let touch = json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] });
            self.call(Some(&session), "Input.dispatchTouchEvent", touch).await?;
            let lift = json!({ "type": "touchEnd", "touchPoints": [] });
            self.call(Some(&session), "Input.dispatchTouchEvent", lift).await?;
            return Ok(());
        }
        for (kind, button, clicks) in
            [("mouseMoved", "none", 0), ("mousePressed", "left", 1), ("mouseReleased", "left", 1)]
        {
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": clicks });
            self.call(Some(&session), "Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Lets the page be drawn. Where a frame lies after it was scrolled, the browser knows only from what was drawn.
    async fn draw(&mut self) -> Result<(), Hitch> {
        let place = self.top().await?;
        let drawn = json!({ "expression": DRAWN, "contextId": place.world, "awaitPromise": true });
        match self.call(Some(&place.session), "Runtime.evaluate", drawn).await {
            Ok(_) | Err(Hitch::Refused(_)) => Ok(()),
            Err(hitch) => Err(hitch),
        }
    }

    /// Writes a text into what has the focus.
    ///
    /// # Errors
    /// When the browser does not do as it is told.
    pub async fn write(&mut self, written: &str) -> Result<(), Hitch> {
        let session = self.front()?;
        self.call(Some(&session), "Input.insertText", json!({ "text": written })).await?;
        Ok(())
    }

    /// Presses a key, by its name, its code and what it writes.
    ///
    /// # Errors
    /// When the browser does not do as it is told.
    pub async fn press(&mut self, key: &str, code: u32, writes: &str) -> Result<(), Hitch> {
        let session = self.front()?;
        let kind = if writes.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [kind, "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" {
                event["text"] = writes.into();
            }
            self.call(Some(&session), "Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }
}
