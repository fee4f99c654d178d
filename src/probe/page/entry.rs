//! Whether the entry is on the page as it was served, and whether a customer could use it. Judged by what the page
//! itself says; what style sheets and scripts make of it, only a browser sees.

use std::cell::Cell;

use cssparser::ToCss;
use ego_tree::{NodeId, iter::Edge};
use scraper::{ElementRef, Html, Node, Selector};

use crate::{domain::outcome::Reason, probe::page::style::InlineStyle};

/// What can be clicked, and so may be the entry that has a text.
const CLICKABLE: &str = "a, button, summary, label, input[type=button], input[type=submit], input[type=image], \
                         [role=button], [role=link], [onclick], [tabindex]";
/// How much of an element is shown, in characters.
const SHOWN_CHARS: usize = 100;
/// Elements whose text is for machines, or for browsers without scripts.
const UNREAD: [&str; 4] = ["script", "style", "template", "noscript"];
/// So many nodes are looked at for their text, each as often as something holds it.
const NODES_MAX: usize = 2_000_000;
/// So many elements at most are judged; a page has one or two entries, for small screens and for large ones.
const CANDIDATES_MAX: usize = 20;

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
            text: text.map(folded),
            words,
        })
    }

    /// The entry on a page. Of several the one that can be used: a page may have one for each size of screen.
    pub(super) fn find(&self, page: &Html) -> Option<Found> {
        let effort = Effort::default();
        let mut found: Vec<ElementRef<'_>> = page
            .select(&self.selector)
            .filter(|element| !is_inert_markup(*element) && self.says(*element, &effort))
            .take(CANDIDATES_MAX)
            .collect();
        if !self.has_selector {
            // Of elements within each other the innermost is what a customer clicks.
            let all = found.clone();
            found.retain(|outer| {
                !all.iter().any(|inner| inner.ancestors().any(|ancestor| ancestor.id() == outer.id()))
            });
        }
        let mut judged = found.into_iter().map(|element| Found {
            shown: shown(element),
            text: text_of(element, &effort),
            obstacle: obstacle(element),
        });
        let first = judged.next()?;
        if first.obstacle.is_none() {
            return Some(first);
        }
        Some(judged.find(|other| other.obstacle.is_none()).unwrap_or(first))
    }

    fn says(&self, element: ElementRef<'_>, effort: &Effort) -> bool {
        self.text.as_ref().is_none_or(|text| folded(&text_of(element, effort)).contains(text))
    }
}

/// How many nodes may still be looked at: a page can be made so that every element holds nearly all of the others.
#[derive(Debug)]
pub(super) struct Effort(Cell<usize>);

impl Default for Effort {
    fn default() -> Self {
        Self(Cell::new(NODES_MAX))
    }
}

impl Effort {
    fn is_spent(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
}

/// The text of a page or an element as a customer may read it, names for screen readers and values of buttons included.
pub(super) fn text_of(element: ElementRef<'_>, effort: &Effort) -> String {
    let mut text = String::new();
    // Within something whose text is for machines.
    let mut unread: Option<NodeId> = None;
    for edge in element.traverse() {
        match edge {
            Edge::Open(node) if unread.is_none() => {
                if effort.is_spent() {
                    break;
                }
                match node.value() {
                    Node::Text(words) => text.extend([&**words, " "]),
                    Node::Element(inner) if UNREAD.contains(&inner.name()) => unread = Some(node.id()),
                    Node::Element(inner) => push_names(inner, &mut text),
                    _ => {}
                }
            }
            Edge::Close(node) if unread == Some(node.id()) => unread = None,
            Edge::Open(_) | Edge::Close(_) => {}
        }
    }
    text
}

fn push_names(element: &scraper::node::Element, text: &mut String) {
    let is_button = element.name() == "input" && element.attr("type") != Some("hidden");
    let names = ["aria-label", "title", "alt"].into_iter().filter_map(|name| element.attr(name));
    for name in names.chain(element.attr("value").filter(|_| is_button)) {
        text.extend([name, " "]);
    }
}

/// One space between words, lower case.
pub(super) fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// In a template nothing is on the page yet.
fn is_inert_markup(element: ElementRef<'_>) -> bool {
    upwards(element).any(|around| matches!(around.value().name(), "template" | "noscript"))
}

/// The element, and all around it, from the inside out.
fn upwards(element: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    std::iter::once(element).chain(element.ancestors().filter_map(ElementRef::wrap))
}

/// The first thing that stands in the way; what cannot be seen comes before what cannot be clicked.
fn obstacle(element: ElementRef<'_>) -> Option<Obstacle> {
    let of = |reason: Reason| {
        move |(around, why): (ElementRef<'_>, &str)| {
            let detail = match around.id() == element.id() {
                true => format!("{} has {why}", shown(element)),
                false => format!("{} is in {}, which has {why}", shown(element), shown(around)),
            };
            Obstacle::new(reason, detail)
        }
    };
    hidden(element).map(of(Reason::Obscured)).or_else(|| disabled(element).map(of(Reason::Disabled)))
}

fn hidden(element: ElementRef<'_>) -> Option<(ElementRef<'_>, &'static str)> {
    let mut visibility = None;
    for around in upwards(element) {
        let style = style_of(around);
        let is_itself = around.id() == element.id();
        if around.attr("hidden").is_some() {
            return Some((around, "the attribute hidden"));
        }
        if is_itself && around.value().name() == "input" && around.attr("type") == Some("hidden") {
            return Some((around, "the type hidden"));
        }
        let why = style.hides_all_within().or_else(|| style.takes_no_place().filter(|_| is_itself));
        if let Some(why) = why {
            return Some((around, why));
        }
        // The nearest one that says anything counts.
        if visibility.is_none()
            && let Some(word) = style.word("visibility")
        {
            visibility = Some((around, matches!(word, "hidden" | "collapse")));
        }
    }
    visibility.filter(|(_, hides)| *hides).map(|(around, _)| (around, "visibility: hidden"))
}

fn disabled(element: ElementRef<'_>) -> Option<(ElementRef<'_>, &'static str)> {
    let can_be = |around: ElementRef<'_>| {
        matches!(around.value().name(), "button" | "input" | "select" | "textarea" | "optgroup" | "option")
    };
    if can_be(element) && element.attr("disabled").is_some() {
        return Some((element, "the attribute disabled"));
    }
    let mut pointer_events = None;
    let mut inner: Option<ElementRef<'_>> = None;
    for around in upwards(element) {
        if around.attr("inert").is_some() {
            return Some((around, "the attribute inert"));
        }
        if around.attr("aria-disabled").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Some((around, "aria-disabled"));
        }
        let is_fieldset = around.value().name() == "fieldset" && around.attr("disabled").is_some();
        if is_fieldset && can_be(element) && !inner.is_some_and(|inner| is_first_legend(inner, around)) {
            return Some((around, "the attribute disabled"));
        }
        if pointer_events.is_none()
            && let Some(word) = style_of(around).word("pointer-events")
        {
            pointer_events = Some((around, word == "none"));
        }
        inner = Some(around);
    }
    pointer_events.filter(|(_, none)| *none).map(|(around, _)| (around, "pointer-events: none"))
}

/// What stands in the first legend of a disabled fieldset can be used (HTML, 4.10.15).
fn is_first_legend(inner: ElementRef<'_>, fieldset: ElementRef<'_>) -> bool {
    let mut legends = fieldset.child_elements().filter(|child| child.value().name() == "legend");
    legends.next().is_some_and(|legend| legend.id() == inner.id())
}

fn style_of(element: ElementRef<'_>) -> InlineStyle {
    element.attr("style").map(InlineStyle::read).unwrap_or_default()
}

/// The tag with which an element begins.
fn shown(element: ElementRef<'_>) -> String {
    let name = element.value().name();
    let mut tag = format!("<{name}");
    for attribute in ["id", "class", "type", "name", "href"] {
        if let Some(value) = element.attr(attribute) {
            tag.push_str(&format!(" {attribute}={value:?}"));
        }
    }
    tag.push('>');
    match tag.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &tag[..at]),
        None => tag,
    }
}

#[cfg(test)]
mod tests;
