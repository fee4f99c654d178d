//! Whether the entry is on the page as it was served, and whether a customer could use it. Judged by what the page
//! itself says; what style sheets and scripts make of it, only a browser sees.

use std::collections::HashSet;

use cssparser::ToCss;
use scraper::{ElementRef, Html, Selector};

use crate::{
    domain::outcome::Reason,
    probe::{
        expect::excerpt,
        page::{
            style::InlineStyle,
            text::{Effort, collapsed, text_of},
        },
    },
};

/// What can be clicked, and so may be the entry that has a text.
const CLICKABLE: &str = "a, button, summary, label, input[type=button], input[type=submit], input[type=image], \
                         [role=button], [role=link], [onclick], [tabindex]";

/// How the entry is known.
#[derive(Debug)]
pub(super) struct Entry {
    /// By this selector, or else by being clickable.
    selector: Selector,
    has_selector: bool,
    /// By this text, if any: white space and case do not matter.
    text: Option<String>,
    /// In the words of the configuration.
    pub(super) words: String,
}

/// What stands in the way of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub(super) reason: Reason,
    pub(super) cause: Option<Reason>,
    pub(super) detail: String,
}

impl Obstacle {
    pub(super) fn new(reason: Reason, detail: String) -> Self {
        Self { reason, cause: None, detail }
    }
}

/// The entry on a page.
#[derive(Debug)]
pub(super) struct Found {
    /// How it looks in the page.
    pub(super) shown: String,
    /// Its text, for what it says.
    pub(super) text: String,
    /// None where it can be used, as far as the page says.
    pub(super) obstacle: Option<Obstacle>,
}

impl Entry {
    /// An entry that is known by a selector, a text or both; none without either.
    pub(super) fn new(selector: Option<&Selector>, text: Option<&str>) -> Option<Self> {
        let words = match (selector, text) {
            (Some(selector), None) => format!("an entry {}", selector.to_css_string()),
            (Some(selector), Some(text)) => {
                format!("an entry {} that says {text:?}", selector.to_css_string())
            }
            (None, Some(text)) => format!("an entry that says {text:?}"),
            (None, None) => return None,
        };
        let clickable = || Selector::parse(CLICKABLE).expect("a selector of ours is one");
        Some(Self {
            has_selector: selector.is_some(),
            selector: selector.map_or_else(clickable, Selector::clone),
            text: text.map(|text| collapsed(text).to_lowercase()),
            words,
        })
    }

    /// The entry on a page. Of several the one that can be used: a page may have one for each size of screen. It means
    /// nothing once the effort is spent.
    pub(super) fn find(&self, page: &Html, effort: &Effort) -> Option<Found> {
        let says = |element: ElementRef<'_>| {
            self.text.as_ref().is_none_or(|text| text_of(element, effort).to_lowercase().contains(text))
        };
        let candidates = page.select(&self.selector);
        let candidates = candidates.take_while(|_| effort.spend(1));
        let mut found: Vec<ElementRef<'_>> =
            candidates.filter(|element| !is_inert_markup(*element, effort) && says(*element)).collect();
        if !self.has_selector {
            // Of elements within each other the innermost is what a customer clicks.
            let outer: HashSet<_> = found
                .iter()
                .flat_map(|element| element.ancestors().take_while(|_| effort.spend(1)))
                .map(|ancestor| ancestor.id())
                .collect();
            found.retain(|element| !outer.contains(&element.id()));
        }
        let judged = |element| (element, obstacle(element, effort));
        let mut first = None;
        for (element, obstacle) in found.into_iter().map(judged) {
            if first.is_none() || obstacle.is_none() {
                let is_clear = obstacle.is_none();
                first = Some(Found { shown: shown(element), text: text_of(element, effort), obstacle });
                if is_clear {
                    break;
                }
            }
        }
        first
    }
}

/// In a template nothing is on the page yet.
fn is_inert_markup(element: ElementRef<'_>, effort: &Effort) -> bool {
    upwards(element)
        .take_while(|_| effort.spend(1))
        .any(|around| matches!(around.value().name(), "template" | "noscript"))
}

/// The element, and all around it, from the inside out.
fn upwards(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    std::iter::once(element).chain(element.ancestors().filter_map(ElementRef::wrap))
}

/// The first thing that stands in the way; what cannot be seen comes before what cannot be clicked.
fn obstacle(element: ElementRef<'_>, effort: &Effort) -> Option<Obstacle> {
    let around: Vec<Around<'_>> = upwards(element).map_while(|around| Around::read(around, effort)).collect();
    let of = |reason: Reason| {
        move |(culprit, why): (ElementRef<'_>, &str)| {
            let detail = match culprit.id() == element.id() {
                true => format!("{} has {why}", shown(element)),
                false => format!("{} is in {}, which has {why}", shown(element), shown(culprit)),
            };
            Obstacle::new(reason, detail)
        }
    };
    hidden(&around).map(of(Reason::Obscured)).or_else(|| disabled(&around).map(of(Reason::Disabled)))
}

/// An element with what its `style` attribute says.
struct Around<'p> {
    element: ElementRef<'p>,
    style: InlineStyle,
}

impl<'p> Around<'p> {
    fn read(element: ElementRef<'p>, effort: &Effort) -> Option<Self> {
        let style = element.attr("style").unwrap_or_default();
        effort.spend(1 + style.len()).then(|| Self { element, style: InlineStyle::read(style) })
    }

    fn name(&self) -> &'p str {
        self.element.value().name()
    }

    fn attr(&self, name: &str) -> Option<&'p str> {
        self.element.attr(name)
    }

    /// Whether it is a control that an attribute can disable.
    fn is_control(&self) -> bool {
        matches!(self.name(), "button" | "input" | "select" | "textarea" | "optgroup" | "option")
    }
}

/// Who says it, and what.
type Culprit<'p> = (ElementRef<'p>, &'static str);

fn hidden<'p>(around: &[Around<'p>]) -> Option<Culprit<'p>> {
    // What is fixed to the window does not move with what it stands in.
    let mut is_fixed = false;
    for (depth, one) in around.iter().enumerate() {
        let is_itself = depth == 0;
        if one.attr("hidden").is_some() {
            return Some((one.element, "the attribute hidden"));
        }
        if is_itself && one.name() == "input" && one.attr("type") == Some("hidden") {
            return Some((one.element, "the type hidden"));
        }
        let away = one.style.is_off_screen().filter(|_| !is_fixed);
        let empty = one.style.is_of_no_size().filter(|_| is_itself);
        if let Some(why) = one.style.hides_all_within().or(away).or(empty) {
            return Some((one.element, why));
        }
        is_fixed |= one.style.word("position") == Some("fixed");
    }
    let hides = |word: &str| matches!(word, "hidden" | "collapse");
    inherited(around, "visibility")
        .filter(|(_, word)| hides(word))
        .map(|(one, _)| (one, "visibility: hidden"))
}

fn disabled<'p>(around: &[Around<'p>]) -> Option<Culprit<'p>> {
    let mut is_in_control = false;
    for (depth, one) in around.iter().enumerate() {
        if one.attr("inert").is_some() {
            return Some((one.element, "the attribute inert"));
        }
        if one.attr("aria-disabled").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Some((one.element, "aria-disabled"));
        }
        is_in_control |= one.is_control();
        if one.attr("disabled").is_some() {
            let inner = depth.checked_sub(1).map(|inner| around[inner].element);
            let is_shut = match one.name() {
                // A part of a button cannot be clicked either.
                "fieldset" => {
                    is_in_control && !inner.is_some_and(|inner| is_first_legend(inner, one.element))
                }
                _ => one.is_control(),
            };
            if is_shut {
                return Some((one.element, "the attribute disabled"));
            }
        }
    }
    let none = inherited(around, "pointer-events").filter(|(_, word)| *word == "none");
    none.map(|(one, _)| (one, "pointer-events: none"))
}

/// Of a property that is handed down, the nearest word that says anything, and who says it.
fn inherited<'a, 'p>(around: &'a [Around<'p>], property: &str) -> Option<(ElementRef<'p>, &'a str)> {
    let mut words = around.iter().filter_map(|one| Some((one.element, one.style.word(property)?)));
    words.find(|(_, word)| !matches!(*word, "inherit" | "unset" | "revert" | "revert-layer"))
}

/// What stands in the first legend of a disabled fieldset can be used (HTML, 4.10.15).
fn is_first_legend(inner: ElementRef<'_>, fieldset: ElementRef<'_>) -> bool {
    let mut legends = fieldset.child_elements().filter(|child| child.value().name() == "legend");
    legends.next().is_some_and(|legend| legend.id() == inner.id())
}

/// The tag with which an element begins, without its address, where tokens travel.
fn shown(element: ElementRef<'_>) -> String {
    let name = element.value().name();
    let mut tag = format!("<{name}");
    for attribute in ["id", "class", "type", "name"] {
        if let Some(value) = element.attr(attribute) {
            tag.push_str(&format!(" {attribute}={value:?}"));
        }
    }
    tag.push('>');
    excerpt(&tag)
}

#[cfg(test)]
mod tests;
