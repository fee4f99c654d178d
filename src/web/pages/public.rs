//! The page for customers: how each public channel is, since when and how it was, by which other ways support can be reached,
//! and announced maintenance.

use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};

use bytes::Bytes;

use super::{
    Reader, Switch,
    charts::{self, Size},
    pen::{Pen, foreign, push},
    shell::{self, Keeps, Sheet},
    words::Language,
};
use crate::domain::{
    alternatives::Sentence,
    chronicle::Outage,
    ledger::Condition,
    notification::tell,
    public::{PublicDoor, PublicView},
};

/// So many past outages are listed, the latest first.
const OUTAGES_MAX: usize = 20;

/// Answers somebody who wants to see it, by what is written in the language of the reader.
pub(in crate::web) fn answer(
    switch: &Switch,
    headers: &HeaderMap,
    written: impl FnOnce(Language) -> Bytes,
) -> Response {
    let reader = Reader::of(switch, headers);
    reader.answer(StatusCode::OK, written(reader.language))
}

/// Writes the page.
pub(in crate::web) fn write(view: &PublicView, language: Language) -> String {
    let pen = Pen { language, zone: &view.time_zone, now: view.at, root: "" };
    shell::write(&pen, &sheet(&pen, view), Keeps::Public(&view.title))
}

fn sheet(pen: &Pen<'_>, view: &PublicView) -> Sheet {
    let language = pen.language;
    let conditions: Vec<Condition> = view.doors.iter().map(|door| door.condition).collect();
    let all = language.all_in_all(&conditions);
    let mut html = String::with_capacity(16_384);
    push(
        &mut html,
        format_args!("<h1>{all}</h1>\n<p class=\"quiet\">{} {}</p>\n", language.as_of(), pen.time(pen.now)),
    );
    html.push_str("<ul class=\"doors public\">\n");
    view.doors.iter().for_each(|door| push_door(&mut html, pen, door));
    html.push_str("</ul>\n");
    push_maintenance(&mut html, pen, view);
    push_outages(&mut html, pen, view);
    Sheet { title: all.to_owned(), html }
}

fn push_door(html: &mut String, pen: &Pen<'_>, door: &PublicDoor) {
    let language = pen.language;
    let class = door.condition.state().map_or("unknown", |state| state.as_str());
    push(
        html,
        format_args!(
            "<li class=\"door {class}\">\n<div><h2>{}</h2>\n<p>{}{} {}</p>\n",
            foreign(door.name.as_str()),
            condition(door.condition, language),
            language.for_so_long(door.condition),
            pen.ago(door.since)
        ),
    );
    if let Some(opens_at) = door.opens_at {
        push(html, format_args!("<p>{} {}</p>\n", language.opens_again(), pen.time(opens_at)));
    }
    if let Some(instead) = &door.instead {
        push(html, format_args!("<p class=\"why\">{}</p>\n", foreign(in_language(instead, language))));
    }
    html.push_str("</div>\n");
    if !door.days.is_empty() {
        let uptime =
            door.uptime().map_or_else(|| language.no_data().to_owned(), |ratio| language.share(ratio));
        push(
            html,
            format_args!(
                "<figure>{}<figcaption>{} {}: {uptime}</figcaption></figure>\n",
                charts::uptime(&door.days, Size::Large, pen.scale()),
                language.uptime(),
                language.days(u64::try_from(door.days.len()).unwrap_or_default()),
            ),
        );
    }
    html.push_str("</li>\n");
}

/// A condition as a sign and a word for customers.
fn condition(condition: Condition, language: Language) -> String {
    let state = condition.state().unwrap_or(crate::domain::evaluation::State::Unknown);
    format!(
        "<span class=\"state {}\">{} <b>{}</b></span>",
        state.as_str(),
        Pen::sign(state),
        language.condition(condition)
    )
}

fn in_language(sentence: &Sentence, language: Language) -> &str {
    match language {
        Language::En => &sentence.en,
        Language::Zh => &sentence.zh,
        Language::Ru => &sentence.ru,
        Language::Id => &sentence.id,
    }
}

fn push_maintenance(html: &mut String, pen: &Pen<'_>, view: &PublicView) {
    let language = pen.language;
    push(html, format_args!("<section>\n<h2>{}</h2>\n", language.maintenance()));
    if view.maintenance.is_empty() {
        push(html, format_args!("<p>{}</p>\n</section>\n", language.none_announced()));
        return;
    }
    html.push_str("<ul>\n");
    for window in &view.maintenance {
        let names = view.doors.iter().filter(|door| window.doors.contains(&door.id));
        let names: Vec<String> = names.map(|door| foreign(door.name.as_str())).collect();
        push(
            html,
            format_args!(
                "<li>{} {} {}: {}. {}</li>\n",
                pen.time(window.from),
                language.until(),
                pen.time(window.until),
                names.join(", "),
                foreign(window.text.as_str())
            ),
        );
    }
    html.push_str("</ul>\n</section>\n");
}

fn push_outages(html: &mut String, pen: &Pen<'_>, view: &PublicView) {
    let language = pen.language;
    push(html, format_args!("<section>\n<h2>{}</h2>\n", language.past_outages()));
    let over = view.doors.iter().flat_map(|door| door.outages.iter().map(move |outage| (door, outage)));
    let mut over: Vec<(&PublicDoor, &Outage)> = over.filter(|(_, outage)| outage.end.is_some()).collect();
    over.sort_by_key(|(_, outage)| std::cmp::Reverse(outage.from));
    if over.is_empty() {
        push(html, format_args!("<p>{}</p>\n", language.no_outage()));
    } else {
        html.push_str("<ul>\n");
        for (door, outage) in over.iter().take(OUTAGES_MAX) {
            let lasted = outage.end.map(|end| language.span(tell::between(outage.from, end.at)));
            push(
                html,
                format_args!(
                    "<li>{}: {}, {}, {}</li>\n",
                    pen.time(outage.from),
                    foreign(door.name.as_str()),
                    language.was(outage.severity),
                    lasted.unwrap_or_default()
                ),
            );
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</section>\n");
}
