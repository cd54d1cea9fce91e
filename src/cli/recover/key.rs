//! The key of the repository: from a file, a variable, where an earlier attempt has put it, or from a person.

use super::Args;
use crate::adapters::key::{self, Secret};
use crate::app::{Options, recover};
use crate::cli::trouble::Advice;
use crate::policy::{Repository, SecretRef};
use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal, Write};

pub(super) fn get(options: &Options, args: &Args, repository: &Repository) -> anyhow::Result<Secret> {
    if let Some(path) = &args.key_file {
        return Ok(key::read_file(path)?);
    }
    if let Some(name) = &args.password_env {
        return Ok(key::read(&SecretRef::Env(name.clone()))?);
    }
    if let Some(known) = recover::known_key(options, repository) {
        return Ok(known);
    }
    if !io::stdin().is_terminal() {
        let help = "give it with `--key-file FILE` or `--password-env NAME`";
        return Err(Advice::new("the key of the repository is needed, and nobody is there to be asked", help).into());
    }
    ask()
}

/// Asks on the terminal, which does not show what is typed.
fn ask() -> anyhow::Result<Secret> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).context("the terminal cannot be asked for a key")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    let mut err = io::stderr().lock();
    write!(err, "Key of the repository: ").and_then(|()| err.flush()).context("cannot ask")?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("the terminal would show the key")?;
    let mut typed = String::new();
    let read = stdin.read_line(&mut typed);
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("the terminal stays silent: `stty echo` wakes it")?;
    read.context("cannot read the key")?;
    let typed = typed.trim_end_matches(['\n', '\r']).to_owned();
    if typed.is_empty() { Err(anyhow::anyhow!("no key was typed")) } else { Ok(Secret::new(typed)) }
}
