//! The HTML part: one column that fits a phone, no colours but those of the badge, so that it reads in light and in
//! dark, nothing loaded from anywhere. Every text is escaped where it enters.

use std::fmt::Write as _;

use crate::domain::notification::{
    PICTURE_ID,
    letter::{Body, Column, Fact, Letter, Line, Tone},
};

/// Where a notice can be put in later.
const TOP: &str = "<!-- top -->";

/// How the picture of the window begins, and how a section does.
const PICTURE: &str = "<p style=\"margin:12px 0\"><img ";
const SECTION: &str = "<h2 ";

/// Writes a letter as HTML.
pub(super) fn write(letter: &Letter) -> String {
    let mut html = String::with_capacity(8_192);
    html.push_str(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n",
    );
    push(&mut html, format_args!("<title>{}</title>\n</head>\n", escaped(&letter.subject)));
    html.push_str(
        "<body style=\"margin:0;padding:16px;font:16px/1.45 -apple-system,'Segoe UI',Roboto,sans-serif;\
         overflow-wrap:anywhere\">\n<div style=\"max-width:640px;margin:0 auto\">\n",
    );
    html.push_str(TOP);
    push(
        &mut html,
        format_args!(
            "\n<h1 style=\"font-size:19px;line-height:1.35;margin:0 0 12px\">\
             <span style=\"background:{};color:#ffffff;border-radius:4px;padding:1px 8px\">{}</span> {}</h1>\n",
            colour(letter.tone),
            escaped(&letter.badge),
            escaped(&letter.headline),
        ),
    );
    for fact in &letter.lead {
        push(
            &mut html,
            format_args!(
                "<p style=\"margin:0 0 6px\"><b>{}:</b> {}</p>\n",
                escaped(fact.label),
                escaped(&fact.value)
            ),
        );
    }
    if letter.has_picture {
        push(
            &mut html,
            format_args!(
                "{PICTURE}src=\"cid:{PICTURE_ID}\" \
                 alt=\"What the window showed; what it is about is outlined in red\" \
                 style=\"max-width:100%;border:1px solid #888888\"></p>\n"
            ),
        );
    }
    for section in &letter.sections {
        push(
            &mut html,
            format_args!(
                "{SECTION}style=\"font-size:16px;margin:22px 0 6px\">{}</h2>\n",
                escaped(&section.title)
            ),
        );
        match &section.body {
            Body::Facts(facts) => push_facts(&mut html, facts),
            Body::Table { columns, rows } => push_table(&mut html, columns, rows),
            Body::Lines(lines) => push_lines(&mut html, lines),
        }
    }
    html.push_str("</div>\n</body>\n</html>\n");
    html
}

/// The same page with a notice on top.
pub(super) fn with_notice(html: &str, notice: &str) -> String {
    let notice = format!("{TOP}\n<p style=\"margin:0 0 12px\"><i>{}</i></p>", escaped(notice));
    html.replacen(TOP, &notice, 1)
}

/// The same page with a note between the lead and the rest.
pub(super) fn with_note(html: &str, note: &str) -> String {
    let note = format!("<p style=\"margin:12px 0\"><i>{}</i></p>\n{SECTION}", escaped(note));
    html.replacen(SECTION, &note, 1)
}

/// The same page with a link right below the lead, large enough for a thumb.
pub(super) fn with_button(html: &str, words: &str, link: &str) -> String {
    let below = [PICTURE, SECTION].iter().filter_map(|part| html.find(part)).min().unwrap_or(html.len());
    let (lead, rest) = html.split_at(below);
    let (link, words) = (escaped(link), escaped(words));
    format!(
        "{lead}<p style=\"margin:14px 0\"><a href=\"{link}\" style=\"display:inline-block;background:#1d4f91;\
         color:#ffffff;border-radius:6px;padding:12px 22px;font-weight:bold;text-decoration:none\">{words}</a></p>\n{rest}"
    )
}

/// Dark enough for white letters on either ground.
fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "#b3261e",
        Tone::Mixed => "#8a5a00",
        Tone::Good => "#1b7a3d",
    }
}

fn push(html: &mut String, what: std::fmt::Arguments<'_>) {
    html.write_fmt(what).expect("writing into a string does not fail");
}

fn push_facts(html: &mut String, facts: &[Fact]) {
    html.push_str("<table role=\"presentation\" style=\"border-collapse:collapse;font-size:15px\">\n");
    for fact in facts {
        push(
            html,
            format_args!(
                "<tr><td style=\"padding:2px 14px 2px 0;vertical-align:top;white-space:nowrap\">{}</td>\
                 <td style=\"padding:2px 0;vertical-align:top\">{}</td></tr>\n",
                escaped(fact.label),
                escaped(&fact.value)
            ),
        );
    }
    html.push_str("</table>\n");
}

fn push_table(html: &mut String, columns: &[Column], rows: &[Vec<String>]) {
    let align = |column: &Column| if column.is_number { "right" } else { "left" };
    html.push_str("<table style=\"border-collapse:collapse;font-size:14px\">\n<tr>");
    for column in columns {
        push(
            html,
            format_args!(
                "<th style=\"padding:2px 12px 2px 0;text-align:{};border-bottom:1px solid #888888\">{}</th>",
                align(column),
                escaped(column.name)
            ),
        );
    }
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            push(
                html,
                format_args!(
                    "<td style=\"padding:2px 12px 2px 0;text-align:{};vertical-align:top\">{}</td>",
                    align(column),
                    escaped(cell)
                ),
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
}

fn push_lines(html: &mut String, lines: &[Line]) {
    for line in lines {
        html.push_str("<p style=\"margin:0 0 4px\">");
        match line {
            Line::Text(words) => html.push_str(&escaped(words)),
            Line::Command(words) => {
                push(html, format_args!("<code style=\"font-size:14px\">{}</code>", escaped(words)));
            }
            Line::Link(url) => push(html, format_args!("<a href=\"{0}\">{0}</a>", escaped(url))),
        }
        html.push_str("</p>\n");
    }
}

/// Text that can stand between tags and in an attribute in double quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
