//! What is said of entries: in XML to programs, in HTML to people.

use super::Entry;
use super::path::{encode, http_date};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::Path;

/// That not everything is told at once: RFC 4918, section 9.1.
pub(super) const FINITE: &str =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:error xmlns:D=\"DAV:\"><D:propfind-finite-depth/></D:error>\n";

/// An entry and what is directly in it.
pub(super) fn multistatus(path: &Path, entry: &Entry, below: &[(OsString, Entry)]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n".to_owned();
    response(&mut text, path, entry);
    for (name, entry) in below {
        response(&mut text, &path.join(name), entry);
    }
    text + "</D:multistatus>\n"
}

fn response(text: &mut String, path: &Path, entry: &Entry) {
    let href = encode(path, entry.directory);
    let name = shown(path.file_name().unwrap_or_default());
    let kind = if entry.directory { "<D:collection/>" } else { "" };
    let mut props = format!("<D:displayname>{name}</D:displayname><D:resourcetype>{kind}</D:resourcetype>");
    if let Some(at) = entry.modified {
        let _infallible = write!(props, "<D:getlastmodified>{}</D:getlastmodified>", http_date(at));
    }
    if !entry.directory {
        let _infallible = write!(
            props,
            "<D:getcontentlength>{}</D:getcontentlength><D:getetag>\"{}\"</D:getetag>\
             <D:getcontenttype>application/octet-stream</D:getcontenttype>",
            entry.size, entry.tag
        );
    }
    let _infallible = writeln!(
        text,
        "<D:response><D:href>{href}</D:href><D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 200 OK</D:status>\
         </D:propstat></D:response>"
    );
}

/// A directory for a browser.
pub(super) fn listing(path: &Path, below: &[(OsString, Entry)]) -> String {
    let title = shown(path.as_os_str());
    let mut text =
        format!("<!doctype html>\n<meta charset=\"utf-8\">\n<title>/{title}</title>\n<h1>/{title}</h1>\n<ul>\n");
    if let Some(parent) = path.parent() {
        let _infallible = writeln!(text, "<li><a href=\"{}\">..</a>", encode(parent, true));
    }
    for (name, entry) in below {
        let href = encode(&path.join(name), entry.directory);
        let (slash, size) =
            if entry.directory { ("/", String::new()) } else { ("", format!(" ({} bytes)", entry.size)) };
        let _infallible = writeln!(text, "<li><a href=\"{href}\">{}{slash}</a>{size}", shown(name));
    }
    text + "</ul>\n"
}

/// A name as text of XML and HTML. What they cannot hold is shown as a mark; the link has the name itself.
fn shown(name: &OsStr) -> String {
    let mut text = String::new();
    for c in name.to_string_lossy().chars() {
        match c {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '"' => text += "&quot;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_name_never_becomes_markup() {
        let file = Entry { directory: false, size: 3, modified: None, tag: "t".to_owned() };
        let below =
            [b"<script>\"&".as_slice(), b"\xff\x01"].map(|name| (OsStr::from_bytes(name).to_owned(), file.clone()));
        let directory = Entry { directory: true, ..file.clone() };
        for text in [multistatus(Path::new("d"), &directory, &below), listing(Path::new("d"), &below)] {
            assert!(!text.contains("<script>") && text.contains("&lt;script&gt;&quot;&amp;"), "{text}");
            assert!(text.contains("/d/%3Cscript%3E%22%26") && text.contains("/d/%FF%01"), "{text}");
            assert!(!text.contains('\u{1}'), "{text}");
        }
    }
}
