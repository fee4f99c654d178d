//! `lamplighter check` and `lamplighter probe` with probes of this kind, on machines with Chromium and without.

use std::{
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
};

use axum::{Router, response::Html, routing::get};
use expect_test::expect_file;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{process::Command, sync::Notify, time::timeout};

use super::{PATIENT, processes::Seen, site::Site};
use crate::running::until;

/// A configuration with a browser and a plain probe of a page.
fn configure(site: &Site, page: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    let probes = format!(
        "[channel.web-chat]\nkind = \"chat\"\n\n[channel.web-chat.probe.customer]\ntimeout = \"20s\"\n\n\
         [channel.web-chat.probe.customer.browser]\nsteps = [\n  \
         {{ name = \"open\", open = \"{shop}{page}\", screenshot = true }},\n  \
         {{ name = \"chat\", click = \"#chat\", opens = \"#panel\", within = \"2s\" }},\n]\n\n\
         [channel.web-chat.probe.page]\nhttp = {{ url = \"{shop}{page}\" }}\n",
        shop = site.shop(),
    );
    std::fs::write(directory.path().join("probes.toml"), probes).unwrap();
    directory
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn said(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn without_a_browser_check_names_the_package_and_everything_else_goes_on() {
    let site = Site::open().await;
    let directory = configure(&site, "/healthy/plain");
    let without = |arguments: &[&str]| {
        let mut command = command(directory.path(), arguments);
        command.env("PATH", directory.path());
        command
    };
    let (code, summary, warning) = said(without(&["check"])).await;
    assert_eq!(code, Some(0), "{warning}");
    assert!(summary.contains("1 browser, 1 http"), "{summary}");
    expect_file!["../../golden/cli/check-without-a-browser.txt"].assert_eq(&warning);

    let (code, sheet, _) = said(without(&["probe", "web-chat"])).await;
    assert_eq!(code, Some(3), "{sheet}");
    assert!(sheet.contains("web-chat/customer  inconclusive"), "{sheet}");
    assert!(sheet.contains("monitor_local: the run says nothing about the channel"), "{sheet}");
    assert!(sheet.contains("install the Debian package chromium"), "{sheet}");
    assert!(sheet.contains("web-chat/page  ok"), "{sheet}");
}

#[tokio::test]
async fn a_probe_shows_what_stood_in_the_way_and_writes_its_pictures() {
    let site = Site::open().await;
    let directory = configure(&site, "/broken/covered-by-banner");
    let run = command(directory.path(), &["probe", "--screenshots", "pictures", "web-chat/customer"]);
    let (code, sheet, warnings) = said(run).await;
    assert_eq!((code, warnings.as_str()), (Some(1), ""), "{sheet}");
    assert!(sheet.contains("obscured in step chat (stage expect)"), "{sheet}");
    assert!(
        sheet.contains("<button id=\"chat\"> is covered by the consent banner <div id=\"cookies\">"),
        "{sheet}"
    );
    assert!(sheet.contains("✓ open: a page that opens"), "{sheet}");
    assert!(sheet.contains("✗ chat: #chat can be clicked and opens #panel"), "{sheet}");
    for step in ["open", "chat"] {
        let picture = directory.path().join(format!("pictures/web-chat.customer.{step}.png"));
        assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "{}", picture.display());
    }
}

#[tokio::test]
async fn a_browser_ends_with_the_program_that_started_it_however_that_ends() {
    let shown = Arc::new(Notify::new());
    let notify = Arc::clone(&shown);
    let page =
        "<script>addEventListener('load', () => fetch('/shown'));</script><button id=chat>Chat</button>";
    let routes = Router::new()
        .route("/waiting", get(async move || Html(page)))
        .route("/shown", get(async move || notify.notify_one()));
    let site = Site::with(routes).await;
    let directory = configure(&site, "/waiting");
    let mut child =
        command(directory.path(), &["probe", "web-chat/customer"]).stdout(Stdio::null()).spawn().unwrap();
    let process = child.id().unwrap();
    timeout(PATIENT, shown.notified()).await.unwrap();
    let [browser] = <[Seen; 1]>::try_from(Seen::all_of(process)).unwrap();
    assert!(browser.processes().len() > 2, "{browser:?}");
    kill(Pid::from_raw(process.try_into().unwrap()), Signal::SIGKILL).unwrap();
    child.wait().await.unwrap();
    until("the browser has ended by itself", async || browser.processes().is_empty()).await;
    // Nobody was left to remove it.
    std::fs::remove_dir_all(&browser.profile).unwrap();
}
