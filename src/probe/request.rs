//! A request as the operator writes it, shared by every kind of probe that speaks HTTP, and the way from there to
//! the wire: [`settings::RequestSettings`] are checked into a [`Draft`], and a draft whose texts are filled in becomes
//! a [`Prepared`] request. `http` fills in nothing and prepares once; `journey` fills in its variables on every run.

pub mod draft;
pub mod settings;
pub mod single;

use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority};
use http_body_util::BodyExt;
use reqwest::{Client, RequestBuilder, multipart};

use self::draft::{Auth, Body, Draft, Text};
use crate::{
    probe::transport::prepared::{Prepared, Target},
    setting::HttpUrl,
};

/// Who we say we are, unless the operator says otherwise.
const USER_AGENT: &str = concat!("lamplighter/", env!("CARGO_PKG_VERSION"));
/// What a customer's browser accepts, and what we can inflate.
const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// Only assembles requests; it never sends one.
static ASSEMBLER: LazyLock<Client> = LazyLock::new(|| {
    Client::builder()
        .no_proxy()
        .build()
        .expect("a client without TLS and proxies has nothing that could fail")
});

/// A draft that cannot be sent: what is wrong with it. The text itself is not told, since it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsendable(String);

impl Draft<Text> {
    /// Assembles the request.
    ///
    /// # Errors
    /// Says which text does not fit its place.
    pub fn prepare(&self) -> Result<Prepared, Unsendable> {
        let HttpUrl(url) = HttpUrl::parse(self.url.as_str()).map_err(|(message, _)| Unsendable(message))?;
        let query: Vec<_> = self.query.iter().map(|(name, value)| (name, value.as_str())).collect();
        let mut builder = ASSEMBLER.request(self.method.clone(), url).headers(self.headers()?);
        if !query.is_empty() {
            builder = builder.query(&query);
        }
        builder = match &self.auth {
            Auth::None => builder,
            Auth::Basic { user, password } => builder.basic_auth(user.as_str(), Some(password.as_str())),
            Auth::Bearer(token) => builder.bearer_auth(token.as_str()),
        };
        let mut request = self.body.put_into(builder)?.build().map_err(|error| unsendable(&error))?;
        let body = match request.body_mut().take() {
            Some(body) => whole(body)?,
            None => Bytes::new(),
        };
        let target = Target::of(request.url().clone()).map_err(Unsendable)?;
        Ok(Prepared {
            method: self.method.clone(),
            target: target.into(),
            // A copy has no room to spare, which is more than half of the original.
            headers: request.headers().clone(),
            body,
            body_is_secret: self.body.any(&Text::is_secret),
            route: self.route.clone(),
        })
    }

    fn headers(&self) -> Result<HeaderMap, Unsendable> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        for (name, text) in &self.headers {
            if *name == header::HOST && text.as_str().parse::<Authority>().is_err() {
                let wrong =
                    "the header host must name a host, such as shop.example.com or shop.example.com:8443";
                return Err(Unsendable(wrong.to_owned()));
            }
            headers.append(name, header_value(name, text)?);
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
        if !cookies.is_empty() {
            let text =
                Text::filled(cookies.join("; "), self.cookies.iter().any(|(_, value)| value.is_secret()));
            headers.append(header::COOKIE, header_value(&header::COOKIE, &text)?);
        }
        for (name, value) in [
            (header::USER_AGENT, USER_AGENT),
            (header::ACCEPT, "*/*"),
            (header::ACCEPT_ENCODING, ACCEPT_ENCODING),
        ] {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        Ok(headers)
    }
}

impl Body<Text> {
    fn put_into(&self, builder: RequestBuilder) -> Result<RequestBuilder, Unsendable> {
        Ok(match self {
            Self::None => builder,
            Self::Text(text) => builder.body(text.as_str().to_owned()),
            Self::File(bytes) => builder.body(bytes.clone()),
            Self::Json(json) => builder.json(&json.to_value()),
            Self::Form(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (name, value.as_str())).collect();
                builder.form(&fields)
            }
            Self::Multipart { fields, files } => {
                let mut form = multipart::Form::new();
                for (name, value) in fields {
                    form = form.text(name.clone(), value.as_str().to_owned());
                }
                for file in files {
                    let part = multipart::Part::bytes(file.bytes.to_vec()).file_name(file.file_name.clone());
                    let part = part.mime_str(&file.media_type).map_err(|error| unsendable(&error))?;
                    form = form.part(file.field.clone(), part);
                }
                builder.multipart(form)
            }
        })
    }
}

pub(super) fn header_value(name: &HeaderName, text: &Text) -> Result<HeaderValue, Unsendable> {
    let mut value = HeaderValue::from_str(text.as_str()).map_err(|_| {
        Unsendable(format!("the value of the header {name} contains a character that no header may have"))
    })?;
    value.set_sensitive(text.is_secret());
    Ok(value)
}

/// The whole of a body. Every part lies in memory, so there is nothing to wait for.
fn whole(body: reqwest::Body) -> Result<Bytes, Unsendable> {
    let collected =
        body.collect().now_or_never().ok_or_else(|| Unsendable("the body is not at hand".to_owned()))?;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| unsendable(&error))
}

/// The last error of a chain says what is wrong; those before it repeat the address.
fn unsendable(error: &reqwest::Error) -> Unsendable {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    Unsendable(last.to_string())
}
