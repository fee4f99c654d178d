//! The `style` attribute of an element, as far as it says that the element cannot be seen or clicked. Only what stands
//! there is judged: style sheets and scripts may say otherwise, and only a browser knows them.

use std::collections::BTreeMap;

use cssparser::{
    AtRuleParser, CowRcStr, DeclarationParser, ParseError, Parser, ParserState, QualifiedRuleParser,
    RuleBodyItemParser, RuleBodyParser, Token,
};

/// Moved out of the window by at least so many pixels, which no screen has.
const OFF_SCREEN_PX: f32 = 1_000.0;
/// What is fainter than this cannot be seen.
const OPACITY_MIN: f32 = 0.05;

/// The declarations of one attribute: the value of each property, in lower case, as its tokens.
#[derive(Debug, Default)]
pub(super) struct InlineStyle(BTreeMap<String, Value>);

#[derive(Debug)]
struct Value {
    is_important: bool,
    /// The first token, of which the properties looked at have one.
    first: First,
}

#[derive(Clone, Debug, PartialEq)]
enum First {
    Word(String),
    /// A number, a length in pixels or a part of one: what it is in numbers.
    Number(f32),
    Other,
}

impl InlineStyle {
    /// Reads an attribute; what cannot be read counts for nothing, as in a browser.
    pub(super) fn read(text: &str) -> Self {
        let mut style = Self::default();
        let mut parser = Parser::new(text);
        let mut declarations = Declarations;
        for (property, value) in RuleBodyParser::new(&mut parser, &mut declarations).flatten() {
            let stays = style.0.get(&property).is_some_and(|known| known.is_important && !value.is_important);
            if !stays {
                style.0.insert(property, value);
            }
        }
        style
    }

    /// The word that a property has.
    pub(super) fn word(&self, property: &str) -> Option<&str> {
        match &self.0.get(property)?.first {
            First::Word(word) => Some(word),
            First::Number(_) | First::Other => None,
        }
    }

    fn number(&self, property: &str) -> Option<f32> {
        match self.0.get(property)?.first {
            First::Number(number) => Some(number),
            First::Word(_) | First::Other => None,
        }
    }

    /// Why this element and all within it cannot be seen, whatever those say.
    pub(super) fn hides_all_within(&self) -> Option<&'static str> {
        if self.word("display") == Some("none") {
            return Some("display: none");
        }
        self.number("opacity").is_some_and(|opacity| opacity < OPACITY_MIN).then_some("opacity: 0")
    }

    /// Why this element, and what stands in it, is not on the screen.
    pub(super) fn is_off_screen(&self) -> Option<&'static str> {
        let is_positioned = matches!(self.word("position"), Some("absolute" | "fixed" | "relative"));
        let is_away = |side: &str| self.number(side).is_some_and(|length| length <= -OFF_SCREEN_PX);
        let is_off = is_positioned && ["left", "top", "right", "bottom"].into_iter().any(is_away);
        is_off.then_some("a position off the screen")
    }

    /// Why this very element cannot be hit; what stands in it may be larger.
    pub(super) fn is_of_no_size(&self) -> Option<&'static str> {
        let is_nothing = |side: &str| self.number(side) == Some(0.0);
        (is_nothing("width") || is_nothing("height")).then_some("a size of zero")
    }
}

struct Declarations;

impl<'i> DeclarationParser<'i> for Declarations {
    type Declaration = (String, Value);
    type Error = ();

    fn parse_value(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
        _: &ParserState,
    ) -> Result<Self::Declaration, ParseError<()>> {
        let first = match input.next()? {
            Token::Ident(word) => First::Word(word.to_ascii_lowercase()),
            Token::Number { value, .. } | Token::Dimension { value, .. } => First::Number(*value),
            Token::Percentage { unit_value, .. } => First::Number(*unit_value),
            _ => First::Other,
        };
        let mut is_important = false;
        while let Ok(token) = input.next() {
            is_important |= matches!(token, Token::Ident(word) if word.eq_ignore_ascii_case("important"));
        }
        Ok((name.to_ascii_lowercase(), Value { is_important, first }))
    }
}

impl<'i> AtRuleParser<'i> for Declarations {
    type Prelude = ();
    type AtRule = (String, Value);
    type Error = ();
}

impl<'i> QualifiedRuleParser<'i> for Declarations {
    type Prelude = ();
    type QualifiedRule = (String, Value);
    type Error = ();
}

impl<'i> RuleBodyItemParser<'i, (String, Value), ()> for Declarations {
    fn parse_declarations(&self) -> bool {
        true
    }

    fn parse_qualified(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_told_from_what_only_looks_like_it() {
        for (text, hides) in [
            ("display:none", Some("display: none")),
            ("DISPLAY : None ;", Some("display: none")),
            ("display: none !important; display: block", Some("display: none")),
            ("display: none; display: block", None),
            ("display: flex", None),
            ("opacity: 0", Some("opacity: 0")),
            ("opacity: 0%", Some("opacity: 0")),
            ("opacity: .01", Some("opacity: 0")),
            ("opacity: 0.6", None),
            ("background: url('a;display:none')", None),
            ("content: \"display: none\"", None),
            ("/* display: none */ color: red", None),
            ("display", None),
            ("", None),
        ] {
            assert_eq!(InlineStyle::read(text).hides_all_within(), hides, "{text}");
        }
    }

    #[test]
    fn what_takes_no_place_is_known_by_its_size_or_position() {
        for (text, why) in [
            ("position: absolute; left: -9999px", Some("a position off the screen")),
            ("position: fixed; top: -2000px", Some("a position off the screen")),
            ("position: fixed; right: 20px; bottom: 20px", None),
            ("left: -9999px", None),
            ("position: absolute; left: -8px", None),
            ("width: 0", Some("a size of zero")),
            ("height: 0px", Some("a size of zero")),
            ("width: 100%; height: 40px", None),
        ] {
            let style = InlineStyle::read(text);
            assert_eq!(style.is_off_screen().or(style.is_of_no_size()), why, "{text}");
        }
    }
}
