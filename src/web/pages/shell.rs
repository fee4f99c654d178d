//! What stands around every page: the head, the way to the content, the languages, and at the foot what programs ask for.

use super::{
    assets::{ICON, SCRIPT, STYLE},
    pen::{Pen, push},
    words::Language,
};
use crate::domain::{notification::html::escaped, outcome::Detail};

/// The content of a page, and how its window is called.
pub(super) struct Sheet {
    /// Plain text: it is escaped here.
    pub(super) title: String,
    /// What stands in `main`.
    pub(super) html: String,
}

/// Whether a page changes with the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps<'a> {
    Live,
    Still,
    /// It is for everybody and called so; nothing on it leads to what is not for everybody.
    Public(&'a Detail),
}

/// Without a script a page is loaded anew after so many seconds.
const RELOADED_AFTER_SECS: u32 = 60;

/// Writes the whole page.
pub(super) fn write(pen: &Pen<'_>, sheet: &Sheet, keeps: Keeps<'_>) -> String {
    let language = pen.language;
    let root = pen.root;
    let (is_public, name) = match keeps {
        Keeps::Public(name) => (true, name.as_str()),
        Keeps::Live | Keeps::Still => (false, "Lamplighter"),
    };
    let mut html = String::with_capacity(sheet.html.len() + 4_096);
    push(
        &mut html,
        format_args!(
            "<!doctype html>\n<html lang=\"{}\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n{}\
             <title>{} - {}</title>\n\
             <link rel=\"stylesheet\" href=\"{root}assets/{}\">\n\
             <link rel=\"icon\" type=\"image/svg+xml\" href=\"{root}assets/{}\">\n",
            language.tag(),
            if is_public { "" } else { "<meta name=\"robots\" content=\"noindex\">\n" },
            escaped(&sheet.title),
            escaped(name),
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
             <a class=\"brand\" href=\"{}\"><bdi>{}</bdi></a>\n",
            language.skip(),
            home(root),
            escaped(name)
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
    push_footer(&mut html, pen, is_public);
    html
}

/// What programs ask for.
fn push_footer(html: &mut String, pen: &Pen<'_>, is_public: bool) {
    let (language, root) = (pen.language, pen.root);
    let links: &[(&str, &str)] = match is_public {
        true => &[("feed.atom", language.feed()), ("api/v2/summary.json", "JSON")],
        false => &[("metrics", "metrics"), ("healthz", "healthz"), ("readyz", "readyz")],
    };
    let links = links.iter().map(|(address, words)| format!("<a href=\"{root}{address}\">{words}</a>"));
    push(
        html,
        format_args!(
            "<footer>\n<p>{}: {}</p>\n</footer>\n</body>\n</html>\n",
            language.for_programs(),
            links.collect::<Vec<_>>().join(", ")
        ),
    );
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
