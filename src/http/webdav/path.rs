//! Paths and times as HTTP writes them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What stays as it is in a path: what no reader of URLs takes for anything else.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The path that a URL's path means, relative to the root; `None` where it leads out of it, or is none.
pub(super) fn decode(text: &str) -> Option<PathBuf> {
    let bytes: Vec<u8> = percent_decode_str(text.strip_prefix('/')?).collect();
    let mut path = PathBuf::new();
    for part in bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        if part == b"." || part == b".." || part.contains(&0) {
            return None;
        }
        path.push(OsString::from_vec(part.to_vec()));
    }
    Some(path)
}

/// The URL's path of an entry; that of a directory ends with a `/`.
pub(super) fn encode(path: &Path, directory: bool) -> String {
    let text = percent_encode(path.as_os_str().as_bytes(), ESCAPED);
    let slash = if directory && !path.as_os_str().is_empty() { "/" } else { "" };
    format!("/{text}{slash}")
}

/// As in `Wed, 25 Nov 2026 13:16:12 GMT`.
pub(super) fn http_date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_none_leads_out() {
        for name in [b"a b".as_slice(), b"\xff\xfe", b"new\nline", b"100%", b"?#&<", "\u{e9}/x".as_bytes()] {
            let path = Path::new(std::ffi::OsStr::from_bytes(name));
            assert_eq!(decode(&encode(path, false)).as_deref(), Some(path));
            assert_eq!(decode(&encode(path, true)).as_deref(), Some(path));
        }
        assert_eq!(decode("/"), Some(PathBuf::new()));
        for evil in ["/..", "/a/%2e%2e/b", "/%2E%2E%2fetc", "/a%00", "a"] {
            assert_eq!(decode(evil), None, "{evil}");
        }
    }

    #[test]
    fn times_are_as_http_wants_them() {
        assert_eq!(http_date(Timestamp::from_second(784_111_777).unwrap()), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
