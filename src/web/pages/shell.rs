//! What stands around every page: the head, the way to the content, the languages, and at the foot what programs ask for.

use super::{
    assets::{ICON, SCRIPT, STYLE},
    pen::{Pen, push},
    words::Language,
};
use crate::domain::notification::html::escaped;

/// The content of a page, and how its window is called.
pub(super) struct Sheet {
    /// Plain text: it is escaped here.
    pub(super) title: String,
    /// What stands in `main`.
    pub(super) html: String,
}

/// Whether a page changes with the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    Live,
    Still,
}

/// Without a script a page is loaded anew after so many seconds.
const RELOADED_AFTER_SECS: u32 = 60;

/// Writes the whole page.
pub(super) fn write(pen: &Pen<'_>, sheet: &Sheet, keeps: Keeps) -> String {
    let language = pen.language;
    let root = pen.root;
    let mut html = String::with_capacity(sheet.html.len() + 4_096);
    push(
        &mut html,
        format_args!(
            "<!doctype html>\n<html lang=\"{}\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{} - Lamplighter</title>\n\
             <link rel=\"stylesheet\" href=\"{root}assets/{}\">\n\
             <link rel=\"icon\" type=\"image/svg+xml\" href=\"{root}assets/{}\">\n",
            language.tag(),
            escaped(&sheet.title),
            STYLE.address(),
            ICON.address(),
        ),
    );
    if keeps == Keeps::Live {
        push(
            &mut html,
            format_args!(
                "<script src=\"{root}assets/{}\" defer></script>\n\
                 <noscript><meta http-equiv=\"refresh\" content=\"{RELOADED_AFTER_SECS}\"></noscript>\n",
                SCRIPT.address()
            ),
        );
    }
    push(
        &mut html,
        format_args!(
            "</head>\n<body>\n<a class=\"skip\" href=\"#main\">{}</a>\n<header>\n\
             <a class=\"brand\" href=\"{}\">Lamplighter</a>\n",
            language.skip(),
            home(root)
        ),
    );
    if keeps == Keeps::Live {
        push(
            &mut html,
            format_args!(
                "<button type=\"button\" id=\"pause\" data-live=\"{root}live\" data-pause=\"{}\" data-resume=\"{}\" \
                 hidden>{0}</button>\n",
                language.pause(),
                language.resume()
            ),
        );
    }
    push_languages(&mut html, language);
    push(
        &mut html,
        format_args!(
            "<p id=\"stale\" role=\"alert\" data-words=\"{}\"></p>\n<p id=\"said\" class=\"unseen\" role=\"status\"></p>\n\
             </header>\n<main id=\"main\" tabindex=\"-1\">\n{}</main>\n",
            language.stale(),
            sheet.html
        ),
    );
    push(
        &mut html,
        format_args!(
            "<footer>\n<p>{}: <a href=\"{root}metrics\">metrics</a>, <a href=\"{root}healthz\">healthz</a>, \
             <a href=\"{root}readyz\">readyz</a></p>\n</footer>\n</body>\n</html>\n",
            language.for_programs()
        ),
    );
    html
}

/// Where the first page is.
pub(super) fn home(root: &str) -> &str {
    if root.is_empty() { "./" } else { root }
}

fn push_languages(html: &mut String, chosen: Language) {
    push(html, format_args!("<nav class=\"languages\" aria-label=\"{}\">\n", chosen.languages()));
    for language in Language::ALL {
        let (word, tag, name) = (language.word(), language.tag(), language.name());
        let current = if language == chosen { " aria-current=\"true\"" } else { "" };
        push(
            html,
            format_args!("<a href=\"?lang={word}\" lang=\"{tag}\" hreflang=\"{tag}\"{current}>{name}</a>\n"),
        );
    }
    html.push_str("</nav>\n");
}
