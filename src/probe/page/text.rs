//! What a page says to a customer: its text as it would be read, without what the page itself hides. A page can be made
//! so that every element holds nearly all of the others; so whatever is looked at is charged to an [`Effort`].

use std::cell::Cell;

use ego_tree::{NodeId, iter::Edge};
use scraper::{ElementRef, Node};

use crate::probe::page::style::InlineStyle;

/// Elements whose text is for machines, or for browsers without scripts.
const UNREAD: [&str; 4] = ["script", "style", "template", "noscript"];
/// Elements within a line: a word may go through them.
const WITHIN_WORDS: [&str; 30] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "dfn", "em", "font", "i",
    "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u",
    "var", "wbr",
];
/// So many bytes and nodes are looked at in a run, each as often as something holds it: a few times the largest page.
const UNITS_MAX: usize = 8 << 20;

/// How much may still be looked at in a run.
#[derive(Debug)]
pub(super) struct Effort(Cell<usize>);

impl Default for Effort {
    fn default() -> Self {
        Self(Cell::new(UNITS_MAX))
    }
}

impl Effort {
    /// Takes so many units; false if there are not as many left. What was found by then is not to be believed.
    pub(super) fn spend(&self, units: usize) -> bool {
        let left = self.0.get().checked_sub(units);
        self.0.set(left.unwrap_or(0));
        left.is_some() && !self.is_spent()
    }

    /// Whether nothing is left.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// The text of a page or an element as a customer may read it, names for screen readers and values of buttons included.
/// What is hidden within it is left out.
pub(super) fn text_of(element: ElementRef<'_>, effort: &Effort) -> String {
    let mut text = String::new();
    // Within something that is not read.
    let mut unread: Option<NodeId> = None;
    for edge in element.traverse() {
        if !effort.spend(1) {
            break;
        }
        match edge {
            Edge::Open(node) if unread.is_none() => match node.value() {
                Node::Text(words) => {
                    effort.spend(words.len());
                    text.push_str(words);
                }
                Node::Element(inner) => {
                    if UNREAD.contains(&inner.name())
                        || (node.id() != element.id() && is_hidden(inner, effort))
                    {
                        unread = Some(node.id());
                    }
                    part(inner, &mut text);
                    if unread.is_none() {
                        push_names(inner, &mut text, effort);
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                if unread == Some(node.id()) {
                    unread = None;
                }
                if let (None, Node::Element(inner)) = (unread, node.value()) {
                    part(inner, &mut text);
                }
            }
            Edge::Open(_) => {}
        }
    }
    collapsed(&text)
}

/// Where a line ends, a word does.
fn part(element: &scraper::node::Element, text: &mut String) {
    if !WITHIN_WORDS.contains(&element.name()) {
        text.push(' ');
    }
}

fn is_hidden(element: &scraper::node::Element, effort: &Effort) -> bool {
    let style = element.attr("style").unwrap_or_default();
    element.attr("hidden").is_some()
        || (!style.is_empty()
            && effort.spend(style.len())
            && InlineStyle::read(style).hides_all_within().is_some())
}

fn push_names(element: &scraper::node::Element, text: &mut String, effort: &Effort) {
    let is_button = element.name() == "input" && element.attr("type") != Some("hidden");
    let names = ["aria-label", "title", "alt"].into_iter().filter_map(|name| element.attr(name));
    for name in names.chain(element.attr("value").filter(|_| is_button)) {
        effort.spend(name.len());
        text.extend([" ", name, " "]);
    }
}

/// One space between words, and nothing of what only says where a word may break.
pub(super) fn collapsed(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().filter(|c| !matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}')));
    }
    words
}

#[cfg(test)]
mod tests {
    use scraper::Html;

    use super::*;

    fn text(html: &str) -> String {
        let page = Html::parse_document(html);
        text_of(page.root_element(), &Effort::default())
    }

    #[test]
    fn text_is_read_as_it_is_shown() {
        for (html, shown) in [
            ("<p>Chat\n   with <b>us</b></p>", "Chat with us"),
            ("<p>one</p><p>two</p>", "one two"),
            ("support@<wbr>example.<span>com</span>", "support@example.com"),
            ("Kunden&shy;service", "Kundenservice"),
            ("<table><tr><td>030</td><td>9018</td></table>", "030 9018"),
            ("<p>a<br>b</p>", "a b"),
            ("<button>Chat<span hidden>Leave a message</span></button>", "Chat"),
            ("<div style='display:none'>offline</div>online", "online"),
            ("<script>offline</script><style>offline</style><noscript>offline</noscript>on", "on"),
            ("<img alt='Chat'><input type=submit value='Send'><input type=hidden value=x>", "Chat Send"),
        ] {
            assert_eq!(text(html), shown, "{html}");
        }
    }

    #[test]
    fn a_page_in_which_everything_holds_everything_is_given_up() {
        let page = format!("{}{}", "<div>".repeat(200), "words ".repeat(20_000));
        let page = Html::parse_document(&page);
        let effort = Effort::default();
        let all = scraper::Selector::parse("div").unwrap();
        let read: usize = page.select(&all).map(|element| text_of(element, &effort).len()).sum();
        assert!(effort.is_spent() && read <= UNITS_MAX + 120_000, "{read}");
    }
}
