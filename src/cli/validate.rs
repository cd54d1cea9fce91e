//! `seawall validate`: every error of every file, with its place.

use super::diagnostics;
use super::style::Style;
use crate::policy::Diagnostic;
use crate::status::model::ConfigStatus;
use std::path::Path;

/// The errors of all files of the directory, for people; empty when there is none.
#[must_use]
pub fn report(config: &ConfigStatus, style: Style) -> String {
    let errors: Vec<Diagnostic> = config.files.iter().flat_map(|file| &file.errors).cloned().collect();
    show(&errors, &config.directory, style, |path| std::fs::read_to_string(path).ok())
}

/// The errors with their lines of text; their paths are relative to the directory.
#[must_use]
pub fn show(errors: &[Diagnostic], directory: &Path, style: Style, read: impl Fn(&Path) -> Option<String>) -> String {
    let errors: Vec<Diagnostic> = located(errors.iter().cloned(), directory).collect();
    diagnostics::render(&errors, read, style.0)
}

/// The errors with paths that can be opened from here.
fn located(errors: impl Iterator<Item = Diagnostic>, directory: &Path) -> impl Iterator<Item = Diagnostic> {
    errors.map(|error| Diagnostic { file: directory.join(&error.file), ..error })
}
