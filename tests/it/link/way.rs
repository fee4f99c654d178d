//! The whole way: the real program writes a mail, its link is opened and pressed in real Chromium, and the mails that follow
//! say who did it.

use std::{net::TcpListener, path::Path};

use fantoccini::Locator;
use mail_parser::{Message, MessageParser};
use nix::sys::signal::Signal;
use scraper::{Html, Selector};

use crate::{
    running::{Running, Target, until, write_config},
    smtp_sink::{Protection, Sink},
    webdriver::Browser,
};

/// One door, the token of `[api]`, and where people reach the pages.
struct Scene {
    target: Target,
    sink: Sink,
    listen: String,
}

impl Scene {
    async fn set() -> Self {
        let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Self { target, sink, listen }
    }

    fn configure(&self, directory: &Path, token: &str, path: &str) {
        std::fs::write(directory.join("token"), token).unwrap();
        write_config(
            directory,
            &format!(
                "[monitor]\nlisten = \"{0}\"\npublic_url = \"http://{0}/\"\ntime_zone = \"UTC\"\n\
                 [api]\ntoken = {{ file = \"token\" }}\n\
                 [mail]\nfrom = \"lamplighter@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{1}\"\n\
                 [team.oncall]\nmail = [\"anna@example.com\"]\n\
                 [channel.chat]\nkind = \"chat\"\nteam = \"oncall\"\ntitle = \"Chat <i>24/7</i>\"\n\
                 [channel.chat.probe.door]\nevery = \"100ms\"\nhttp = {{ url = \"http://{2}{path}\" }}\n",
                self.listen,
                self.sink.port(),
                self.target.address
            ),
        );
    }

    /// The same with another door, while it runs.
    async fn change(&self, running: &Running, token: &str, path: &str, mails: usize) {
        self.configure(running.directory.path(), token, path);
        running.signal(Signal::SIGHUP);
        until("the next mail", async || self.sink.ids_count() == mails).await;
    }

    /// The text of the latest mail and the link in it, if there is one; both parts have the same.
    fn latest(&self) -> (String, Option<String>) {
        let mail = self.sink.taken().pop().unwrap();
        let parsed: Message<'_> = MessageParser::default().parse(&mail.data).unwrap();
        let text = parsed.body_text(0).unwrap().replace("\r\n", "\n");
        let link = text.lines().map(str::trim).find(|line| line.contains("/acknowledge/")).map(str::to_owned);
        let page = Html::parse_document(&parsed.body_html(0).unwrap());
        let links = Selector::parse("a").unwrap();
        let button = page.select(&links).find(|link| link.text().eq(["Acknowledge this incident"]));
        assert_eq!(button.and_then(|button| button.attr("href")).map(str::to_owned), link);
        (text, link)
    }
}

async fn page(link: &str) -> (u16, String) {
    let answer = reqwest::get(link).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Opens a link on a screen as wide as a phone's, writes a name and presses the button.
async fn press(link: &str, name: &str) -> String {
    let browser = Browser::start(500, 900).await;
    browser.client.goto(link).await.unwrap();
    assert_eq!(browser.text("h1").await, "Take this incident in hand?");
    assert_eq!(browser.text("dt").await, "Chat <i>24/7</i> (chat)");
    let field = browser.client.find(Locator::Css("#by")).await.unwrap();
    field.send_keys(name).await.unwrap();
    let button = browser.client.find(Locator::Css("button")).await.unwrap();
    assert_eq!(button.text().await.unwrap(), "Acknowledge this incident");
    button.click().await.unwrap();
    until("the answer", async || browser.text("h1").await == "Acknowledged").await;
    let said = browser.text("body").await;
    browser.client.find(Locator::LinkText("All channels")).await.unwrap().click().await.unwrap();
    until("the first page", async || browser.shown("ul.doors").await).await;
    browser.client.close().await.unwrap();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_pressed_in_a_browser_and_holds_for_that_incident_alone_also_after_a_restart() {
    const TOKEN: &str = "a-token-of-some-length";
    let scene = Scene::set().await;
    let directory = tempfile::tempdir().unwrap();
    scene.configure(directory.path(), TOKEN, "/broken");
    let mut running = Running::start_in(directory, &[("RUST_LOG", "trace")]).await;
    until("the mail about the outage", async || scene.sink.ids_count() == 1).await;
    let (_, first) = scene.latest();
    let first = first.expect("the mail has a link");
    // Whoever looks the mail through for harm follows its links.
    for _ in 0..2 {
        let (status, looked_at) = page(&first).await;
        assert!(status == 200 && looked_at.contains("<form"), "{looked_at}");
    }
    let said = press(&first, "Anna <b>").await;
    assert!(said.contains("By Anna <b> at "), "{said}");

    running.signal(Signal::SIGTERM);
    running.ended().await;
    let signature = first.rsplit('/').next().unwrap();
    assert!(!running.log().contains(signature), "the link is in the log");
    for file in std::fs::read_dir(running.directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let found = bytes.windows(signature.len()).any(|window| window == signature.as_bytes());
        assert!(!found, "the link is in {}", file.display());
    }
    let Running { directory, .. } = running;
    let running = Running::start_in(directory, &[]).await;
    let (status, after) = page(&first).await;
    assert!(status == 200 && after.contains("By Anna &lt;b&gt;") && !after.contains("<form"), "{after}");

    scene.change(&running, TOKEN, "/works", 2).await;
    let (text, none) = scene.latest();
    assert!(text.contains("Acknowledged by Anna <b> at ") && none.is_none(), "{text}");
    until("the incident is closed", async || page(&first).await.0 == 410).await;

    scene.change(&running, TOKEN, "/broken", 3).await;
    let (text, second) = scene.latest();
    let second = second.expect("a new incident has a link of its own");
    assert!(second != first && !text.contains("Acknowledged by"), "{text}");
    assert!(page(&second).await.1.contains("<form"));
    assert_eq!(page(&first).await.0, 410);

    scene.configure(running.directory.path(), "another-token", "/broken");
    running.signal(Signal::SIGHUP);
    until("the old links end with the token", async || page(&second).await.0 == 403).await;
}
