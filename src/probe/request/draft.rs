//! A request whose texts may still have variables in them. `T` is the form its texts are in: as written ([`Text`]),
//! parsed as templates, or filled in ([`Text`] again, ready to be sent).

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, Method};

use crate::{probe::transport::prepared::Route, secret::Secret};

/// A text of a request.
#[derive(Clone)]
pub struct Text {
    value: Secret,
    secret: bool,
    /// Where in the file it stands, for a problem with it.
    pub span: Option<Range<usize>>,
}

impl Text {
    /// A text as the operator wrote it, or a secret as it was read.
    #[must_use]
    pub fn written(value: Secret, secret: bool, span: Range<usize>) -> Self {
        Self { value, secret, span: Some(span) }
    }

    /// A text with its variables filled in; secret if any of them is.
    #[must_use]
    pub fn filled(value: String, secret: bool) -> Self {
        Self { value: Secret::new(value), secret, span: None }
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.value.expose()
    }

    /// Whether it is a secret, or has one in it.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret { f.write_str("***") } else { fmt::Debug::fmt(self.as_str(), f) }
    }
}

/// Where a text of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the address: what is filled in must be percent-encoded.
    Address,
    /// Anywhere else: what is filled in is encoded, if need be, when the request is assembled.
    Elsewhere,
}

/// A request, not assembled yet.
#[derive(Clone, Debug)]
pub struct Draft<T> {
    /// The method.
    pub method: Method,
    /// The address.
    pub url: T,
    /// Headers.
    pub headers: Vec<(HeaderName, T)>,
    /// Parameters added to the address.
    pub query: Vec<(String, T)>,
    /// Cookies besides those of the jar.
    pub cookies: Vec<(String, T)>,
    /// As whom.
    pub auth: Auth<T>,
    /// The body.
    pub body: Body<T>,
    /// How it is sent.
    pub route: Arc<Route>,
}

/// The `authorization` header.
#[derive(Clone, Debug)]
pub enum Auth<T> {
    /// None.
    None,
    /// User name and password.
    Basic {
        /// The user.
        user: T,
        /// The password.
        password: T,
    },
    /// A token.
    Bearer(T),
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Body<T> {
    /// None.
    None,
    /// A text as it is.
    Text(T),
    /// A file as it is.
    File(Bytes),
    /// A JSON document.
    Json(Json<T>),
    /// Form fields, `application/x-www-form-urlencoded`.
    Form(Vec<(String, T)>),
    /// Form fields and files, `multipart/form-data`.
    Multipart {
        /// The fields.
        fields: Vec<(String, T)>,
        /// The files.
        files: Vec<FilePart>,
    },
}

/// A file in a form.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The field.
    pub field: String,
    /// The name that the file is said to have.
    pub file_name: String,
    /// Its media type.
    pub media_type: String,
    /// Its content.
    pub bytes: Bytes,
}

/// A JSON document whose strings are texts.
#[derive(Clone, Debug)]
pub enum Json<T> {
    /// A string.
    Text(T),
    /// A number, a boolean or null.
    Plain(serde_json::Value),
    /// An array.
    Array(Vec<Json<T>>),
    /// An object.
    Object(Vec<(String, Json<T>)>),
}

impl<T> Draft<T> {
    /// The same request with its texts in another form.
    ///
    /// # Errors
    /// The first error of `form`.
    pub fn try_map<U, E>(&self, mut form: impl FnMut(&T, Place) -> Result<U, E>) -> Result<Draft<U>, E> {
        let url = form(&self.url, Place::Address)?;
        let mut form = |text: &T| form(text, Place::Elsewhere);
        let auth = match &self.auth {
            Auth::None => Auth::None,
            Auth::Basic { user, password } => Auth::Basic { user: form(user)?, password: form(password)? },
            Auth::Bearer(token) => Auth::Bearer(form(token)?),
        };
        Ok(Draft {
            method: self.method.clone(),
            url,
            headers: named(&self.headers, &mut form)?,
            query: named(&self.query, &mut form)?,
            cookies: named(&self.cookies, &mut form)?,
            auth,
            body: self.body.try_map(&mut form)?,
            route: self.route.clone(),
        })
    }

    /// Whether it says who we are, which it does with every text that is a secret: then a refusal is told as `auth`.
    pub fn has_credentials(&self, is_secret: impl Fn(&T) -> bool) -> bool {
        !matches!(self.auth, Auth::None)
            || is_secret(&self.url)
            || self.headers.iter().any(|(name, text)| is_secret(text) || *name == http::header::AUTHORIZATION)
            || self.query.iter().chain(&self.cookies).any(|(_, text)| is_secret(text))
            || self.body.any(&is_secret)
    }
}

impl<T> Body<T> {
    fn try_map<U, E>(&self, form: &mut impl FnMut(&T) -> Result<U, E>) -> Result<Body<U>, E> {
        Ok(match self {
            Self::None => Body::None,
            Self::File(bytes) => Body::File(bytes.clone()),
            Self::Text(text) => Body::Text(form(text)?),
            Self::Json(json) => Body::Json(json.try_map(form)?),
            Self::Form(fields) => Body::Form(named(fields, form)?),
            Self::Multipart { fields, files } => {
                Body::Multipart { fields: named(fields, form)?, files: files.clone() }
            }
        })
    }

    /// Whether this holds of any of its texts.
    pub(super) fn any(&self, holds: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::None | Self::File(_) => false,
            Self::Text(text) => holds(text),
            Self::Json(json) => json.any(holds),
            Self::Form(fields) | Self::Multipart { fields, .. } => fields.iter().any(|(_, text)| holds(text)),
        }
    }
}

impl<T> Json<T> {
    /// The same document with its texts in another form.
    ///
    /// # Errors
    /// The first error of `form`.
    pub fn try_map<U, E>(&self, form: &mut impl FnMut(&T) -> Result<U, E>) -> Result<Json<U>, E> {
        Ok(match self {
            Self::Text(text) => Json::Text(form(text)?),
            Self::Plain(value) => Json::Plain(value.clone()),
            Self::Array(items) => {
                Json::Array(items.iter().map(|item| item.try_map(form)).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| Ok((name.clone(), value.try_map(form)?));
                Json::Object(members.iter().map(member).collect::<Result<_, E>>()?)
            }
        })
    }

    fn any(&self, holds: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Text(text) => holds(text),
            Self::Plain(_) => false,
            Self::Array(items) => items.iter().any(|item| item.any(holds)),
            Self::Object(members) => members.iter().any(|(_, value)| value.any(holds)),
        }
    }
}

impl Json<Text> {
    /// Takes a document as it is written.
    #[must_use]
    pub fn written(value: serde_json::Value, span: &Range<usize>) -> Self {
        match value {
            serde_json::Value::String(text) => {
                Self::Text(Text::written(Secret::new(text), false, span.clone()))
            }
            serde_json::Value::Array(items) => {
                Self::Array(items.into_iter().map(|item| Self::written(item, span)).collect())
            }
            serde_json::Value::Object(members) => Self::Object(
                members.into_iter().map(|(name, value)| (name, Self::written(value, span))).collect(),
            ),
            plain => Self::Plain(plain),
        }
    }

    /// The document, for the one place that sends it.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Plain(value) => value.clone(),
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(members) => serde_json::Value::Object(
                members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect(),
            ),
        }
    }
}

fn named<N: Clone, T, U, E>(
    texts: &[(N, T)],
    form: &mut impl FnMut(&T) -> Result<U, E>,
) -> Result<Vec<(N, U)>, E> {
    texts.iter().map(|(name, text)| Ok((name.clone(), form(text)?))).collect()
}
