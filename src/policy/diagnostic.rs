//! One thing that is wrong with a policy file: what, where, and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A finding about one place in one file. `Display` prints `file:line:column: field: message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// The file, as the person named it: relative to the policies directory where it lies inside.
    pub file: PathBuf,
    /// Line, counted from 1; 0 when the finding is about the file as a whole.
    pub line: usize,
    /// Column in characters, counted from 1; 0 when the finding is about the file as a whole.
    pub column: usize,
    /// Dotted path of the field, such as `spec.source.volume.name`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, one sentence, never with a secret's value in it.
    pub message: String,
    /// What to do about it, such as ``did you mean `schedule`?``.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}
