//! A page as a tree, for what is looked for in it. The page is the target's, and the time to build its tree can
//! grow with the square of its tags: a parser looks through what is open at every tag, opens again at every text what
//! was not closed, and compares every attribute with those before it. So a page is measured while it is read, and one
//! beyond any page made for customers is left unread.

use std::{borrow::Cow, cell::Cell, sync::LazyLock};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use html5ever::{
    TokenizerResult,
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
    tree_builder::{TreeBuilder, TreeBuilderOpts, TreeSink},
};
use http::{HeaderMap, header::CONTENT_TYPE};
use regex::bytes::Regex;
use scraper::{Html, HtmlTreeSink};

/// The longest page, in bytes.
const LEN_MAX: usize = 1 << 20;
/// The most start and end tags.
const TAGS_MAX: usize = 50_000;
/// The most elements, texts and comments.
const NODES_MAX: usize = 100_000;
/// The deepest nesting; browsers stop at twice that.
const DEPTH_MAX: usize = 256;
/// The most comparisons of attributes within their tags.
const COMPARISONS_MAX: usize = 50_000_000;
/// The most words of one tag or comment. As long as it does not end, nobody can say which of the two it is.
const WORDS_MAX: usize = 10_000;
/// So much is read between two looks at an unfinished tag, in bytes.
const PIECE_LEN: usize = 4 * 1024;

type Handle = <HtmlTreeSink as TreeSink>::Handle;

/// So far into a page a browser looks for what it says of its encoding (HTML, 13.2.3.2).
const PRESCAN_LEN: usize = 1_024;
/// Where a header names an encoding, and where the `meta` of a page does.
static BY_HEADER: LazyLock<Regex> = LazyLock::new(|| charset(""));
static BY_PAGE: LazyLock<Regex> = LazyLock::new(|| charset(r"<meta[\s/][^>]*?"));

fn charset(before: &str) -> Regex {
    let pattern = format!(r#"(?i-u){before}\bcharset\s*=\s*["']?\s*([a-z0-9_:.-]+)"#);
    Regex::new(&pattern).expect("a pattern of ours is one")
}

/// Reads a page that came with these headers.
///
/// # Errors
/// Why it is left unread.
pub fn read(body: &[u8], headers: &HeaderMap) -> Result<Html, String> {
    if body.len() > LEN_MAX {
        return Err(beyond("bytes", LEN_MAX));
    }
    let text = decoded(body, headers);
    let mut rest = &*text;
    let tokenizer = Tokenizer::new(Measured::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    while !rest.is_empty() {
        let (piece, further) = rest.split_at(rest.ceil_char_boundary(PIECE_LEN));
        input.push_back(StrTendril::from(piece));
        // It pauses at every script, for those that would run it.
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        tokenizer.sink.look_at_unfinished(piece);
        if let Some((what, most)) = tokenizer.sink.excess.get() {
            return Err(beyond(what, most));
        }
        rest = further;
    }
    tokenizer.end();
    if let Some((what, most)) = tokenizer.sink.excess.get() {
        return Err(beyond(what, most));
    }
    Ok(tokenizer.sink.builder.sink.finish())
}

/// The text of a page in the encoding that its first bytes, its header or the page itself names; UTF-8 without.
fn decoded<'p>(body: &'p [u8], headers: &HeaderMap) -> Cow<'p, str> {
    let named = |pattern: &Regex, text: &[u8]| {
        pattern.captures_iter(text).find_map(|found| Encoding::for_label(found.get(1)?.as_bytes()))
    };
    let by_header = headers.get(CONTENT_TYPE).and_then(|kind| named(&BY_HEADER, kind.as_bytes()));
    let by_page = || {
        let encoding = named(&BY_PAGE, &body[..body.len().min(PRESCAN_LEN)])?;
        // It could not be read so far if it were.
        Some(if [UTF_16BE, UTF_16LE].contains(&encoding) { UTF_8 } else { encoding })
    };
    by_header.or_else(by_page).unwrap_or(UTF_8).decode(body).0
}

fn beyond(what: &str, most: usize) -> String {
    format!("the page has more than {most} {what}, and is not searched")
}

/// Builds the tree, and stops building when there is too much of anything.
struct Measured {
    builder: TreeBuilder<Handle, HtmlTreeSink>,
    tags: Cell<usize>,
    comparisons: Cell<usize>,
    /// Whether a token has come since the last look.
    has_moved: Cell<bool>,
    /// How many words what is under way has by now; a tag has no more attributes than that.
    words: Cell<usize>,
    /// What there is too much of, and the most there may be.
    excess: Cell<Option<(&'static str, usize)>>,
}

impl Default for Measured {
    fn default() -> Self {
        let sink = HtmlTreeSink::new(Html::new_document());
        Self {
            builder: TreeBuilder::new(sink, TreeBuilderOpts::default()),
            tags: Cell::default(),
            comparisons: Cell::default(),
            has_moved: Cell::default(),
            words: Cell::default(),
            excess: Cell::default(),
        }
    }
}

impl TokenSink for Measured {
    type Handle = Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<Handle> {
        // An error is nobody's concern here, and comes in the midst of a tag.
        if self.excess.get().is_some() || matches!(token, Token::ParseError(_)) {
            return TokenSinkResult::Continue;
        }
        self.has_moved.set(true);
        if let Token::TagToken(tag) = &token {
            self.tags.set(self.tags.get() + 1);
            self.comparisons.set(self.comparisons.get() + tag.attrs.len() * tag.attrs.len() / 2);
        }
        let result = self.builder.process_token(token, line);
        self.measure();
        result
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

impl Measured {
    fn measure(&self) {
        let html = self.builder.sink.0.borrow();
        let mut nodes = html.tree.nodes();
        let node_count = nodes.len();
        // What opens an element makes its node last.
        let depth = nodes.next_back().map_or(0, |newest| newest.ancestors().take(DEPTH_MAX + 1).count());
        for (count, most, what) in [
            (self.tags.get(), TAGS_MAX, "tags"),
            (node_count, NODES_MAX, "elements and texts"),
            (depth, DEPTH_MAX, "elements within each other"),
            (self.comparisons.get(), COMPARISONS_MAX, "pairs of attributes"),
        ] {
            if count > most {
                self.excess.set(Some((what, most)));
            }
        }
    }

    /// A tag that does not end gives no token, and its attributes are compared all the while.
    fn look_at_unfinished(&self, piece: &str) {
        let separates = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\'');
        let so_far = if self.has_moved.replace(false) { 0 } else { self.words.get() };
        let words = so_far + piece.bytes().filter(separates).count();
        self.words.set(words);
        if words > WORDS_MAX {
            self.excess.set(Some(("words in one tag or comment", WORDS_MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn repeated(count: usize, write: impl Fn(usize) -> String) -> String {
        (0..count).map(write).collect()
    }

    fn read(body: &[u8]) -> Result<Html, String> {
        super::read(body, &HeaderMap::new())
    }

    #[test]
    fn a_page_is_read_in_the_encoding_that_it_names() {
        let russian = b"<button>\xd7\xc1\xd4</button>";
        let chinese = b"<meta charset=gb2312><button>\xc1\xc4\xcc\xec</button>";
        let old = b"<META http-equiv=Content-Type content='text/html; charset=windows-1251'><button>\xd7\xe0\xf2</button>";
        let latin = b"<meta charset=utf-16><button>Gr\xc3\xbc\xc3\x9fe</button>";
        for (kind, body, expected) in [
            ("text/html; charset=KOI8-R", &russian[..], "ват"),
            ("text/html", &chinese[..], "聊天"),
            ("text/html", &old[..], "Чат"),
            ("text/html", &latin[..], "Grüße"),
            (
                "text/html",
                "<script charset=windows-1251></script><meta charset=utf-8><button>Чат</button>".as_bytes(),
                "Чат",
            ),
            ("text/html; charset=nonsense", "<button>Чат</button>".as_bytes(), "Чат"),
            ("text/html; charset=windows-1251", "\u{feff}<button>Чат</button>".as_bytes(), "Чат"),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(kind))]);
            let page = super::read(body, &headers).unwrap();
            let button = scraper::Selector::parse("button").unwrap();
            let text: String = page.select(&button).next().unwrap().text().collect();
            assert_eq!(text, expected, "{kind}");
        }
    }

    #[test]
    fn an_ordinary_page_of_any_size_is_read() {
        let row =
            |at| format!("<tr><td class=a id='r{at}'>{at}<td><a href=\"/t/{at}\">ticket</a> open</td></tr>");
        let mut page =
            format!("<!doctype html><script>{}</script><table>", "if (a < b) { c(\"d\") };".repeat(24_000));
        write!(page, "<!-- {} -->", "words and words ".repeat(3_000)).unwrap();
        page += &repeated(5_000, row);
        page += "</table><form><input name=csrf value=found></form>";
        assert!((900_000..LEN_MAX).contains(&page.len()), "{}", page.len());
        let html = read(page.as_bytes()).unwrap();
        let csrf = scraper::Selector::parse("input[name=csrf]").unwrap();
        assert_eq!(html.select(&csrf).next().unwrap().attr("value"), Some("found"));
    }

    #[test]
    fn a_page_is_read_as_a_parser_without_limits_reads_it() {
        let page = "<!doctype html><p>Grüße<b>a<p>b</b><table><tr>x<td>y</table><svg><a xlink:href=z></svg>";
        let whole = Html::parse_document(page);
        assert_eq!(read(page.as_bytes()).unwrap().html(), whole.html());
        let padded = format!("{}{page}", "<!-- ü -->".repeat(2_000));
        assert_eq!(read(padded.as_bytes()).unwrap().html(), Html::parse_document(&padded).html());
    }

    #[test]
    fn a_page_that_costs_too_much_is_left_unread() {
        let many_attributes = repeated(3_000, |at| format!("a{at} "));
        // Every `</div>` closes all that is bold within it, and every text opens all of that again.
        let bold = repeated(150, |at| format!("<b a={at}>"));
        let reopening = format!("{}{bold}{}{}", "<div>".repeat(60), "</div>x".repeat(60), "</b>".repeat(150));
        for (page, beyond) in [
            ("x".repeat(LEN_MAX + 1), "1048576 bytes"),
            ("<div>".repeat(150_000), "256 elements within each other"),
            (repeated(80_000, |at| format!("<b a={at}>")), "256 elements within each other"),
            ("</x>".repeat(200_000), "50000 tags"),
            (format!("{}<!--x", "<!-->".repeat(99_999)), "100000 elements and texts"),
            (reopening.repeat(30), "100000 elements and texts"),
            (format!("<a {}>", repeated(120_000, |at| format!("a{at} "))), "10000 words"),
            (format!("<a {}>", repeated(70_000, |at| format!("a{at}='>'"))), "10000 words"),
            (format!("<a {many_attributes}>").repeat(50), "50000000 pairs of attributes"),
        ] {
            let unread = read(page.as_bytes()).err().unwrap_or_else(|| panic!("read: {}", &page[..40]));
            assert!(unread.contains(beyond), "{}: {unread}", &page[..40]);
        }
    }
}
