//! Prometheus' text format, made anew from a status for every scrape: there is no registry to fall behind.
//!
//! Format: Prometheus' "Text-based format", version 0.0.4. Written here and not by a library, because with thousands of
//! policies the library's way, a structure for every label of every sample, is most of what a scrape costs.

use super::names::{self, Kind, Metric};
use super::project::each;
use crate::status::model::StatusSnapshot;
use std::collections::HashMap;
use std::fmt::Write;

/// The series of a status, as text.
///
/// # Errors
/// A sentence. Then there is no memory for it.
pub fn text(status: &StatusSnapshot) -> Result<String, String> {
    let mut places: HashMap<*const Metric, usize> = HashMap::with_capacity(names::ALL.len());
    places.extend(names::ALL.iter().enumerate().map(|(nth, metric)| (std::ptr::from_ref(*metric), nth)));
    let mut families = vec![String::new(); names::ALL.len()];
    let mut written = Ok(());
    each(status, &mut |metric, labels, value| {
        if let Some(family) = places.get(&std::ptr::from_ref(metric)).and_then(|nth| families.get_mut(*nth)) {
            if family.is_empty() {
                head(family, metric);
            }
            if let Err(error) = line(family, metric, labels, value) {
                written = Err(format!("the series {} cannot be written: {error}", metric.name));
            }
        }
    });
    written.map(|()| families.concat())
}

fn head(out: &mut String, metric: &Metric) {
    let kind = match metric.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    };
    out.extend(["# HELP ", metric.name, " "]);
    escaped(out, metric.help, false);
    out.extend(["\n# TYPE ", metric.name, " ", kind, "\n"]);
}

fn line(out: &mut String, metric: &Metric, labels: &[&str], value: f64) -> std::fmt::Result {
    out.push_str(metric.name);
    for (nth, (name, value)) in metric.labels.iter().zip(labels).enumerate() {
        out.extend([if nth == 0 { "{" } else { "," }, name, "=\""]);
        escaped(out, value, true);
        out.push('"');
    }
    out.push_str(if metric.labels.is_empty() { " " } else { "} " });
    // Most values are 0 or 1, and writing a fraction is ten times the work.
    match value {
        0.0 if value.is_sign_positive() => out.push('0'),
        1.0 => out.push('1'),
        _ => write!(out, "{value}")?,
    }
    out.push('\n');
    Ok(())
}

/// With what would end a line, or a quoted value, made harmless.
fn escaped(out: &mut String, text: &str, quoted: bool) {
    let mut rest = text;
    while let Some(at) = rest.find(|c| c == '\\' || c == '\n' || (quoted && c == '"')) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        out.push_str(match from.as_bytes()[0] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &from[1..];
    }
    out.push_str(rest);
}
