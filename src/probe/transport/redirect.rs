//! Where a redirect leads, and what must not travel along. Pure: no request is made here.

use http::{
    HeaderMap, Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION,
        PROXY_AUTHORIZATION,
    },
};
use url::Url;

use super::{
    fault::Broken,
    prepared::{Prepared, Target},
    shown,
};
use crate::domain::outcome::{Reason, Stage};

/// The redirects of one exchange: every page visited, the first one included. Empty, and free, until there is a
/// redirect.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<(Method, Url)>);

/// Whether an answer asks us to look elsewhere.
pub(super) fn leads_on(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.contains_key(LOCATION)
}

impl Trail {
    /// The request to make next. A page already visited is a loop, unless it has just set a cookie: then the answer
    /// may differ, and the limit ends what does not.
    pub(super) fn next(
        &mut self,
        current: &Prepared,
        status: StatusCode,
        headers: &HeaderMap,
        new_cookies: bool,
    ) -> Result<Prepared, Broken> {
        let location =
            headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
        let url = current.target.url.join(&location).map_err(|error| {
            blocked(Reason::RedirectBlocked, format_args!("to {:?}: {error}", shown_unread(&location)))
        })?;
        if let Some(why) = refusal(&current.target.url, &url) {
            return Err(blocked(Reason::RedirectBlocked, format_args!("to {}: {why}", shown(&url))));
        }
        if self.0.is_empty() {
            self.0.push(place(current));
        }
        let hops_max = current.route.redirects_max;
        if self.0.len() > usize::from(hops_max) {
            let detail = format!("after {hops_max} others, to {}", shown(&url));
            return Err(blocked(Reason::RedirectLimit, detail));
        }
        let next = moved(current, status, url)?;
        let place = place(&next);
        if self.0.contains(&place) && !new_cookies {
            return Err(blocked(Reason::RedirectLoop, format_args!("back to {}", shown(&place.1))));
        }
        self.0.push(place);
        Ok(next)
    }
}

fn place(request: &Prepared) -> (Method, Url) {
    (request.method.clone(), request.target.url.clone())
}

/// Why a URL is not followed to.
pub(super) fn refusal(from: &Url, to: &Url) -> Option<&'static str> {
    match (from.scheme(), to.scheme()) {
        ("https", "http") => Some("from https to http"),
        (_, "http" | "https") if !to.username().is_empty() || to.password().is_some() => {
            Some("with a user name in it")
        }
        (_, "http" | "https") => None,
        _ => Some("a scheme that is not followed"),
    }
}

/// The request as a browser makes it anew: POST becomes GET except by 307 and 308, and what is meant for one origin
/// does not reach another.
fn moved(current: &Prepared, status: StatusCode, url: Url) -> Result<Prepared, Broken> {
    let same_origin = current.target.url.origin() == url.origin();
    let mut next = current.clone();
    let keeps_method = match status.as_u16() {
        301 | 302 => current.method != Method::POST,
        303 => matches!(current.method, Method::GET | Method::HEAD),
        _ => true,
    };
    if !keeps_method {
        next.method = Method::GET;
        next.body.clear();
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
            next.headers.remove(name);
        }
    }
    if !same_origin {
        if next.body_is_secret && !next.body.is_empty() {
            return Err(blocked(
                Reason::RedirectBlocked,
                format_args!("to {}: with a secret in the body", shown(&url)),
            ));
        }
        let secret: Vec<_> = next
            .headers
            .iter()
            .filter(|(_, value)| value.is_sensitive())
            .map(|(name, _)| name.clone())
            .collect();
        for name in secret.iter().chain(&[AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION]) {
            next.headers.remove(name);
        }
    }
    next.target = Target::of(url).map_err(|why| blocked(Reason::RedirectBlocked, why))?.into();
    Ok(next)
}

/// As [`shown`], a text that is no URL.
fn shown_unread(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let user_end = text[..end].rfind('@');
    let (before, after) = (user_end.map_or("", |_| "…"), if end < text.len() { "…" } else { "" });
    format!("{before}{}{after}", &text[user_end.unwrap_or(0)..end])
}

fn blocked(reason: Reason, detail: impl std::fmt::Display) -> Broken {
    Broken::failed(Stage::Wait, reason, format_args!("redirect {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_query_and_fragment_and_says_so() {
        for (url, expected) in [
            ("https://shop.example.com:8443/a/b", "https://shop.example.com:8443/a/b"),
            ("https://shop.example.com/a?token=1#x", "https://shop.example.com/a?…"),
            ("https://shop.example.com/a#access_token=1", "https://shop.example.com/a#…"),
            ("https://anna:pw@shop.example.com/", "https://…@shop.example.com/"),
            ("https://:pw@shop.example.com/", "https://…@shop.example.com/"),
            ("file:///etc/passwd", "file:///etc/passwd"),
            ("javascript:alert(1)", "javascript:alert(1)"),
            ("mailto:anna@example.com?subject=x", "mailto:anna@example.com?…"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), expected);
        }
    }

    #[test]
    fn what_is_no_url_is_shown_without_the_same() {
        for (text, expected) in [
            ("http://[broken/a", "http://[broken/a"),
            ("http://[broken/?token=1", "http://[broken/…"),
            ("http://[broken/#token=1", "http://[broken/…"),
            ("http://anna:pw@[broken/?token=1", "…@[broken/…"),
        ] {
            assert_eq!(shown_unread(text), expected);
        }
    }
}
