//! Policies as text, each line with where it came from.

use std::fmt::Write;

/// One document, with the file that it goes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub name: String,
    pub text: String,
}

/// A text as YAML reads it, whatever is in it: JSON is YAML.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text as it stands in a comment: in one line.
pub(super) fn comment(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines of a document, with their reasons.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    pub fn remark(&mut self, text: &str) {
        let _infallible = writeln!(self.0, "# {}", comment(text));
    }

    /// A line at a depth, and where it came from.
    pub fn line(&mut self, depth: usize, text: &str, from: &str) {
        let _infallible = write!(self.0, "{:1$}{text}", "", depth * 2);
        if !from.is_empty() {
            let _infallible = write!(self.0, "   # {}", comment(from));
        }
        self.0.push('\n');
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// A name as documents have them, that none of the others has.
pub(super) fn name(wanted: &str, taken: &mut Vec<String>) -> String {
    let letters =
        wanted.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let mut base = letters.trim_matches('-').to_owned();
    base.truncate(55);
    let base = if base.is_empty() { "backup" } else { base.trim_end_matches('-') };
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    let free = std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.push(free.clone());
    free
}
