//! Whatever is written where a harmless word is expected: a page has the same elements and attributes as with the word, and
//! the text can still be read, whole and in its order.

use std::collections::BTreeMap;

use lamplighter::domain::outcome::Detail;
use scraper::Html;
use tokio::task::JoinSet;

use super::{
    CHANNEL, OVERVIEW, incident,
    stand_in::{Shown, serve},
};
use crate::payloads::payloads;

/// How often each element stands on a page, and each attribute on which element.
fn counted(page: &Html) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in page.tree.nodes() {
        let Some(element) = node.value().as_element() else { continue };
        *counts.entry(element.name().to_owned()).or_default() += 1;
        for (attribute, _) in element.attrs() {
            *counts.entry(format!("{} {attribute}", element.name())).or_default() += 1;
        }
    }
    counts
}

/// So often a payload stands on the pages in an element of its own; less would be a text that was lost.
fn isolated(page: &Html, text: &str) -> usize {
    let bdi = scraper::Selector::parse("bdi").unwrap();
    page.select(&bdi).filter(|element| element.text().collect::<String>() == text).count()
}

async fn pages(text: &str) -> Vec<String> {
    let shown = Shown::with(&|_| text.to_owned());
    let served = serve(shown).await;
    let mut pages = Vec::new();
    for path in [OVERVIEW, CHANNEL, &incident()] {
        pages.push(served.page(path, "en").await);
    }
    pages
}

#[tokio::test]
async fn no_text_from_outside_changes_what_a_page_is_made_of() {
    let harmless: Vec<_> = pages("harmless")
        .await
        .iter()
        .map(|page| Html::parse_document(page))
        .map(|page| (counted(&page), isolated(&page, "harmless")))
        .collect();
    assert!(harmless.iter().all(|(_, isolated)| *isolated > 0), "{harmless:?}");
    let mut tried = JoinSet::new();
    let mut waiting = payloads().into_iter();
    loop {
        while tried.len() < 8
            && let Some(payload) = waiting.next()
        {
            tried.spawn(async move { (pages(&payload).await, payload) });
        }
        let Some(shown) = tried.join_next().await else { break };
        let (pages, payload) = shown.unwrap();
        // What is stored of a target has passed this twice: when it was kept, and where it is shown.
        let once = Detail::new(&payload);
        let twice = Detail::new(once.as_str());
        for (page, (elements, isolated_of_word)) in pages.iter().zip(&harmless) {
            for needle in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}', '\u{0}', '\u{2028}', '\r'] {
                assert!(!page.contains(needle), "{payload:?} brings {needle:?}");
            }
            let parsed = Html::parse_document(page);
            assert_eq!(counted(&parsed), *elements, "{payload:?}");
            let mut found = isolated(&parsed, once.as_str());
            if twice != once {
                found += isolated(&parsed, twice.as_str());
            }
            assert!(
                found >= *isolated_of_word,
                "{payload:?} was lost or changed: {found} of {isolated_of_word}"
            );
        }
    }
}
