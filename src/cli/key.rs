//! `seawall key`: takes a copy of what every snapshot's life hangs on.

use super::args::Output;
use super::client::{Operator, escape};
use super::data::{self, Wanted};
use super::exit::Exit;
use super::output::{Field, emit, remark, render, table};
use super::style::{Style, Tone};
use super::trouble::{self, Advice};
use crate::adapters::key::{self, Secret};
use crate::adapters::repository::Registry;
use crate::app::Options;
use crate::controller::ports::{AuditEntry, Entry, Record};
use crate::http::actor;
use crate::status::model::RepositoryStatus;
use crate::status::persist::StateDir;
use anyhow::{Context, bail};
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::IgnoredAny;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// `key`.
#[derive(Debug, clap::Args)]
pub struct Key {
    /// What to do
    #[command(subcommand)]
    pub what: KeyWhat,
}

/// What `key` does.
#[derive(Debug, Subcommand)]
pub enum KeyWhat {
    /// Print a repository's key, to be kept away from this host
    ///
    /// The only command that prints a secret. It also notes that a copy was taken, which ends the warning about it.
    #[command(after_help = "Examples:\n  \
        seawall key export --output /mnt/usb/seawall.key\n  \
        ssh host seawall key export --yes | pass insert --multiline seawall/host")]
    Export {
        /// The repository
        #[arg(default_value = "default")]
        repository: String,
        /// Write to a new file of mode 0600 instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print it on a terminal without asking
        #[arg(long)]
        yes: bool,
    },
    /// Say for every repository whether its key was made by Seawall and has been exported
    Status(Output),
}

/// What the loss of a key means, said where one is exported.
const MEANING: &str = "\
This key is the only way into the repository. Without it no snapshot can be restored, by anyone, and Seawall keeps
it on this host alone: if this disk is lost, the copy that you make now is all there is. Keep it away from this host
and from the repository. Whoever has it and the repository can read every backup.";

/// Exports a key, or says which were exported.
///
/// # Errors
/// There is no such key, it cannot be written, or that it was exported cannot be noted.
pub fn run(options: &Options, args: &Key, style: Style, now: Timestamp) -> anyhow::Result<Exit> {
    match &args.what {
        KeyWhat::Export { repository, output, yes } => export(options, repository, output.as_deref(), *yes, now),
        KeyWhat::Status(Output { output }) => {
            let status = data::look(options, &Wanted::default())?.status;
            let made = made_keys(options);
            let list: Vec<_> =
                status.repositories.values().map(|repository| KeyStatus::of(repository, &made)).collect();
            emit(&render(*output, &list, || status_text(&list, style))?)?;
            Ok(Exit::Ok)
        }
    }
}

/// One repository's key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// The repository.
    pub repository: String,
    /// Whether Seawall made the key; otherwise the repository's document names the person's own, or none is made yet.
    pub made_by_seawall: bool,
    /// Whether the key that Seawall made was exported.
    pub exported: bool,
}

impl KeyStatus {
    fn of(repository: &RepositoryStatus, made: &[String]) -> Self {
        let made_by_seawall = repository.key_export_pending || made.contains(&repository.name);
        let exported = made_by_seawall && !repository.key_export_pending;
        Self { repository: repository.name.clone(), made_by_seawall, exported }
    }
}

/// `seawall key status` as a table.
#[must_use]
pub fn status_text(list: &[KeyStatus], style: Style) -> String {
    let rows = list
        .iter()
        .map(|KeyStatus { repository, made_by_seawall, exported }| {
            [
                repository.as_str().into(),
                if *made_by_seawall { "made by Seawall" } else { "not made by Seawall" }.into(),
                match (made_by_seawall, exported) {
                    (false, _) => "-".into(),
                    (true, true) => Field::toned("yes", Tone::Good),
                    (true, false) => Field::toned(format!("no: run `seawall key export {repository}`"), Tone::Bad),
                },
            ]
        })
        .collect();
    table(style, ["REPOSITORY", "KEY", "EXPORTED"], rows, "no repositories")
}

/// Names of the repositories that have a key which Seawall made.
fn made_keys(options: &Options) -> Vec<String> {
    let directory = Registry::new(&options.state).key_path("any");
    let Some(entries) = directory.parent().and_then(|directory| fs::read_dir(directory).ok()) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".key").map(ToOwned::to_owned)).collect()
}

fn export(
    options: &Options,
    repository: &str,
    output: Option<&Path>,
    yes: bool,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let made = made_keys(options);
    // Only a name that the directory lists: it becomes part of a path.
    if !made.iter().any(|name| name == repository) {
        return Err(no_key(options, repository, &made).into());
    }
    let secret = key::read_file(&Registry::new(&options.state).key_path(repository))?;
    remark(MEANING);
    if let Some(path) = output {
        write_new(path, &secret)?;
        remark(&format!("The key of repository {repository} was written to {}.", path.display()));
    } else {
        if io::stdout().is_terminal() && !yes {
            ask_first(repository)?;
        }
        // Not `emit`: a reader that has gone away got no key, and nothing may be noted then.
        let mut out = io::stdout().lock();
        out.write_all(format!("{}\n", secret.reveal()).as_bytes())
            .and_then(|()| out.flush())
            .context("the key could not be written to standard output")?;
    }
    note(options, repository, now)
        .context("the key was exported, but this could not be noted, so that the warning about it stays")?;
    Ok(Exit::Ok)
}

fn no_key(options: &Options, repository: &str, made: &[String]) -> Advice {
    if made.is_empty() {
        return Advice::new(
            format!("Seawall has made no key in {} yet", options.state.display()),
            "a key is made with the first backup; keys that `passwordFrom` names are your own to keep",
        );
    }
    let known = made.iter().map(String::as_str);
    trouble::unknown("key made by Seawall for the repository", repository, known, "seawall key status")
}

fn ask_first(repository: &str) -> anyhow::Result<()> {
    let refused = || Advice::new("the key was not printed", "use `--output FILE`, a pipe, or `--yes`");
    if !io::stdin().is_terminal() {
        return Err(refused().into());
    }
    let mut err = io::stderr().lock();
    write!(err, "Print the key of repository {repository} on this terminal, where it may stay visible? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        return Err(refused().into());
    }
    Ok(())
}

/// Writes the key to a file that did not exist, for its owner only, durable on return.
fn write_new(path: &Path, secret: &Secret) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!(Advice::new(format!("{} exists already", path.display()), "name a new file; nothing is overwritten"))
        }
        other => other.with_context(|| format!("cannot make {}", path.display()))?,
    };
    file.write_all(format!("{}\n", secret.reveal()).as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Notes that a person has a copy: through the operator where one runs, because the state is then its own.
fn note(options: &Options, repository: &str, now: Timestamp) -> anyhow::Result<()> {
    let path = format!("/api/v1/repositories/{}/key-exported", escape(repository));
    let told = data::block_on(async {
        let Some(operator) = Operator::find(&options.state).await? else { return Ok(false) };
        operator.post::<IgnoredAny>(&path).await.map(|_| true)
    })?;
    if told { Ok(()) } else { note_alone(options, repository, now) }
}

/// Notes it in the state directory itself, which the lock keeps to one writer.
fn note_alone(options: &Options, repository: &str, now: Timestamp) -> anyhow::Result<()> {
    let state = StateDir::open(&options.state, "seawall key export")?;
    let mut facts = Arc::unwrap_or_clone(state.load_facts());
    facts.repositories.entry(repository.to_owned()).or_default().key_exported = true;
    let audit = AuditEntry {
        at: now,
        actor: actor(Some(rustix::process::getuid().as_raw())),
        action: "key.export".to_owned(),
        object: format!("repository/{repository}"),
        result: "success".to_owned(),
        detail: "without a running operator".to_owned(),
    };
    let entry = Entry { facts: Some(Arc::new(facts)), audit: vec![audit], ..Entry::default() };
    state.record(&entry).map_err(anyhow::Error::msg)
}
