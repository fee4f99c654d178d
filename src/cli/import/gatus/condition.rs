//! A condition of Gatus, such as `[STATUS] == 200` or `[BODY].user.name == pat(john*)`.

use std::time::Duration;

use crate::cli::import::{document::span, expectation::Expectation};

/// Adds a condition to what is expected. The error ends a sentence that names the condition.
pub fn add(condition: &str, expect: &mut Expectation) -> Result<(), &'static str> {
    let (subject, operator, wanted) = parted(condition).ok_or("is not understood")?;
    let added = match subject {
        "[STATUS]" => status(operator, wanted, expect),
        "[RESPONSE_TIME]" => time(operator, wanted, expect),
        "[CERTIFICATE_EXPIRATION]" => certificate(operator, wanted, expect),
        // Whoever has an answer was connected.
        "[CONNECTED]" => (operator == "==" && wanted == "true").then_some(()),
        "[BODY]" if operator == "==" => whole(wanted).filter(|pattern| expect.body(pattern)).map(drop),
        _ => body(subject, operator, wanted, expect),
    };
    added.ok_or("has no counterpart here")
}

/// Subject, operator and what is wanted.
fn parted(condition: &str) -> Option<(&str, &str, &str)> {
    // Those that begin with another come first.
    let operators = [" == ", " != ", " <= ", " >= ", " < ", " > "];
    let first =
        operators.into_iter().filter_map(|operator| condition.find(operator).map(|at| (at, operator)));
    let (at, operator) = first.min_by_key(|(at, _)| *at)?;
    Some((condition[..at].trim(), operator.trim(), condition[at + operator.len()..].trim()))
}

fn status(operator: &str, wanted: &str, expect: &mut Expectation) -> Option<()> {
    let numbers: Option<Vec<u16>> = any(wanted).into_iter().map(|number| number.parse().ok()).collect();
    let numbers = numbers?;
    let one = *numbers.first()?;
    match operator {
        "==" => expect.status(|status| numbers.contains(&status)),
        "!=" => expect.status(|status| !numbers.contains(&status)),
        "<" => expect.status(|status| status < one),
        "<=" => expect.status(|status| status <= one),
        ">" => expect.status(|status| status > one),
        ">=" => expect.status(|status| status >= one),
        _ => return None,
    }
    Some(())
}

/// Milliseconds, or a span with its unit.
fn time(operator: &str, wanted: &str, expect: &mut Expectation) -> Option<()> {
    let max = wanted
        .parse()
        .ok()
        .map(Duration::from_millis)
        .filter(|max| !max.is_zero())
        .or_else(|| span(wanted))?;
    matches!(operator, "<" | "<=").then(|| expect.time(max))
}

/// Milliseconds, or a span with its unit; days here, so rounded up.
fn certificate(operator: &str, wanted: &str, expect: &mut Expectation) -> Option<()> {
    let left = wanted.parse().ok().map(Duration::from_millis).or_else(|| span(wanted))?;
    matches!(operator, ">" | ">=").then(|| expect.days(left.as_secs().div_ceil(24 * 60 * 60)))
}

/// Something at a path of a body in JSON.
fn body(subject: &str, operator: &str, wanted: &str, expect: &mut Expectation) -> Option<()> {
    if let Some(inner) = subject.strip_prefix("has(").and_then(|rest| rest.strip_suffix(')')) {
        let exists = match (operator, wanted) {
            ("==", "true") | ("!=", "false") => true,
            ("==", "false") | ("!=", "true") => false,
            _ => return None,
        };
        return expect.exists(&path(inner)?, exists).then_some(());
    }
    let path = path(subject)?;
    let added = match operator {
        "==" => expect.json(&path, &format!("^{}$", pattern(wanted)?)),
        "<" => expect.bound(&path, "less", wanted.parse().ok()?),
        ">" => expect.bound(&path, "greater", wanted.parse().ok()?),
        _ => false,
    };
    added.then_some(())
}

/// The path of `[BODY].user.names[0]`, as RFC 9535 has it.
fn path(subject: &str) -> Option<String> {
    let rest = subject.strip_prefix("[BODY]")?;
    let mut path = "$".to_owned();
    for part in rest.split('.').filter(|part| !part.is_empty()) {
        let (name, index) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_plain || name.starts_with(|c: char| c.is_ascii_digit()) {
            path += &format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"));
        } else if !name.is_empty() {
            path += &format!(".{name}");
        }
        path += index;
    }
    Some(path)
}

/// A regular expression for a body that is what is wanted. It is compared there without the space around it, and here as
/// it came.
fn whole(wanted: &str) -> Option<String> {
    Some(format!(r"^\s*{}\s*$", pattern(wanted)?))
}

/// A regular expression that finds what is wanted; none where that is only known once there is an answer.
fn pattern(wanted: &str) -> Option<String> {
    let alternatives: Option<Vec<String>> = any(wanted).into_iter().map(one).collect();
    match &alternatives?[..] {
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join("|"))),
    }
}

fn one(wanted: &str) -> Option<String> {
    match wanted.strip_prefix("pat(").and_then(|rest| rest.strip_suffix(')')) {
        // Sets of characters, and characters that mean themselves.
        Some(pattern) if pattern.contains(['[', '\\']) => None,
        Some(pattern) => Some(regex::escape(pattern).replace(r"\*", "(?s:.*)").replace(r"\?", "(?s:.)")),
        None => (!is_computed(wanted)).then(|| regex::escape(wanted)),
    }
}

/// Whether it is a placeholder, such as `[BODY].name`, or a function, such as `len([BODY].names)`.
fn is_computed(wanted: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let placeholder = wanted.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let function = wanted.strip_suffix(')').and_then(|rest| rest.split_once('('));
    [placeholder, function].into_iter().flatten().any(|(name, _)| is_name(name))
}

/// What stands in `any(a, b)`, or the one thing that is wanted.
fn any(wanted: &str) -> Vec<&str> {
    match wanted.strip_prefix("any(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => inner.split(',').map(str::trim).collect(),
        None => vec![wanted],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_becomes_an_expectation() {
        let cases = [
            ("[STATUS] == any(200, 429)", "status = [200, 429]\n"),
            ("[STATUS] <= 299", "status = [\"100-299\"]\n"),
            ("[CONNECTED] == true", ""),
            ("[RESPONSE_TIME] < 500", "time = { max = \"500ms\" }\n"),
            // No shorter than the timeout.
            ("[RESPONSE_TIME] < 10s", ""),
            ("[CERTIFICATE_EXPIRATION] > 49h", "certificate = { days_min = 3 }\n"),
            ("[BODY] == OK", "body = [{ matches = '^\\s*OK\\s*$' }]\n"),
            ("[BODY] == any(OK, up)", "body = [{ matches = '^\\s*(OK|up)\\s*$' }]\n"),
            (
                "[BODY] == pat(*<h1>Help?*)",
                "body = [{ matches = '^\\s*(?s:.*)<h1>Help(?s:.)(?s:.*)\\s*$' }]\n",
            ),
            ("[BODY].of == John (admin)", "json = [{ path = \"$.of\", matches = '^John \\(admin\\)$' }]\n"),
            ("[BODY].status == UP", "json = [{ path = \"$.status\", matches = '^UP$' }]\n"),
            (
                "[BODY].a.b-c[0] == any(1, pat(x*))",
                "json = [{ path = \"$.a['b-c'][0]\", matches = '^(1|x(?s:.*))$' }]\n",
            ),
            ("[BODY][0].load < 5", "json = [{ path = \"$[0].load\", less = 5.0 }]\n"),
            ("has([BODY].errors) == false", "json = [{ path = \"$.errors\", exists = false }]\n"),
        ];
        for (condition, expected) in cases {
            let mut expect = Expectation::default();
            assert_eq!(add(condition, &mut expect), Ok(()), "{condition}");
            assert_eq!(expect.fields(Duration::from_secs(10)).lines(), expected, "{condition}");
        }
    }

    #[test]
    fn space_around_a_body_is_none_of_its_text() {
        let html = regex::Regex::new(&whole("pat(*</html>)").unwrap()).unwrap();
        assert!(html.is_match("\r\n<html>\nHelp\n</html>\r\n"));
        assert!(!html.is_match("<html></html> and more"));
    }

    #[test]
    fn a_condition_without_a_counterpart_is_refused() {
        for condition in [
            "",
            "[STATUS]",
            "[STATUS] == fine",
            "[IP] == 192.0.2.1",
            "[DOMAIN_EXPIRATION] > 720h",
            "len([BODY].data) > 0",
            "[BODY].age >= 18",
            "[BODY].name != john",
            "[BODY].load < many",
            "[BODY].load < nan",
            "[RESPONSE_TIME] > 500",
            "[BODY].a == [BODY].b",
            "[BODY] == [context].greeting",
            "[BODY].a == any(1, [BODY].b)",
            "[BODY].a == len([BODY].b)",
            "[BODY].a == pat([a-z]*)",
        ] {
            let mut expect = Expectation::default();
            assert!(add(condition, &mut expect).is_err(), "{condition}");
            assert_eq!(expect, Expectation::default(), "{condition}");
        }
    }
}
