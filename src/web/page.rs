//! The page that a mail links to: every channel with its state, since when, and what broke, the worst first. Plain
//! HTML without any script, readable on a phone; every text is escaped where it enters.

use std::fmt::Write;

use jiff::Timestamp;

use crate::domain::{
    evaluation::State,
    notification::html::escaped,
    outcome::Detail,
    snapshot::{ChannelView, Snapshot},
};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<meta name=\"color-scheme\" content=\"light dark\">\n\
<meta http-equiv=\"refresh\" content=\"15\">\n\
<style>body{font:16px/1.45 sans-serif;margin:16px;max-width:60em;overflow-wrap:anywhere}\
dt{margin-top:14px}dd{margin:0}</style>\n";

const LINKS: &str = "<p><a href=\"/metrics\">metrics</a> for Prometheus, <a href=\"/healthz\">healthz</a>: alive \
(restart it where this fails), <a href=\"/readyz\">readyz</a>: at work</p>\n</body>\n</html>\n";

/// Writes the page.
pub(super) fn write(snapshot: &Snapshot) -> String {
    let mut channels: Vec<&ChannelView> = snapshot.channels.iter().map(|view| &**view).collect();
    // A stable sort: within a state they keep the order of their ids.
    channels.sort_by_key(|view| urgency(view.state));
    let mut page = HEAD.to_owned();
    let tally = tally(&channels);
    push(&mut page, format_args!("<title>{tally} - Lamplighter</title>\n</head>\n<body>\n"));
    push(&mut page, format_args!("<h1>Lamplighter: {tally}</h1>\n"));
    if !channels.is_empty() {
        page.push_str("<dl>\n");
        channels.iter().for_each(|view| push_channel(&mut page, view));
        page.push_str("</dl>\n");
    }
    page.push_str(LINKS);
    page
}

fn push_channel(page: &mut String, view: &ChannelView) {
    let title = Detail::new(&view.title);
    let state = view.state.as_str();
    let badge = if urgency(view.state) == 0 { state.to_uppercase() } else { state.to_owned() };
    push(
        page,
        format_args!(
            "<dt><b>{badge}</b> {} ({}) since {}</dt>\n",
            escaped(title.as_str()),
            escaped(view.id.as_str()),
            view.since.strftime("%Y-%m-%d %H:%M:%S UTC")
        ),
    );
    push_closed(page, view);
    let Some(failure) = &view.failure else { return };
    let mut why = failure.step.as_ref().map(|step| format!("{}, ", Detail::new(step))).unwrap_or_default();
    let _infallible = write!(why, "{}: {}", failure.stage, failure.reason);
    if let Some(cause) = failure.cause {
        let _infallible = write!(why, ", {cause}");
    }
    if !failure.detail.as_str().is_empty() {
        let _infallible = write!(why, "; {}", failure.detail.as_str());
    }
    push(page, format_args!("<dd>{}</dd>\n", escaped(&why)));
}

/// When a closed channel is to be open again, and what was announced.
fn push_closed(page: &mut String, view: &ChannelView) {
    if let Some(opens_at) = view.opens_at {
        push(page, format_args!("<dd>outside its hours, opens {}</dd>\n", minute(opens_at)));
    }
    if let Some(window) = &view.maintenance {
        let announced =
            if window.text.is_empty() { String::new() } else { format!(": {}", Detail::new(&window.text)) };
        push(
            page,
            format_args!("<dd>maintenance until {}{}</dd>\n", minute(window.until), escaped(&announced)),
        );
    }
}

fn minute(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M UTC")
}

/// What a person must look at first.
fn urgency(state: State) -> u8 {
    match state {
        State::Dark => 0,
        State::Degraded => 1,
        State::Unknown => 2,
        State::Closed => 3,
        State::Up => 4,
    }
}

/// How many channels are in which state: `1 dark, 2 up`.
fn tally(channels: &[&ChannelView]) -> String {
    if channels.is_empty() {
        return "no channel yet".to_owned();
    }
    let counted = channels.chunk_by(|one, other| one.state == other.state);
    counted.map(|alike| format!("{} {}", alike.len(), alike[0].state.as_str())).collect::<Vec<_>>().join(", ")
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string cannot fail");
}
