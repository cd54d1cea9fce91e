//! Errors in policy files with the line that they are about, and a caret below the place.

use super::output::{Lines, one_line};
use crate::policy::{Diagnostic, is_secret, nearest};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Bytes of the longest line that is shown; nobody reads one of a mebibyte.
const LONGEST: usize = 400;

/// The errors in the given order, with an empty line between two. `read` opens a file as the error names it; where it has nothing,
/// the error stands without its line. A value that may be a secret is never shown, whatever the error is about.
#[must_use]
pub fn render(errors: &[Diagnostic], read: impl Fn(&Path) -> Option<String>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut texts: BTreeMap<&Path, Option<String>> = BTreeMap::new();
    let mut out = String::new();
    for error in errors {
        let text = texts.entry(&error.file).or_insert_with(|| read(&error.file)).as_deref();
        let title = match error.field.as_str() {
            "" => one_line(&error.message),
            field => format!("{}: {}", one_line(field), one_line(&error.message)),
        };
        let path = one_line(&error.file.display().to_string());
        let mut group = Group::with_title(Level::ERROR.primary_title(title));
        let line = error
            .line
            .checked_sub(1)
            .and_then(|index| Some((text?.lines().nth(index)?, below_a_secret(text?, index))))
            .filter(|(line, hidden)| line.len() <= LONGEST && !hidden);
        group = match line.map(|(line, _)| excerpt(line, error)) {
            Some((shown, span)) => group.element(
                Snippet::source(shown).line_start(error.line).path(path).annotation(AnnotationKind::Primary.span(span)),
            ),
            None if error.line == 0 => group.element(Origin::path(path)),
            None => group.element(Origin::path(path).line(error.line).char_column(error.column)),
        };
        if let Some(help) = &error.help {
            group = group.element(Level::HELP.message(one_line(help)));
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.line(renderer.render(&[group]));
    }
    out
}

/// The part of the line that is shown, and the bytes of it that the error is about.
fn excerpt<'a>(line: &'a str, error: &Diagnostic) -> (Cow<'a, str>, Range<usize>) {
    let shown = without_secrets(line, &error.field);
    let mut at = shown.char_indices().map(|(at, _)| at).chain([shown.len()]);
    let start = at.nth(error.column.saturating_sub(1)).unwrap_or(shown.len());
    let rest = &shown[start..];
    let end = start + word(rest).len();
    (shown, start..end)
}

/// Whether a line belongs to the value of a key, further up and less indented, whose value may be a secret. What such a
/// key may hold in the open is where the secret is read from.
fn below_a_secret(text: &str, index: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().take(index + 1).collect();
    let Some((line, above)) = lines.split_last() else { return false };
    if ["env:", "file:"].iter().any(|key| line.trim_start().starts_with(key)) {
        return false;
    }
    let mut margin = indent(line);
    for line in above.iter().rev().filter(|l| !l.trim().is_empty()) {
        if indent(line) < margin {
            margin = indent(line);
            let key = line.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
            if may_be_secret(key) {
                return true;
            }
        }
    }
    false
}

fn may_be_secret(key: &str) -> bool {
    let key = key.trim_matches(['"', '\'']);
    is_secret(key) || nearest(key, ["password", "passphrase", "secret", "token"].into_iter()).is_some()
}

/// The line with `***` for what follows a key whose value may be a secret, also one that is spelt wrongly. Where the
/// error is about a secret and the line has no key, all of it may be part of that secret.
fn without_secrets<'a>(line: &'a str, field: &str) -> Cow<'a, str> {
    let mut from = 0;
    while let Some(colon) = line[from..].find(':').map(|at| from + at) {
        let key = line[..colon].rsplit([' ', '\t', '{', ',', '?']).next().unwrap_or_default();
        let value = line[colon + 1..].trim_start();
        let points_elsewhere = ["{env:", "{file:", "{env :", "{file :"].iter().any(|start| value.starts_with(start));
        if may_be_secret(key) && !value.is_empty() && !points_elsewhere {
            return format!("{}***", &line[..line.len() - value.len()]).into();
        }
        from = colon + 1;
    }
    if from == 0 && may_be_secret(field.rsplit('.').next().unwrap_or_default()) { "***".into() } else { line.into() }
}

/// The word that the text begins with.
fn word(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => text[1..].find(quote).map(|at| at + 2),
        None => text.find(|c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '[' | ']')),
    };
    text[..end.unwrap_or(text.len())].trim_end_matches(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn error(line: usize, column: usize, field: &str) -> Diagnostic {
        Diagnostic {
            file: "n8n.yaml".into(),
            line,
            column,
            field: field.to_owned(),
            message: "there is no such field".to_owned(),
            help: Some("did you mean `schedule`?".to_owned()),
        }
    }

    #[test]
    fn the_caret_is_below_the_word() {
        let text = "spec:\n  \"größe\": {shedule: 1}\n";
        insta::assert_snapshot!(render(&[error(2, 13, "spec.shedule")], |_| Some(text.to_owned()), false), @r#"
        error: spec.shedule: there is no such field
         --> n8n.yaml:2:13
          |
        2 |   "größe": {shedule: 1}
          |             ^^^^^^^
          |
          = help: did you mean `schedule`?
        "#);
    }

    #[rstest]
    #[case("password: hunter2", "password: ***")]
    #[case("  {local: {path: /x}, pasword: \"hunter2\"}", "  {local: {path: /x}, pasword: ***")]
    #[case("passwordFrom: hunter2", "passwordFrom: ***")]
    #[case("passwordFrom: {env: KEY}", "passwordFrom: {env: KEY}")]
    #[case("\"apiToken\": hunter2", "\"apiToken\": ***")]
    #[case("name: n8n", "name: n8n")]
    fn no_value_that_may_be_a_secret_is_shown(#[case] line: &str, #[case] shown: &str) {
        assert_eq!(without_secrets(line, "spec"), shown);
    }

    #[rstest]
    #[case("spec:\n  local: {}\n  password:\n    \"hunter2 abc\n", 4)]
    #[case("spec:\n  password: |\n    hunter2: x\n   hunter2: y\n", 4)]
    #[case("spec:\n  passwordFrom:\n    hunter2: x\n", 3)]
    #[case("spec:\n  key: hunter2\n", 2)]
    fn no_line_of_a_secret_is_shown(#[case] text: &str, #[case] line: usize) {
        let shown = render(&[error(line, 5, "spec")], |_| Some(text.to_owned()), false);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(&format!("n8n.yaml:{line}")), "{shown}");
    }

    #[test]
    fn an_error_anywhere_is_rendered() {
        assert_eq!(without_secrets("    hunter2", "spec.password"), "***");
        for text in [None, Some(""), Some("ä"), Some("a\n\u{1b}[2J\u{7}b"), Some("\"")] {
            for (line, column) in [(0, 0), (1, 0), (1, 1), (1, 2), (1, 99), (2, 3), (99, 1)] {
                let shown = render(&[error(line, column, "")], |_| text.map(ToOwned::to_owned), false);
                assert!(shown.contains("there is no such field") && shown.contains("n8n.yaml"), "{shown}");
                assert!(!shown.contains('\u{1b}'), "{shown:?}");
            }
        }
        let long = "x".repeat(1 << 20);
        assert!(render(&[error(1, 5, "")], |_| Some(long.clone()), false).len() < 1000);
    }
}
