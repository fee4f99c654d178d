//! Each thing that a step does or expects, where it cannot be done and where it does not hold. All of it on one page, on
//! which what does hold is looked at by `tests/pages/healthy/form.html`.

use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use lamplighter::domain::outcome::Reason;

use super::{PATIENT, chromium, look, site::Site};

const PAGE: &str = r##"<!doctype html><title>Form</title>
<p id="greeting" role="status">Hello</p><p class="line">One</p><p class="line">Two</p>
<select id="topic"><option>Orders<option disabled>Returns</select>
<p id="list">Not a list</p>
<input id="fixed" readonly value="fixed">
<input id="digits" oninput="this.value = ''">
<button id="chat">Chat</button>
<script>fetch("/no-such-thing"); setTimeout(() => { throw new Error("broken cart"); });</script>"##;

/// A step, the reason it fails with, and a part of the detail.
const STEPS: [(&str, Reason, &str); 20] = [
    ("wait_for = '#never'", Reason::Missing, "#never is not on the page"),
    (
        "wait_for = { css = '.line', text = 'three' }",
        Reason::Missing,
        ".line that says \"three\" is not on the page",
    ),
    ("wait_for = { css = 'p', frame = '#greeting' }", Reason::Missing, "#greeting is no frame"),
    ("select = { from = '#topic', option = 'Bills' }", Reason::Missing, "has no such option"),
    ("select = { from = '#topic', option = 'Returns' }", Reason::Disabled, "the option is grey"),
    ("select = { from = '#list', option = 'Orders' }", Reason::Missing, "is no list to choose from"),
    ("type = { into = '#fixed', text = 'x' }", Reason::Disabled, "the attribute readonly"),
    (
        "type = { into = '#digits', text = 'x' }",
        Reason::Unresponsive,
        "what is typed does not stand in #digits",
    ),
    ("upload = { into = '#file', file = 'parts/receipt.png' }", Reason::Missing, "#file is not on the page"),
    ("click = '#chat', opens = '#panel'", Reason::Unresponsive, "clicked, and #panel is not on the page"),
    ("expect = { element = '#never' }", Reason::Missing, "#never is not on the page"),
    (
        "expect = { element = '#greeting', matches = 'Goodbye' }",
        Reason::Content,
        "says \"Hello\", which does not match Goodbye",
    ),
    ("expect = { element = '#greeting', not_matches = 'Hell' }", Reason::Content, "#greeting says \"Hell\""),
    (
        "expect = { element = '#greeting', attribute = { name = 'role', matches = 'alert' } }",
        Reason::Content,
        "has role=\"status\", which does not match alert",
    ),
    ("expect = { element = '.line', count = 3 }", Reason::Content, ".line is there 2 times, not 3"),
    ("expect = { element = '#greeting', hidden = true }", Reason::Content, "is seen, and should not be"),
    ("expect = { url = '/thanks$' }", Reason::Content, "/form, not at /thanks$"),
    ("expect = { no_errors = true }", Reason::Content, "a script failed: Error: broken cart"),
    ("expect = { request = { url = '/session$' } }", Reason::Content, "was not made or not answered"),
    ("expect = { request = { url = '/no-such-thing$' } }", Reason::Content, "was answered 404"),
];

#[tokio::test]
async fn what_cannot_be_done_and_what_does_not_hold_is_told_for_every_kind_of_step() {
    let site = Site::with(Router::new().route("/form", get(async || Html(PAGE)))).await;
    let chromium = chromium("runs_max = 1");
    for (step, reason, says) in STEPS {
        let settings = format!(
            "steps = [{{ name = 'open', open = '{}/form' }}, {{ name = 'step', within = '1500ms', {step} }}]",
            site.shop()
        );
        let ended = look(&settings, PATIENT, &chromium).await;
        let failure = ended.outcome.verdict.failure().unwrap_or_else(|| panic!("{step}: {ended:?}"));
        assert_eq!(failure.step.as_deref(), Some("step"), "{step}: {failure:?}");
        assert_eq!(failure.reason, reason, "{step}: {failure:?}");
        assert!(failure.detail.as_str().contains(says), "{step}: {failure:?}");
        assert!(
            ended.outcome.duration < Duration::from_secs(20),
            "{step}: it is told when the step's time is up"
        );
    }
}
