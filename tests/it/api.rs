//! The API of the real program: its description, the examples of its documentation, who may do what, and what
//! `schemathesis` finds when it asks everything that the description allows, and much that it does not.

pub(crate) mod access;
mod sweep;

use std::{path::Path, process::Output};

use expect_test::expect_file;
use lamplighter::domain::access::TokenHash;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    loopback::{Server, read_request},
    running::{Running, Target, put_off, until},
};

/// The token that may do everything.
pub(crate) const TOKEN: &str = "lamplighter_a-token-of-some-length";

/// A client of the configuration.
pub(crate) fn client(name: &str, scopes: &str, token: &str) -> String {
    let hash = TokenHash::of(token);
    format!("[[api.client]]\nname = \"{name}\"\nscopes = [{scopes}]\nhash = \"{hash}\"\n")
}

const EVERYTHING: &str = "\"read\", \"acknowledge\", \"maintenance\", \"run\"";

/// A chat that works, a hotline that does not, and a ticket form that answers nobody; each is looked at in its turn so rarely
/// that what is seen was asked for, but the hotline.
async fn daemon(target: &Target, silent: &Server) -> Running {
    let door = |channel: &str, probe: &str, every: &str, url: String| {
        format!(
            "[channel.{channel}]\nkind = \"chat\"\n[channel.{channel}.probe.{probe}]\nevery = \"{every}\"\n\
             http = {{ url = \"{url}\" }}\n"
        )
    };
    let config = "[monitor]\nlisten = \"127.0.0.1:0\"\ntime_zone = \"UTC\"\n".to_owned()
        + &client("everything", EVERYTHING, TOKEN)
        + &client("reader", "\"read\"", "lamplighter_reads-and-nothing-else")
        + &door("web-chat", "launcher", "1d", format!("http://{}/", target.address))
        + &door("hotline", "callback", "100ms", format!("http://{}/broken", target.address))
        + &door("ticket", "form", "1d", format!("http://{}/", silent.address));
    let running = Running::start(&config, &[]).await;
    until("the hotline is dark", async || running.sum("support_incident_open").await == 1.0).await;
    running
}

/// Takes a request and never answers.
async fn silent() -> Server {
    Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await
}

async fn asked(running: &Running, method: Method, path: &str, token: Option<&str>) -> (StatusCode, Value) {
    let client = reqwest::Client::new();
    let mut request = client.request(method, format!("{}/api/v1{path}", running.url));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[test]
fn the_description_that_is_shipped_is_that_of_the_code() {
    expect_file!["../../docs/openapi.json"].assert_eq(&lamplighter::web::api::document());
}

/// What the description says of the good answers to an example of the documentation.
fn described(example: &str) -> Value {
    let description: Value = serde_json::from_str(&lamplighter::web::api::document()).unwrap();
    let (_, address) = example.split_once("/api/v1").unwrap();
    let path = address.split(['?', '\'', ' ']).next().unwrap();
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let fits = |template: &str| {
        let (asked, template) = (parts(path), parts(template));
        asked.len() == template.len()
            && asked.iter().zip(&template).all(|(asked, part)| asked == part || part.starts_with('{'))
    };
    let paths = description["paths"].as_object().unwrap();
    let (_, methods) = paths.iter().find(|(template, _)| fits(template)).unwrap();
    let is_command = example.contains("-X POST") || example.contains("-d ");
    let answers = methods[if is_command { "post" } else { "get" }]["responses"].as_object().unwrap();
    let good: Vec<Value> = answers
        .iter()
        .filter(|(status, _)| status.starts_with('2'))
        .map(|(_, answer)| answer["content"]["application/json"]["schema"].clone())
        .collect();
    assert!(!good.is_empty(), "{example}");
    serde_json::json!({ "anyOf": good, "components": description["components"] })
}

fn complaints(schema: &Value, answer: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[tokio::test]
async fn every_example_of_the_documentation_is_answered() {
    let (target, silent) = (Target::start().await, silent().await);
    let running = daemon(&target, &silent).await;
    let (_, open) = asked(&running, Method::GET, "/incidents?state=open", None).await;
    let incident = open["incidents"][0]["id"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string("docs/api.md").unwrap();
    let examples: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("    curl ")).collect();
    assert!(examples.len() >= 13, "{examples:?}");
    for example in examples {
        let command =
            format!("curl -sS --fail-with-body {example}").replace("http://127.0.0.1:9899", &running.url);
        let mut shell = Command::new("bash");
        shell.args(["-euc", &command]).env("TOKEN", TOKEN).env("INCIDENT", &incident);
        let Output { status, stdout, stderr } = shell.output().await.unwrap();
        let said = String::from_utf8(stdout).unwrap();
        assert!(status.success(), "{example}: {said} {}", String::from_utf8_lossy(&stderr));
        let answer: Value = serde_json::from_str(&said).unwrap();
        assert!(answer.as_object().is_some_and(|answer| !answer.contains_key("error")), "{example}: {said}");
        assert_eq!(complaints(&described(example), &answer), Vec::<String>::new(), "{example}: {said}");
    }
    assert!(running.has_event(&["told by the API", "everything", "acknowledge", "done"]));
    let (_, story) = asked(&running, Method::GET, &format!("/incidents/{incident}"), None).await;
    let lines: Vec<&str> =
        story["timeline"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(lines, ["began", "happened", "acknowledged"], "{story}");
    assert_eq!(story["incident"]["acknowledged"]["by"], "Anna");
}

#[tokio::test]
async fn a_probe_that_is_asked_to_run_runs_once_and_its_outcome_counts() {
    let (target, silent) = (Target::start().await, silent().await);
    let running = daemon(&target, &silent).await;
    let run = "/probes/web-chat/launcher/run";
    let before = target.answered_on("/");
    let (status, outcome) = asked(&running, Method::POST, run, Some(TOKEN)).await;
    assert_eq!((status, &outcome["outcome"]), (StatusCode::OK, &Value::from("ok")), "{outcome}");
    assert_eq!((&outcome["channel"], &outcome["id"]), (&Value::from("web-chat"), &Value::Null));
    assert_eq!(target.answered_on("/"), before + 1);
    until("it counts", async || {
        running.sum("support_probe_runs_total{channel=\"web-chat\"").await >= 1.0
            && running.sum("support_channel_up{channel=\"web-chat\"").await == 1.0
    })
    .await;
    until("it is in the history", async || {
        let (_, page) = asked(&running, Method::GET, "/outcomes?channel=web-chat", None).await;
        page["outcomes"][0]["outcome"] == "ok" && page["outcomes"][0]["id"].is_number()
    })
    .await;

    let slow = "/probes/ticket/form/run";
    let (status, under_way) = asked(&running, Method::POST, &format!("{slow}?wait=0"), Some(TOKEN)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(under_way["outcomes"], "/api/v1/outcomes?channel=ticket&probe=form");
    for (path, token, status, words) in [
        (slow, Some(TOKEN), StatusCode::CONFLICT, "it is running already"),
        ("/probes/ticket/none/run", Some(TOKEN), StatusCode::NOT_FOUND, "there is no such probe"),
        (run, None, StatusCode::UNAUTHORIZED, "scope \"run\""),
        (run, Some("lamplighter_reads-and-nothing-else"), StatusCode::FORBIDDEN, "lacks the scope \"run\""),
        (run, Some("guess"), StatusCode::UNAUTHORIZED, "no token of this monitor"),
        ("/probes/web-chat/launcher/run?wait=31", Some(TOKEN), StatusCode::BAD_REQUEST, "0 to 30 seconds"),
    ] {
        let (found, said) = asked(&running, Method::POST, path, token).await;
        assert_eq!(found, status, "{path} {said}");
        assert!(said["error"].as_str().unwrap().contains(words), "{path} {said}");
    }
    assert_eq!(target.answered_on("/"), before + 1, "whoever may not run probes has run none");
}

#[tokio::test]
async fn whatever_is_refused_is_refused_by_a_sentence_in_json() {
    let (target, silent) = (Target::start().await, silent().await);
    let running = daemon(&target, &silent).await;
    for (method, path, status, words) in [
        ("GET", "/nothing", 404, "openapi.json says what there is"),
        ("GET", "/channels/nothing", 404, "there is no channel nothing"),
        ("GET", "/channels/No%20id", 404, "cannot be an id"),
        ("GET", "/channels/%ff", 404, "UTF-8"),
        ("GET", "/channels?stat=up", 400, "unknown field `stat`"),
        ("GET", "/channels?state=alight", 400, "unknown variant `alight`"),
        ("GET", "/channels?limit=0", 400, "1 to 500 entries"),
        ("GET", "/channels?limit=1&limit=2", 400, "duplicate field `limit`"),
        ("GET", "/outcomes?from=yesterday", 400, "is not a moment such as"),
        ("GET", "/outcomes?reason=mood", 400, "is no reason"),
        ("GET", "/outcomes?cursor=-1", 400, "`next` of a page"),
        ("GET", "/outcomes?channel=%1b[31m", 400, "cannot be an id"),
        ("GET", "/incidents/%1b[31m", 404, "there is no incident \\u{1b}[31m"),
        ("DELETE", "/channels", 405, "not asked by DELETE, but by GET, HEAD"),
        ("GET", "/maintenance/x/end", 405, "but by POST"),
        ("PUT", "/maintenance", 405, "but by GET, POST, HEAD"),
    ] {
        let (found, said) = asked(&running, method.parse().unwrap(), path, None).await;
        assert_eq!(found.as_u16(), status, "{method} {path}: {said}");
        assert!(said["error"].as_str().unwrap().contains(words), "{method} {path}: {said}");
    }
    let refused = put_off(&running.url, [127, 0, 9, 1], "/api/v1/nothing").await;
    assert!(refused.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.ends_with("{\"error\":\"too many requests; wait 1 s\"}"), "{refused}");
    assert_eq!(reqwest::get(format!("{}/healthz", running.url)).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_probe_for_which_there_is_no_room_is_run_later() {
    let (target, silent) = (Target::start().await, silent().await);
    let door = |channel: &str, address: std::net::SocketAddr| {
        format!("[channel.{channel}]\nkind = \"chat\"\nprobe.look.http = {{ url = \"http://{address}/\" }}\n")
    };
    let config =
        "[monitor]\nlisten = \"127.0.0.1:0\"\nruns_max = 1\n[defaults]\nevery = \"1d\"\ntimeout = \"60s\"\n"
            .to_owned()
            + &client("everything", EVERYTHING, TOKEN)
            + &door("silent", silent.address)
            + &door("web-chat", target.address);
    let running = Running::start(&config, &[]).await;
    let run = async |path: &str| asked(&running, Method::POST, path, Some(TOKEN)).await;
    until("the slow one is under way", async || {
        run("/probes/silent/look/run?wait=0").await.0 != StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let (status, said) = run("/probes/web-chat/look/run").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert!(said["error"].as_str().unwrap().contains("as many runs are under way as may be"), "{said}");
}

#[tokio::test]
async fn pages_of_channels_and_probes_together_are_all_of_them() {
    let (target, silent) = (Target::start().await, silent().await);
    let running = daemon(&target, &silent).await;
    for (list, key) in [("channels", "id"), ("probes", "channel")] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let (_, page) = asked(&running, Method::GET, &format!("/{list}?limit=2{cursor}"), None).await;
            let entries = page[list].as_array().unwrap();
            found.extend(entries.iter().map(|entry| entry[key].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, ["hotline", "ticket", "web-chat"]);
    }
}

#[tokio::test]
async fn a_token_that_was_made_is_good_for_what_it_was_made_for_as_soon_as_its_client_is_configured() {
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(["token", "deploy", "--scope", "run", "--scope", "read", "--scope", "run"])
        .output()
        .unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let token = text.lines().find(|line| line.starts_with("lamplighter_")).unwrap().to_owned();
    let hash = TokenHash::of(&token).to_string();
    let shown = text.replace(&token, "lamplighter_TOKEN").replace(&hash, "sha256:HASH");
    expect_file!["../golden/cli/token_made.txt"].assert_eq(&shown);

    let (target, silent) = (Target::start().await, silent().await);
    let running = daemon(&target, &silent).await;
    let run = "/probes/web-chat/launcher/run";
    assert_eq!(asked(&running, Method::POST, run, Some(&token)).await.0, StatusCode::UNAUTHORIZED);
    let config = std::fs::read_to_string(running.config()).unwrap();
    let table = &text[text.find("[[api.client]]").unwrap()..];
    std::fs::write(running.config(), config + table).unwrap();
    until("it is taken over", async || {
        asked(&running, Method::POST, run, Some(&token)).await.0 == StatusCode::OK
    })
    .await;
    assert!(!running.log().contains(&token));
    let names = std::process::Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(["token", "No Name"])
        .current_dir(Path::new("/"))
        .output()
        .unwrap();
    assert_eq!(names.status.code(), Some(2));
}
