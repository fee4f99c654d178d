//! The cookies of one run, as a browser with a fresh profile keeps them. A run that gets none allocates nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cookie_store::{CookieStore, RawCookie, StoreAction};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use url::Url;

/// A page may set so many cookies in one answer; what follows is ignored.
const COOKIES_PER_ANSWER_MAX: usize = 50;
/// The longest cookie kept, in bytes, name and value together (RFC 6265bis, 5.6).
const COOKIE_BYTES_MAX: usize = 4096;

/// Cookies kept between the requests of one run.
#[derive(Debug, Default)]
pub struct Jar(Mutex<Option<CookieStore>>);

impl Jar {
    /// Keeps what an answer sets and says whether that changed anything.
    pub fn keep(&self, url: &Url, headers: &HeaderMap) -> bool {
        if !headers.contains_key(SET_COOKIE) {
            return false;
        }
        let mut store = self.lock();
        let store = store.get_or_insert_default();
        let mut changed = false;
        for header in headers.get_all(SET_COOKIE).iter().take(COOKIES_PER_ANSWER_MAX) {
            let text = header.to_str().ok().filter(|text| text.len() <= COOKIE_BYTES_MAX);
            let Some(cookie) = text.and_then(|text| RawCookie::parse(text.to_owned()).ok()) else { continue };
            let known = store
                .get_request_values(url)
                .any(|(name, value)| name == cookie.name() && value == cookie.value());
            let action = store.insert_raw(&cookie, url);
            changed |= match action {
                Ok(StoreAction::UpdatedExisting) => !known,
                Ok(StoreAction::Inserted | StoreAction::ExpiredExisting) => true,
                Err(_) => false,
            };
        }
        changed
    }

    /// The value of the `cookie` header for a request, if there is one. Marked sensitive: a cookie is for its own
    /// site only.
    #[must_use]
    pub fn header_for(&self, url: &Url) -> Option<HeaderValue> {
        let store = self.lock();
        let mut text = String::new();
        for (name, value) in store.as_ref()?.get_request_values(url) {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        let mut header = HeaderValue::try_from(text).ok().filter(|header| !header.is_empty())?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Another jar with the same cookies.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    /// Every cookie that a request to `url` would carry, by name and value.
    #[must_use]
    pub fn values(&self, url: &Url) -> Vec<(String, String)> {
        let store = self.lock();
        let values = store.as_ref().map(|store| store.get_request_values(url));
        values.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The value of a cookie that a request to `url` would carry.
    #[must_use]
    pub fn value(&self, url: &Url, name: &str) -> Option<String> {
        let store = self.lock();
        let mut values = store.as_ref()?.get_request_values(url);
        values.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Option<CookieStore>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn setting(cookies: &[&'static str]) -> HeaderMap {
        cookies.iter().map(|cookie| (SET_COOKIE, HeaderValue::from_static(cookie))).collect()
    }

    #[test]
    fn a_cookie_goes_back_to_its_own_site_only() {
        let jar = Jar::default();
        let shop = url("https://shop.example.com/support/form");
        assert!(jar.keep(&shop, &setting(&["session=abc; HttpOnly; Secure; Path=/", "form=1"])));
        assert_eq!(jar.value(&shop, "session").as_deref(), Some("abc"));
        assert_eq!(jar.header_for(&url("https://shop.example.com/")).unwrap(), "session=abc");
        assert_eq!(jar.header_for(&url("https://other.example.com/")), None);
        assert_eq!(jar.header_for(&url("http://shop.example.com/")), None);
    }

    #[test]
    fn the_same_cookie_again_is_no_change() {
        let jar = Jar::default();
        let shop = url("https://shop.example.com/");
        assert!(jar.keep(&shop, &setting(&["a=1"])));
        assert!(!jar.keep(&shop, &setting(&["a=1"])));
        assert!(jar.keep(&shop, &setting(&["a=2"])));
        assert!(!jar.keep(&shop, &setting(&[])));
    }
}
