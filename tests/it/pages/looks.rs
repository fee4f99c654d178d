//! The pages in real Chromium: what axe finds in them, whether they fit a phone, and whether they keep up with the picture
//! without a word of complaint from the browser.

use std::{path::Path, sync::Arc};

use base64::Engine;
use fantoccini::Locator;
use lamplighter::domain::{evaluation::State, snapshot::ChannelView};
use serde_json::{Value, json};

use super::{
    CHANNEL, OVERVIEW, incident,
    stand_in::{Served, Shown, serve},
};
use crate::{running::until, webdriver::Browser};

/// Names the directory into which pictures of the pages are written, to be looked at.
const PICTURES: &str = "LAMPLIGHTER_PICTURES";

/// Runs axe on the page that is open, and gives what it finds.
const AXE: &str = "const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map((it) =>
    `${it.impact} ${it.id}: ${it.help}: ${it.nodes.map((node) => node.target.join(' ') + ' ' + node.html).join(' | ')}`)));";

fn axe() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/widgets/axe-core-4.10.3/axe.min.js");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{} is not there ({error}); tests/run brings it", path.display()))
}

async fn open(browser: &Browser, served: &Served, path: &str) {
    open_at(browser, &served.base, path).await;
}

async fn open_at(browser: &Browser, base: &str, path: &str) {
    browser.client.goto(&format!("{base}{path}")).await.unwrap();
}

/// Sets what the browser says that its reader prefers, and how wide its window is.
async fn emulate(browser: &Browser, scheme: &str, width: u32) {
    for (command, parameters) in [
        (
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        ),
        (
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        ),
        // They lie upon the page on a phone, and take nothing of its width.
        ("Emulation.setScrollbarsHidden", json!({ "hidden": true })),
    ] {
        browser.devtools(command, parameters).await;
    }
}

/// Where it is wanted, a picture of the whole page that is open.
async fn picture(browser: &Browser, name: &str) {
    let Some(directory) = std::env::var_os(PICTURES) else { return };
    let shot = browser.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
    let png = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
    std::fs::write(Path::new(&directory).join(format!("{name}.png")), png).unwrap();
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page_in_light_or_dark_on_a_phone_or_a_wall() {
    let served = serve(Shown::full()).await;
    let browser = Browser::start(1_280, 900).await;
    let (axe, incident) = (axe(), incident());
    let pages = [
        ("overview", OVERVIEW),
        ("channel", CHANNEL),
        ("incident", &*incident),
        ("missing", "/channel/none"),
    ];
    for (scheme, width, language) in looks() {
        emulate(&browser, scheme, width).await;
        for (name, path) in pages {
            open(&browser, &served, &format!("{path}?lang={language}")).await;
            picture(&browser, &format!("{name}-{scheme}-{width}-{language}")).await;
            is_emulated(&browser, scheme, width).await;
            is_in_order(&browser, &axe, &format!("{path} {scheme} {width}")).await;
            let mut complaints = browser.complaints().await;
            complaints.retain(|complaint| !is_of_missing(complaint));
            assert_eq!(complaints, Vec::<Value>::new(), "{path} {scheme} {width}");
        }
        let public = crate::public::serve("Chat in the shop").await;
        open_at(&browser, &public.base, &format!("/?lang={language}")).await;
        picture(&browser, &format!("public-{scheme}-{width}-{language}")).await;
        is_emulated(&browser, scheme, width).await;
        is_in_order(&browser, &axe, &format!("the page for customers {scheme} {width}")).await;
        assert_eq!(browser.complaints().await, Vec::<Value>::new(), "the page for customers");
    }
    browser.client.close().await.unwrap();
}

/// Each language in light and in dark, on a phone, a desk and a wall.
fn looks() -> Vec<(&'static str, u32, &'static str)> {
    let (languages, mut looks) = (["en", "zh", "ru", "id"], Vec::new());
    for (row, scheme) in ["light", "dark"].into_iter().enumerate() {
        for (column, width) in [1_280, 390, 2_560].into_iter().enumerate() {
            for other in [0, 2] {
                looks.push((scheme, width, languages[(row + column + other) % languages.len()]));
            }
        }
    }
    looks
}

/// Whether a complaint says no more than that a page is not there, as a browser does of every such page.
fn is_of_missing(complaint: &Value) -> bool {
    let said = complaint["message"].as_str().unwrap_or_default();
    said.contains("/channel/none") && said.contains("404")
}

/// The page that is open is seen as it is asked for.
async fn is_emulated(browser: &Browser, scheme: &str, width: u32) {
    let seen = "return [matchMedia('(prefers-color-scheme: dark)').matches, innerWidth]";
    let seen = browser.client.execute(seen, Vec::new()).await.unwrap();
    assert_eq!(seen, json!([scheme == "dark", width]));
}

/// axe finds nothing on the page that is open, and it is no wider than its window.
async fn is_in_order(browser: &Browser, axe: &str, what: &str) {
    browser.client.execute(axe, Vec::new()).await.unwrap();
    let found = browser.client.execute_async(AXE, Vec::new()).await.unwrap();
    assert_eq!(found, json!([]), "{what}: {found:#}");
    let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    let over = browser.client.execute(wider, Vec::new()).await.unwrap();
    assert_eq!(over, json!(0), "{what} is wider than its window");
    let cut = "return [...document.querySelectorAll('svg text')].filter((text) => {
        const svg = text.ownerSVGElement, label = text.getBoundingClientRect(), all = svg.getBoundingClientRect();
        const reaches = getComputedStyle(svg).overflow === 'visible';
        const [left, right] = reaches ? [0, innerWidth] : [all.left - 1, all.right + 1];
        return label.left < left || label.right > right;
    }).map((text) => text.textContent)";
    let cut = browser.client.execute(cut, Vec::new()).await.unwrap();
    assert_eq!(cut, json!([]), "labels of charts are cut off: {what}");
}

#[tokio::test]
async fn an_open_page_keeps_up_with_the_picture_and_whoever_reads_it_stays_where_he_is() {
    let served = serve(Shown::full()).await;
    let browser = Browser::start(1_280, 900).await;
    open(&browser, &served, OVERVIEW).await;
    assert!(browser.text("h1").await.starts_with("1 dark"));
    until("the page is told of changes", async || served.source.snapshots.receiver_count() > 0).await;
    let link = browser.client.find(Locator::Css("a[href='channel/hotline']")).await.unwrap();
    browser.client.execute("arguments[0].focus()", vec![serde_json::to_value(&link).unwrap()]).await.unwrap();
    served.source.snapshots.send_modify(|snapshot| {
        let mut next = (**snapshot).clone();
        for view in &mut next.channels {
            *view =
                Arc::new(ChannelView { state: State::Up, incident: None, failure: None, ..(**view).clone() });
        }
        *snapshot = Arc::new(next);
    });
    // By a script: the heading is replaced while it is looked at.
    let heading = "return document.querySelector('h1').textContent";
    let shows = async || browser.client.execute(heading, Vec::new()).await.unwrap() == "6 up";
    until("the page shows it", shows).await;
    let focused = "return document.activeElement.getAttribute('href')";
    let focused = browser.client.execute(focused, Vec::new()).await.unwrap();
    assert_eq!(focused, "channel/hotline", "it stands elsewhere now and has the focus still");
    assert!(browser.client.title().await.unwrap().starts_with("6 up"));
    let said = browser
        .client
        .execute("return document.getElementById('said').textContent", Vec::new())
        .await
        .unwrap();
    assert_eq!(said, "6 up", "whoever hears the page hears it too");
    assert_eq!(browser.complaints().await, Vec::<Value>::new());
    browser.client.close().await.unwrap();
}

#[tokio::test]
async fn an_open_page_of_what_is_gone_says_so_and_not_that_the_monitor_is() {
    let served = serve(Shown::full()).await;
    let browser = Browser::start(1_280, 900).await;
    open(&browser, &served, CHANNEL).await;
    until("the page is told of changes", async || served.source.snapshots.receiver_count() > 0).await;
    served.source.snapshots.send_modify(|snapshot| *snapshot = Arc::default());
    // By a script: the page is loaded anew while it is looked at.
    let heading = "return document.querySelector('h1')?.textContent";
    let shows = async || match browser.client.execute(heading, Vec::new()).await {
        Ok(words) => words == "There is nothing here",
        Err(_) => false,
    };
    until("the page says that there is nothing", shows).await;
    browser.client.close().await.unwrap();
}
