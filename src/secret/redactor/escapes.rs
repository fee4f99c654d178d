//! Undoes the escapes of addresses (`%2F`), of JSON (`\/`, `\u002f`), of HTML (`&#47;`, `&#x2f;`, `&amp;`) and of our
//! own details (`\u{9}`) in one go, and remembers where every byte came from. It never fails: what is no escape stays
//! as it is.

use std::ops::Range;

/// The longest escape, in bytes: `&#x10ffff;`.
const ESCAPE_LEN_MAX: usize = 10;

const ENTITIES: [(&[u8], u8); 5] =
    [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];

/// A text with some of its escapes undone.
#[derive(Debug)]
pub struct Layer {
    bytes: Vec<u8>,
    /// Where in the text each byte begins; one more for the end.
    origins: Vec<usize>,
}

impl Layer {
    /// The text as it stands.
    pub fn surface(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), origins: (0..=text.len()).collect() }
    }

    /// What it says.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the text that a part of the layer was made from.
    pub fn origin(&self, span: &Range<usize>) -> Range<usize> {
        self.origins[span.start]..self.origins[span.end]
    }

    /// The layer below, with one more round of escapes undone; none if there are none.
    pub fn unescaped(&self) -> Option<Self> {
        let mut deeper = Self { bytes: Vec::with_capacity(self.bytes.len()), origins: Vec::new() };
        let mut at = 0;
        while let Some(&byte) = self.bytes.get(at) {
            let (meaning, len) = escape(&self.bytes[at..]).unwrap_or((Meaning::Byte(byte), 1));
            let mut utf8 = [0; 4];
            let bytes = match meaning {
                Meaning::Byte(byte) => &[byte][..],
                Meaning::Char(c) => c.encode_utf8(&mut utf8).as_bytes(),
                Meaning::Nothing => &[],
            };
            deeper.bytes.extend_from_slice(bytes);
            deeper.origins.extend(bytes.iter().map(|_| self.origins[at]));
            at += len;
        }
        deeper.origins.push(self.origins[self.bytes.len()]);
        (deeper.bytes != self.bytes).then_some(deeper)
    }
}

enum Meaning {
    Byte(u8),
    Char(char),
    /// An escape that was cut off.
    Nothing,
}

/// The escape at the beginning of a text, and its length.
fn escape(text: &[u8]) -> Option<(Meaning, usize)> {
    match text {
        [b'%', rest @ ..] => {
            let digits = rest.iter().take(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
            match rest.get(..2).filter(|_| digits == 2).and_then(hex) {
                Some(byte) => Some((Meaning::Byte(u8::try_from(byte).ok()?), 3)),
                // Cut off: the end of the text or an ellipsis follows.
                None if rest.get(digits).is_none_or(|byte| !byte.is_ascii()) => {
                    Some((Meaning::Nothing, 1 + digits))
                }
                None => None,
            }
        }
        [b'\\', b'u', b'{', rest @ ..] => {
            let len = rest.iter().take(ESCAPE_LEN_MAX).position(|byte| *byte == b'}')?;
            Some((Meaning::Char(char::from_u32(hex(&rest[..len])?)?), len + 4))
        }
        [b'\\', b'u', rest @ ..] => Some((Meaning::Char(char::from_u32(hex(rest.get(..4)?)?)?), 6)),
        [b'\\', escaped @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((Meaning::Byte(*escaped), 2)),
        [b'&', ..] => {
            let named = ENTITIES.iter().find(|(name, _)| text.starts_with(name));
            named.map(|(name, byte)| (Meaning::Byte(*byte), name.len())).or_else(|| numbered(text))
        }
        _ => None,
    }
}

/// `&#47;` or `&#x2f;`.
fn numbered(text: &[u8]) -> Option<(Meaning, usize)> {
    let end = text.iter().take(ESCAPE_LEN_MAX).position(|byte| *byte == b';')?;
    let number = match text.get(..end)? {
        [b'&', b'#', b'x' | b'X', digits @ ..] => hex(digits)?,
        [b'&', b'#', digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    Some((Meaning::Char(char::from_u32(number)?), end + 1))
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> Option<String> {
        Layer::surface(text).unescaped().map(|layer| String::from_utf8_lossy(layer.bytes()).into_owned())
    }

    #[test]
    fn escapes_of_every_sort_are_undone() {
        for (text, plain) in [
            ("a%2Fb%2f", "a/b/"),
            ("%c3%b6", "ö"),
            ("\\u00f6\\/\\\"\\\\", "ö/\"\\"),
            ("\\u{9}\\u{200b}", "\t\u{200b}"),
            ("&amp;&lt;&#47;&#x2F;&#246;", "&<//ö"),
            ("%2541", "%41"),
            ("cut%", "cut"),
            ("cut%2", "cut"),
            ("cut%2…", "cut…"),
        ] {
            assert_eq!(unescaped(text).as_deref(), Some(plain), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in
            ["", "plain", "100 % of", "%zz", "\\q", "\\u12", "&nope;", "&#xzz;", "&#99999999;", "a & b", "ö"]
        {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }

    #[test]
    fn every_byte_knows_where_it_came_from() {
        let layer = Layer::surface("x%2541y").unescaped().unwrap();
        assert_eq!(layer.bytes(), b"x%41y");
        assert_eq!(layer.origin(&(1..2)), 1..4);
        let deeper = layer.unescaped().unwrap();
        assert_eq!(deeper.bytes(), b"xAy");
        assert_eq!(deeper.origin(&(1..2)), 1..6);
        assert_eq!(deeper.origin(&(0..3)), 0..7);
    }
}
