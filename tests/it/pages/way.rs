//! The whole way: the real program, an outage, and what its pages show of it.

use nix::sys::signal::Signal;

use crate::{
    running::{Running, Target, until},
    smtp_sink::{Protection, Sink},
};

/// The address behind the first link on a page whose address begins so.
fn linked(page: &str, start: &str) -> Option<String> {
    let found = page.split(&format!("href=\"{start}")).nth(1)?;
    Some(format!("{start}{}", found.split('"').next()?))
}

#[tokio::test]
async fn an_outage_is_on_every_page_with_its_mails_and_its_evidence() {
    let (target, sink) = (Target::start().await, Sink::start(Protection::None).await);
    let config = format!(
        "[monitor]\nlisten = \"127.0.0.1:0\"\ntime_zone = \"Europe/Berlin\"\n\
         [mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{}\"\n[team.oncall]\nmail = [\"oncall@example.com\"]\n\
         [defaults]\nevery = \"200ms\"\ndark_after = {{ failures = 2 }}\n\
         [channel.web-chat]\nkind = \"chat\"\ntitle = \"Chat <button>\"\nteam = \"oncall\"\n\
         [channel.web-chat.probe.door]\nhttp = {{ url = \"http://{}/broken\" }}\n",
        sink.port(),
        target.address
    );
    let mut running = Running::start(&config, &[]).await;
    until("the mail about it", async || sink.ids_count() == 1).await;
    until("the first page shows it", async || running.get("/").await.contains("<li class=\"door dark\">"))
        .await;
    let overview = running.get("/").await;
    assert!(
        overview.contains("<bdi>Chat &lt;button&gt;</bdi>") && overview.contains("Europe/Berlin"),
        "{overview}"
    );
    let incident = linked(&overview, "incident/").expect("an open incident");
    let told = "told: confirmed (<bdi>mail</bdi>; 1 delivered)";
    until("its page says that it was told", async || {
        running.get(&format!("/{incident}")).await.contains(told)
    })
    .await;
    let page = running.get(&format!("/{incident}")).await;
    for words in
        ["the first run failed", "<bdi>web-chat</bdi>: confirmed", "<code>status</code>", "still open"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("oncall@example.com"), "addresses are nobody's business: {page}");
    // The history is written a moment later than the verdict.
    until("the channel's page has its runs", async || {
        running.get("/channel/web-chat").await.contains("<h2 id=\"phases\">")
    })
    .await;
    let channel = running.get("/channel/web-chat").await;
    assert!(linked(&channel, "../incident/").is_some(), "{channel}");
    for page in [&page, &channel] {
        let address = linked(page, "../evidence/").expect("evidence").replace("../", "/");
        let answer = reqwest::get(format!("{}{address}", running.url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{address}");
        assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; sandbox");
    }
    let evidence = linked(&page, "../evidence/").unwrap().replace("../evidence/", "");
    let bundle = evidence.split('/').next().unwrap();
    for outside in ["..%2f..%2fprobes.toml", "..", "%2e%2e%2fhead.json", "none", "manifest.json"] {
        let asked = reqwest::get(format!("{}/evidence/{bundle}/{outside}", running.url)).await.unwrap();
        assert_eq!(asked.status(), 404, "{outside}");
    }
    let live = reqwest::get(format!("{}/live", running.url)).await.unwrap();
    running.signal(Signal::SIGTERM);
    running.ended().await;
    live.text().await.expect("the stream is ended, not cut off");
}
