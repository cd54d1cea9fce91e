//! `seawall audit`: the record of who did what, checked or written out.

use super::exit::Exit;
use super::human::{count, seconds};
use super::output::{Lines, emit};
use super::style::{Style, Tone};
use super::trouble::Advice;
use crate::app::Options;
use crate::status::audit::{AuditError, AuditSummary};
use crate::status::persist::StateDir;
use clap::Subcommand;
use std::io::{self, BufWriter};

/// `audit`.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// What to do
    #[command(subcommand)]
    pub what: AuditWhat,
}

/// What `audit` does.
#[derive(Debug, Subcommand)]
pub enum AuditWhat {
    /// Check that no record was changed, removed or put in between
    Verify,
    /// Print every record as one JSON object a line, oldest first
    #[command(after_help = "Example:\n  seawall audit export > audit-$(hostname)-$(date +%F).jsonl")]
    Export,
}

/// Checks or exports the audit trail. The operator may go on meanwhile.
///
/// # Errors
/// There is none, it is not whole, or it cannot be read or written out.
pub fn run(options: &Options, args: &Audit, style: Style) -> anyhow::Result<Exit> {
    // An empty trail of a directory that was mistyped would look like a whole one.
    if !options.state.join("state.db").exists() {
        let what = format!("there is no audit trail in {}", options.state.display());
        return Err(Advice::new(what, "name the operator's state directory with --state").into());
    }
    let state = StateDir::open_read_only(&options.state)?;
    match args.what {
        AuditWhat::Verify => match state.audit_verify() {
            Err(AuditError::Problem(problem)) => Err(Advice::new(
                format!("the audit trail is not whole at entry {}: {}", problem.seq, problem.what),
                "keep a copy of the state directory, and compare with an earlier `seawall audit export`",
            )
            .into()),
            other => {
                emit(&whole(&other?, style))?;
                Ok(Exit::Ok)
            }
        },
        AuditWhat::Export => match state.audit_export(&mut BufWriter::new(io::stdout().lock())) {
            Err(AuditError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
            other => Ok(other.map(|()| Exit::Ok)?),
        },
    }
}

/// What is said of a trail that is whole.
#[must_use]
pub fn whole(summary: &AuditSummary, style: Style) -> String {
    let mut text = style.paint(Tone::Good, "whole:");
    text.push(' ');
    match (summary.oldest, summary.newest) {
        (Some(oldest), Some(newest)) => {
            text.line(format!("{}, from {} to {}", count(summary.entries, "record"), seconds(oldest), seconds(newest)));
            text.line(format!("head:  {} {}", summary.last, summary.head));
            text.line("Keep the head somewhere else: it proves that nothing before it was changed since.");
        }
        _ => text.line("no records yet"),
    }
    text
}
