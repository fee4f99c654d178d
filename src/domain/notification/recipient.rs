//! Who is told, and by what way.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// By what way a notification travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// SMTP.
    #[default]
    Mail,
    /// A request to an address of the operator's choice: Slack, Teams, PagerDuty, a program of their own.
    Webhook,
    /// Prometheus' Alertmanager.
    Alertmanager,
}

impl Route {
    /// Every route.
    pub const ALL: &'static [Self] = &[Self::Mail, Self::Webhook, Self::Alertmanager];

    /// The word used in metrics and columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
        }
    }
}

/// Somebody or something that is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recipient {
    /// By which way.
    pub route: Route,
    /// For [`Route::Mail`] who stands in the mail's To, and in its Cc, as [`Addressees`] writes them; otherwise the id of
    /// the endpoint, never its address, which may be a secret.
    pub address: String,
}

impl Recipient {
    /// A mail to one address.
    #[must_use]
    pub fn mail(address: impl Into<String>) -> Self {
        Self { route: Route::Mail, address: address.into() }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.route {
            Route::Mail => f.write_str(&self.address),
            Route::Webhook | Route::Alertmanager => write!(f, "{} {}", self.route.as_str(), self.address),
        }
    }
}

/// What works or fails as a whole: all mail, but every other endpoint by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// The route.
    pub route: Route,
    /// The endpoint's id; none for all of the route.
    pub endpoint: Option<String>,
}

impl Way {
    /// The way to one endpoint of a route.
    #[must_use]
    pub fn to(route: Route, endpoint: &str) -> Self {
        Self { route, endpoint: Some(endpoint.to_owned()) }
    }
}

impl From<Route> for Way {
    fn from(route: Route) -> Self {
        Self { route, endpoint: None }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.route.as_str())?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " {endpoint}"),
            None => Ok(()),
        }
    }
}

/// What tells one recipient from every other: a mail address as it is, an endpoint with its route, since an id may be
/// used for one of each.
#[must_use]
pub fn identity(route: Route, address: &str) -> Cow<'_, str> {
    match route {
        Route::Mail => Cow::Borrowed(address),
        Route::Webhook | Route::Alertmanager => Cow::Owned(format!("{}:{address}", route.as_str())),
    }
}

/// Stands between those in To and those in Cc. Within a name both characters are in quotes.
const CC: &str = "; cc: ";

/// Who stands in a mail's To and Cc, in one text: `anna@example.com, bert@example.com; cc: lead@example.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressees<'a> {
    /// One address or several, with commas.
    pub to: &'a str,
    /// The same; none where nobody has a copy.
    pub cc: Option<&'a str>,
}

impl<'a> Addressees<'a> {
    /// Writes them as one text.
    #[must_use]
    pub fn write(to: &[String], cc: &[String]) -> String {
        let to = to.join(", ");
        if cc.is_empty() { to } else { format!("{to}{CC}{}", cc.join(", ")) }
    }

    /// Reads what [`Self::write`] has written.
    #[must_use]
    pub fn read(text: &'a str) -> Self {
        let mut quoted = false;
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ';' if !quoted && text[at..].starts_with(CC) => {
                    return Self { to: &text[..at], cc: Some(&text[at + CC.len()..]) };
                }
                _ => {}
            }
        }
        Self { to: text, cc: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_to_and_in_cc_are_told_apart_whatever_their_names_are() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (to, cc) in [
            (names(&["anna@example.com"]), names(&[])),
            (names(&["anna@example.com", "Bert <bert@example.com>"]), names(&["lead@example.com"])),
            (names(&[r#""A; cc: B" <a@example.com>"#]), names(&["b@example.com", "c@example.com"])),
            (names(&[r#""A \"; cc: B" <a@example.com>"#]), names(&[])),
        ] {
            let text = Addressees::write(&to, &cc);
            let read = Addressees::read(&text);
            assert_eq!(read.to, to.join(", "), "{text}");
            assert_eq!(read.cc.unwrap_or_default(), cc.join(", "), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_never_taken_for_another_of_the_same_id() {
        assert_eq!(identity(Route::Mail, "main"), "main");
        assert_eq!(identity(Route::Webhook, "main"), "webhook:main");
        assert_eq!(identity(Route::Alertmanager, "main"), "alertmanager:main");
    }
}
