//! Printing: tables for people, JSON and YAML of the model types as they are, and pipes that close early.

use super::args::Format;
use super::style::{Style, Tone};
use anyhow::Context;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, Write};

/// Writes to standard output. A reader that has gone away (`seawall get runs | head -1`) is not an error.
///
/// # Errors
/// Standard output cannot be written for another reason, such as a full disk.
pub fn emit(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes a remark to standard error, which is where everything goes that is not the result.
pub fn remark(text: &str) {
    // Nobody is left to be told when standard error is gone.
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// The value in the format: the given text for people, the value itself for programs.
///
/// # Errors
/// The value cannot be written in the format; no model type is so.
pub fn render<T: Serialize>(format: Format, value: &T, human: impl FnOnce() -> String) -> anyhow::Result<String> {
    Ok(match format {
        Format::Table => human(),
        Format::Json => serde_json::to_string_pretty(value).context("cannot write the result as JSON")? + "\n",
        Format::Yaml => {
            let mut text = serde_yaml::to_string(value).context("cannot write the result as YAML")?;
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text
        }
    })
}

/// Text that grows by lines.
pub trait Lines {
    /// Appends the line and its end.
    fn line(&mut self, line: impl AsRef<str>);
}

impl Lines for String {
    fn line(&mut self, line: impl AsRef<str>) {
        self.push_str(line.as_ref());
        self.push('\n');
    }
}

/// One cell: its text and perhaps a tone.
pub struct Field(String, Option<Tone>);

impl<T: Into<String>> From<T> for Field {
    fn from(text: T) -> Self {
        Self(text.into(), None)
    }
}

impl Field {
    /// A cell with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self(text.into(), Some(tone))
    }
}

/// Columns under headings, as wide as their content, with no lines between them; `empty` where there is no row.
#[must_use]
pub fn table<const N: usize>(style: Style, headings: [&str; N], rows: Vec<[Field; N]>, empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if style.0 {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(headings);
    for row in rows {
        table.add_row(row.map(|Field(text, tone)| {
            let cell = Cell::new(one_line(&text));
            match tone {
                Some(Tone::Good) => cell.fg(Color::DarkGreen),
                Some(Tone::Bad) => cell.fg(Color::DarkRed),
                Some(Tone::Doubt) => cell.fg(Color::DarkYellow),
                Some(Tone::Dim) => cell.fg(Color::DarkGrey),
                Some(Tone::Bold) | None => cell,
            }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The text without line breaks and other control characters, which could forge lines or drive the terminal: names
/// and messages come from Docker, from file systems and from other programs.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text with every line moved to the right.
#[must_use]
pub fn indent(text: &str, by: usize) -> String {
    let mut out = String::with_capacity(text.len() + by);
    for line in text.lines() {
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', by));
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}
