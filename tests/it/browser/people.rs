//! Conversations on a page, and the way from it to a person.

use lamplighter::domain::outcome::Verdict;

use super::{
    PATIENT, chromium, look, look_at_all,
    site::{Page, Site},
};

#[tokio::test]
async fn a_conversation_on_a_page_is_told_with_its_one_right_reason() {
    let wrong = look_at_all("talks", 2).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_person_further_away_than_the_budget_is_told_and_so_is_one_out_of_reach() {
    let wrong = look_at_all("ways", 2).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_steps_to_a_person_are_counted_as_the_site_grows() {
    let (site, chromium) = (Site::open().await, chromium("runs_max = 1"));
    for (name, steps) in [("two-steps", 2), ("three-steps", 3), ("four-steps", 4), ("five-steps", 5)] {
        let page = Page::named(&format!("ways/{name}"));
        let ended = look(&page.settings(&site), PATIENT, &chromium).await;
        let contact = ended.outcome.contact.expect("a person was reached");
        assert_eq!(contact.steps, Some(steps), "{name}");
    }
    let page = Page::named("ways/no-way");
    let ended = look(&page.settings(&site), PATIENT, &chromium).await;
    assert!(matches!(ended.outcome.verdict, Verdict::Failed(_)));
    assert_eq!(ended.outcome.contact, None);
}

#[tokio::test]
async fn a_conversation_on_a_page_has_its_clocks_and_its_transcript_and_is_left() {
    let (site, chromium) = (Site::open().await, chromium("runs_max = 1"));
    let ended = look(&Page::named("talks/answered").settings(&site), PATIENT, &chromium).await;
    let contact = ended.outcome.contact.as_deref().expect("it talks");
    assert!(contact.bot.is_some() && contact.person.is_some() && contact.queued.is_some(), "{contact:?}");
    // One click opens the chat, two things are said.
    assert_eq!((contact.queue_position, contact.steps), (Some(3), Some(3)));
    let lines: Vec<String> =
        ended.transcript.iter().map(|said| format!("{}: {}", said.speaker.as_str(), said.text)).collect();
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert_eq!(
        (lines[0].as_str(), lines[5].as_str()),
        ("bot: Hello! How can I help?", "person: Hi, this is Kim")
    );
    let phases: Vec<&str> = ended.outcome.phases.iter().filter_map(|phase| phase.step.as_deref()).collect();
    assert!(phases.contains(&"order") && phases.contains(&"person"), "{phases:?}");
}
