//! The command line: reads the arguments, does what they say, ends with a code of [`exit`].

pub mod archive;
pub mod args;
pub mod audit;
pub mod backup;
pub mod check;
pub mod client;
pub mod data;
pub mod describe;
pub mod diagnostics;
pub mod drill;
pub mod exit;
pub mod get;
pub mod global;
pub mod health;
pub mod human;
pub mod import;
pub mod inside;
pub mod key;
pub mod logging;
pub mod migrate;
pub mod mount;
pub mod output;
pub mod outside;
pub mod person;
pub mod plan;
pub mod progress;
pub mod recover;
pub mod restore;
pub mod runbook;
pub mod style;
pub mod tables;
pub mod trouble;
pub mod validate;
pub mod verification;
pub mod waiting;

use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::policy;
use args::{Args, Command, SchemaKind};
use clap::{CommandFactory, Parser};
use exit::Exit;
use std::io::{stderr, stdout};
use std::process::ExitCode;
use style::Style;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // A closed pipe is no news to whoever closed it.
            let _closed = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    match run(&args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::remark(trouble::render(&error, Style::for_stream(args.global.color, &stderr())).trim_end());
            Exit::Error.into()
        }
    }
}

/// Does what the arguments say.
///
/// # Errors
/// It could not be done.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    logging::start(&args.global, if matches!(args.command, Command::Run(_)) { "info" } else { "warn" })?;
    let options = args.options();
    let style = Style::for_stream(args.global.color, &stdout());
    let clock = SystemClock;
    let now = clock.now();
    match &args.command {
        Command::Run(_) => app::run(options).map(|()| Exit::Ok),
        Command::Plan(plan) => plan::run(&options, plan, style, now),
        Command::Get(get) => get::run(&options, get, style, now),
        Command::Describe(describe) => describe::run(&options, describe, style, now),
        Command::Backup(backup) => backup::run(&options, backup, style, &clock),
        Command::Drill(args) => drill::run(&options, args, style, &clock),
        Command::Check(args) => check::run(&options, args, style, &clock),
        Command::Restore(args) => restore::run(&options, args, style, &clock),
        Command::Import(args) => import::run(&options, args, style, &clock),
        Command::Migrate(args) => migrate::run(args),
        Command::Recover(recover) => recover::run(&options, recover, args.global.given_host(), style, &clock),
        Command::Ls(args) => inside::ls(&options, args, style),
        Command::Cat(args) => inside::cat(&options, args),
        Command::Mount(args) => mount::run(&options, args),
        Command::Diff(args) => inside::diff(&options, args, style),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "seawall", &mut script);
            output::emit(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Ok)
        }
        Command::Key(key) => key::run(&options, key, style, now),
        Command::Audit(audit) => audit::run(&options, audit, style),
        Command::Health(health) => health::run(health),
        Command::Runbook(args) => runbook::run(&options, args, now),
        Command::Schema { kind } => {
            let kind = match kind {
                SchemaKind::BackupPolicy => policy::Kind::BackupPolicy,
                SchemaKind::Repository => policy::Kind::Repository,
            };
            output::emit(&format!("{:#}\n", policy::schema(kind)))?;
            Ok(Exit::Ok)
        }
        Command::Validate(args) => validate::run(&options.policies, args, style, now),
    }
}
