//! Taking a value out of an answer, for the steps that follow.

use std::cell::OnceCell;

use http::HeaderMap;
use schemars::JsonSchema;
use scraper::Html;
use serde::Deserialize;

use crate::{
    domain::outcome::Reason,
    probe::document,
    setting::{At, CssSelector, HeaderName, JsonPath, Pattern, Problem},
};

/// The longest value taken, in bytes; tokens are shorter, and a page is not a token.
pub(super) const VALUE_LEN_MAX: usize = 8 * 1024;

/// Where a value is taken from: exactly one of `json`, `regex`, `header`, `cookie` and `css`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as { json = \"$.ticket.id\" }")]
pub struct CaptureSettings {
    /// The first value at this path of a JSON body, such as "$.ticket.id".
    json: Option<JsonPath>,
    /// The first group of this regular expression in the body; the whole match where it has no group.
    regex: Option<Pattern>,
    /// The value of this header, such as "location".
    header: Option<HeaderName>,
    /// The value of this cookie of the journey.
    cookie: Option<String>,
    /// The first element that this CSS selector finds in an HTML body, such as "input[name=csrf]".
    css: Option<CssSelector>,
    /// With css: the attribute that holds the value, such as "value"; without, the element's text.
    attribute: Option<String>,
    /// The reason that is told when the value is not there; "content" without.
    otherwise: Option<Reason>,
}

/// A variable and where its value comes from.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) name: Box<str>,
    pub(super) otherwise: Option<Reason>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Json(serde_json_path::JsonPath),
    Regex(regex::Regex),
    Header(http::HeaderName),
    Cookie(String),
    Css { selector: scraper::Selector, attribute: Option<String> },
}

/// What a value may be taken from.
pub(super) struct Answered<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// The value of a cookie that the journey holds.
    pub(super) cookie: &'a dyn Fn(&str) -> Option<String>,
    /// The body as a page, once it has been asked for.
    pub(super) page: OnceCell<Result<Html, String>>,
}

impl CaptureSettings {
    /// Checks that it says one thing.
    pub(super) fn build(name: &str, settings: &At<Self>) -> Result<Capture, Problem> {
        let all = settings.value.clone();
        let attribute = all.attribute;
        let mut sources = [
            all.json.map(|path| Source::Json(path.0)),
            all.regex.map(|pattern| Source::Regex(pattern.0)),
            all.header.map(|header| Source::Header(header.0)),
            all.cookie.map(Source::Cookie),
            all.css.map(|selector| Source::Css { selector: selector.0, attribute: attribute.clone() }),
        ]
        .into_iter()
        .flatten();
        let example = "write one of json, regex, header, cookie and css, such as { json = \"$.ticket.id\" }";
        let (Some(source), None) = (sources.next(), sources.next()) else {
            return Err(settings
                .problem(format!("{name:?} must be captured from exactly one place"))
                .hint(example));
        };
        if attribute.is_some() && !matches!(source, Source::Css { .. }) {
            let problem = settings.problem("an attribute can only be taken from an element found by css");
            return Err(problem.hint("write { css = \"input[name=csrf]\", attribute = \"value\" }"));
        }
        Ok(Capture { name: name.into(), otherwise: all.otherwise, source })
    }
}

impl Capture {
    /// Takes the value; what was missing, otherwise.
    pub(super) fn take(&self, answered: &Answered<'_>) -> Result<String, String> {
        let value = match &self.source {
            Source::Json(path) => from_json(path, answered.body)?,
            Source::Regex(pattern) => from_text(pattern, answered.body),
            Source::Header(name) => {
                answered.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            }
            Source::Cookie(name) => (answered.cookie)(name),
            Source::Css { selector, attribute } => {
                let page = answered.page.get_or_init(|| document::read(answered.body, answered.headers));
                from_page(selector, attribute.as_deref(), page.as_ref().map_err(String::clone)?)
            }
        };
        match value {
            None => Err("it is not there".to_owned()),
            Some(value) if value.is_empty() => Err("it is empty".to_owned()),
            Some(value) if value.len() > VALUE_LEN_MAX => {
                Err(format!("it has {} bytes, more than the {VALUE_LEN_MAX} that are taken", value.len()))
            }
            Some(value) => Ok(value),
        }
    }

    /// The place in words, for a person.
    pub(super) fn place(&self) -> String {
        match &self.source {
            Source::Json(path) => format!("JSON at {path}"),
            Source::Regex(pattern) => format!("body matching {pattern}"),
            Source::Header(name) => format!("header {name}"),
            Source::Cookie(name) => format!("cookie {name}"),
            Source::Css { attribute: Some(attribute), .. } => format!("attribute {attribute} of an element"),
            Source::Css { attribute: None, .. } => "text of an element".to_owned(),
        }
    }
}

/// A string as it is, a number or boolean as it is written; anything else is no value.
fn from_json(path: &serde_json_path::JsonPath, body: &[u8]) -> Result<Option<String>, String> {
    let document: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    match path.query(&document).first() {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
            Ok(Some(value.to_string()))
        }
        Some(_) => Err("it is an object or an array, not a value".to_owned()),
    }
}

fn from_text(pattern: &regex::Regex, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let found = pattern.captures(&text)?;
    let group = found.get(1).or_else(|| found.get(0))?;
    Some(group.as_str().to_owned())
}

fn from_page(selector: &scraper::Selector, attribute: Option<&str>, page: &Html) -> Option<String> {
    let element = page.select(selector).next()?;
    match attribute {
        Some(attribute) => element.attr(attribute).map(str::to_owned),
        None => Some(element.text().collect::<String>().trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn build(toml: &str) -> Result<Capture, Problem> {
        let settings: CaptureSettings = toml::from_str(toml).unwrap();
        CaptureSettings::build("token", &At { span: 3..9, value: settings })
    }

    fn take(toml: &str, body: &str) -> Result<String, String> {
        let headers = HeaderMap::from_iter([(http::header::LOCATION, HeaderValue::from_static("/next"))]);
        let cookie = |name: &str| (name == "session").then(|| "s1".to_owned());
        let page = OnceCell::new();
        build(toml).unwrap().take(&Answered {
            headers: &headers,
            body: body.as_bytes(),
            cookie: &cookie,
            page,
        })
    }

    #[test]
    fn a_value_is_taken_from_each_place() {
        let page =
            r#"<form><input name=csrf type=hidden value="a&amp;b"><p id=no> Ticket <b>7</b> </p></form>"#;
        for (toml, body, value) in [
            ("json = '$.a.id'", r#"{"a": {"id": "x"}}"#, "x"),
            ("json = '$.a[1]'", r#"{"a": [1, 2.5]}"#, "2.5"),
            ("json = '$.ok'", r#"{"ok": true}"#, "true"),
            ("regex = 'no=(\\d+)'", "ticket no=77.", "77"),
            ("regex = '\\d+'", "ticket no=77.", "77"),
            ("header = 'Location'", "", "/next"),
            ("cookie = 'session'", "", "s1"),
            ("css = 'input[name=csrf]'\nattribute = 'value'", page, "a&b"),
            ("css = '#no'", page, "Ticket 7"),
        ] {
            assert_eq!(take(toml, body).as_deref(), Ok(value), "{toml}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let long = "x".repeat(VALUE_LEN_MAX + 1);
        for (toml, body, missing) in [
            ("json = '$.id'", "{}", "it is not there"),
            ("json = '$.id'", r#"{"id": null}"#, "it is not there"),
            ("json = '$.id'", r#"{"id": {}}"#, "it is an object or an array, not a value"),
            ("json = '$.id'", r#"{"id": ""}"#, "it is empty"),
            ("json = '$.id'", "<html>", "the body is not JSON: expected value at line 1 column 1"),
            ("regex = 'y+'", "xx", "it is not there"),
            ("regex = 'x+'", &long, "it has 8193 bytes, more than the 8192 that are taken"),
            ("header = 'x-none'", "", "it is not there"),
            ("cookie = 'none'", "", "it is not there"),
            ("css = 'input'\nattribute = 'value'", "<input>", "it is not there"),
            ("css = 'input'", "", "it is not there"),
            ("css = 'p'", &"<p>".repeat(50_001), "the page has more than 50000 tags, and is not searched"),
        ] {
            assert_eq!(take(toml, body), Err(missing.to_owned()), "{toml}");
        }
    }

    #[test]
    fn a_capture_says_one_place() {
        for toml in
            ["", "json = '$.a'\nheader = 'x'", "attribute = 'value'", "json = '$.a'\nattribute = 'value'"]
        {
            let problem = build(toml).unwrap_err();
            assert_eq!(problem.span, Some(3..9), "{toml}");
            assert!(problem.hint.is_some(), "{toml}");
        }
    }
}
