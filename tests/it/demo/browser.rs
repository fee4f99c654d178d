//! The demo's page in real Chromium, driven as a person would use it.

use fantoccini::Locator;

use super::{BREAKS, eventually, process::Demo};
use crate::webdriver::Browser;

/// Names the file that the page's screenshot is written to, for `docs/demo.png`.
const SCREENSHOT: &str = "LAMPLIGHTER_SCREENSHOT";

impl Browser {
    async fn until_shown(&self, css: &str) {
        eventually(css, async || self.shown(css).await.then_some(())).await;
    }

    async fn click(&self, css: &str) {
        self.until_shown(css).await;
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    /// The subjects in the mailbox, newest first.
    async fn subjects(&self) -> Vec<String> {
        let read = "return [...document.querySelectorAll('#mails b')].map(b => b.textContent)";
        serde_json::from_value(self.client.execute(read, vec![]).await.unwrap()).unwrap()
    }

    /// Whether a mail about `title` says `word` in its subject.
    async fn until_mail(&self, title: &str, word: &str) {
        let about = |subject: &String| subject.contains(title) && subject.to_lowercase().contains(word);
        let what = format!("a mail that says {title} is {word}");
        eventually(&what, async || self.subjects().await.iter().any(about).then_some(())).await;
    }

    /// Two doors are dark, one still works: the page at its most telling.
    async fn picture(&self) {
        let Some(path) = std::env::var_os(SCREENSHOT) else { return };
        self.until_shown("#mail-html").await;
        let painted =
            "const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(() => done(null)))";
        self.client.execute_async(painted, vec![]).await.unwrap();
        std::fs::write(path, self.client.screenshot().await.unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_breaks_each_door_reads_the_mail_mends_it_and_reads_the_next() {
    // The picture shows all of it.
    let is_for_picture = std::env::var_os(SCREENSHOT).is_some();
    let demo = if is_for_picture { Demo::start_with_chromium().await } else { Demo::start().await };
    let browser = Browser::start(1280, 1270).await;
    browser.client.goto(&demo.address).await.unwrap();
    for (channel, _, _) in BREAKS {
        browser.until_shown(&format!("#channel-{channel}[data-state=up]")).await;
    }
    let mut titles = Vec::new();
    for (channel, how, reason) in BREAKS {
        browser.click(&format!("#channel-{channel} [data-how='{how}']")).await;
        browser.until_shown(&format!("#channel-{channel}[data-state=dark]")).await;
        let title = browser.text(&format!("#channel-{channel} h3")).await;
        browser.until_mail(&title, "dark").await;
        assert!(browser.text(&format!("#channel-{channel} .failure")).await.starts_with(reason));
        titles.push(title);
        if channel == "hotline" {
            browser.picture().await;
        }
    }
    the_mail_can_be_read(&browser).await;
    for ((channel, _, _), title) in BREAKS.iter().zip(&titles) {
        browser.click(&format!("#channel-{channel} .mend")).await;
        browser.until_shown(&format!("#channel-{channel}[data-state=up]")).await;
        browser.until_mail(title, "up").await;
    }
    browser.client.close().await.unwrap();
    demo.stop_and_leave_nothing_behind().await;
}

/// The newest mail is open; its three faces show.
async fn the_mail_can_be_read(browser: &Browser) {
    browser.until_shown("#mail-html").await;
    browser.click("[data-part=headers]").await;
    assert!(browser.text("#mail-plain").await.to_lowercase().contains("message-id:"));
    browser.click("[data-part=text]").await;
    assert!(!browser.text("#mail-plain").await.is_empty());
    browser.click("[data-part=html]").await;
    let frame = browser.client.find(Locator::Css("#mail-html")).await.unwrap();
    frame.enter_frame().await.unwrap();
    assert!(!browser.text("body").await.is_empty());
    browser.client.clone().enter_parent_frame().await.unwrap();
}
