//! Keys of objects as paths in a snapshot, and back.
//!
//! A key may be what no path can be: with nothing between two slashes, with `..` in it, and one may be the beginning of
//! another as a file cannot be a directory. `%` marks what was changed: `%` alone is nothing, `%XX` a byte, and `%.` at
//! the end of a name that there are keys below it too.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What marks an object beside keys that go on with a slash.
const BESIDE: &str = "%.";

/// One part of a key, which has no slash.
pub(super) fn encode(part: &str) -> String {
    match part {
        "" => return "%".to_owned(),
        "." => return "%2E".to_owned(),
        ".." => return "%2E%2E".to_owned(),
        _ => {}
    }
    let mut out = String::with_capacity(part.len());
    for c in part.chars() {
        if c == '%' || c.is_ascii_control() {
            // Writing to a string cannot fail.
            _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// The name of an object that has keys below it.
pub(super) fn beside(name: &str) -> String {
    format!("{name}{BESIDE}")
}

/// The path of what keys that begin with `prefix` have in common, which ends at its last slash.
pub(super) fn directory(prefix: &str) -> PathBuf {
    let whole = prefix.rsplit_once('/').map_or("", |(whole, _)| whole);
    if prefix.contains('/') { whole.split('/').map(encode).collect() } else { PathBuf::new() }
}

/// The key of an object; `None`: no key was ever at such a path.
pub(super) fn key(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path {
        parts.push(decode(part.to_str()?)?);
    }
    Some(parts.join("/"))
}

fn decode(name: &str) -> Option<String> {
    if name == "%" {
        return Some(String::new());
    }
    let name = name.strip_suffix(BESIDE).unwrap_or(name);
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_that_no_path_can_be() {
        for (key, path) in [
            ("a/b c.txt", "a/b c.txt"),
            ("a//b", "a/%/b"),
            ("a/", "a/%"),
            ("/a", "%/a"),
            ("../..", "%2E%2E/%2E%2E"),
            ("100%", "100%25"),
            ("a\nb", "a%0Ab"),
            ("..a", "..a"),
        ] {
            let encoded: PathBuf = key.split('/').map(encode).collect();
            assert_eq!(encoded, Path::new(path));
            assert_eq!(super::key(&encoded).as_deref(), Some(key));
        }
        assert_eq!(super::key(Path::new(&beside(&encode("a")))).as_deref(), Some("a"));
        assert_eq!(directory("up/loa"), Path::new("up"));
        assert_eq!(directory("up/"), Path::new("up"));
        assert_eq!(directory("up"), Path::new(""));
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "[a-c%./\\x00\u{e9}]{1,12}") {
            let encoded: PathBuf = key.split('/').map(encode).collect();
            prop_assert_eq!(super::key(&encoded), Some(key.clone()));
            prop_assert!(encoded.components().all(|part| matches!(part, std::path::Component::Normal(_))));
        }
    }
}
