//! Log lines on standard error, those of the libraries included and held down.

use super::global::{Global, LogFormat};
use super::style::Style;
use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// What the libraries may say at each of our levels: they are told apart because a line of `rustic_core` at `info`
/// comes with every snapshot, and those of `hyper` at `debug` with every request.
fn directives(level: &str) -> String {
    let others = match level {
        "trace" => "debug",
        "debug" => "info",
        "info" | "warn" => "warn",
        other => other,
    };
    format!("{others},seawall={level}")
}

/// Starts logging for the rest of the process; `default` is the level where the person gave none.
///
/// # Errors
/// The filter is not one, which names the part that is wrong.
pub fn start(global: &Global, default: &str) -> anyhow::Result<()> {
    let wanted = global.log.as_deref().map(str::trim).filter(|log| !log.is_empty()).unwrap_or(default);
    let spec = if wanted.chars().all(char::is_alphabetic) {
        directives(&wanted.to_ascii_lowercase())
    } else {
        wanted.to_owned()
    };
    let filter = EnvFilter::builder().parse(&spec).with_context(|| {
        format!("--log `{wanted}` is neither a level (error, warn, info, debug, trace) nor a filter")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(Style::for_stream(global.color, &std::io::stderr()).0)
        .log_internal_errors(false);
    // `try_init` also captures records of the `log` crate, which is how rustic_core speaks.
    let started = match global.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quieter_than_we_are() {
        assert_eq!(directives("info"), "warn,seawall=info");
        assert_eq!(directives("debug"), "info,seawall=debug");
        assert_eq!(directives("error"), "error,seawall=error");
    }
}
