//! The house rules that no lint knows: who may know whom, what a file may be called and how long it may be. The
//! checker reads the tokens of every source file, so a rule holds for `use` lines and for paths in the middle of
//! the code alike. `docs/architecture.md` says why the rules are what they are.

mod checker;
mod paths;

use std::{
    fs,
    path::{Path, PathBuf},
};

use checker::{House, Source};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder, as paths from the root of the project.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

fn house() -> House {
    let sources = ["src", "tests/it", "benches"]
        .into_iter()
        .flat_map(files_below)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| Source {
            text: fs::read_to_string(root().join(&path)).unwrap(),
            path: path.to_str().unwrap().to_owned(),
        })
        .collect();
    House::new(sources, &fs::read_to_string(root().join("Cargo.toml")).unwrap())
}

#[test]
fn the_house_rules_hold() {
    let broken = house().broken_rules();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn nothing_tells_how_it_came_about() {
    // Cut in two so that this file does not contain them itself.
    let names = ["clau|de", "chat|gpt", "co|pilot", "language| model", "this| session"]
        .map(|name| name.replace('|', ""));
    let marks = ["TO|DO", "FIX|ME", "X|XX"].map(|mark| mark.replace('|', ""));
    let mut found = Vec::new();
    for path in ["src", "tests", "docs", "benches", "deploy", "dashboards"].into_iter().flat_map(files_below)
    {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            let is_marked =
                line.split(|c: char| !c.is_alphanumeric()).any(|word| marks.iter().any(|mark| mark == word));
            if is_marked || names.iter().any(|name| lower.contains(name)) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// A small house with one planted file.
fn with(path: &str, text: &str) -> Vec<String> {
    let kind =
        |path: &str| Source { path: path.to_owned(), text: "//! A kind.\nimpl Probe for Kind {}".to_owned() };
    let mut sources = vec![kind("src/probe/http.rs"), kind("src/probe/journey.rs")];
    sources.push(Source { path: path.to_owned(), text: format!("//! Planted.\n{text}") });
    let manifest =
        "[dependencies]\ntokio = \"1\"\nrusqlite = \"1\"\nserde = \"1\"\njiff = \"1\"\nhyper-util = \"1\"";
    House::new(sources, manifest).broken_rules()
}

#[test]
fn the_checker_finds_every_planted_breach() {
    let planted = [
        ("src/store.rs", "use crate::probe::Report;", "`probe`"),
        ("src/web/page.rs", "fn f() { let x = crate::metrics::render(); }", "`metrics`"),
        ("src/notify/mail.rs", "use crate::{domain::outcome::Detail, store::Store};", "`store`"),
        ("src/probe/tcp.rs", "use super::super::config::Plan;", "`config`"),
        ("src/config.rs", "use crate::daemon::run;", "`daemon`"),
        ("src/daemon.rs", "use crate::cli::Exit;", "`cli`"),
        ("src/main.rs", "use lamplighter::store::Store;", "`store`"),
        ("src/domain/schedule.rs", "use crate::clock::Clock;", "`clock`"),
        ("src/domain/schedule.rs", "use tokio::time::Instant;", "`tokio`"),
        ("src/domain/schedule.rs", "fn f() { std::fs::read(\"x\"); }", "`std::fs`"),
        ("src/domain/schedule.rs", "use std::{time::{Duration, Instant}};", "`std::time::Instant`"),
        ("src/domain/schedule.rs", "fn f() -> hyper_util::X {}", "`hyper_util`"),
        ("src/domain/schedule.rs", "use jiff::Timestamp; fn f() { Timestamp::now(); }", "asks the time"),
        ("src/clock.rs", "use crate::domain::outcome::Outcome;", "`domain`"),
        ("src/probe/http/body.rs", "use crate::probe::journey::Jar;", "kind"),
        ("src/probe/transport.rs", "use super::http::HttpSettings;", "kind"),
        ("src/probe/http.rs", "mod inner { use super::super::journey::Jar; }", "kind"),
        ("src/web.rs", "fn f() { tokio::task::spawn_local(x); }", "spawns"),
        ("src/web.rs", "use tokio::{task::JoinSet};", "spawns"),
        ("src/web.rs", "use rusqlite::Connection;", "`rusqlite`"),
        ("src/store/util.rs", "", "name"),
        ("src/store/mod.rs", "", "name"),
        ("tests/it/helpers.rs", "", "name"),
        ("src/web.rs", "use crate::kitchen::Sink;", "`kitchen`"),
    ];
    for (path, text, said) in planted {
        let broken = with(path, text);
        assert!(broken.len() == 1 && broken[0].contains(said), "{path}: {text}\n{broken:?}");
        assert!(broken[0].starts_with(path), "{broken:?}");
    }
    assert!(with("src/web.rs", &"// line\n".repeat(500))[0].contains("501 lines"));
    let bare = Source { path: "src/web.rs".to_owned(), text: "use std::fmt;".to_owned() };
    assert!(House::new(vec![bare], "").broken_rules()[0].contains("what it is for"));
}

#[test]
fn the_checker_lets_the_allowed_pass() {
    let allowed = [
        ("src/store.rs", "use crate::domain::outcome::Outcome; use rusqlite::Connection;"),
        ("src/store.rs", "// use crate::probe::Report;\nfn f() { g(\"crate::probe::Report\"); }"),
        ("src/config.rs", "use crate::{probe::ProbeSettings, secret::Secret};"),
        ("src/probe.rs", "use crate::probe::{http::HttpSettings, journey::JourneySettings};"),
        ("src/probe/http/body.rs", "use super::super::http::HttpSettings;"),
        (
            "src/domain/schedule.rs",
            "use std::time::Duration; mod tests { use super::*; use super::super::latency; }",
        ),
        ("src/daemon/loops.rs", "use tokio::task::JoinSet;"),
        ("src/store.rs", "fn f() { tokio::task::spawn_blocking(x); }"),
        ("src/web.rs", "#[cfg(test)] mod tests { use tokio::task::JoinSet; }"),
        ("src/main.rs", "use lamplighter::cli;"),
    ];
    for (path, text) in allowed {
        assert_eq!(with(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
