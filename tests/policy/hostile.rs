//! Files that somebody made to hurt: each is one error with its place, and none takes long.

use crate::{POLICY, edit, lines, read};
use seawall::policy::{MAX_FILE_BYTES, Parsed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Reads on another thread with a small stack, and gives up waiting after a time that no bounded work takes.
fn within_bounds(name: &str, bytes: Vec<u8>) -> Parsed {
    let (send, receive) = mpsc::channel();
    let reader = thread::Builder::new().stack_size(2 << 20).spawn(move || send.send(read(bytes)));
    drop(reader.unwrap());
    receive.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{name} took longer than 10 s"))
}

fn bomb(levels: usize, width: usize) -> String {
    let level =
        |level: usize| format!("a{}: &a{} [{}]\n", level + 1, level + 1, vec![format!("*a{level}"); width].join(", "));
    format!("a0: &a0 x\n{}", lines(levels, level))
}

#[test]
fn each_is_one_error_at_a_place() {
    let deep_blocks = lines(1_400, |i| format!("{}a:\n", " ".repeat(i)));
    let files: Vec<(&str, String, &str)> = vec![
        ("a billion laughs", bomb(9, 9), "aliases"),
        ("a quadratic bomb", format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(10_000), "*a,".repeat(5_000)), "aliases"),
        ("an alias inside its anchor", "a: &a [*a]\n".to_owned(), "a part of"),
        ("lists", "[".repeat(100_000), "deeper"),
        ("maps", "{a: ".repeat(100_000), "deeper"),
        ("blocks", deep_blocks, "deeper"),
        ("dashes", "- ".repeat(100_000), "deeper"),
        ("question marks", "? ".repeat(100_000), "deeper"),
        ("commas", format!("[{}", ",".repeat(100_000)), "not readable"),
        ("colons", ": ".repeat(100_000), "not readable"),
        ("anchors", "&a ".repeat(100_000), "not readable"),
        ("exclamation marks", "!".repeat(100_000), "not readable"),
        ("quotes", "\"".repeat(99_999), "not readable"),
        ("a long key", format!("{}: b\n", "a".repeat(500_000)), "not readable"),
        ("many keys", lines(100_000, |i| format!("k{i}: 1\n")), "more than 20000 values"),
        ("one key, many times", "a: 1\n".repeat(100_000), "more than 20000 values"),
        ("many documents", "---\n".repeat(200_000), "more than 1000 documents"),
        ("many documents with something in them", "--- a\n".repeat(170_000), "more than 1000 documents"),
        ("a long word in place of a kind", format!("kind: {}\n", "x".repeat(1_000_000)), "not a kind"),
        ("one byte too many", "#".repeat(MAX_FILE_BYTES + 1), "at most 1048576"),
        ("50 MB", "a\n".repeat(25_000_000), "at most 1048576"),
        ("a NUL", edit(POLICY, "workflows", "work\0flows"), "NUL"),
        ("a carriage return", edit(POLICY, "workflows", "work\rflows"), "carriage return"),
    ];
    for (name, text, expected) in files {
        let parsed = within_bounds(name, text.into_bytes());
        let [error] = parsed.errors.as_slice() else { panic!("{name}: {:?}", parsed.errors) };
        assert!(error.message.contains(expected), "{name}: {error}");
        assert!(error.message.len() < 200, "{name}: {error}");
        assert!(parsed.documents.is_empty(), "{name}");
    }
}

#[test]
fn long_words_in_every_field_are_refused_without_being_compared() {
    for from in
        ["n8n-data", "critical\n", "prosaasil_n8n_data", "0 2 * * 0", "Asia/Jerusalem", "5m", "*.log", "seawall.dev/v1"]
    {
        let parsed = within_bounds(from, edit(POLICY, from, &format!("{}\n", "x".repeat(900_000))).into_bytes());
        assert!(!parsed.errors.is_empty(), "{from}");
        assert!(parsed.errors.iter().all(|error| error.to_string().len() < 400), "{from}: {:?}", parsed.errors);
    }
    let globs = "\"*a*b*c*\", ".repeat(9_000);
    let errors = within_bounds("globs", edit(POLICY, "\"*.log\"", &globs).into_bytes()).errors;
    assert_eq!(errors[0].message, "more than 100 patterns");
}

#[test]
fn encodings() {
    let place = |bytes: &[u8]| {
        let parsed = read(bytes);
        assert_eq!(parsed.errors.len(), 1, "{:?}", parsed.errors);
        (parsed.errors[0].line, parsed.errors[0].column, parsed.errors[0].message.clone())
    };
    assert_eq!(place(b"a: b\n# \xc3\xa9\xff\n"), (2, 4, "this is not UTF-8 text".to_owned()));
    assert_eq!(place(b"\xff\xfea\0:\0"), (1, 1, "the file is UTF-16 text".to_owned()));
    assert_eq!(place("a: b\nä: \0".as_bytes()), (2, 4, "a NUL byte: the file is no text file".to_owned()));

    let marked = read(format!("\u{feff}{POLICY}"));
    assert_eq!((marked.errors.len(), marked.documents.len()), (0, 1), "{:?}", marked.errors);
    let windows = read(POLICY.replace('\n', "\r\n"));
    assert_eq!((windows.errors.len(), windows.documents.len()), (0, 1), "{:?}", windows.errors);
}

#[test]
fn markers_and_directives() {
    let other = edit(POLICY, "n8n-data", "other");
    for (name, text, documents) in [
        ("a marker first", format!("---\n{POLICY}"), 1),
        ("an end", format!("{POLICY}...\n"), 1),
        ("an end and a marker", format!("{POLICY}...\n---\n{other}"), 2),
        ("an end alone between", format!("{POLICY}...\n{other}"), 2),
        ("empty documents", format!("---\n---\n{POLICY}---\n---\n# nothing\n---\n{other}---\n"), 2),
        ("a directive", format!("%YAML 1.2\n---\n{POLICY}"), 1),
        ("a directive for each", format!("%YAML 1.2\n---\n{POLICY}...\n# two\n%YAML 1.2\n---\n{other}"), 2),
        ("a comment after a marker", format!("--- # one\n{POLICY}--- # two\n{other}"), 2),
        ("a marker that is indented", edit(POLICY, "workflows", "|\n    a\n    ---\n    b"), 1),
        ("a marker that is longer", edit(POLICY, "workflows", "|\n    a\n    ----\n    b"), 1),
        ("many comments", edit(POLICY, "spec:\n", &format!("spec:\n{}", "  # why\n".repeat(200))), 1),
        ("an anchor", edit(&edit(POLICY, "workflows", "&d workflows"), "app: n8n", "app: n8n"), 1),
        ("an alias", edit(&edit(POLICY, "rpo: 7d", "rpo: &week 7d"), "keepWithin: 30d", "keepWithin: *week"), 1),
        ("a tag of YAML's own", edit(POLICY, "workflows", "!!str 5"), 1),
    ] {
        let parsed = read(&text);
        assert_eq!(parsed.errors, [], "{name}");
        assert_eq!(parsed.documents.len(), documents, "{name}");
    }
}

/// YAML says so: such a line ends the document wherever it stands (1.2.2, section 9.1.2).
#[test]
fn a_marker_inside_a_scalar_ends_the_document() {
    for scalar in ["|\n    a\n---\n    b", "\"a\n---\n    b\""] {
        let parsed = read(edit(POLICY, "workflows", scalar));
        assert_eq!(parsed.documents, [], "{scalar}");
        assert!(parsed.errors.iter().any(|error| error.line > 8), "{:?}", parsed.errors);
    }
}

/// The text of a document travels with its snapshots, and it is read again after a restart.
#[test]
fn the_text_of_a_document_is_that_document() {
    let other = edit(POLICY, "n8n-data", "other");
    let parsed = read(format!("# what this is\n%YAML 1.2\n---\n{POLICY}...\n# the other\n---\n{other}# end\n"));
    let texts: Vec<&str> = parsed
        .documents
        .iter()
        .map(|document| match document {
            seawall::policy::Document::Policy(policy) => &*policy.text,
            seawall::policy::Document::Repository { text, .. } => text,
        })
        .collect();
    assert_eq!(
        texts,
        [format!("# what this is\n%YAML 1.2\n---\n{POLICY}"), format!("# the other\n---\n{other}# end\n")]
    );
    for (text, before) in texts.into_iter().zip(&parsed.documents) {
        let again = read(text);
        assert_eq!((again.documents.len(), again.documents[0].name()), (1, before.name()));
    }
}
