//! `seawall runbook`: what is protected and what to type when it is lost.

use super::data::{self, Wanted};
use super::exit::Exit;
use super::output::{emit, remark};
use crate::app::Options;
use crate::status::runbook;
use anyhow::Context;
use jiff::Timestamp;
use std::fs;
use std::path::PathBuf;

/// `runbook`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write it to this file instead of standard output, replacing what is there in one step
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Writes the runbook.
///
/// # Errors
/// The host cannot be looked at, or the file not be written.
pub fn run(options: &Options, args: &Args, now: Timestamp) -> anyhow::Result<Exit> {
    let text = runbook::render(&data::look(options, &Wanted::default())?.status, now);
    let Some(path) = &args.output else {
        emit(&text)?;
        return Ok(Exit::Ok);
    };
    // Whoever opens it meanwhile sees the old one or the new one.
    let mut beside = path.clone().into_os_string();
    beside.push(".tmp");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    written.with_context(|| format!("cannot write the runbook to {}", path.display()))?;
    remark(&format!("wrote {}", path.display()));
    Ok(Exit::Ok)
}
