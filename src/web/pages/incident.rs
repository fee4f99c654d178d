//! The page of an incident, and of all that is told as one with it: how it stands, and what happened when.

use super::{
    channel::push_evidence,
    pen::{Pen, foreign, foreign_plain, push},
    shell::Sheet,
};
use crate::domain::{
    evaluation::State,
    incident::{IncidentEvent, Severity},
    notification::tell,
    past::{Chapter, FallenChannel, IncidentPast, What},
};

/// So many channels are named.
const CHANNELS_MAX: usize = 50;
/// So many entries of the timeline are shown, from its beginning.
const CHAPTERS_MAX: usize = 300;

/// Writes the page.
pub(super) fn write(pen: &Pen<'_>, story: &IncidentPast) -> Sheet {
    let language = pen.language;
    let id = foreign_plain(&story.id.0);
    let standing = if story.closed_at.is_some() { language.over() } else { language.still_open() };
    let mut html = String::with_capacity(16_384);
    push(
        &mut html,
        format_args!(
            "<p><a href=\"../\">{}</a></p>\n<h1>{}: {standing}</h1>\n<p class=\"quiet\"><code>{id}</code></p>\n<dl>\n",
            language.all_channels(),
            language.incident()
        ),
    );
    let lasted = tell::between(story.began_at, story.closed_at.unwrap_or(pen.now));
    push(
        &mut html,
        format_args!("<div><dt>{}</dt><dd>{}</dd></div>\n", language.began(), pen.time(story.began_at)),
    );
    push(
        &mut html,
        format_args!("<div><dt>{}</dt><dd>{}</dd></div>\n", language.lasted(), language.span(lasted)),
    );
    match &story.acknowledged {
        Some(by) => push(
            &mut html,
            format_args!(
                "<div><dt>{}</dt><dd>{}, {}</dd></div>\n",
                language.in_hand(),
                foreign(by.by.as_str()),
                pen.time(by.at)
            ),
        ),
        None if story.closed_at.is_none() => {
            push(
                &mut html,
                format_args!(
                    "<div><dt>{}</dt><dd>{}</dd></div>\n",
                    language.in_hand(),
                    language.nobody_has_it()
                ),
            );
        }
        None => {}
    }
    html.push_str("</dl>\n");
    push_channels(&mut html, pen, &story.channels);
    push_timeline(&mut html, pen, &story.chapters);
    push_evidence(&mut html, pen, &story.bundles);
    Sheet { title: format!("{} {}: {standing}", language.incident(), story.id), html }
}

fn push_channels(html: &mut String, pen: &Pen<'_>, channels: &[FallenChannel]) {
    let language = pen.language;
    push(
        html,
        format_args!(
            "<section aria-labelledby=\"channels\">\n<h2 id=\"channels\">{}</h2>\n<ul>\n",
            language.channels()
        ),
    );
    for channel in channels.iter().take(CHANNELS_MAX) {
        let severity = match channel.severity {
            Severity::Degraded => State::Degraded,
            Severity::Dark => State::Dark,
        };
        let ended = match channel.ended_at {
            Some(at) => format!(", {} {}", language.until(), pen.time(at)),
            None => String::new(),
        };
        let failure = channel.failure.as_ref().map(|failure| format!("<br>\n{}", pen.failure(failure)));
        push(
            html,
            format_args!(
                "<li>{} <a href=\"../channel/{}\">{}</a>{ended}{}</li>\n",
                pen.state(severity),
                foreign_plain(channel.id.as_str()),
                foreign(&channel.title),
                failure.unwrap_or_default()
            ),
        );
    }
    html.push_str("</ul>\n");
    if channels.len() > CHANNELS_MAX {
        push(html, format_args!("<p>{}</p>\n", language.and_more(channels.len() - CHANNELS_MAX)));
    }
    html.push_str("</section>\n");
}

fn push_timeline(html: &mut String, pen: &Pen<'_>, chapters: &[Chapter]) {
    let language = pen.language;
    push(
        html,
        format_args!(
            "<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">{}</h2>\n<ol class=\"timeline\">\n",
            language.timeline()
        ),
    );
    for chapter in chapters.iter().take(CHAPTERS_MAX) {
        push(
            html,
            format_args!("<li>{} <span>{}</span></li>\n", pen.time(chapter.at), what(pen, &chapter.what)),
        );
    }
    html.push_str("</ol>\n");
    if chapters.len() > CHAPTERS_MAX {
        push(html, format_args!("<p>{}</p>\n", language.and_more(chapters.len() - CHAPTERS_MAX)));
    }
    html.push_str("</section>\n");
}

fn what(pen: &Pen<'_>, what: &What) -> String {
    let language = pen.language;
    match what {
        What::Began => language.first_failure().to_owned(),
        What::Happened { channel, event, state, failure } => {
            let state = state.map(|state| format!(" {}", pen.state(state))).unwrap_or_default();
            let failure =
                failure.as_ref().map(|failure| format!("; {}", pen.failure(failure))).unwrap_or_default();
            format!("{}: {}{state}{failure}", foreign(channel.as_str()), language.event(*event))
        }
        What::Acknowledged { by } => format!("{} {}", language.in_hand(), foreign(by.as_str())),
        What::Told { event, route, delivered, pending, given_up } => {
            let known = IncidentEvent::ALL.into_iter().find(|known| known.as_str() == event);
            let event = known.map_or_else(|| foreign(event), |known| language.event(known).to_owned());
            let fates = language.fates(*delivered, *pending, *given_up);
            format!("{}: {event} ({}; {fates})", language.told(), foreign(route))
        }
    }
}
