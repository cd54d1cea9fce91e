//! What is wrong at one place, before it is known in which file; and how it is said.

use super::Diagnostic;
use std::path::Path;

/// A place in a file: line and column, both counted from 1; zeroes for the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A finding about a place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub place: Place,
    pub field: String,
    pub message: String,
    pub help: Option<String>,
}

impl Finding {
    pub fn new(place: Place, field: &str, message: impl Into<String>) -> Self {
        Self { place, field: field.to_owned(), message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The finding about a file. Where a reader stopped may lie past the end of the text; then its last place is meant.
    pub fn diagnostic(self, file: &Path, text: &str) -> Diagnostic {
        let Place { mut line, mut column } = self.place;
        if line > 0 {
            let last = text.strip_suffix('\n').unwrap_or(text).split('\n').count();
            (line, column) = if line > last { (last, usize::MAX) } else { (line, column) };
            let width = text.split('\n').nth(line - 1).map_or(0, |l| l.trim_end_matches('\r').chars().count());
            column = column.clamp(1, width + 1);
        }
        let help = self.help.as_deref().map(visible);
        Diagnostic { file: file.to_owned(), line, column, field: self.field, message: visible(&self.message), help }
    }
}

/// Whether a field's name says that its value is a secret, which then must not be repeated.
#[must_use]
pub fn is_secret(field: &str) -> bool {
    const WORDS: [&str; 8] =
        ["password", "passwd", "passphrase", "secret", "token", "accesskey", "apikey", "credential"];
    const WHOLE: [&str; 4] = ["key", "pass", "pwd", "privatekey"];
    let name = field.to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or(&name);
    WHOLE.contains(&last) || WORDS.iter().any(|word| name.contains(word))
}

/// The name that a person probably meant.
#[must_use]
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // Comparing costs the product of the lengths; what is much longer than any name is meant for none.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    names
        .map(|n| (strsim::damerau_levenshtein(&lower, &n.to_lowercase()), n))
        .min()
        .filter(|(distance, n)| *distance <= (n.len().max(3) / 3).max(1))
        .map(|(_, n)| n)
}

/// Names in a sentence.
pub(super) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// What a person wrote, in a length that fits a message, and without what would confuse a terminal.
pub(super) fn short(text: &str) -> String {
    let mut shown = visible(&text.chars().take(60).collect::<String>());
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// The text with a sign for each character that would break the line, hide, or steer a terminal.
fn visible(text: &str) -> String {
    let hidden = |c: char| {
        let steers =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        steers || c.is_control()
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}
