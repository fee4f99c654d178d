//! Reads the paths (`a::b::c`) of a source text from its tokens: those of `use` lines, with their braces spread out,
//! and those in the middle of the code. `self` and `super` are resolved, comments and strings are not looked at.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Where a path stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// In what ships.
    Code,
    /// In a module that exists for tests only.
    Tests,
}

/// One path as written, from its first segment on; those from `self` and `super` begin with `crate`.
pub struct Used {
    /// Its segments.
    pub segments: Vec<String>,
    /// Where it stands.
    pub within: Within,
}

/// All paths of a file that is the module `module`.
pub fn paths_in(text: &str, module: &[String]) -> Vec<Used> {
    let tokens: TokenStream = text.parse().unwrap();
    let mut found = Vec::new();
    collect(tokens, module, Within::Code, &mut found);
    found
}

fn collect(tokens: TokenStream, module: &[String], within: Within, found: &mut Vec<Used>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut for_tests = false;
    let mut at = 0;
    while at < tokens.len() {
        if let Some((name, body)) = inline_module(&tokens[at..]) {
            let inner = [module, &[name]].concat();
            let within = if for_tests { Within::Tests } else { within };
            collect(body, &inner, within, found);
            for_tests = false;
            at += 3;
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(_) if is_double_colon(&tokens, at + 1) => {
                let mut paths = Vec::new();
                at = read_path(&tokens, at, Vec::new(), &mut paths);
                found.extend(paths.into_iter().map(|path| Used { segments: resolve(path, module), within }));
            }
            TokenTree::Group(group) => {
                for_tests |= group.delimiter() == Delimiter::Bracket && is_cfg_test(group.stream());
                collect(group.stream(), module, within, found);
                at += 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                for_tests = false;
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn inline_module(tokens: &[TokenTree]) -> Option<(String, TokenStream)> {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
            if word == "mod" && body.delimiter() == Delimiter::Brace =>
        {
            Some((name.to_string(), body.stream()))
        }
        _ => None,
    }
}

fn is_cfg_test(attribute: TokenStream) -> bool {
    attribute.to_string().replace(' ', "") == "cfg(test)"
}

fn is_double_colon(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))
}

/// Reads from the segment at `at`; gives the place after the path.
fn read_path(
    tokens: &[TokenTree],
    mut at: usize,
    mut prefix: Vec<String>,
    paths: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(segment)) => {
                prefix.push(segment.to_string());
                at += 1;
                if !is_double_colon(tokens, at) {
                    break;
                }
                at += 2;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','))
                {
                    if !branch.is_empty() {
                        read_path(branch, 0, prefix.clone(), paths);
                    }
                }
                return at + 1;
            }
            _ => break,
        }
    }
    paths.push(prefix);
    at
}

fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut depth = module.len();
    let mut rest = &path[..];
    match path[0].as_str() {
        "self" => rest = &rest[1..],
        "super" => {}
        _ => return path,
    }
    while rest.first().is_some_and(|segment| segment == "super") {
        depth = depth.saturating_sub(1);
        rest = &rest[1..];
    }
    [&["crate".to_owned()], &module[..depth], rest].concat()
}
