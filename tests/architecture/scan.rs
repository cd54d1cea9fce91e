//! What a source file refers to: read from its tokens, so that comments, strings and formatting do not matter.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A path that code names, from its root: `crate::policy::Policy`, or `bollard::Docker` for another crate. One of this crate
/// begins with `crate`, whatever was written (`self`, `super`, a child module's name).
pub type Path = Vec<String>;

/// What was found in one file. Code under `#[cfg(test)]` is left out of `uses`.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every path of two or more segments, and every single name in a `use`.
    pub uses: Vec<Path>,
    /// The `allow` and `expect` attributes that carry no `reason`.
    pub without_reason: Vec<String>,
}

/// Scans the source of the module at `module` (`["status", "model"]`; empty for `lib.rs`).
pub fn scan(module: &[String], source: &str) -> Result<Scan, String> {
    let tokens: Vec<_> = TokenStream::from_str(source).map_err(|e| e.to_string())?.into_iter().collect();
    let mut found = Scan::default();
    walk(module, &BTreeSet::new(), &tokens, &mut found);
    // `use super::backoff; backoff::delay()` means ours, not the crate of that name.
    let imported: BTreeMap<String, Path> = found
        .uses
        .iter()
        .filter(|path| path[0] == "crate")
        .filter_map(|p| Some((p.last()?.clone(), p.clone())))
        .collect();
    for path in &mut found.uses {
        if let Some(ours) = imported.get(&path[0]) {
            path.splice(..1, ours.iter().cloned());
        }
    }
    Ok(found)
}

/// `outer` are the modules that an enclosing block of the same module sees.
fn walk(module: &[String], outer: &BTreeSet<String>, tokens: &[TokenTree], found: &mut Scan) {
    let declared = tokens.windows(2).filter(|w| ident(&w[0]).is_some_and(|word| word == "mod"));
    let children: BTreeSet<String> = declared.filter_map(|w| ident(&w[1])).chain(outer.iter().cloned()).collect();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(attribute) = attribute(tokens, at) {
            check_reason(attribute, found);
            at += 2;
            if is_cfg_test(attribute) {
                at = end_of_item(tokens, at);
            }
            continue;
        }
        if let (Some(name), Some(TokenTree::Group(body))) = (inline_module(tokens, at), tokens.get(at + 2)) {
            let inner: Vec<_> = body.stream().into_iter().collect();
            walk(&[module, &[name]].concat(), &BTreeSet::new(), &inner, found);
            at += 3;
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                walk(module, &children, &inner, found);
                at += 1;
            }
            TokenTree::Ident(word) if *word == "use" => {
                at = tree(module, &children, tokens, at + 1, &[], true, found);
            }
            TokenTree::Ident(_) if !continues_a_path(tokens, at) => {
                at = tree(module, &children, tokens, at, &[], false, found);
            }
            _ => at += 1,
        }
    }
}

/// Reads one path or use tree from `at`; returns where it ends.
fn tree(
    module: &[String],
    children: &BTreeSet<String>,
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &[String],
    in_use: bool,
    found: &mut Scan,
) -> usize {
    let mut path = prefix.to_vec();
    let start = at;
    if prefix.is_empty() && is_colons(tokens, at) {
        at += 2; // `::name` is another crate
    }
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Punct(p)) if p.as_char() == '*' && in_use => path.push("*".into()),
            Some(TokenTree::Group(group)) if in_use && group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let mut next = 0;
                while next < inner.len() {
                    next = tree(module, children, &inner, next, &path, true, found);
                    while next < inner.len() && !is_punct(&inner[next], ',') {
                        next += 1; // `as name`
                    }
                    next += 1;
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_colons(tokens, at) {
            break;
        }
        at += 2;
    }
    if path.len() > 1 || (in_use && !path.is_empty()) {
        found.uses.push(resolve(module, children, path));
    }
    at.max(start + 1)
}

fn resolve(module: &[String], children: &BTreeSet<String>, path: Path) -> Path {
    let here = || std::iter::once("crate".to_owned()).chain(module.iter().cloned()).collect::<Vec<_>>();
    match path[0].as_str() {
        "self" => here().into_iter().chain(path[1..].iter().cloned()).collect(),
        "super" => {
            let ups = path.iter().take_while(|s| *s == "super").count();
            let mut base = here();
            base.truncate(base.len().saturating_sub(ups).max(1));
            base.into_iter().chain(path[ups..].iter().cloned()).collect()
        }
        root if children.contains(root) => here().into_iter().chain(path).collect(),
        _ => path,
    }
}

fn ident(token: &TokenTree) -> Option<String> {
    if let TokenTree::Ident(word) = token { Some(word.to_string()) } else { None }
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == c)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    tokens.get(at..at + 2).is_some_and(|w| is_punct(&w[0], ':') && is_punct(&w[1], ':'))
}

fn continues_a_path(tokens: &[TokenTree], at: usize) -> bool {
    (at >= 2 && is_colons(tokens, at - 2)) || (at >= 1 && is_punct(&tokens[at - 1], '.'))
}

fn inline_module(tokens: &[TokenTree], at: usize) -> Option<String> {
    let brace = matches!(tokens.get(at + 2), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace);
    (brace && ident(&tokens[at])? == "mod").then(|| ident(&tokens[at + 1])).flatten()
}

/// The content of `#[…]` or `#![…]` at `at`; for the inner form the `!` has been stepped over by the caller's next turn.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<&proc_macro2::Group> {
    let hash = is_punct(&tokens[at], '#') || (is_punct(&tokens[at], '!') && at > 0 && is_punct(&tokens[at - 1], '#'));
    match tokens.get(at + 1) {
        Some(TokenTree::Group(group)) if hash && group.delimiter() == Delimiter::Bracket => Some(group),
        _ => None,
    }
}

fn is_cfg_test(attribute: &proc_macro2::Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

fn check_reason(attribute: &proc_macro2::Group, found: &mut Scan) {
    let text = attribute.stream().to_string();
    // What people read may use the words.
    if text.starts_with("doc ") {
        return;
    }
    let word = text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "allow" || w == "expect");
    if word && !text.contains("reason =") {
        found.without_reason.push(text);
    }
}

/// Past the item that begins at `at`: its last token is a `;` or a group in braces.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while at < tokens.len() {
        at += 1;
        match &tokens[at - 1] {
            TokenTree::Punct(p) if p.as_char() == ';' => break,
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => break,
            _ => {}
        }
    }
    at
}
