//! What is wrong with a journey is said where it stands.

use std::path::Path;

use super::*;
use crate::{
    domain::channel::{ChannelId, ProbeKey, ProbeName},
    probe::{
        chromium::{Chromium, ChromiumSettings},
        transport::{Transport, resolve::Resolver},
    },
    secret::Sources,
};

fn draw(toml: &str) -> Result<Built, Vec<Problem>> {
    let settings: JourneySettings = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    let key = ProbeKey { channel: ChannelId::new("ticket-form"), probe: ProbeName::new("submit") };
    let sources = Sources::new(Path::new("/nowhere"));
    let transport = Transport::new(Resolver::asking(vec![]));
    let chromium = Chromium::new(&ChromiumSettings::default(), &mut Vec::new());
    let timeout = Duration::from_secs(10);
    settings.build(&BuildContext {
        key: &key,
        every: timeout,
        timeout,
        first_response: None,
        persona: None,
        sources: &sources,
        transport: &transport,
        chromium: &chromium,
    })
}

/// A journey of one step `first` and what `rest` adds; the texts pointed at, and what is said of each.
fn problems(rest: &str) -> Vec<(String, String)> {
    let first = r#"{ name = "first", http = { url = "https://shop.example.com/" }, capture = { token = { header = "etag" } } }"#;
    let toml = rest.replace("FIRST", first);
    let problems = draw(&toml).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|problem| {
            assert!(problem.hint.is_some(), "{problem:?}");
            (toml[problem.span.unwrap()].to_owned(), problem.message)
        })
        .collect()
}

#[test]
fn a_journey_knows_its_steps_and_its_hosts() {
    let built = draw(
        r#"
        steps = [
            { name = "ask", http = { url = "https://shop.example.com/a?x={nonce}" }, capture = { id = { json = "$.id" } } },
            { name = "look", http = { url = "https://api.example.com/{id}", expect = { body = [{ contains = "{nonce}" }] } } },
        ]
        cleanup = [{ name = "cancel", http = { method = "DELETE", url = "{id}" } }]
        "#,
    )
    .unwrap();
    let phases: Vec<&str> = built.phases.iter().map(|phase| &**phase).collect();
    assert_eq!(phases, ["ask", "look", "cancel"]);
    let hosts: Vec<&str> = built.hosts.iter().map(|host| &**host).collect();
    assert_eq!(hosts, ["api.example.com", "shop.example.com"]);
}

/// What is wrong with a second step: the step, the text pointed at, and what is said of it.
const WRONG_STEPS: [(&str, &str, &str); 16] = [
    (
        r#"http = { url = "https://x.example.com/{tokn}" }"#,
        r#""https://x.example.com/{tokn}""#,
        r#"the variable "tokn" has no value here"#,
    ),
    (
        r#"http = { url = "https://x.example.com/", headers = { x-a = "{later}" } }"#,
        r#""{later}""#,
        r#"the variable "later" has no value here"#,
    ),
    (
        r#"http = { url = "https://{token}.example.com/" }"#,
        r#""https://{token}.example.com/""#,
        "the host of an address must not depend on a variable",
    ),
    (
        r#"http = { url = "https://x.example.com{token}" }"#,
        r#""https://x.example.com{token}""#,
        "the host of an address must not depend on a variable",
    ),
    (
        r#"http = { url = "https://x.example.com:{token}/" }"#,
        r#""https://x.example.com:{token}/""#,
        "not a web address: invalid port number",
    ),
    (
        r#"http = { url = "shop/{token}" }"#,
        r#""shop/{token}""#,
        "not a web address: relative URL without a base",
    ),
    (
        r#"http = { url = "https://x.example.com/{To ken}" }"#,
        r#""https://x.example.com/{To ken}""#,
        r#""{To" begins a variable and does not end as one"#,
    ),
    (
        r#"HTTP, capture = { token = { header = "etag" } }"#,
        r#"{ header = "etag" }"#,
        r#"the variable "token" is defined already"#,
    ),
    (
        r#"HTTP, capture = { nonce = { header = "etag" } }"#,
        r#"{ header = "etag" }"#,
        r#"the variable "nonce" is defined already"#,
    ),
    (
        r#"HTTP, capture = { To = { header = "etag" } }"#,
        r#"{ header = "etag" }"#,
        r#""To" is not the name of a variable"#,
    ),
    (
        r#"HTTP, until = { within = "10s", expect = { status = [200] } }"#,
        r#""10s""#,
        "the run of 10s is over before this wait",
    ),
    (
        r#"HTTP, until = { within = "4s", expect = { status = [200] } }
            }, { name = "later", HTTP, until = { within = "6s", expect = { status = [200] } }"#,
        r#""6s""#,
        "the run of 10s is over before this wait",
    ),
    (
        r#"HTTP, until = { within = "2s", every = "99ms", expect = { status = [200] } }"#,
        r#""99ms""#,
        "`every` must be at least 100ms",
    ),
    (
        r#"HTTP, until = { within = "2s", every = "3s", expect = { status = [200] } }"#,
        r#""3s""#,
        "the time between two looks is longer than the whole wait",
    ),
    (
        r#"HTTP, until = { within = "2s", late_after = "2s", expect = { status = [200] } }"#,
        r#""2s""#,
        "nothing can be late when the wait is over by then",
    ),
    (r#"HTTP, until = { within = "2s", expect = {} }"#, "{}", "nothing is waited for"),
];

#[test]
fn what_is_wrong_with_a_step_is_said_where_it_stands() {
    for (step, place, said) in WRONG_STEPS {
        let step = step.replace("HTTP", r#"http = { url = "https://x.example.com/" }"#);
        let found = problems(&format!("steps = [FIRST, {{ name = \"next\", {step} }}]"));
        assert!(found.contains(&(place.to_owned(), said.to_owned())), "{step}\n{found:#?}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_said_where_it_stands() {
    for (journey, place, said) in [
        ("steps = []", "[]", "a journey needs steps"),
        ("steps = [FIRST, FIRST]", r#""first""#, "there are two steps named \"first\""),
        (
            "cleanup_timeout = \"10s\"\nsteps = [FIRST]",
            r#""10s""#,
            "the cleanup cannot have the whole run of 10s",
        ),
    ] {
        let found = problems(journey);
        assert!(found.contains(&(place.to_owned(), said.to_owned())), "{journey}\n{found:#?}");
    }
}

#[test]
fn a_wait_leaves_the_cleanup_its_time_and_has_less_within_it() {
    for (within, cleaning, said) in [
        ("7900ms", "", None),
        ("8s", "", Some("the run of 10s, less 2s for the cleanup, is over before this wait")),
        ("1s", r#"until = { within = "1900ms", expect = { status = [200] } }"#, None),
        (
            "1s",
            r#"until = { within = "2s", expect = { status = [200] } }"#,
            Some("the cleanup of 2s is over before this wait"),
        ),
    ] {
        let found = problems(&format!(
            r#"
            steps = [{{ name = "wait", http = {{ url = "https://x.example.com/" }},
                        until = {{ within = "{within}", expect = {{ status = [200] }} }} }}]
            cleanup = [{{ name = "clean", http = {{ url = "https://x.example.com/" }}, {cleaning} }}]
            "#
        ));
        let found: Vec<&str> = found.iter().map(|(_, said)| said.as_str()).collect();
        assert_eq!(found, Vec::from_iter(said), "{within} {cleaning}");
    }
}

#[test]
fn a_secret_in_the_clear_is_warned_of_wherever_it_is_used() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "a-key-of-some-length").unwrap();
    for (request, warned) in [
        ("", 0),
        (r#", headers = { x-api-key = "{nonce}" }"#, 0),
        (r#", headers = { x-api-key = "{key}" }"#, 1),
        (r#", query = { key = "{key}" }"#, 1),
        (r#", body = { json = { who = [{ key = "Key {key}" }] } }"#, 1),
        (r#", body = { form = { key = "{key}" } }"#, 1),
        (r#", body = { form = { key = { file = "SECRET" } } }"#, 1),
    ] {
        let toml = format!(
            r#"
            secrets = {{ key = {{ file = "SECRET" }} }}
            steps = [{{ name = "ask", http = {{ url = "http://x.example.com/"{request} }} }}]
            "#
        );
        let built = draw(&toml.replace("SECRET", secret.path().to_str().unwrap())).unwrap();
        assert_eq!(built.warnings.len(), warned, "{request}");
    }
    let in_address = r#"
        secrets = { key = { file = "SECRET" } }
        steps = [{ name = "ask", http = { url = "http://x.example.com/{key}" } }]
        "#;
    let built = draw(&in_address.replace("SECRET", secret.path().to_str().unwrap())).unwrap();
    assert_eq!(built.warnings.len(), 1);
}

#[test]
fn a_name_is_an_id_and_thirty_two_steps_are_enough() {
    let found = problems(r#"steps = [{ name = "Not an id", http = { url = "https://x.example.com/" } }]"#);
    assert_eq!(found, [("\"Not an id\"".to_owned(), "\"Not an id\" cannot name a step".to_owned())]);
    let many: Vec<String> = (0..33)
        .map(|at| format!(r#"{{ name = "s{at}", http = {{ url = "https://x.example.com/" }} }}"#))
        .collect();
    let found = problems(&format!("steps = [{}]", many.join(", ")));
    assert_eq!(found[0].1, "33 steps are more than the 32 of a journey");
}

#[test]
fn all_problems_are_found_at_once() {
    let found = problems(
        r#"
        secrets = { key = { file = "nothing" } }
        steps = [
            { name = "a", http = { url = "https://x.example.com/{one}" }, capture = { t = { json = "$", regex = "x" } } },
            { name = "a", http = { url = "https://x.example.com/{two}" } },
        ]
        "#,
    );
    let said: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(said.len(), 5, "{said:#?}");
}

#[test]
fn a_slip_in_a_variable_is_met_with_the_nearest_one() {
    let toml = r#"
        steps = [
            { name = "a", http = { url = "https://x.example.com/" }, capture = { token = { header = "etag" } } },
            { name = "b", http = { url = "https://x.example.com/{tokn}" } },
        ]
    "#;
    assert_eq!(
        draw(toml).unwrap_err()[0].hint.as_deref(),
        Some("an earlier step has to capture it; did you mean {token}?")
    );
}
