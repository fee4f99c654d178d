//! What runs have in common: one browser for all, nothing left from one to the next, and a browser that fails is ours.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, response::Html, routing::get};
use lamplighter::{
    clock::Clock,
    domain::outcome::{InconclusiveReason, Reason, Verdict},
    probe::run::{Ended, run},
    secret::{Redactor, Secret},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    PATIENT, build, chromium, key, look,
    processes::Seen,
    site::{Page, Site, directory},
};
use crate::loopback::browser;

fn settings(site: &Site, page: &str) -> String {
    Page::named(page).settings(site)
}

/// A site with a page that says when it is shown, and a probe that opens it and waits for what never comes.
struct Waiting {
    site: Site,
    settings: String,
    shown: Arc<Notify>,
}

impl Waiting {
    async fn open() -> Self {
        let shown = Arc::new(Notify::new());
        let notify = Arc::clone(&shown);
        let routes = Router::new()
            .route(
                "/waiting",
                get(async || Html("<script>addEventListener('load', () => fetch('/shown'));</script>")),
            )
            .route("/shown", get(async move || notify.notify_one()));
        let site = Site::with(routes).await;
        let open = format!("{{ name = 'open', open = '{}/waiting' }}", site.shop());
        let settings = format!("steps = [{open}, {{ name = 'wait', wait_for = '#never', within = '4s' }}]");
        Self { site, settings, shown }
    }

    /// The browser, when it shows the page.
    async fn shown(&self) -> Seen {
        timeout(PATIENT, self.shown.notified()).await.unwrap();
        Seen::one()
    }
}

fn assert_ours(ended: &Ended, says: &str) {
    let Verdict::Inconclusive(inconclusive) = &ended.outcome.verdict else { panic!("{ended:?}") };
    assert_eq!(inconclusive.reason, InconclusiveReason::MonitorLocal, "{inconclusive:?}");
    assert!(inconclusive.detail.as_str().contains(says), "{inconclusive:?}");
}

fn hit(process: i32, signal: Signal) {
    kill(Pid::from_raw(process), signal).unwrap();
}

#[tokio::test]
async fn a_run_finds_nothing_of_the_run_before() {
    let page = r##"<button id="chat">Chat</button><section id="panel" hidden>Hello <input></section><script>
        const been_here = localStorage.been || sessionStorage.been || document.cookie;
        localStorage.been = sessionStorage.been = "yes";
        document.cookie = "been=yes; max-age=9999";
        document.querySelector("#chat").onclick = () => { document.querySelector("#panel").hidden = Boolean(been_here); };
    </script><script src="/counted.js"></script>"##;
    let asked = Arc::new(AtomicU32::new(0));
    let counted = {
        let asked = Arc::clone(&asked);
        get(async move || {
            asked.fetch_add(1, SeqCst);
            ([("content-type", "text/javascript"), ("cache-control", "max-age=9999")], "")
        })
    };
    let routes = Router::new().route("/visited", get(async move || Html(page))).route("/counted.js", counted);
    let (site, chromium) = (Site::with(routes).await, browser());
    let settings = format!(
        "steps = [{{ name = 'open', open = '{}/visited' }}, {{ name = 'chat', click = '#chat', opens = '#panel' }}]",
        site.shop()
    );
    for looked in 1..=3 {
        let ended = look(&settings, PATIENT, &chromium).await;
        assert_eq!(ended.outcome.verdict, Verdict::Ok, "{ended:?}");
        assert_eq!(asked.load(SeqCst), looked, "a script comes from no cache of another run");
    }
}

#[tokio::test]
async fn one_browser_serves_many_runs_until_its_time_is_over() {
    let site = Site::open().await;
    let plain = settings(&site, "healthy/plain");
    let (mut seen, chromium) = (Vec::new(), chromium("recycle_after = 2"));
    for _ in 0..5 {
        assert_eq!(look(&plain, PATIENT, &chromium).await.outcome.verdict, Verdict::Ok);
        seen.push(Seen::one());
    }
    let groups: Vec<i32> = seen.iter().map(|browser| browser.group).collect();
    assert_eq!(groups, [groups[0], groups[0], groups[2], groups[2], groups[4]]);
    assert!(groups[0] != groups[2] && groups[2] != groups[4], "{groups:?}");
    assert_eq!(seen[0].remains(), Vec::<String>::new(), "the one before is gone with all that is its own");
    drop(chromium);
    assert_eq!(seen[4].remains(), Vec::<String>::new());
}

#[tokio::test]
async fn a_browser_that_has_grown_too_large_is_replaced() {
    let site = Site::open().await;
    let plain = settings(&site, "healthy/plain");
    let chromium = chromium("memory_max = '64MiB'");
    let mut groups = Vec::new();
    for _ in 0..6 {
        assert_eq!(look(&plain, PATIENT, &chromium).await.outcome.verdict, Verdict::Ok);
        groups.push(Seen::one().group);
    }
    assert_ne!(groups[0], groups[5], "Chromium alone holds more than that");
}

#[tokio::test]
async fn a_browser_that_is_killed_is_no_outage_and_the_next_run_has_another() {
    let (waiting, chromium) = (Waiting::open().await, browser());
    let killing = async {
        let browser = waiting.shown().await;
        hit(browser.group, Signal::SIGKILL);
        browser
    };
    let (ended, killed) = tokio::join!(look(&waiting.settings, PATIENT, &chromium), killing);
    assert_ours(&ended, "the browser is gone");
    let after = look(&settings(&waiting.site, "healthy/plain"), PATIENT, &chromium).await;
    assert_eq!(after.outcome.verdict, Verdict::Ok);
    assert_ne!(Seen::one().group, killed.group);
    assert_eq!(killed.remains(), Vec::<String>::new());
}

#[tokio::test]
async fn a_page_whose_process_is_killed_on_this_machine_is_no_outage() {
    let (waiting, chromium) = (Waiting::open().await, browser());
    let killing = async {
        for renderer in waiting.shown().await.renderers() {
            hit(renderer, Signal::SIGKILL);
        }
    };
    let (ended, ()) = tokio::join!(look(&waiting.settings, PATIENT, &chromium), killing);
    assert_ours(&ended, "killed on this machine");
}

#[tokio::test]
async fn a_browser_that_stands_still_is_no_outage_and_the_next_run_has_another() {
    let (waiting, chromium) = (Waiting::open().await, browser());
    let stopping = async {
        let browser = waiting.shown().await;
        hit(browser.group, Signal::SIGSTOP);
        browser
    };
    let (ended, stopped) = tokio::join!(look(&waiting.settings, PATIENT, &chromium), stopping);
    assert_ours(&ended, "the browser does not answer");
    let after = look(&settings(&waiting.site, "healthy/plain"), PATIENT, &chromium).await;
    assert_eq!(after.outcome.verdict, Verdict::Ok);
    assert_eq!(stopped.remains(), Vec::<String>::new(), "it does not outlive the run that found it so");
}

#[tokio::test]
async fn a_program_that_is_no_chromium_is_no_outage() {
    let site = Site::open().await;
    let chromium = chromium("executable = '/bin/false'");
    let ended = look(&settings(&site, "healthy/plain"), PATIENT, &chromium).await;
    assert_ours(&ended, "/bin/false ended while it started");
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_leaves_no_page_open() {
    let (waiting, chromium) = (Waiting::open().await, browser());
    let built = build(&waiting.settings, directory(), PATIENT, &chromium).unwrap();
    let (redactor, stop) = (Redactor::default(), CancellationToken::new());
    let stopping = async {
        let browser = waiting.shown().await;
        stop.cancel();
        browser
    };
    let running = run(&*built.probe, Arc::new(key()), PATIENT, Clock::system(), &redactor, &stop);
    let (ended, browser) = tokio::join!(running, stopping);
    assert!(ended.is_none(), "{ended:?}");
    drop((built, chromium));
    assert_eq!(browser.remains(), Vec::<String>::new());
}

#[tokio::test]
async fn no_more_runs_than_allowed_go_on_at_once_and_none_pays_for_its_wait() {
    let chromium = chromium("runs_max = 1");
    let (turns, most_left) = (Arc::clone(&chromium.turns), Arc::new(AtomicUsize::new(0)));
    let page = {
        let (turns, most_left) = (Arc::clone(&turns), Arc::clone(&most_left));
        get(async move || {
            most_left.fetch_max(turns.available_permits(), SeqCst);
            Html("<p>Hello</p>")
        })
    };
    let site = Site::with(Router::new().route("/counted", page)).await;
    let settings = format!("steps = [{{ name = 'open', open = '{}/counted' }}]", site.shop());
    let before_us = Arc::clone(&turns).acquire_owned().await.unwrap();
    let waiting = look(&settings, PATIENT, &chromium);
    let mut waiting = std::pin::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending(), "it is not its turn");
    assert_eq!(Seen::all(), [], "nothing is started for it");
    let its_turn = Instant::now();
    drop(before_us);
    let (first, second) = tokio::join!(waiting, look(&settings, PATIENT, &chromium));
    let both = its_turn.elapsed();
    assert_eq!((&first.outcome.verdict, &second.outcome.verdict), (&Verdict::Ok, &Verdict::Ok));
    assert_eq!(most_left.load(SeqCst), 0, "while one goes on there is no turn for another");
    assert!(
        first.outcome.duration + second.outcome.duration <= both,
        "one after the other, without their waits"
    );
}

#[tokio::test]
async fn a_page_that_floods_us_does_not_hinder_the_run_beside_it() {
    let (site, chromium) = (Site::open().await, browser());
    let (flood, plain) = (settings(&site, "hostile/console-flood"), settings(&site, "healthy/plain"));
    let (flooded, beside) = tokio::join!(
        look(&flood, Duration::from_secs(12), &chromium),
        look(&plain, Duration::from_secs(60), &chromium)
    );
    assert_eq!(beside.outcome.verdict, Verdict::Ok);
    assert!(matches!(flooded.outcome.verdict, Verdict::Failed(_)), "{flooded:?}");
}

#[tokio::test]
async fn the_browser_is_told_nothing_of_our_environment() {
    let (site, chromium) = (Site::open().await, browser());
    let ended = look(&settings(&site, "healthy/plain"), PATIENT, &chromium).await;
    assert_eq!(ended.outcome.verdict, Verdict::Ok);
    let allowed = ["PATH", "LANG", "TZ", "TMPDIR", "HOME", "PWD"];
    let names = Seen::one().environment();
    // The shell of a distribution's start script adds its own.
    let ours: Vec<&String> = names
        .iter()
        .filter(|name| !allowed.contains(&name.as_str()) && std::env::var_os(name).is_some())
        .collect();
    assert!(names.iter().any(|name| name == "HOME"), "{names:?}");
    assert!(ours.is_empty(), "{ours:?}");
}

#[tokio::test]
async fn a_secret_that_is_typed_is_told_to_nobody_but_the_page() {
    let page = r##"<input id="pin"><p id="echo"></p><script>
        document.querySelector("#pin").oninput = (event) => {
            document.querySelector("#echo").textContent = `wrong PIN ${event.target.value}`;
            console.error(`wrong PIN ${event.target.value}`);
        };
    </script>"##;
    let site = Site::with(Router::new().route("/pin", get(async move || Html(page)))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pin"), "canary-4711-pin").unwrap();
    let settings = format!(
        "steps = [{{ name = 'open', open = '{}/pin' }},
        {{ name = 'pin', type = {{ into = '#pin', text = {{ file = 'pin' }} }} }},
        {{ name = 'right', within = '500ms', expect = {{ element = '#echo', matches = 'welcome' }} }}]",
        site.shop()
    );
    let chromium = browser();
    let built = build(&settings, folder.path(), PATIENT, &chromium).unwrap();
    let (redactor, stop) =
        (Redactor::new(&[Secret::new("canary-4711-pin".to_owned())]), CancellationToken::new());
    let running = run(&*built.probe, Arc::new(key()), PATIENT, Clock::system(), &redactor, &stop);
    let ended = running.await.unwrap();
    let told = format!("{:?} {:?} {built:?}", ended.outcome, ended.checks);
    assert!(told.contains("wrong PIN ***"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn a_picture_is_taken_of_the_failure_and_where_a_step_asks_for_one() {
    let (site, chromium) = (Site::open().await, browser());
    let settings = format!(
        "window = {{ width = 640, height = 480 }}\nsteps = [
        {{ name = 'open', open = '{}/broken/grey-by-attribute', screenshot = true }},
        {{ name = 'seen', wait_for = '#chat' }},
        {{ name = 'chat', click = '#chat', within = '500ms' }}]",
        site.shop()
    );
    let ended = look(&settings, PATIENT, &chromium).await;
    assert_eq!(ended.outcome.verdict.failure().unwrap().reason, Reason::Disabled);
    let steps: Vec<&str> = ended.pictures.iter().map(|picture| &*picture.step).collect();
    assert_eq!(steps, ["open", "chat"]);
    for picture in &ended.pictures {
        let (signature, header) = picture.png.split_at(16);
        assert!(signature.starts_with(b"\x89PNG\r\n\x1a\n"));
        // Portable Network Graphics (PNG) Specification, 11.2.1: width and height, four bytes each.
        assert_eq!(header[..8], [0, 0, 2, 128, 0, 0, 1, 224], "640 by 480");
    }
}

#[tokio::test]
async fn no_page_leads_to_the_metadata_service_of_a_cloud() {
    let chromium = browser();
    let open = |url: &str| format!("steps = [{{ name = 'open', open = '{url}' }}]");
    for url in ["http://169.254.169.254/latest/", "http://2852039166/", "http://[::ffff:169.254.169.254]/"] {
        let ended = look(&open(url), PATIENT, &chromium).await;
        let failure = ended.outcome.verdict.failure().unwrap_or_else(|| panic!("{ended:?}"));
        assert_eq!(failure.reason, Reason::PolicyBlocked, "{url}: {failure:?}");
    }
    let page = "<script>location.href = 'http://169.254.169.254/latest/';</script>";
    let routes = Router::new().route("/leads", get(async move || Html(page)));
    let site = Site::with(routes).await;
    let settings = format!(
        "steps = [{{ name = 'open', open = '{}/leads' }}, {{ name = 'chat', click = '#chat', within = '2s' }}]",
        site.shop()
    );
    let ended = look(&settings, PATIENT, &chromium).await;
    let failure = ended.outcome.verdict.failure().unwrap();
    assert_eq!((failure.reason, failure.cause), (Reason::Missing, Some(Reason::DnsNxdomain)), "{failure:?}");
}

#[tokio::test]
async fn a_run_without_time_ends_at_its_deadline_and_the_next_is_well() {
    let (site, chromium) = (Site::open().await, browser());
    let before = look(&settings(&site, "healthy/plain"), PATIENT, &chromium).await;
    assert_eq!(before.outcome.verdict, Verdict::Ok);
    let never = format!("steps = [{{ name = 'open', open = '{}/never.js', within = '2s' }}]", site.shop());
    let ended = timeout(PATIENT, look(&never, Duration::from_secs(2), &chromium)).await.unwrap();
    let failure = ended.outcome.verdict.failure().unwrap_or_else(|| panic!("{ended:?}"));
    assert!(failure.reason.is_timeout(), "{failure:?}");
    let after = look(&settings(&site, "healthy/plain"), PATIENT, &chromium).await;
    assert_eq!(after.outcome.verdict, Verdict::Ok);
    assert!(Path::new(&Seen::one().profile).starts_with(std::env::temp_dir()));
}
