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
pub struct Captured(Vec<(Box<str>, Vec<String>)>);

impl Captured {
    /// Takes them with their names.
    pub fn new(values: impl IntoIterator<Item = (Box<str>, String)>) -> Self {
        let tokens = values.into_iter().filter(|(_, value)| value.len() >= TOKEN_LEN_MIN);
        Self(tokens.map(|(name, value)| (name, forms(&value))).collect())
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
        for (name, forms) in &self.0 {
            for form in forms {
                let head = form.char_indices().nth(HEAD_CHARS).map_or(form.len(), |(at, _)| at);
                let mut from = 0;
                while let Some(at) = shown[from..].find(&form[..head]) {
                    let start = from + at;
                    let length = forms.iter().map(|form| alike(&shown[start..], form)).max().unwrap_or(head);
                    shown.to_mut().replace_range(start..start + length, &format!("{{{name}}}"));
                    from = start + name.len() + 2;
                }
            }
        }
        shown
    }
}

/// A token as it is, and as it stands in a page's markup, in JSON and in an address.
fn forms(token: &str) -> Vec<String> {
    let markup = token.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let json = token.replace('\\', "\\\\").replace('"', "\\\"");
    let slashed = json.replace('/', "\\/");
    let address =
        percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC).to_string();
    let spaced = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let mut forms = vec![token.to_owned(), markup, slashed, json, address, spaced];
    forms.sort();
    forms.dedup();
    forms
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
    fn a_token_is_told_by_its_name_however_it_is_written() {
        let values = [("csrf".into(), "ab-01234567/cd+ef&gh\"89==".to_owned())];
        let captured = Captured::new(values);
        for written in [
            "ab-01234567/cd+ef&gh\"89==",
            "ab-01234567/cd+ef&amp;gh&quot;89==",
            "ab-01234567\\/cd+ef&gh\\\"89==",
            "ab-01234567/cd+ef&gh\\\"89==",
            "ab-01234567%2Fcd%2Bef%26gh%2289%3D%3D",
        ] {
            assert_eq!(captured.hide(&format!("<{written}>")), "<{csrf}>");
        }
    }

    #[test]
    fn a_ticket_number_is_evidence_and_stays() {
        assert_eq!(hide("saw \"T-4711\""), "saw \"T-4711\"");
    }
}
