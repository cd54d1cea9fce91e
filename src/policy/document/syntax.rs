//! What the YAML library says about text that is no YAML, in words for whoever wrote it.

use super::{MAX_DEPTH, MAX_VALUES};
use crate::policy::finding::{Finding, Place};
use serde_yaml::Error;

/// The usual mistakes: words that the library's message contains, what is wrong, what to do.
///
/// The library's own words never go into a message where they could hold a part of the file: it may be a secret.
const KNOWN: [(&str, &str, &str); 21] = [
    ("!!binary", "this is not text in base64", "write it as plain text"),
    ("tabs disallowed", "a tab stands where the indentation is", "indent with spaces"),
    ("simple key expected", "the `:` after the name is missing", "a field is written `name: value`"),
    ("illegal placement of ':'", "a field begins inside `[…]`", "is the closing `]` missing?"),
    ("unknown escape", "an unknown `\\` escape", "write `\\\\`, or put the text in single quotes"),
    ("unclosed quote", "the quote that begins here is not closed", "add the missing quote"),
    ("unclosed bracket", "the bracket that begins here is not closed", "add the missing `]` or `}`"),
    ("expected ',' or '}'", "a `,` or `}` is missing before this", "separate the fields of `{…}` by commas"),
    ("expected ',' or ']'", "a `,` or `]` is missing before this", "separate the items of `[…]` by commas"),
    ("trailing content after", "something follows the closing quote", "is a comma missing, or a quote too many?"),
    ("did not find expected key", "the indentation fits nothing above", "fields of one map begin in one column"),
    ("expected '-' indicator", "the indentation fits nothing above", "items of one list begin in one column"),
    ("invalid indentation", "the indentation fits nothing above", "fields of one map begin in one column"),
    ("unknown anchor", "this refers to an anchor that is not defined", "put text that begins with `*` in quotes"),
    ("recursive reference", "this refers to something that it is a part of", "write it out"),
    ("merge key", "merge keys (`<<`) are not supported", "write the fields out"),
    ("tag", "tags (`!…`) other than YAML's own are not supported", "take the tag out"),
    ("null into string", "the name of a field is missing before the `:`", "a field is written `name: value`"),
    ("expected string scalar", "the name of a field is text", "a field is written `name: value`"),
    ("document end marker", "a directive (`%…`) inside a document", "put text that begins with `%` in quotes"),
    ("BOM", "a byte order mark inside the text", "delete the invisible character that begins this line"),
];

/// The finding about a text that could not be read, at the place where the library stopped.
pub(super) fn finding(error: &Error, at: Place, text: &str) -> Finding {
    let (message, help) = told(error, at, text);
    let finding = Finding::new(at, "", format!("not readable as YAML: {message}"));
    if help.is_empty() { finding } else { finding.help(help) }
}

fn told(error: &Error, at: Place, text: &str) -> (String, String) {
    let words = error.without_snippet().to_string();
    let deep = ["recursion limit", "Depth {", "nesting"];
    if deep.iter().any(|w| words.contains(w)) {
        return (format!("nested deeper than {MAX_DEPTH} levels"), String::new());
    }
    if words.contains("budget breached") {
        return (format!("the document holds more than {MAX_VALUES} values"), String::new());
    }
    if words.contains("alias replay") || words.contains("alias expansion") {
        return ("the aliases (`*…`) stand for too much".to_owned(), "write it out".to_owned());
    }
    if words.contains("mapping values are not allowed") {
        return stray_colon(at, text);
    }
    if words.contains("unexpected character") {
        return stray_character(&words);
    }
    if let Some((_, message, help)) = KNOWN.iter().find(|(mark, _, _)| words.contains(mark)) {
        return ((*message).to_owned(), (*help).to_owned());
    }
    let first = words.lines().next().unwrap_or_default();
    let end = first.find(['`', '"']).or_else(|| first.find(" at line ")).unwrap_or(first.len());
    (first[..end].trim_end_matches([',', ':', ' ']).to_owned(), String::new())
}

/// A `:` where none may be: text that holds `: `, or a line above that lacks its own.
fn stray_colon(at: Place, text: &str) -> (String, String) {
    let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    let before: String = line.chars().take(at.column.saturating_sub(1)).collect();
    if before.contains(": ") {
        ("a second `:` in one line".to_owned(), "put text that holds `: ` in quotes".to_owned())
    } else {
        (
            "a `:` where no field can begin".to_owned(),
            "is the `:` missing in the line above, or the indentation off?".to_owned(),
        )
    }
}

/// A character that the library names: one that plain text cannot begin with, or one that no text may hold.
fn stray_character(words: &str) -> (String, String) {
    let named = words.split_once(": `").and_then(|(_, rest)| rest.split_once('\'')).map_or("", |(named, _)| named);
    match named.strip_prefix("\\u{").and_then(|rest| rest.strip_suffix('}')) {
        Some(code) => (format!("a control character (U+{:0>4})", code.to_uppercase()), "delete it".to_owned()),
        None => (format!("plain text cannot begin with {named}"), "put the text in quotes".to_owned()),
    }
}
