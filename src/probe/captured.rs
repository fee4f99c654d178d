//! Keeps what a run has captured out of what people read. A session or a form's token is nobody's secret in the
//! configuration, so no redactor knows it, and whoever has it is our customer until it expires. In its place stands the
//! variable, `{csrf}`, which tells a reader more.

use std::borrow::Cow;

/// Shorter values are ticket numbers and places in a queue: evidence that a reader wants to see.
const TOKEN_LEN_MIN: usize = 16;

/// By so many characters a token is recognised; where a text was cut, they may be all that is left.
const HEAD_CHARS: usize = 8;

/// The values a run has captured, by the names of their variables. It has no `Debug`, for the reason it exists.
#[derive(Clone, Default)]
pub struct Captured(Vec<(Box<str>, String)>);

impl Captured {
    /// Takes them with their names.
    pub fn new(values: impl IntoIterator<Item = (Box<str>, String)>) -> Self {
        Self(values.into_iter().filter(|(_, value)| value.len() >= TOKEN_LEN_MIN).collect())
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// The text with `{name}` in place of every token, and of the beginning of one that was cut off.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut shown = Cow::Borrowed(text);
        for (name, token) in &self.0 {
            let head = token.char_indices().nth(HEAD_CHARS).map_or(token.len(), |(at, _)| at);
            let mut from = 0;
            while let Some(at) = shown[from..].find(&token[..head]) {
                let start = from + at;
                let end = start + alike(&shown[start..], token);
                shown.to_mut().replace_range(start..end, &format!("{{{name}}}"));
                from = start + name.len() + 2;
            }
        }
        shown
    }
}

/// How many bytes two texts have in common at their beginning.
fn alike(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).map(|(c, _)| c.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(text: &str) -> String {
        let values = [("csrf", "tök-0123456789-abcdef"), ("ticket", "T-4711")];
        let values = values.map(|(name, value)| (name.into(), value.to_owned()));
        Captured::new(values).hide(text).into_owned()
    }

    #[test]
    fn a_token_is_told_by_its_name() {
        for (text, shown) in [
            ("saw \"tök-0123456789-abcdef\"", "saw \"{csrf}\""),
            ("tök-0123456789-abcdef,tök-0123456789-abcdef", "{csrf},{csrf}"),
            ("saw <input value=tök-012345…", "saw <input value={csrf}…"),
            ("saw tök-0…", "saw tök-0…"),
            ("", ""),
        ] {
            assert_eq!(hide(text), shown);
        }
    }

    #[test]
    fn a_ticket_number_is_evidence_and_stays() {
        assert_eq!(hide("saw \"T-4711\""), "saw \"T-4711\"");
    }
}
