//! The request that another monitor makes: address, headers, credentials.

use url::Url;

use crate::{
    cli::import::{
        document::reads_as,
        draft::{Draft, Place},
        fields::{Fields, quoted},
    },
    probe::request::settings::MethodName,
};

/// Why nothing asks by a user name alone. What stands in its place is often a token, so it is not repeated.
pub const HALF_A_LOGIN: &str = "it logs in by a user name without a password, or the other way round, which no probe does, so it is not watched; \
write it with the header `authorization` as a secret";

/// A request on its way into the file. What it takes as a secret is named after the channel.
#[derive(Debug)]
pub struct Request {
    name: String,
    fields: Fields,
    headers: Fields,
}

impl Request {
    /// A request to an address, with what the address holds of credentials taken out of it. The error says why it cannot
    /// be made here.
    pub fn to(name: &str, address: &str, draft: &mut Draft) -> Result<Self, String> {
        let Some(address) = draft.literal(address) else {
            return Err("its address has an environment variable in it, so it is not watched".to_owned());
        };
        let Ok(mut url) = Url::parse(&address) else {
            return Err("it has no address that can be read, so it is not watched".to_owned());
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            let scheme = url.scheme();
            return Err(format!("no probe speaks {scheme:?}, only http and https, so it is not watched"));
        }
        let mut request = Self { name: name.to_owned(), fields: Fields::new(), headers: Fields::new() };
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        let (plain, secret): (Vec<_>, Vec<_>) = url
            .query_pairs()
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .partition(|(key, value)| !is_secret(key) || value.is_empty());
        if !secret.is_empty() {
            url.set_query(None);
            if !plain.is_empty() {
                url.query_pairs_mut().extend_pairs(&plain);
            }
        }
        // Neither fails for an address that has a host.
        url.set_username("").and_then(|()| url.set_password(None)).unwrap_or_default();
        url.set_fragment(None);
        request.fields.text("url", url.as_str());
        let mut query = Fields::new();
        for (key, value) in &secret {
            query.raw(key, request.secret(key, value, draft));
        }
        request.fields.table("query", &query);
        match password.filter(|password| !password.is_empty()) {
            Some(password) => {
                let password = request.secret("password", &password, draft);
                request.basic(&user, &password);
            }
            None if user.is_empty() => {}
            None => return Err(HALF_A_LOGIN.to_owned()),
        }
        Ok(request)
    }

    /// Adds the method, if it is one that there is here.
    pub fn method(&mut self, method: &str) -> Result<(), String> {
        let method = method.to_ascii_uppercase();
        if !reads_as::<MethodName>(&method) {
            return Err(format!("no probe sends the method {method:?}, so it is not watched"));
        }
        self.fields.text("method", &method);
        Ok(())
    }

    /// Keeps a secret of it, by a word for what it is; gives the reference.
    pub fn secret(&self, word: &str, value: &str, draft: &mut Draft) -> String {
        draft.secret(&format!("{}-{word}", self.name), value)
    }

    /// Adds user name and password; the password as a reference.
    pub fn basic(&mut self, user: &str, password: &str) {
        self.fields.table("basic", Fields::new().text("user", user).raw("password", password));
    }

    /// Adds a reference to a bearer token.
    pub fn bearer(&mut self, token: &str) {
        self.fields.raw("bearer", token);
    }

    /// Adds a header. What its name calls a secret is kept as one.
    pub fn header(&mut self, name: &str, value: &str, draft: &mut Draft) -> Result<(), String> {
        if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err() {
            return Err(format!("its header {name:?} cannot be sent, so it is not watched"));
        }
        let name = name.to_ascii_lowercase();
        if let Some(token) = value.strip_prefix("Bearer ").filter(|_| name == "authorization") {
            let token = self.secret("token", token.trim(), draft);
            self.bearer(&token);
        } else if is_secret(&name) || draft.variable(value).is_some() {
            self.headers.raw(&name, self.secret(&name, value, draft));
        } else if let Some(value) = draft.literal(value) {
            self.headers.text(&name, &value);
        } else {
            return Err(format!(
                "its header {name:?} has an environment variable in it, so it is not watched"
            ));
        }
        Ok(())
    }

    /// Adds a body, and the method that it is sent by.
    pub fn body(&mut self, body: &str, draft: &Draft) -> Result<(), String> {
        let Some(body) = draft.literal(body) else {
            return Err("its body has an environment variable in it, so it is not watched".to_owned());
        };
        self.fields.table("body", Fields::new().text("text", &body));
        Ok(())
    }

    /// Whether redirects are followed, and how many.
    pub fn redirects(&mut self, most: u32) {
        match most {
            0 => self.fields.raw("redirects", false),
            most => self.fields.raw("redirects", most.min(20)),
        };
    }

    /// Which version of HTTP is spoken: "1.1" or "2".
    pub fn version(&mut self, version: &str) {
        self.fields.text("version", version);
    }

    /// Which addresses of the host are used.
    pub fn family(&mut self, family: &str) {
        self.fields.text("family", family);
    }

    /// Adds files of TLS: who is trusted besides the system, and a certificate of one's own.
    pub fn tls(&mut self, files: &[(&str, String)]) {
        let mut tls = Fields::new();
        for (key, path) in files {
            match *key {
                "client_key" => tls.raw(key, format_args!("{{ file = {} }}", quoted(path))),
                key => tls.text(key, path),
            };
        }
        self.fields.table("tls", &tls);
    }

    /// All of it.
    pub fn into_fields(mut self) -> Fields {
        self.fields.table("headers", &self.headers);
        self.fields
    }
}

/// Says that certificates are checked here, which they were not there.
pub fn checks_certificates(place: &Place, draft: &mut Draft) {
    draft.leave(place, "certificates are verified here, also where they were not there; tls = { root_ca = \"...\" } trusts one of your own");
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a name is one under which people keep secrets.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "token", "key", "secret", "password", "passwd", "cookie", "session", "signature"]
        .iter()
        .any(|word| name.contains(word))
}
