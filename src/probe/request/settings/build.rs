//! From settings to a draft: files and secrets are read, bounds are checked, and all that is wrong is told at once.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Method,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
};

use super::{
    BodySettings, LimitSettings, MethodName, MultipartSettings, RequestSettings, TlsSettings, TokenSettings,
};
use crate::{
    probe::{
        request::draft::{Auth, Body, Draft, FilePart, Json, Text},
        settings::BuildContext,
        transport::{
            prepared::{Limits, Route},
            tls::{Identity, IdentityError},
        },
    },
    secret::{LITERAL_SECRET, MaybeSecret, Secret, SecretRef, Sources},
    setting::{At, ByteSize, HeaderName, Problem, Span, is_loopback},
};

const MEDIA_TYPE_DEFAULT: &str = "application/octet-stream";
const ONE_BODY: &str =
    "write one of text, json, form, multipart and file, such as body = { json = { topic = \"refund\" } }";
const MEBIBYTE: u64 = 1 << 20;

/// Gathers what is wrong while something is built.
struct Gather<'a> {
    sources: &'a Sources,
    problems: &'a mut Vec<Problem>,
}

impl RequestSettings {
    /// Checks the settings, reads the files and secrets they refer to, and drafts the request. What could not be read
    /// is a problem and empty in the draft; without a way to send it there is none.
    pub fn draft(&self, context: &BuildContext<'_>, problems: &mut Vec<Problem>) -> Option<Draft<Text>> {
        let mut gather = Gather { sources: context.sources, problems };
        let auth = gather.auth(self);
        let body = self.body.as_ref().map_or(Body::None, |body| gather.body(body));
        let method = match (&self.method, &body) {
            (Some(At { value: MethodName(method), .. }), _) => method.clone(),
            (None, Body::None) => Method::GET,
            (None, _) => Method::POST,
        };
        let route = gather.route(self, context);
        let header = |(name, value): (&HeaderName, _)| (name.0.clone(), gather.header(name, value));
        let headers = self.headers.iter().map(header).collect();
        let url = Text::written(Secret::new(self.url.value.0.clone()), false, self.url.span.clone());
        let (query, cookies) = (gather.named(&self.query), gather.named(&self.cookies));
        Some(Draft { method, url, headers, query, cookies, auth, body, route: route? })
    }

    /// What deserves a second look: credentials that travel in the clear.
    #[must_use]
    pub fn warnings(&self, has_credentials: bool) -> Vec<Problem> {
        let host = self
            .url
            .strip_prefix("http://")
            .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let host = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
        match host {
            Some(host) if has_credentials && !is_loopback(host) => {
                let problem = self.url.problem("credentials are sent in the clear over http");
                vec![problem.hint("write https:// where the target offers it")]
            }
            _ => Vec::new(),
        }
    }
}

impl Gather<'_> {
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// A text that could not be read is a problem already; what stands in its place is never sent.
    fn text(&mut self, text: &At<MaybeSecret>) -> Text {
        let secret = matches!(text.value, MaybeSecret::Secret(_));
        let value = self.sources.text(text);
        let value = self.keep(value).unwrap_or_else(|| Secret::new(String::new()));
        Text::written(value, secret, text.span.clone())
    }

    /// A header that says who we are is a secret, unless it has a variable for it.
    fn header(&mut self, name: &HeaderName, text: &At<MaybeSecret>) -> Text {
        let is_literal = matches!(&text.value, MaybeSecret::Plain(plain) if !plain.contains('{'));
        if is_literal && [AUTHORIZATION, PROXY_AUTHORIZATION].contains(&name.0) {
            let hint = "write bearer = { env = \"API_TOKEN\" } instead, or where the whole value lies: \
                        { env = \"API_AUTHORIZATION\" }";
            self.problems.push(text.problem(LITERAL_SECRET).hint(hint));
        }
        self.text(text)
    }

    fn secret(&mut self, reference: &At<SecretRef>) -> Text {
        let value = self.sources.secret(reference);
        let value = self.keep(value).unwrap_or_else(|| Secret::new(String::new()));
        Text::written(value, true, reference.span.clone())
    }

    fn token(&mut self, token: &At<TokenSettings>) -> Text {
        let span = token.span.clone();
        match &token.value {
            TokenSettings::Secret(reference) => self.secret(&At { span, value: reference.clone() }),
            TokenSettings::Variable(text) => Text::written(Secret::new(text.clone()), false, span),
        }
    }

    fn named(&mut self, texts: &BTreeMap<String, At<MaybeSecret>>) -> Vec<(String, Text)> {
        texts.iter().map(|(name, text)| (name.clone(), self.text(text))).collect()
    }

    fn auth(&mut self, settings: &RequestSettings) -> Auth<Text> {
        match (&settings.basic, &settings.bearer) {
            (None, None) => Auth::None,
            (Some(basic), None) => {
                Auth::Basic { user: self.text(&basic.user), password: self.secret(&basic.password) }
            }
            (None, Some(token)) => Auth::Bearer(self.token(token)),
            (Some(basic), Some(bearer)) => {
                let problem = bearer.problem("basic and bearer both fill the authorization header");
                self.problems.push(problem.hint("keep one of them"));
                let _read = (self.text(&basic.user), self.secret(&basic.password), self.token(bearer));
                Auth::None
            }
        }
    }

    fn body(&mut self, settings: &At<BodySettings>) -> Body<Text> {
        let BodySettings { text, json, form, multipart, file } = &settings.value;
        let mut bodies = [
            text.as_ref().map(|text| Body::Text(self.text(text))),
            json.as_ref().map(|json| Body::Json(Json::written(json.value.clone(), &json.span))),
            form.as_ref().map(|fields| Body::Form(self.named(fields))),
            multipart.as_ref().map(|form| self.multipart(form)),
            file.as_ref().and_then(|path| {
                let bytes = self.sources.file(path);
                self.keep(bytes).map(|bytes| Body::File(bytes.into()))
            }),
        ]
        .into_iter()
        .flatten();
        match (bodies.next(), bodies.next()) {
            (Some(body), None) => body,
            (None, _) if file.is_some() => Body::None,
            (None, _) => {
                self.problems.push(settings.problem("a body must say what is sent").hint(ONE_BODY));
                Body::None
            }
            (Some(_), Some(_)) => {
                self.problems.push(settings.problem("a body is one thing, not several").hint(ONE_BODY));
                Body::None
            }
        }
    }

    fn multipart(&mut self, settings: &MultipartSettings) -> Body<Text> {
        let mut files = Vec::new();
        for (field, file) in &settings.files {
            let media_type = file.media_type.as_ref();
            if let Some(written) = media_type.filter(|written| !is_media_type(written)) {
                let problem = written.problem(format!("{:?} is not a media type", written.value));
                self.problems.push(problem.hint("write a type such as \"image/png\" or \"application/pdf\""));
            }
            let bytes = self.sources.file(&file.path);
            let Some(bytes) = self.keep(bytes) else { continue };
            let file_name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
            files.push(FilePart {
                field: field.clone(),
                file_name: file_name.unwrap_or_default(),
                media_type: media_type
                    .map_or_else(|| MEDIA_TYPE_DEFAULT.to_owned(), |written| written.value.clone()),
                bytes: Bytes::from(bytes),
            });
        }
        Body::Multipart { fields: self.named(&settings.fields), files }
    }

    fn route(&mut self, settings: &RequestSettings, context: &BuildContext<'_>) -> Option<Arc<Route>> {
        let limits = self.limits(&settings.limits, context.timeout);
        let identity =
            settings.tls.as_ref().map_or_else(|| Some(Identity::default()), |tls| self.identity(tls))?;
        let client = context.transport.client(&identity, settings.version.version());
        let client = client.map_err(|error| {
            settings
                .tls
                .as_ref()
                .map_or_else(|| settings.url.problem(error.to_string()), |tls| tls.blame(error))
        });
        let tls = self.keep(client)?;
        if settings.url.starts_with("https://") {
            tls.warm_up();
        }
        Some(Arc::new(Route {
            family: settings.family,
            redirects_max: settings.redirects.0,
            allow_private: settings.allow_private,
            limits,
            tls,
        }))
    }

    fn identity(&mut self, tls: &TlsSettings) -> Option<Identity> {
        let before = self.problems.len();
        let mut file = |path: &Option<At<_>>| {
            let bytes = path.as_ref().map(|path| self.sources.file(path));
            bytes.and_then(|bytes| self.keep(bytes))
        };
        let (roots, chain) = (file(&tls.root_ca), file(&tls.client_certificate));
        let key = tls.client_key.as_ref().map(|reference| self.secret(reference));
        let lonely = match (&tls.client_certificate, &tls.client_key) {
            (Some(chain), None) => Some(chain.problem("a client certificate needs its private key")),
            (None, Some(key)) => Some(key.problem("a private key needs its client certificate")),
            _ => None,
        };
        self.problems
            .extend(lonely.map(|problem| problem.hint("write both client_certificate and client_key")));
        let client = chain.zip(key).map(|(chain, key)| (chain, Secret::new(key.as_str().to_owned())));
        (self.problems.len() == before).then_some(Identity { roots, client })
    }

    fn limits(&mut self, settings: &LimitSettings, timeout: Duration) -> Limits {
        let mut limits = Limits::default();
        if let Some(ByteSize(bytes)) = self.bounded(settings.header_bytes.as_ref(), 1024..=MEBIBYTE) {
            limits.header_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        if let Some(fields) = self.bounded(settings.header_fields.as_ref(), 1..=10_000) {
            limits.header_fields = fields;
        }
        if let Some(ByteSize(bytes)) = self.bounded(settings.body_bytes.as_ref(), 0..=64 * MEBIBYTE) {
            limits.body_bytes = bytes;
        }
        if let Some(ByteSize(bytes)) = self.bounded(settings.inflated_bytes.as_ref(), 0..=64 * MEBIBYTE) {
            limits.inflated_bytes = bytes;
        }
        if let Some(ratio) = self.bounded(settings.inflated_ratio.as_ref(), 1..=10_000) {
            limits.inflated_ratio = ratio;
        }
        match &settings.phase {
            Some(phase) if phase.0 > timeout => {
                let problem =
                    phase.problem(format!("the run of {} is over before this phase", Span(timeout)));
                self.problems.push(problem.hint("raise the probe's timeout, or allow less"));
            }
            Some(phase) => limits.phase = phase.0,
            None => {}
        }
        limits
    }

    /// A limit, unless it is out of its bounds.
    fn bounded<T: Limit>(&mut self, limit: Option<&At<T>>, bounds: RangeInclusive<u64>) -> Option<T> {
        let limit = limit?;
        if bounds.contains(&limit.count()) {
            return Some(limit.value);
        }
        let problem =
            limit.problem(format!("{} is outside the bounds of this limit", T::shown(limit.count())));
        let (least, most) = (T::shown(*bounds.start()), T::shown(*bounds.end()));
        self.problems.push(problem.hint(format!("write a limit from {least} to {most}")));
        None
    }
}

/// What can be limited, and how it is told.
trait Limit: Copy {
    fn count(self) -> u64;
    fn shown(count: u64) -> String;
}

impl Limit for ByteSize {
    fn count(self) -> u64 {
        self.0
    }

    fn shown(count: u64) -> String {
        ByteSize(count).to_string()
    }
}

impl Limit for u16 {
    fn count(self) -> u64 {
        self.into()
    }

    fn shown(count: u64) -> String {
        count.to_string()
    }
}

impl Limit for u64 {
    fn count(self) -> u64 {
        self
    }

    fn shown(count: u64) -> String {
        count.to_string()
    }
}

impl TlsSettings {
    /// Puts a problem with the identity where it stands.
    fn blame(&self, error: IdentityError) -> Problem {
        let span = match error {
            IdentityError::Roots => self.root_ca.as_ref().map(|at| at.span.clone()),
            IdentityError::ClientCertificate => self.client_certificate.as_ref().map(|at| at.span.clone()),
            IdentityError::ClientKey => self.client_key.as_ref().map(|at| at.span.clone()),
        };
        let problem = Problem { span, message: error.to_string(), hint: None };
        problem.hint("give a PEM file, which begins with -----BEGIN")
    }
}

fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}
