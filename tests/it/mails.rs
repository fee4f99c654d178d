//! The mails as they are read, golden: text and HTML of every situation, and what must hold for each of them.

mod blind;
pub mod canary;
mod groups;
mod links;
pub mod situations;

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::{ladder, quiet};
use expect_test::expect_file;
use lamplighter::domain::{
    channel::ChannelKind,
    decision::Decision,
    evaluation::State,
    incident::IncidentEvent,
    notification::{Content, Recipient},
    outcome::{Phase, PhaseKind, Reason, Stage},
};
use scraper::{Html, Selector};
use situations::{Situation, Story, answered, began, failure, neighbour, phases};

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\r\nBcc: everybody@example.com\r\n\r\n\
                       \u{202e}moc.live\u{202c} \u{1b}[31mred \" onmouseover=\"x ' & &lt; =cmd|' /C calc'!A0 \0";

fn content(story: &Story) -> Content {
    story.announcement.notifications[0].content.clone()
}

fn opened(situation: &Situation) -> Content {
    content(&situation.opened(State::Dark))
}

/// Every golden mail by its file's name.
fn mails() -> BTreeMap<&'static str, Content> {
    let mut mails = doors_to_people();
    mails.extend(other_doors());
    mails.extend(news());
    mails.extend(oddities());
    mails.extend(lasting());
    mails.extend(held());
    mails.extend(groups::mails().into_iter().filter(|(name, _)| *name != "group-of-a-thousand"));
    mails.extend(blind::mails());
    mails
}

/// An outage that lasts: of one door, and of two for one cause.
fn lasting() -> BTreeMap<&'static str, Content> {
    const HOUR: u64 = 3_600;
    let mut mails = BTreeMap::new();
    let mut alone = ladder::Play::new(ladder::usual());
    alone.becomes("web-chat", State::Dark);
    alone.pass(HOUR / 4);
    mails.insert("escalated", alone.last_mail());
    alone.pass(HOUR * 3 - HOUR / 4);
    mails.insert("reminder", alone.last_mail());
    alone.pass(HOUR * 21);
    mails.insert("summary", alone.last_mail());
    let mut two = ladder::Play::new(ladder::usual());
    two.becomes("web-chat", State::Dark);
    two.pass(120);
    two.becomes("ticket", State::Dark);
    two.pass(HOUR - 120);
    mails.insert("group-escalated", two.last_mail());
    two.pass(HOUR * 2);
    mails.insert("group-reminder", two.last_mail());
    two.pass(HOUR * 10);
    two.becomes("web-chat", State::Up);
    two.pass(HOUR * 11);
    mails.insert("group-summary", two.last_mail());
    two.acknowledge("Anna, shift lead");
    two.becomes("ticket", State::Up);
    mails.insert("group-over-and-acknowledged", two.last_mail());
    mails
}

/// What was held in quiet hours: of several channels, and of one that works again.
fn held() -> BTreeMap<&'static str, Content> {
    let play = || {
        let mut play = ladder::Play::new(ladder::usual());
        play.urgencies = quiet::LOW;
        play.world.quiet = quiet::quiet("03:00-07:00", "Europe/Berlin");
        play
    };
    let mut mails = BTreeMap::new();
    let mut several = play();
    several.becomes("hotline", State::Degraded);
    several.pass(1_800);
    several.becomes("hotline", State::Up);
    several.pass(1_800);
    several.becomes("web-chat", State::Dark);
    several.pass(60);
    several.becomes("ticket", State::Dark);
    several.pass(1_800);
    several.becomes("web-chat", State::Up);
    several.becomes("hotline", State::Dark);
    several.acknowledge("Anna, shift lead");
    several.pass(146 * 60);
    mails.insert("held", several.last_mail());
    let mut one = play();
    one.becomes("web-chat", State::Dark);
    one.pass(1_800);
    one.becomes("web-chat", State::Up);
    one.pass(4 * 3_600);
    mails.insert("held-and-over", one.last_mail());
    mails
}

/// An outage of the chat, of the hotline and of the ticket form.
fn doors_to_people() -> BTreeMap<&'static str, Content> {
    let chat = Situation::chat();
    let hotline = Situation {
        channel: "hotline",
        title: "Hotline call-back".to_owned(),
        kind: ChannelKind::Hotline,
        probe: "callback",
        failure: failure(
            Stage::Expect,
            Some("is it ringing"),
            Reason::Busy,
            None,
            "$.state is \"busy\", expected \"ringing\" or \"queued\"",
        ),
        phases: [answered(Some("ask for a call")), answered(Some("is it ringing"))].concat(),
        ..Situation::chat()
    };
    let ticket = Situation {
        failure: failure(
            Stage::Expect,
            Some("the agents see it"),
            Reason::Lost,
            None,
            "after 20 tries in 8.0 s: no ticket with LL-7F3K2Q",
        ),
        phases: polled(),
        quorum: (3, 3),
        ..ticket_form()
    };
    let long_way = Situation {
        failure: failure(
            Stage::Expect,
            Some("send"),
            Reason::Status,
            None,
            "answered 503, expected 200 to 399",
        ),
        phases: ["home", "login", "cart", "form", "send", "delete", "log-out"]
            .iter()
            .flat_map(|step| answered(Some(step)))
            .collect(),
        ..ticket_form()
    };
    BTreeMap::from([
        ("ticket-broken-in-the-middle-of-a-long-way", opened(&long_way)),
        ("chat-disabled", opened(&chat)),
        ("hotline-busy-in-a-step", opened(&hotline)),
        ("ticket-lost-after-polling", opened(&ticket)),
    ])
}

/// The form as it stands in the shop.
fn ticket_form() -> Situation {
    Situation {
        channel: "ticket",
        title: "Ticket form".to_owned(),
        kind: ChannelKind::Ticket,
        probe: "form",
        ..Situation::chat()
    }
}

/// An outage for each other kind of door.
fn other_doors() -> BTreeMap<&'static str, Content> {
    let mailbox = Situation {
        channel: "support-mail",
        title: "support@example.com".to_owned(),
        kind: ChannelKind::Mail,
        probe: "webmail",
        failure: failure(Stage::Wait, None, Reason::FirstByteTimeout, None, "no answer within 10 s"),
        phases: phases(
            None,
            &[(PhaseKind::Resolve, 2_000), (PhaseKind::Connect, 9_000), (PhaseKind::Wait, 9_989_000)],
        ),
        ..Situation::chat()
    };
    let help = Situation {
        channel: "help",
        title: "Help centre".to_owned(),
        kind: ChannelKind::Help,
        probe: "start-page",
        failure: failure(
            Stage::Tls,
            None,
            Reason::CertificateExpired,
            None,
            "not valid after 2026-11-21T02:00:00Z",
        ),
        phases: phases(None, &[(PhaseKind::Connect, 9_000), (PhaseKind::Tls, 31_000)]),
        ..Situation::chat()
    };
    let bot = Situation {
        channel: "shop-bot",
        title: "Bot on the shop page".to_owned(),
        kind: ChannelKind::Bot,
        probe: "hello",
        failure: failure(Stage::Resolve, None, Reason::DnsNxdomain, None, "bot.example.com does not exist"),
        phases: phases(None, &[(PhaseKind::Resolve, 14_000)]),
        ..Situation::chat()
    };
    let social = Situation {
        channel: "social",
        title: "Account on the network".to_owned(),
        kind: ChannelKind::Social,
        probe: "profile",
        failure: failure(
            Stage::Expect,
            None,
            Reason::RedirectLoop,
            None,
            "https://social.example.com/shop leads back to itself",
        ),
        ..Situation::chat()
    };
    BTreeMap::from([
        ("mailbox-timeout", opened(&mailbox)),
        ("help-certificate-expired", opened(&help)),
        ("bot-without-a-name-in-dns", opened(&bot)),
        ("social-redirect-loop", opened(&social)),
    ])
}

/// A form that is sent and then looked for during eight seconds.
fn polled() -> Vec<Phase> {
    let mut all = answered(Some("open the form"));
    let step = "the agents see it";
    all.extend(phases(Some(step), &[(PhaseKind::Pause, 7_980_000), (PhaseKind::Wait, 2_000)]));
    all
}

/// One incident from its beginning to its end.
fn news() -> BTreeMap<&'static str, Content> {
    let chat = Situation::chat();
    let dark = chat.opened(State::Dark);
    let slow = Situation {
        alert_on_degraded: true,
        failure: failure(Stage::Expect, None, Reason::TooSlow, None, "took 3.4 s, expected at most 2 s"),
        phases: phases(None, &[(PhaseKind::Connect, 12_000), (PhaseKind::Wait, 3_388_000)]),
        ..Situation::chat()
    };
    let degraded = slow.opened(State::Degraded);
    let worsened =
        Situation { alert_on_degraded: true, ..Situation::chat() }.followed(&degraded, State::Dark, 600);
    let still_slow = Situation { alert_on_degraded: false, ..slow };
    BTreeMap::from([
        ("recovery", content(&chat.followed(&dark, State::Up, 725))),
        ("recovery-but-degraded", content(&still_slow.followed(&dark, State::Degraded, 7_500))),
        ("degraded", content(&degraded)),
        ("worsened", content(&worsened)),
        ("withdrawn", content(&chat.withdrawn(&dark, 3_900, 4_500))),
        ("late", content(&dark).sent_late(Duration::from_secs(7_500))),
    ])
}

/// What is missing, long or hostile.
fn oddities() -> BTreeMap<&'static str, Content> {
    let alone = Situation { neighbours: Vec::new(), public_url: None, ..Situation::chat() };
    let second = Situation {
        neighbours: vec![
            neighbour("hotline", "Hotline call-back", State::Dark, false),
            neighbour("shop-bot", "Bot on the shop page", State::Unknown, false),
            neighbour("ticket", "Ticket form", State::Up, false),
        ],
        ..Situation::chat()
    };
    let hostile = Situation {
        title: format!("Chat {HOSTILE}"),
        neighbours: vec![neighbour("ticket", HOSTILE, State::Up, false)],
        failure: failure(Stage::Expect, Some(HOSTILE), Reason::Content, None, HOSTILE),
        phases: answered(Some(HOSTILE)),
        ..Situation::chat()
    };
    let words = "https://shop.example.com/a/very/long/address?".to_owned()
        + &"with=endless&parameters=in&".repeat(30);
    let long = Situation {
        title: "A title that somebody has written as if there were no end to a line, ".repeat(4),
        neighbours: (0..12)
            .map(|number| neighbour(&format!("other-{number}"), &"Another door ".repeat(8), State::Up, false))
            .collect(),
        failure: failure(
            Stage::Expect,
            Some("a step with quite a long name of its own"),
            Reason::Status,
            None,
            &words,
        ),
        phases: (0..30).flat_map(|_| answered(Some("a step with quite a long name of its own"))).collect(),
        ..Situation::chat()
    };
    BTreeMap::from([
        ("alone-and-without-a-page", opened(&alone)),
        ("second-outage-during-the-first", opened(&second)),
        ("hostile-texts", opened(&hostile)),
        ("long-texts", opened(&long)),
    ])
}

#[test]
fn mails_read_as_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mails");
    for (name, mail) in mails() {
        let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
        expect_file![folder.join(format!("{name}.txt"))].assert_eq(&text);
        expect_file![folder.join(format!("{name}.html"))].assert_eq(&mail.html);
    }
}

#[test]
fn a_thousand_doors_are_all_named_in_one_mail() {
    let mail = &groups::mails()["group-of-a-thousand"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mails");
    let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
    expect_file![folder.join("group-of-a-thousand.txt")].assert_eq(&text);
}

#[test]
fn the_first_five_lines_say_everything_and_fit() {
    for (name, mail) in mails().into_iter().filter(|(name, _)| *name != "late") {
        let lines: Vec<&str> = mail.text.lines().take(6).collect();
        assert!(
            lines[..5].iter().all(|line| !line.is_empty() && line.chars().count() <= 72),
            "{name}: {lines:?}"
        );
        assert_eq!(lines[5], "", "{name}");
        let is_other_news = name.starts_with("recovery")
            || ["group-is-over", "group-over-and-acknowledged"].contains(&name)
            || name.starts_with("flapping")
            || name.starts_with("blind-")
            || name.starts_with("held")
            || ["degraded", "withdrawn"].contains(&name);
        assert!(lines[0].starts_with("DARK since 03:") || is_other_news);
        assert!(lines[1].starts_with("Customers: "), "{name}: {lines:?}");
    }
}

#[test]
fn a_text_part_has_no_long_lines_and_nothing_unprintable() {
    for (name, mail) in mails() {
        for line in mail.text.lines() {
            // A command is copied whole.
            let is_command = line.starts_with("  lamplighter probe --config ");
            assert!(line.chars().count() <= 72 || is_command, "{name}: {line}");
        }
        for part in [&mail.subject, &mail.text, &mail.html] {
            let unprintable =
                |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
            assert_eq!(part.chars().find(unprintable), None, "{name}");
        }
        assert!(!mail.subject.contains('\n'));
        assert!(mail.subject.chars().count() <= 150, "{name}");
    }
}

#[test]
fn both_parts_say_the_same() {
    for (name, mail) in mails() {
        let page = Html::parse_document(&mail.html);
        let body = Selector::parse("body").unwrap();
        let squeezed = |text: String| text.split_whitespace().collect::<String>();
        let html = squeezed(page.select(&body).flat_map(|body| body.text()).collect());
        for line in mail.text.lines().skip(6).filter(|line| !line.contains('…')) {
            let words: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            for cell in words {
                assert!(html.contains(&squeezed(cell.to_owned())), "{name}: {cell}");
            }
        }
    }
}

#[test]
fn a_hostile_text_adds_no_element_no_attribute_and_no_link() {
    let mails = mails();
    let shape = |mail: &Content| {
        let page = Html::parse_document(&mail.html);
        let all = Selector::parse("*").unwrap();
        let mut shape: BTreeMap<String, usize> = BTreeMap::new();
        for element in page.select(&all) {
            *shape.entry(element.value().name().to_owned()).or_default() += 1;
            for (name, value) in element.value().attrs() {
                let harmless = ["style", "lang", "charset", "name", "content", "role", "href"];
                assert!(harmless.contains(&name), "{name}");
                assert!(name != "href" || value == "https://lamplighter.example.com/", "{value}");
            }
        }
        shape
    };
    let allowed =
        ["html", "head", "meta", "title", "body", "div", "h1", "h2", "span", "p", "b", "i", "a", "code"];
    let tables = ["table", "tbody", "tr", "td", "th"];
    for (name, mail) in &mails {
        for element in shape(mail).keys() {
            assert!(
                allowed.contains(&element.as_str()) || tables.contains(&element.as_str()),
                "{name}: {element}"
            );
        }
    }
    let page = Html::parse_document(&mails["hostile-texts"].html);
    let text: String = page.root_element().text().collect();
    assert!(text.contains("<script>alert(1)</script>"), "what the target said can still be read");
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    for (name, mail) in mails() {
        for loading in ["src=", "url(", "@import", "<link", "<iframe", "<form", "http-equiv"] {
            let plain = mail.html.replace("src=x onerror", "");
            assert!(!plain.contains(loading), "{name}: {loading}");
        }
    }
}

#[test]
fn a_mail_sent_soon_does_not_say_that_it_is_late() {
    let mail = opened(&Situation::chat());
    assert_eq!(mail.sent_late(Duration::from_secs(59)), mail);
    let late = mail.sent_late(Duration::from_secs(60));
    assert!(late.text.starts_with("This mail is 1 min late; "));
    assert!(late.html.contains("This mail is 1 min late; "));
    assert_eq!(late.subject, mail.subject);
}

#[test]
fn a_withdrawal_ends_the_incident_and_goes_to_those_who_were_told_in_their_thread() {
    let recipients = ["anna@example.com", "bert@example.com"].map(Recipient::mail);
    let told = Situation { recipients: recipients.to_vec(), ..Situation::chat() };
    let opened = told.opened(State::Dark);
    let story = told.withdrawn(&opened, 3_900, 4_500);
    let Decision { state, incident, .. } = &story.decision;
    assert_eq!((*state, story.decision.event()), (State::Unknown, Some(IncidentEvent::Withdrawn)));
    let now = began() + Duration::from_secs(4_500);
    assert_eq!(incident.as_ref().unwrap().resolved_at, Some(now));
    let mails = &story.announcement.notifications;
    for ((mail, first), recipient) in mails.iter().zip(&opened.announcement.notifications).zip(&recipients) {
        assert_eq!((mail.route, &mail.recipient), (recipient.route, &recipient.address));
        assert_eq!(mail.in_reply_to.as_ref(), Some(&first.message_id));
        assert_ne!(mail.message_id, first.message_id);
    }
    assert_eq!(mails.len(), 2);
    let untold = Situation { recipients: Vec::new(), ..Situation::chat() };
    let story = untold.withdrawn(&untold.opened(State::Dark), 3_900, 4_500);
    assert!(story.announcement.notifications.is_empty());
    assert!(story.decision.incident.unwrap().resolved_at.is_some());
    assert_eq!(story.announcement.cases[0].closed_at, Some(now));
}

#[test]
fn the_line_of_evidence_tells_the_step_that_broke_also_where_a_cleanup_follows() {
    let looked_for = failure(Stage::Expect, Some("the agents see it"), Reason::Lost, None, "no ticket");
    let phases = [polled(), answered(Some("delete"))].concat();
    let mail = opened(&Situation { failure: looked_for, phases, ..ticket_form() });
    assert!(mail.text.contains("Evidence: 3 of 5 runs failed; tried for 8.0 s\n"), "{}", mail.text);
}
