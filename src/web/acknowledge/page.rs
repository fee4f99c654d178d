//! The pages behind the link in a mail: what an incident is, who has taken it in hand, and why nothing was done. Plain HTML
//! without any script, complete without its style, readable on a phone; every text is escaped where it enters.

use std::fmt::Write;

use jiff::Timestamp;

use crate::domain::{
    escalation::Acknowledgement,
    notification::{ACKNOWLEDGE, facts::ChannelFacts, html::escaped, tell},
    snapshot::IncidentView,
};

/// So many channels are shown of one incident: the button below them stays on the screen of a phone.
const CHANNELS_MAX: usize = 5;

/// The longest name that is taken, in characters.
pub(super) const NAME_MAX: usize = 80;

/// Who is put down where no name is given.
pub(super) const NAMELESS: &str = "somebody with the link";

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<meta name=\"color-scheme\" content=\"light dark\">\n\
<meta name=\"robots\" content=\"noindex\">\n\
<style>body{font:16px/1.45 sans-serif;margin:16px;max-width:40em;overflow-wrap:anywhere}\
dt{margin-top:10px;font-weight:bold}dd{margin:0}\
input{font:inherit;padding:8px;width:100%;box-sizing:border-box}\
button{font:inherit;font-weight:bold;padding:14px 24px;width:100%;border:0;border-radius:6px;\
background:#1d4f91;color:#fff}</style>\n";

/// From the page of an incident to the first page, wherever that is.
const ALL_CHANNELS: &str = "<p><a href=\"../../\">All channels</a></p>\n";

/// What is told whatever happens, also of what somebody has in hand.
const STILL_TOLD: &str = "You still hear when it gets worse, when more channels fall, and when it is over. A new incident is \
told from the beginning.";

/// An incident that is open and that nobody has taken in hand, with the form to do so.
pub(super) fn open(view: &IncidentView) -> String {
    let mut body = facts(view);
    push(
        &mut body,
        format_args!(
            "<form method=\"post\">\n\
             <p><label for=\"by\">Your name (without one, \"{NAMELESS}\" is put down)</label><br>\n\
             <input id=\"by\" name=\"by\" maxlength=\"{NAME_MAX}\" autocomplete=\"name\"></p>\n\
             <p><button>{ACKNOWLEDGE}</button></p>\n</form>\n\
             <p>From then on nobody is reminded of it, and nobody else is told. {STILL_TOLD}</p>\n{ALL_CHANNELS}"
        ),
    );
    whole("Take this incident in hand?", &body)
}

/// An incident that somebody has taken in hand: just now, or before.
pub(super) fn acknowledged(view: &IncidentView, by: &Acknowledgement, heading: &str) -> String {
    let mut body = String::new();
    let at = tell::fully(by.at, &view.time_zone);
    push(&mut body, format_args!("<p><b>By {}</b> at {}.</p>\n", escaped(by.by.as_str()), escaped(&at)));
    push(
        &mut body,
        format_args!("<p>Nobody is reminded of it any more, and nobody else is told. {STILL_TOLD}</p>\n"),
    );
    body += &facts(view);
    body.push_str(ALL_CHANNELS);
    whole(heading, &body)
}

/// An incident that is not open any more.
pub(super) fn closed(view: &IncidentView, at: Timestamp) -> String {
    let mut body = String::new();
    let at = tell::fully(at, &view.time_zone);
    push(
        &mut body,
        format_args!(
            "<p>Closed at {}. Nobody is told of it any more, and there is nothing left to acknowledge.</p>\n",
            escaped(&at)
        ),
    );
    if let Some(by) = &view.acknowledged {
        let at = tell::fully(by.at, &view.time_zone);
        push(
            &mut body,
            format_args!("<p>Acknowledged by {} at {}.</p>\n", escaped(by.by.as_str()), escaped(&at)),
        );
    }
    body.push_str("<p>What has fallen since is another incident, with a mail and a link of its own.</p>\n");
    body += &facts(view);
    body.push_str(ALL_CHANNELS);
    whole("This incident is over", &body)
}

/// Why nothing was done, and what to do.
pub(super) fn refused(heading: &str, sentences: &str) -> String {
    let mut body = String::new();
    push(&mut body, format_args!("<p>{}</p>\n", escaped(sentences)));
    whole(heading, &body)
}

/// Which incident it is, since when, and what customers meet.
fn facts(view: &IncidentView) -> String {
    let mut body = String::new();
    let since = tell::fully(view.began_at, &view.time_zone);
    push(
        &mut body,
        format_args!("<p>Incident {}<br>\nBegan {}</p>\n<dl>\n", escaped(&view.id.0), escaped(&since)),
    );
    for ChannelFacts { id, title, customers, .. } in view.channels.iter().take(CHANNELS_MAX) {
        push(&mut body, format_args!("<dt>{} ({})</dt>\n", escaped(title), escaped(id.as_str())));
        if view.closed_at.is_none() {
            push(&mut body, format_args!("<dd>Customers: {}</dd>\n", escaped(customers)));
        }
    }
    match view.channels.len().saturating_sub(CHANNELS_MAX) {
        0 => {}
        more => push(&mut body, format_args!("<dt>and {more} more</dt>\n")),
    }
    body.push_str("</dl>\n");
    body
}

fn whole(heading: &str, body: &str) -> String {
    format!(
        "{HEAD}<title>{heading} - Lamplighter</title>\n</head>\n<body>\n<h1>{heading}</h1>\n{body}</body>\n</html>\n"
    )
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string cannot fail");
}
