//! Keys, documents and name: what has to be in its place before a source can come back.

use super::{Hands, Options, Placed, Recovery, Wanted, url};
use crate::adapters::key::{self, Secret};
use crate::adapters::repository::Registry;
use crate::clock::{Clock, SystemClock};
use crate::controller::ports::{AuditEntry, Entry, Record};
use crate::http::actor;
use crate::policy::{self, Desired, Policy, Repository, RepositoryLocation, SecretRef};
use crate::reconcile::recovery::{self, Written};
use anyhow::{Context, bail};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A document with the place that it goes to.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub text: String,
    pub placed: Placed,
}

/// A secret with the file that it goes to.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    secret: Secret,
    pub placed: Placed,
}

/// What is put where.
pub(super) struct Plan {
    pub documents: Vec<Document>,
    pub secrets: Vec<Kept>,
}

pub(super) fn plan(options: &Options, wanted: &Wanted<'_>, name: &str, documents: &[Written]) -> anyhow::Result<Plan> {
    let peek = super::super::Peek::open(options)?;
    let desired = peek.desired();
    let (in_force, own) = repository(options, wanted, name, documents, desired)?;
    let mut all = Vec::new();
    let mut add = |what: String, file: &str, text: &str, kept: Option<String>| -> anyhow::Result<()> {
        let path = if kept.is_some() { options.policies.join(file) } else { free(&options.policies, file)? };
        all.push(Document { text: text.to_owned(), placed: Placed { what, path, kept } });
        Ok(())
    };
    if let Some(text) = own {
        add(format!("repository {name}"), &format!("repository-{name}.yaml"), &text, None)?;
    }
    for Written { kind: _, name: other, text } in documents.iter().filter(|written| !written.is_policy()) {
        if other != name {
            let there = desired.repositories.get(other).filter(|known| !known.text.is_empty());
            let kept = there.map(|known| is_there(*known.text == **text));
            add(format!("repository {other}"), &format!("repository-{other}.yaml"), text, kept)?;
        }
    }
    for Written { name, text, .. } in documents.iter().filter(|written| written.is_policy()) {
        let digest = recovery::policy(text).map(|policy| policy.digest);
        let there: Option<&Arc<Policy>> = desired.policies.get(name);
        let kept = there.map(|known| is_there(Some(&known.digest) == digest.as_ref()));
        add(format!("policy {name}"), &format!("{name}.yaml"), text, kept)?;
    }
    let key = Kept { secret: wanted.key.clone(), placed: key_place(options, wanted, &in_force)? };
    let secrets = std::iter::once(key).chain(keys_of_bucket(wanted, &in_force)?).collect();
    Ok(Plan { documents: all, secrets })
}

/// The name of the repository that a document has at the place that it is recovered from. A snapshot that was copied there says
/// another: that of the repository that it was written into.
pub(super) fn name(registry: &Registry, wanted: &Wanted<'_>, documents: &[Written]) -> Option<String> {
    let place = registry.location(&wanted.repository);
    let repositories =
        documents.iter().filter(|written| !written.is_policy()).filter_map(|written| parsed(&written.text));
    repositories.into_iter().find(|known| registry.location(known) == place).map(|known| known.name)
}

fn is_there(same: bool) -> String {
    if same { "is there already".to_owned() } else { "another version of it is there, and stays".to_owned() }
}

/// The repository as it will be in force here, and the document that makes it so where none does yet.
fn repository(
    options: &Options,
    wanted: &Wanted<'_>,
    name: &str,
    documents: &[Written],
    desired: &Desired,
) -> anyhow::Result<(Repository, Option<String>)> {
    let registry = Registry::new(&options.state);
    let place = registry.location(&wanted.repository);
    if let Some(known) = desired.repositories.get(name) {
        let there = registry.location(known);
        if there == place {
            return Ok((Repository::clone(known), None));
        }
        if !known.text.is_empty() {
            bail!(
                "the policies here have the repository {name} at {}, and it is to be recovered from {}: put it there, or \
                 correct {}",
                there.display(),
                place.display(),
                options.policies.join(&known.file).display()
            );
        }
    }
    let written = documents.iter().find(|written| !written.is_policy() && written.name == name);
    if let Some(written) = written
        && let Some(known) = parsed(&written.text).filter(|known| registry.location(known) == place)
    {
        return Ok((known, Some(written.text.clone())));
    }
    let text = url::document(name, &wanted.repository.location, written.map(|written| written.text.as_str()));
    let known = parsed(&text).with_context(|| format!("no document can say that {name} is at {}", place.display()))?;
    Ok((known, Some(text)))
}

fn parsed(text: &str) -> Option<Repository> {
    let documents = policy::parse(Path::new("repository.yaml"), text.as_bytes()).documents;
    documents.into_iter().find_map(|document| match document {
        policy::Document::Repository { repository, .. } => Some(Arc::unwrap_or_clone(repository)),
        policy::Document::Policy(_) => None,
    })
}

/// A name in the policies directory that nothing has.
fn free(directory: &Path, file: &str) -> anyhow::Result<PathBuf> {
    let other = file.replace(".yaml", "-recovered.yaml");
    let mut names = [file, other.as_str()].into_iter().map(|name| directory.join(name));
    let free = names.find(|path| fs::symlink_metadata(path).is_err());
    free.with_context(|| format!("{} and {other} in {} are something else", file, directory.display()))
}

/// The keys of the bucket that were given, for the files in which the document will look for them and that are not there.
fn keys_of_bucket(wanted: &Wanted<'_>, in_force: &Repository) -> anyhow::Result<Vec<Kept>> {
    let (RepositoryLocation::S3(given), RepositoryLocation::S3(asked)) =
        (&wanted.repository.location, &in_force.location)
    else {
        return Ok(Vec::new());
    };
    let (given, asked) = (&given.access, &asked.access);
    let mut keys = Vec::new();
    for (given, asked, what) in [
        (&given.access_key_id_from, &asked.access_key_id_from, "id of the access key"),
        (&given.secret_access_key_from, &asked.secret_access_key_from, "secret access key"),
    ] {
        match asked {
            SecretRef::File(path) if fs::symlink_metadata(path).is_err() => {
                let what = format!("{what} of the repository {}", in_force.name);
                keys.push(Kept { secret: key::read(given)?, placed: Placed { what, path: path.clone(), kept: None } });
            }
            _ => drop(key::read(asked).with_context(|| {
                format!("the document of the repository {} says where the {what} of its bucket is", in_force.name)
            })?),
        }
    }
    Ok(keys)
}

fn key_place(options: &Options, wanted: &Wanted<'_>, in_force: &Repository) -> anyhow::Result<Placed> {
    let what = format!("key of the repository {}", in_force.name);
    let path = match &in_force.password_from {
        None => Registry::new(&options.state).key_path(&in_force.name),
        Some(SecretRef::File(path)) => path.clone(),
        Some(from @ SecretRef::Env(name)) => {
            if key::read(from).ok().as_ref() != Some(&wanted.key) {
                bail!(
                    "the repository {} takes its key from the variable {name}: set it to the key, here and for `seawall run`",
                    in_force.name
                );
            }
            let kept = Some(format!("it is in the variable {name}"));
            return Ok(Placed { what, path: PathBuf::new(), kept });
        }
    };
    if fs::symlink_metadata(&path).is_err() {
        return Ok(Placed { what, path, kept: None });
    }
    if key::read_file(&path)? != wanted.key {
        bail!(
            "{} holds another key, as after a first start on this host: nothing is overwritten. Move {} away, or take \
             another `--state`",
            path.display(),
            options.state.display()
        );
    }
    Ok(Placed { what, path, kept: Some("is there already".to_owned()) })
}

/// Puts keys, documents and name in their place, and notes who did it.
pub(super) fn all(options: &Options, hands: &Hands, recovery: &Recovery) -> anyhow::Result<()> {
    for Kept { secret, placed } in recovery.secrets.iter().filter(|kept| kept.placed.kept.is_none()) {
        key::store(&placed.path, secret)?;
    }
    fs::create_dir_all(&options.policies)
        .with_context(|| format!("cannot make the policies directory {}", options.policies.display()))?;
    for document in recovery.documents.iter().filter(|document| document.placed.kept.is_none()) {
        let path = &document.placed.path;
        write(path, &document.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    hands.state().record_host(&recovery.host)?;
    let mut facts = Arc::unwrap_or_clone(hands.state().load_facts());
    // It came from a person.
    facts.repositories.entry(recovery.repository.clone()).or_default().key_exported = true;
    let audit = AuditEntry {
        at: SystemClock.now(),
        actor: actor(Some(rustix::process::getuid().as_raw())),
        action: "recover".to_owned(),
        object: format!("repository/{}", recovery.repository),
        result: "success".to_owned(),
        detail: format!("this host goes on under the name {}", recovery.host),
    };
    let entry = Entry { facts: Some(Arc::new(facts)), audit: vec![audit], ..Entry::default() };
    hands.state().record(&entry).map_err(anyhow::Error::msg)
}

/// A new file, whole or not there, that replaces none.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let beside = directory.join(name);
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    file.sync_all()?;
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(rustix::fs::CWD, &beside, rustix::fs::CWD, path, flags)?;
    File::open(directory)?.sync_all()
}
