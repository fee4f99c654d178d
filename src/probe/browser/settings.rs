//! A browser probe in `probes.toml`.

use std::{fmt, num::NonZeroU16, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::blueprint;
use crate::{
    domain::outcome::Reason,
    probe::{
        conversation::settings::{SignsSettings, TurnSettings},
        settings::{BuildContext, Built},
    },
    secret::MaybeSecret,
    setting::{At, CssSelector, HttpUrl, Locale, Pattern, Problem, Refused, Span, refuse, written_as_text},
};

/// A customer with a browser: steps in their order, in real Chromium. The first step opens a page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { steps = [{ name = \"open\", open = \"https://...\" }, { name = \"chat\", click = \"#chat\", opens = \"#panel\" }] }"
)]
pub struct BrowserSettings {
    /// The steps. The first that fails ends the run.
    pub(super) steps: At<Vec<At<StepSettings>>>,
    /// What must not be said by what is clicked, waited for or opened, nor by a dialog: it means that nobody is there.
    /// Such as ['(?i)leave a message', '(?i)offline'].
    #[serde(default)]
    pub(super) closed: Vec<Pattern>,
    /// The size of the window in CSS pixels. Default 1280 by 800; 390 by 844 where mobile.
    pub(super) window: Option<At<WindowSettings>>,
    /// A telephone: a finger instead of a mouse, and the mobile layout.
    #[serde(default)]
    pub(super) mobile: bool,
    /// Dark colours, for pages that have them.
    #[serde(default)]
    pub(super) dark: bool,
    /// The language of the customer, such as "de-DE".
    pub(super) locale: Option<At<Locale>>,
    /// Where the customer's clock stands, such as "Europe/Berlin".
    pub(super) time_zone: Option<At<String>>,
    /// How much a customer may have to do until a person is reached: 4 without. More is degraded, with the reason
    /// "too_many_steps".
    pub(super) steps_max: Option<NonZeroU16>,
    /// What the browser calls itself. Default: what Chromium calls itself when it has a window.
    pub(super) user_agent: Option<At<String>>,
}

/// The size of the window.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { width = 1280, height = 800 }")]
pub struct WindowSettings {
    /// In CSS pixels.
    pub(super) width: u32,
    /// In CSS pixels.
    pub(super) height: u32,
}

/// One step: exactly one of open, click, type, press, select, upload, wait_for, expect, talk and reach.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { name = \"chat\", click = \"#chat\" }")]
pub struct StepSettings {
    /// Its name: in the outcome, the phases and the failure.
    pub(super) name: At<String>,
    /// Goes to an address, and waits until the page is there.
    pub(super) open: Option<HttpUrl>,
    /// Clicks as a customer does: what is covered, grey or off the screen cannot be clicked.
    pub(super) click: Option<TargetSettings>,
    /// With click: what must be seen then, and not be empty; otherwise the entry is "unresponsive".
    pub(super) opens: Option<At<TargetSettings>>,
    /// Clicks into a field and types.
    #[serde(rename = "type")]
    pub(super) writes: Option<TypeSettings>,
    /// Presses a key.
    pub(super) press: Option<Key>,
    /// Chooses from a list.
    pub(super) select: Option<SelectSettings>,
    /// Puts a file into a field.
    pub(super) upload: Option<UploadSettings>,
    /// Waits until it is seen.
    pub(super) wait_for: Option<TargetSettings>,
    /// Waits until something holds.
    pub(super) expect: Option<At<ExpectSettings>>,
    /// Holds a conversation in a chat that is open.
    pub(super) talk: Option<Box<TalkSettings>>,
    /// Looks for a person, or for a form to people, by way of what the page offers.
    pub(super) reach: Option<At<ReachSettings>>,
    /// How long the step may take. Default "5s"; for open "10s", for reach "20s". The turns of talk have times of their own.
    pub(super) within: Option<At<Span>>,
    /// A step that takes longer makes the run degraded, with the reason "late".
    pub(super) late_after: Option<At<Span>>,
    /// With click: a page on which it is not there is as good. For a banner that does not always come.
    #[serde(default)]
    pub(super) optional: bool,
    /// With this step a person, or a form to people, is reached. What a customer has done until then is counted: clicks,
    /// words, keys, choices and files.
    #[serde(default)]
    pub(super) reaches_person: bool,
    /// The reason that is told when the step fails, such as "closed" or "bot_only".
    pub(super) otherwise: Option<Reason>,
    /// Takes a picture of the window after the step.
    #[serde(default)]
    pub(super) screenshot: bool,
}

/// A conversation in a chat on the page. A message is told by its element: signs may look at `$.text`, `$.class`, `$.id`
/// and, as `$.attributes`, at the element's attributes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { into = \"textarea\", message = \".message\", steps = [{ name = \"ask\", say = \"Hello\" }] }"
)]
pub struct TalkSettings {
    /// The field in which one writes.
    pub(super) into: TargetSettings,
    /// What is clicked to send what was written. Without, Enter is pressed.
    pub(super) send: Option<TargetSettings>,
    /// The messages: every element that is one.
    pub(super) message: TargetSettings,
    /// What is said, and what reply is awaited, in its order.
    pub(super) steps: At<Vec<At<TurnSettings>>>,
    /// By what it is told who speaks.
    #[serde(default)]
    pub(super) signs: SignsSettings,
    /// What is clicked at the end, whatever happened: the conversation is left.
    pub(super) leave: Option<TargetSettings>,
    /// How often on one day (UTC) people are asked for at most; 24 without. Further runs say nothing about the channel.
    pub(super) asks_per_day_max: Option<At<NonZeroU16>>,
}

/// A person, or a form to people, and the ways that may lead there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table, such as { person = \"#contact-form\", by = [\"Help\", \"Contact us\"] }"
)]
pub struct ReachSettings {
    /// What is seen when one is there.
    pub(super) person: TargetSettings,
    /// What is clicked on the way, where it is offered: the last of these that is there and was not clicked yet. Begin
    /// with the first door, and end with what is nearest to a person.
    pub(super) by: At<Vec<TargetSettings>>,
    /// How many clicks are tried at most, from 1 to 20; 10 without.
    pub(super) clicks_max: Option<At<NonZeroU16>>,
}

/// Text for a field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { into = \"textarea\", text = \"hello\" }")]
pub struct TypeSettings {
    /// The field.
    pub(super) into: TargetSettings,
    /// The text, or where a secret one lies.
    pub(super) text: At<MaybeSecret>,
}

/// A choice.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { from = \"#topic\", option = \"Order\" }")]
pub struct SelectSettings {
    /// The list.
    pub(super) from: TargetSettings,
    /// What is chosen: the option's value, or what it says.
    pub(super) option: String,
}

/// A file for a field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { into = \"#file\", file = \"receipt.png\" }")]
pub struct UploadSettings {
    /// The field.
    pub(super) into: TargetSettings,
    /// The file, relative to the configuration file.
    pub(super) file: At<PathBuf>,
}

/// What must hold; at least one thing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { element = \"#panel\", matches = \"Hello\" }")]
pub struct ExpectSettings {
    /// An element. Without more, it must be seen.
    pub(super) element: Option<TargetSettings>,
    /// With element: what it says.
    pub(super) matches: Option<Pattern>,
    /// With element: what it does not say.
    pub(super) not_matches: Option<Pattern>,
    /// With element: what one of its attributes is.
    pub(super) attribute: Option<AttributeSettings>,
    /// With element: how many there are.
    pub(super) count: Option<usize>,
    /// With element: that it is not seen, or not there.
    #[serde(default)]
    pub(super) hidden: bool,
    /// What the address of the page is.
    pub(super) url: Option<Pattern>,
    /// That no script has failed, and none has written an error to the console, when the page has loaded.
    #[serde(default)]
    pub(super) no_errors: bool,
    /// That a request has been answered.
    pub(super) request: Option<RequestSettings>,
}

/// An attribute.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { name = \"aria-expanded\", matches = \"true\" }")]
pub struct AttributeSettings {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) matches: Pattern,
}

/// A request that the page makes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { url = '/api/session$' }")]
pub struct RequestSettings {
    /// What its address is.
    pub(super) url: Pattern,
    /// The status of its answer. Default: 200 to 399.
    pub(super) status: Option<u16>,
}

/// An element: a CSS selector in quotes, or a table.
#[derive(Clone, Debug)]
pub struct TargetSettings {
    pub(super) css: Option<Selector>,
    pub(super) text: Option<String>,
    pub(super) frame: Vec<Selector>,
}

/// How an element is known.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TargetTable")]
struct Long {
    /// A CSS selector, such as "#chat". Shadow roots are searched too, closed ones as well.
    css: Option<Selector>,
    /// A text that it has, in any case of letters.
    text: Option<String>,
    /// The frame in which it is, by a CSS selector; several for a frame within a frame, from the outermost on.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(schema_with = "one_or_many_schema")]
    frame: Vec<Selector>,
}

const TARGET_EXAMPLE: &str = "write a CSS selector such as \"#chat\", or { text = \"Chat with us\" }";

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Selector>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<Selector>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a CSS selector in quotes, or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Selector>, E> {
            let selector = Selector::parse(text).map_err(|(message, help)| refuse(message, help))?;
            Ok(vec![selector])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<Selector>, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(seq))
        }
    }
    deserializer.deserialize_any(Visitor)
}

fn one_or_many_schema(generator: &mut SchemaGenerator) -> Schema {
    let selector = generator.subschema_for::<Selector>();
    json_schema!({ "oneOf": [selector, { "type": "array", "items": selector }] })
}

impl<'de> Deserialize<'de> for TargetSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TargetSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a CSS selector in quotes, or a table such as { text = \"Chat with us\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TargetSettings, E> {
                let css = Selector::parse(text).map_err(|(message, help)| refuse(message, help))?;
                Ok(TargetSettings { css: Some(css), text: None, frame: Vec::new() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TargetSettings, A::Error> {
                let Long { css, text, frame } =
                    Long::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let text = text.filter(|text| !text.trim().is_empty());
                if css.is_none() && text.is_none() {
                    return Err(refuse("it does not say how the element is known", TARGET_EXAMPLE));
                }
                Ok(TargetSettings { css, text, frame })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for TargetSettings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (selector, table) = (generator.subschema_for::<Selector>(), generator.subschema_for::<Long>());
        json_schema!({ "description": "An element of a page.", "oneOf": [selector, table] })
    }
}

/// A CSS selector for the browser, which knows more of them than we do.
#[derive(Clone, Debug)]
pub struct Selector(pub(super) String);

impl Selector {
    fn parse(text: &str) -> Result<Self, Refused> {
        match CssSelector::parse(text) {
            // What begins with a colon may be a pseudo-class that we do not know.
            Err(refused) if !text.contains(':') => Err(refused),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

written_as_text!(Selector, "a CSS selector", "#chat", {
    "type": "string",
    "minLength": 1,
    "description": "A CSS selector, such as \"#chat\"."
});

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name (UI Events KeyboardEvent key Values).
    pub(super) name: &'static str,
    /// Its number on Windows, which Chromium goes by.
    pub(super) code: u32,
    /// What it writes.
    pub(super) writes: &'static str,
}

const KEYS: [Key; 14] = [
    Key { name: "Enter", code: 13, writes: "\r" },
    Key { name: "Tab", code: 9, writes: "" },
    Key { name: "Escape", code: 27, writes: "" },
    Key { name: "Backspace", code: 8, writes: "" },
    Key { name: "Delete", code: 46, writes: "" },
    Key { name: "Space", code: 32, writes: " " },
    Key { name: "ArrowLeft", code: 37, writes: "" },
    Key { name: "ArrowUp", code: 38, writes: "" },
    Key { name: "ArrowRight", code: 39, writes: "" },
    Key { name: "ArrowDown", code: 40, writes: "" },
    Key { name: "Home", code: 36, writes: "" },
    Key { name: "End", code: 35, writes: "" },
    Key { name: "PageUp", code: 33, writes: "" },
    Key { name: "PageDown", code: 34, writes: "" },
];

impl Key {
    fn parse(text: &str) -> Result<Self, Refused> {
        KEYS.into_iter().find(|key| key.name == text).ok_or_else(|| {
            let names = KEYS.map(|key| key.name).join(", ");
            (format!("{text:?} is not a key that can be pressed"), format!("write one of {names}"))
        })
    }
}

written_as_text!(Key, "a key", "Enter", {
    "type": "string",
    "enum": [
        "Enter", "Tab", "Escape", "Backspace", "Delete", "Space", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown",
        "Home", "End", "PageUp", "PageDown"
    ],
    "description": "A key of the keyboard."
});

impl BrowserSettings {
    /// Whether it waits for people, or for their queue.
    #[must_use]
    pub fn waits(&self) -> bool {
        let talks = self.steps.iter().filter_map(|step| step.talk.as_ref());
        talks.flat_map(|talk| talk.steps.iter()).any(|turn| turn.waits_for_people())
    }

    /// Checks the whole probe.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(at: &At<Self>, context: &BuildContext<'_>) -> Result<Built, Vec<Problem>> {
        blueprint::draw(at, context)
    }
}
