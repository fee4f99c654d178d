//! The pages for people, over a real socket: what they say in each language, what they let a browser do, and what becomes of
//! what somebody else has written.

mod hostile;
mod looks;
mod stand_in;
mod way;

use expect_test::expect_file;
use reqwest::{StatusCode, header};

use self::stand_in::{INCIDENT, Shown, serve};
use crate::running::until;

const OVERVIEW: &str = "/";
const CHANNEL: &str = "/channel/web-chat";

fn incident() -> String {
    format!("/incident/{INCIDENT}")
}

#[tokio::test]
async fn each_page_reads_as_it_should_and_the_first_in_every_language() {
    let served = serve(Shown::full()).await;
    for (name, path) in [("overview", OVERVIEW), ("channel", CHANNEL), ("incident", &*incident())] {
        let page = served.page(path, "en").await;
        expect_file![format!("../golden/web/{name}.html")].assert_eq(&steady(&page));
    }
    for language in ["zh", "ru", "id"] {
        let mut pages = String::new();
        for path in [OVERVIEW, CHANNEL, &incident()] {
            pages += &words(&served.page(path, language).await);
        }
        expect_file![format!("../golden/web/words-{language}.txt")].assert_eq(&pages);
    }
    let bare = serve(Shown::empty()).await;
    expect_file!["../golden/web/overview-empty.html"].assert_eq(&steady(&bare.page(OVERVIEW, "en").await));
}

/// A page whose assets have one name for good, so that a change of a style changes no page.
fn steady(page: &str) -> String {
    let marked = regex::Regex::new("assets/([a-z]+)-[0-9a-f]{12}").unwrap();
    marked.replace_all(page, "assets/$1-MARK").into_owned()
}

/// The texts of a page, one a line.
fn words(page: &str) -> String {
    let page = scraper::Html::parse_document(page);
    let texts = page.root_element().text().map(str::trim).filter(|text| !text.is_empty());
    texts.map(|text| format!("{text}\n")).collect()
}

#[tokio::test]
async fn a_reader_gets_the_language_of_the_browser_or_the_one_that_was_chosen() {
    let served = serve(Shown::empty()).await;
    let lang = |page: &str| page.split("<html lang=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let ask = async |query: &str, accept: &str, cookie: &str| {
        let request =
            served.get(&format!("/{query}")).header("accept-language", accept).header("cookie", cookie);
        let answer = request.send().await.unwrap();
        let kept = answer.headers().get(header::SET_COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned());
        assert_eq!(answer.headers()[header::VARY], "Accept-Language, Cookie");
        (lang(&answer.text().await.unwrap()), kept)
    };
    assert_eq!(ask("", "de,ru;q=0.3", "").await, ("ru".to_owned(), None));
    assert_eq!(ask("", "ru", "other=1; lamplighter_lang=id").await, ("id".to_owned(), None));
    assert_eq!(ask("?lang=xx", "ru", "lamplighter_lang=xx").await, ("ru".to_owned(), None));
    let (chosen, kept) = ask("?lang=zh", "ru", "lamplighter_lang=id").await;
    assert_eq!(chosen, "zh-Hans");
    assert_eq!(kept.unwrap(), "lamplighter_lang=zh; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
}

#[tokio::test]
async fn a_page_lets_a_browser_load_its_own_files_and_nothing_else() {
    let served = serve(Shown::full()).await;
    for path in [OVERVIEW, CHANNEL, &incident(), "/channel/none", "/incident/none"] {
        let answer = served.get(path).send().await.unwrap();
        let said = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            said("content-security-policy"),
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            "{path}"
        );
        assert_eq!(said("x-content-type-options"), "nosniff");
        assert_eq!(said("referrer-policy"), "no-referrer");
        let status = if path.ends_with("none") { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(answer.status(), status, "{path}");
        let page = answer.text().await.unwrap();
        for (from, of) in [("src=\"", "a source"), ("href=\"", "an address"), ("content=\"0", "a refresh")] {
            for found in page.split(from).skip(1) {
                let found = found.split('"').next().unwrap();
                assert!(!found.contains("//") && !found.contains(':'), "{path}: {of} elsewhere: {found}");
            }
        }
        assert!(!page.contains(" style=") && !page.contains("<style"), "{path}");
    }
}

#[tokio::test]
async fn an_asset_is_kept_for_good_and_known_again_by_its_tag() {
    let served = serve(Shown::empty()).await;
    let page = served.page("/", "en").await;
    let addresses: Vec<&str> =
        page.split("\"assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in addresses {
        let address = format!("/assets/{address}");
        let answer = served.get(&address).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let tag = answer.headers()[header::ETAG].clone();
        let again = served.get(&address).header(header::IF_NONE_MATCH, tag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = served.get(&address.replace('-', "-0")).send().await.unwrap();
        assert_eq!(other.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn evidence_is_shown_as_what_it_is_and_never_as_a_page_of_ours() {
    let served = serve(Shown::full()).await;
    for (file, medium) in [
        ("latest-small.jpg", "image/jpeg"),
        ("latest-screen.png", "image/png"),
        ("change.json", "application/json"),
        ("latest-page.txt", "text/plain; charset=utf-8"),
        ("latest-page.html", "text/plain; charset=utf-8"),
    ] {
        let answer =
            served.get(&format!("/evidence/20261121T020612Z-web-chat-dark/{file}")).send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::OK, &medium.parse().unwrap())
        );
        assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; sandbox");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.text().await.unwrap(), "<script>alert(1)</script>");
    }
    for path in ["none/latest-small.jpg", "..%2f..%2fetc/passwd", "20261121T020612Z-web-chat-dark/none"] {
        let answer = served.get(&format!("/evidence/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_page_is_told_of_a_change_and_one_too_many_is_sent_away() {
    let served = serve(Shown::full()).await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut stream = served.get("/live").send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let hello = stream.chunk().await.unwrap().unwrap();
        assert!(hello.windows(9).any(|part| part == b": at work"), "{hello:?}");
        streams.push(stream);
    }
    let one_more = served.get("/live").send().await.unwrap();
    assert_eq!(
        (one_more.status(), &one_more.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"60".parse().unwrap())
    );
    served.source.snapshots.send_modify(|_| ());
    for stream in &mut streams {
        let told = stream.chunk().await.unwrap().unwrap();
        assert!(told.starts_with(b"event: changed\n"), "{told:?}");
    }
    drop(streams);
    until("a place is free again", async || {
        served.get("/live").send().await.unwrap().status() == StatusCode::OK
    })
    .await;
    let mut last = served.get("/live").send().await.unwrap();
    last.chunk().await.unwrap();
    served.source.ending.cancel();
    assert_eq!(last.chunk().await.unwrap(), None, "it ends with the daemon");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_takes_nothing_from_the_present() {
    let served = serve(Shown { fails: true, ..Shown::full() }).await;
    let page = served.page(CHANNEL, "en").await;
    assert!(page.contains("The past cannot be shown") && page.contains("launcher"), "{page}");
    let answer = served.get(&incident()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer = served.get("/evidence/any/any").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}
