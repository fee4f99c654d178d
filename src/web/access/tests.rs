//! Every way to bear a token, and every way to seem to come from this machine.

use axum::http::HeaderName;

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn client(name: &str, scopes: &[Scope]) -> Client {
    Client { name: name.into(), scopes: scopes.iter().copied().collect(), hash: TokenHash::of(name) }
}

fn access() -> Access {
    Access {
        root: Some(Secret::new("a-token-of-some-length".to_owned())),
        clients: vec![client("reader", &[Scope::Read]), client("runner", &[Scope::Run])],
        behind_proxy: false,
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn only_whoever_bears_a_token_that_may_gives_commands() {
    let (missing, unknown) = (Err(Denial::Missing(Scope::Run)), Err(Denial::Unknown));
    for (values, expected) in [
        (vec!["Bearer a-token-of-some-length"], Ok(ROOT)),
        (vec!["bearer  a-token-of-some-length "], Ok(ROOT)),
        (vec!["Bearer runner"], Ok("runner")),
        (vec!["Bearer reader"], Err(Denial::Lacks(Scope::Run))),
        (vec![], missing),
        (vec![""], missing),
        (vec!["Bearer"], missing),
        (vec!["Bearer "], missing),
        (vec!["runner"], missing),
        (vec![&*basic("x", "runner")], missing),
        (vec!["Bearer a-token-of-some-lengthy"], unknown),
        (vec!["Bearer a"], unknown),
        (vec!["Bearer runner", "Bearer runner"], missing),
    ] {
        let pairs: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
        let found = access().commander(&headers(&pairs), Scope::Run).map(|caller| caller.name.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{values:?}");
    }
    let nobody = Access { root: None, ..access() };
    let asked = nobody.commander(&headers(&[("authorization", "Bearer reader")]), Scope::Maintenance);
    assert_eq!(asked, Err(Denial::NotConfigured(Scope::Maintenance)));
}

#[test]
fn whoever_comes_from_elsewhere_reads_with_a_token_in_either_form() {
    let missing = Err(Denial::Missing(Scope::Read));
    for peer in ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::7"] {
        for (value, expected) in [
            ("", missing),
            ("Bearer reader", Ok(())),
            (&*basic("", "reader"), Ok(())),
            (&*basic("anybody", "a-token-of-some-length"), Ok(())),
            (&*basic("reader", ""), missing),
            ("Basic %%%", missing),
            ("Digest reader", missing),
            ("Bearer runner", Err(Denial::Lacks(Scope::Read))),
            ("Bearer nobody", Err(Denial::Unknown)),
        ] {
            let asked = headers(&[("host", "monitor.example.com"), ("authorization", value)]);
            for behind_proxy in [false, true] {
                let access = Access { behind_proxy, ..access() };
                assert_eq!(access.may_read(&asked, peer.parse().unwrap()), expected, "{peer} {value}");
            }
        }
    }
}

#[test]
fn whoever_seems_to_be_here_reads_without_a_token_only_if_nothing_speaks_against_it() {
    for (pairs, is_here) in [
        (vec![], true),
        (vec![("host", "127.0.0.1:9899")], true),
        (vec![("host", "[::1]:9899")], true),
        (vec![("host", "localhost")], true),
        (vec![("host", "monitor.example.com")], false),
        (vec![("host", "evil.example.com:9899")], false),
        (vec![("host", "10.0.0.7:9899")], false),
        (vec![("host", "127.0.0.1"), ("host", "evil.example.com")], false),
        (vec![("host", "127.0.0.1:9899"), ("x-forwarded-for", "10.0.0.7")], false),
        (vec![("host", "127.0.0.1:9899"), ("forwarded", "for=10.0.0.7")], false),
        (vec![("host", "127.0.0.1:9899"), ("via", "1.1 proxy")], false),
        (vec![("host", "127.0.0.1:9899"), ("x-forwarded-host", "monitor.example.com")], false),
        (vec![("host", "127.0.0.1:9899"), ("x-forwarded-proto", "https")], false),
        (vec![("host", "127.0.0.1:9899"), ("x-client-ip", "10.0.0.7")], false),
    ] {
        let expected = if is_here { Ok(()) } else { Err(Denial::HandedOn) };
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let peer = peer.parse().unwrap();
            assert_eq!(access().may_read(&headers(&pairs), peer), expected, "{pairs:?}");
            let proxied = Access { behind_proxy: true, ..access() };
            assert_eq!(proxied.may_read(&headers(&pairs), peer), Ok(()), "the proxy says who: {pairs:?}");
            let with_token: Vec<_> =
                pairs.iter().copied().chain([("authorization", "Bearer reader")]).collect();
            assert_eq!(access().may_read(&headers(&with_token), peer), Ok(()), "{pairs:?}");
        }
    }
}

#[test]
fn a_page_of_another_site_reads_nothing_by_the_browser_of_somebody_who_may() {
    let here = "127.0.0.1".parse().unwrap();
    for (site, mode, is_heard) in [
        ("cross-site", "cors", false),
        ("cross-site", "no-cors", false),
        ("cross-site", "navigate", true),
        ("same-origin", "cors", true),
        ("none", "navigate", true),
    ] {
        let pairs = [("host", "localhost:9899"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        let expected = if is_heard { Ok(()) } else { Err(Denial::OtherSite) };
        for behind_proxy in [false, true] {
            let access = Access { behind_proxy, ..access() };
            assert_eq!(access.may_read(&headers(&pairs), here), expected, "{site} {mode}");
        }
        let with_token: Vec<_> = pairs.into_iter().chain([("authorization", "Bearer reader")]).collect();
        assert_eq!(access().may_read(&headers(&with_token), here), Ok(()), "{site} {mode}");
    }
}
