//! From blackbox_exporter: its modules of the prober `http`, each with the targets that Prometheus has for it.

mod targets;

use std::{collections::BTreeMap, path::Path};

use crate::cli::import::{
    blackbox::targets::{Target, gather},
    document::{self, Table, beside, listed},
    draft::{Door, Draft, Place},
    expectation::Expectation,
    fields::quoted,
    request::{HALF_A_LOGIN, Request, checks_certificates},
};

/// The module where a target names none.
const MODULE: &str = "http_2xx";

/// Gathers what both configurations say. The error is for a file that cannot be read, or says nothing.
pub fn read(modules: &Path, prometheus: &Path) -> anyhow::Result<Draft> {
    let mut draft = Draft::default();
    let mut known = Table::of(document::yaml(modules)?).unwrap_or_else(Table::none);
    let Some(mut known_modules) = known.table("modules") else {
        anyhow::bail!("{} has no `modules`, as blackbox_exporter's has", modules.display());
    };
    known.rest(&Place::new("blackbox_exporter", ""), &mut draft);
    let known: BTreeMap<String, Table> = known_modules
        .members()
        .into_iter()
        .filter_map(|(name, value)| Some((name, Table::of(value)?)))
        .collect();
    for target in gather(prometheus, &mut draft)? {
        let place = Place::new("target", &target.name());
        let module = target.module.as_deref().unwrap_or(MODULE);
        let door = match known.get(module) {
            Some(settings) => door(&target, settings.clone(), modules, &place, &mut draft),
            None => Err(format!("its module {module:?} is not in {}", modules.display())),
        };
        match door {
            Ok(door) => draft.add(&place, door),
            Err(why) => draft.leave(&place, why),
        }
    }
    Ok(draft)
}

fn door(
    target: &Target,
    mut module: Table,
    modules: &Path,
    place: &Place,
    draft: &mut Draft,
) -> Result<Door, String> {
    let prober = module.text("prober").unwrap_or_default();
    if prober != "http" {
        return Err(format!("no probe does what the prober {prober:?} does, so it is not watched"));
    }
    let timeout = module.span("timeout").map_or(target.timeout, |timeout| timeout.min(target.timeout));
    let mut http = module.table("http").unwrap_or_else(Table::none);
    let name = target.name();
    let mut request = Request::to(&name, &target.address(), draft)?;
    asked(&mut request, &mut http, draft)?;
    credentials(&mut request, &mut http, modules, place, draft)?;
    let expect = expected(&mut http, place, draft);
    if expect.is_impossible() {
        return Err("no status is valid, so it is not watched".to_owned());
    }
    let is_http = target.address().starts_with("http://");
    if http.flag("fail_if_not_ssl") == Some(true) && is_http {
        draft.leave(place, "it may answer without TLS here; write https:// if it must not");
    }
    // Compressed answers are asked for and inflated here in any case.
    http.ignore(&["compression", "fail_if_not_ssl", "ip_protocol_fallback"]);
    http.rest(place, draft);
    module.rest(place, draft);
    Ok(Door {
        name,
        team: draft.told.team_by(targets::WAYS),
        labels: target.labels.clone(),
        every: Some(target.every),
        timeout: Some(timeout),
        request: request.into_fields(),
        expect,
        ..Door::default()
    })
}

/// Method, headers, body, and how it is sent.
fn asked(request: &mut Request, http: &mut Table, draft: &mut Draft) -> Result<(), String> {
    let (method, body) = (http.text("method"), http.text("body"));
    if method.is_some() || body.is_some() {
        request.method(method.as_deref().unwrap_or("GET"))?;
    }
    for (name, value) in http.table("headers").map(|mut headers| headers.members()).unwrap_or_default() {
        request.header(&name, &document::scalar(&value).unwrap_or_default(), draft)?;
    }
    if let Some(body) = body {
        request.body(&body, draft)?;
    }
    if http.flag("follow_redirects") == Some(false) || http.flag("no_follow_redirects") == Some(true) {
        request.redirects(0);
    }
    let versions = http.texts("valid_http_versions");
    let is_first = |version: &String| version.starts_with("HTTP/1");
    if http.flag("enable_http2") == Some(false) || (!versions.is_empty() && versions.iter().all(is_first)) {
        request.version("1.1");
    } else if !versions.is_empty() && !versions.iter().any(is_first) {
        request.version("2");
    }
    let falls_back = http.flag("ip_protocol_fallback") != Some(false);
    match http.text("preferred_ip_protocol").as_deref() {
        _ if falls_back => {}
        Some("ip4") => request.family("ipv4"),
        _ => request.family("ipv6"),
    }
    let in_the_way = ["oauth2", "proxy_url", "proxy_from_environment", "body_file", "http_headers"];
    let in_the_way = listed(in_the_way.into_iter().filter(|key| http.take(key).is_some()));
    if in_the_way.is_empty() {
        Ok(())
    } else {
        Err(format!("no probe does as its {in_the_way} says, so it is not watched"))
    }
}

/// Who it says it is, and whom it trusts.
fn credentials(
    request: &mut Request,
    http: &mut Table,
    modules: &Path,
    place: &Place,
    draft: &mut Draft,
) -> Result<(), String> {
    if let Some(mut basic) = http.table("basic_auth") {
        let user = basic.text("username").unwrap_or_default();
        let password = reference(request, &mut basic, "password", modules, draft)?;
        basic.rest(place, draft);
        let password = password.filter(|_| !user.is_empty()).ok_or(HALF_A_LOGIN)?;
        request.basic(&user, &password);
    }
    if let Some(mut bearer) = http.table("authorization") {
        let kind = bearer.text("type").unwrap_or_else(|| "Bearer".to_owned());
        if !kind.eq_ignore_ascii_case("Bearer") {
            return Err(format!(
                "no probe sends an authorization of the type {kind:?}, so it is not watched"
            ));
        }
        let token = reference(request, &mut bearer, "credentials", modules, draft)?;
        bearer.rest(place, draft);
        let token =
            token.ok_or("its token cannot be read here, so it is not watched; write it with `bearer`")?;
        request.bearer(&token);
    }
    if let Some(token) = reference(request, http, "bearer_token", modules, draft)? {
        request.bearer(&token);
    }
    let Some(mut tls) = http.table("tls_config") else { return Ok(()) };
    if tls.flag("insecure_skip_verify") == Some(true) {
        checks_certificates(place, draft);
    }
    let mut files = Vec::new();
    for (key, ours) in
        [("ca_file", "root_ca"), ("cert_file", "client_certificate"), ("key_file", "client_key")]
    {
        if let Some(path) = tls.text(key) {
            files.push((ours, readable(key, &path, modules)?));
        }
    }
    request.tls(&files);
    tls.rest(place, draft);
    Ok(())
}

/// A reference to a secret that stands at a key, or in the file at `key_file`.
fn reference(
    request: &Request,
    table: &mut Table,
    key: &str,
    modules: &Path,
    draft: &mut Draft,
) -> Result<Option<String>, String> {
    if let Some(secret) = table.text(key) {
        return Ok(Some(request.secret(key, &secret, draft)));
    }
    let file = format!("{key}_file");
    let Some(path) = table.text(&file) else { return Ok(None) };
    let path = readable(&file, &path, modules)?;
    Ok(Some(format!("{{ file = {} }}", quoted(&path))))
}

/// The whole path of a file, which must be there: without it there would be no configuration.
fn readable(key: &str, path: &str, modules: &Path) -> Result<String, String> {
    let path = beside(modules, path);
    let whole =
        path.canonicalize().ok().filter(|path| document::text(path).is_ok_and(|text| !text.is_empty()));
    let whole = whole.and_then(|path| path.to_str().map(str::to_owned));
    whole.ok_or_else(|| format!("its `{key}` cannot be read here, so it is not watched"))
}

fn expected(http: &mut Table, place: &Place, draft: &mut Draft) -> Expectation {
    let mut expect = Expectation::default();
    let valid: Vec<u16> =
        http.texts("valid_status_codes").iter().filter_map(|status| status.parse().ok()).collect();
    expect.status(
        |status| if valid.is_empty() { (200..300).contains(&status) } else { valid.contains(&status) },
    );
    let refused = |pattern: &str| format!("the pattern {pattern:?} has no counterpart here");
    for pattern in http.texts("fail_if_body_not_matches_regexp") {
        if !expect.body(&pattern) {
            draft.leave(place, refused(&pattern));
        }
    }
    for pattern in http.texts("fail_if_body_matches_regexp") {
        // A body must not contain a text; there is no such rule for a pattern.
        if regex::escape(&pattern) == pattern {
            expect.lacks(&pattern);
        } else {
            draft.leave(place, format_args!("nothing fails here because the body matches {pattern:?}"));
        }
    }
    for mut rule in http.tables("fail_if_header_not_matches") {
        let (name, pattern) =
            (rule.text("header").unwrap_or_default(), rule.text("regexp").unwrap_or_default());
        let is_header = http::HeaderName::try_from(&name).is_ok() && rule.flag("allow_missing") != Some(true);
        if !is_header || !expect.header(&name, &pattern) {
            draft.leave(place, format_args!("its rule about the header {name:?} has no counterpart here"));
        }
    }
    expect
}
