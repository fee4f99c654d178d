//! The mails that carry a link by which their incident is acknowledged: golden, and with nothing else changed.

use std::{collections::BTreeMap, path::Path, time::Duration};

use expect_test::expect_file;
use lamplighter::domain::{evaluation::State, notification::Content};
use scraper::{Html, Selector};

use super::{mails, situations::Situation};

const LINK: &str = "https://lamplighter.example.com/acknowledge/20261121T020612Z-web-chat-e9bf/\
                    rPJ0mC1lO2cVt5k6y9mQ3xHc7bq1VZgJ8sD4wNfTzUE";

fn with_links() -> BTreeMap<&'static str, Content> {
    let mut mails = mails();
    let mut take = |name| mails.remove(name).unwrap().with_acknowledge(LINK);
    let mut chosen = BTreeMap::from(
        ["chat-disabled", "group-escalated", "reminder", "flapping", "hostile-texts"]
            .map(|name| (name, take(name))),
    );
    let late = super::opened(&Situation::chat()).with_acknowledge(LINK).sent_late(Duration::from_secs(7_500));
    chosen.insert("late", late);
    chosen
}

#[test]
fn mails_with_a_link_read_as_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mails/acknowledge");
    for (name, mail) in with_links() {
        let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
        expect_file![folder.join(format!("{name}.txt"))].assert_eq(&text);
        expect_file![folder.join(format!("{name}.html"))].assert_eq(&mail.html);
        assert_eq!(mail.facts.acknowledge.as_deref(), Some(LINK));
    }
}

#[test]
fn both_parts_have_the_link_once_and_whole_right_below_the_lead() {
    for (name, mail) in with_links() {
        let line = format!("\nAcknowledge this incident\n  {LINK}\n");
        assert_eq!(mail.text.matches(&line).count(), 1, "{name}: {}", mail.text);
        let page = Html::parse_document(&mail.html);
        let below = Selector::parse("h1 ~ p:not(:has(b))").unwrap();
        let first = page.select(&below).next().unwrap();
        let button = first.select(&Selector::parse("a").unwrap()).next().unwrap();
        assert_eq!(button.attr("href"), Some(LINK), "{name}: {}", first.html());
    }
}

#[test]
fn the_button_stands_above_the_picture() {
    let mut mail = super::opened(&Situation::chat());
    mail.html = mail.html.replacen("<h2 ", "<p style=\"margin:12px 0\"><img src=\"cid:x\"></p>\n<h2 ", 1);
    let html = mail.with_acknowledge(LINK).html;
    assert!(html.find("/acknowledge/").unwrap() < html.find("<img").unwrap(), "{html}");
}

#[test]
fn only_an_outage_that_lasts_and_that_nobody_has_in_hand_asks_for_somebody() {
    let wants = |mail: &Content| mail.facts.is_up_for_somebody();
    let does_not: Vec<&str> =
        mails().iter().filter(|(_, mail)| !wants(mail)).map(|(name, _)| *name).collect();
    assert_eq!(
        does_not,
        [
            "blind-line",
            "blind-link",
            "blind-names",
            "blind-to-many-channels",
            "blind-without-a-gateway",
            "flapping-is-over",
            "flapping-together-is-over",
            "group-is-over",
            "group-over-and-acknowledged",
            "held",
            "held-and-over",
            "recovery",
            "recovery-but-degraded",
            "withdrawn"
        ]
    );
    let mut play = crate::ladder::Play::new(crate::ladder::usual());
    play.becomes("web-chat", State::Degraded);
    assert!(wants(&play.last_mail()));
    play.acknowledge("Anna");
    play.becomes("web-chat", State::Dark);
    assert!(!wants(&play.last_mail()), "the news that it got worse goes to somebody who has it in hand");
    let known = play.last_mail().facts.acknowledged.unwrap();
    assert_eq!(known.by.as_str(), "Anna");
}
