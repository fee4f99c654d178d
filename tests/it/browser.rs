//! Probes of the kind `browser` in real Chromium, against pages from real sockets.

mod commands;
mod hostile;
mod people;
mod processes;
mod runs;
mod site;
mod steps;
mod widgets;

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use lamplighter::{
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::{Reason, Verdict},
    },
    probe::{
        browser::BrowserSettings,
        chromium::{Chromium, ChromiumSettings},
        run::{Ended, run},
        settings::{BuildContext, Built},
    },
    secret::Redactor,
    setting::{At, Problem},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::site::{Page, Site};
use crate::loopback::Ground;

const PATIENT: Duration = Duration::from_secs(30);

fn key() -> ProbeKey {
    ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") }
}

fn build(
    settings: &str,
    base: &Path,
    timeout: Duration,
    chromium: &Arc<Chromium>,
) -> Result<Built, Vec<Problem>> {
    let value: BrowserSettings = toml::from_str(settings).unwrap_or_else(|error| panic!("{error}"));
    let settings = At { span: 0..settings.len(), value };
    let ground = Ground::new(key(), base);
    BrowserSettings::build(&settings, &BuildContext { chromium, ..ground.context(timeout) })
}

async fn look(settings: &str, timeout: Duration, chromium: &Arc<Chromium>) -> Ended {
    let built = build(settings, site::directory(), timeout, chromium)
        .unwrap_or_else(|problems| panic!("{problems:?} in {settings}"));
    let (redactor, stop) = (Redactor::default(), CancellationToken::new());
    let looking = run(&*built.probe, Arc::new(key()), timeout, Clock::system(), &redactor, &stop);
    looking.await.expect("nobody stops it")
}

/// A browser by its settings.
fn chromium(settings: &str) -> Arc<Chromium> {
    let settings: ChromiumSettings = toml::from_str(settings).unwrap();
    let mut problems = Vec::new();
    let chromium = Chromium::new(&settings, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    chromium
}

fn words(verdict: &Verdict) -> (String, String) {
    let technical = |cause: Option<Reason>| cause.map_or_else(String::new, |cause| format!(" by {cause}"));
    match verdict {
        Verdict::Ok => ("ok".to_owned(), String::new()),
        Verdict::Degraded(failure) => {
            (format!("degraded {}{}", failure.reason, technical(failure.cause)), failure.detail.to_string())
        }
        Verdict::Failed(failure) => {
            (format!("{}{}", failure.reason, technical(failure.cause)), failure.detail.to_string())
        }
        Verdict::Inconclusive(inconclusive) => {
            (format!("inconclusive {}", inconclusive.reason), inconclusive.detail.to_string())
        }
    }
}

fn expected(page: &Page) -> String {
    let Some(reason) = page.reason else { return "ok".to_owned() };
    let degraded = page.verdict.as_ref().map_or_else(String::new, |verdict| format!("{verdict} "));
    let cause = page.cause.map_or_else(String::new, |cause| format!(" by {cause}"));
    format!("{degraded}{reason}{cause}")
}

/// What is asked for in the environment; the documentation for developers says what there is.
fn asked(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.into_string().unwrap())
}

/// Looks at every page of a directory, so many at once, as many times as LAMPLIGHTER_ROUNDS says, and prints what came of
/// each; gives what is not as expected.
async fn look_at_all(kind: &str, at_once: usize) -> Vec<String> {
    let (site, chromium) = (Site::open().await, chromium(&format!("runs_max = {at_once}")));
    let rounds: usize = asked("LAMPLIGHTER_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let pages = Page::all(kind);
    let looking = (0..rounds).flat_map(|_| pages.clone()).map(|page| {
        let (site, chromium) = (&site, &chromium);
        async move {
            let began = Instant::now();
            let ended = look(&page.settings(site), PATIENT, chromium).await;
            let (got, detail) = words(&ended.outcome.verdict);
            let wanted = expected(&page);
            let seconds = began.elapsed().as_secs_f64();
            println!("{:<32} {wanted:<36} {got:<36} {seconds:>5.1} s  {detail}", page.name);
            let is_right = got == wanted && detail.contains(&page.says);
            (!is_right).then(|| format!("{}: {got}, not {wanted}: {detail:?} for {:?}", page.name, page.says))
        }
    });
    stream::iter(looking).buffer_unordered(at_once).filter_map(async |wrong| wrong).collect().await
}

#[tokio::test]
async fn every_broken_page_is_told_with_its_one_right_reason() {
    // Most of the time of such a run is waiting in vain.
    let wrong = look_at_all("broken", 4).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn healthy_pages_that_look_odd_raise_no_alarm() {
    let wrong = look_at_all("healthy", 2).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
