//! `seawall ls`, `cat` and `diff`: what is in snapshots, without restoring them.

use super::args::{Format, Output};
use super::exit::Exit;
use super::human::{bytes, count, seconds, short_id};
use super::output::{Lines, emit, one_line, remark, render, table};
use super::style::{Style, Tone};
use super::trouble::Advice;
use crate::adapters::repository::{EntryKind, RepositoryAdapter, TreeEntry};
use crate::app::{Options, Peek};
use crate::reconcile::SnapshotRecord;
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// The snapshot (the beginning of its id, or a policy for its newest complete one), and a path in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub what: String,
    /// Everything below, too
    #[arg(long, short)]
    pub recursive: bool,
    /// Only in this repository
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// How the list is printed
    #[command(flatten)]
    pub format: Output,
}

/// `cat`.
#[derive(Debug, clap::Args)]
pub struct Cat {
    /// The snapshot (the beginning of its id, or a policy for its newest complete one), and a file in it
    #[arg(value_name = "SNAPSHOT:PATH")]
    pub what: String,
    /// Only in this repository
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
}

/// `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// The older snapshot, and perhaps a path in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub from: String,
    /// The newer one
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub to: String,
    /// Only in this repository
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// How the differences are printed
    #[command(flatten)]
    pub format: Output,
}

/// A snapshot, where it is, and a path in it.
struct Place {
    repository: String,
    snapshot: Arc<SnapshotRecord>,
    path: PathBuf,
}

impl Place {
    fn list(&self, peek: &Peek, deep: bool) -> anyhow::Result<Vec<TreeEntry>> {
        let mut found = Vec::new();
        peek.with(&self.repository, |adapter| {
            adapter.list(&self.snapshot.id, &self.path, deep, &mut |entry| {
                found.push(entry);
                Ok(())
            })
        })?;
        Ok(found)
    }
}

/// Lists what is in a snapshot.
///
/// # Errors
/// There is no such snapshot or path, or the repository cannot be read.
pub fn ls(options: &Options, args: &Ls, style: Style) -> anyhow::Result<Exit> {
    let peek = Peek::open(options)?;
    let place = find(&peek, options, &args.what, args.repository.as_deref())?;
    let list = place.list(&peek, args.recursive)?;
    if args.format.output == Format::Table {
        remark(&title(&place));
    }
    emit(&render(args.format.output, &list, || listing(&list, style))?)?;
    Ok(Exit::Ok)
}

/// Writes a file of a snapshot to standard output.
///
/// # Errors
/// There is no such file, the repository cannot be read, or nobody takes the output.
pub fn cat(options: &Options, args: &Cat) -> anyhow::Result<Exit> {
    let peek = Peek::open(options)?;
    let place = find(&peek, options, &args.what, args.repository.as_deref())?;
    if place.path.as_os_str().is_empty() {
        return Err(Advice::new(
            "no file is named",
            "write `SNAPSHOT:PATH`; `seawall ls SNAPSHOT` shows what there is",
        )
        .into());
    }
    let mut out = io::stdout().lock();
    peek.with(&place.repository, |adapter| adapter.cat(&place.snapshot.id, &place.path, &mut out))?;
    out.flush().context("cannot write to standard output")?;
    Ok(Exit::Ok)
}

/// One difference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    path: PathBuf,
    /// `added`, `removed` or `changed`.
    change: &'static str,
    /// What of it, where it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    what: Vec<&'static str>,
    size: u64,
}

/// Tells what differs between two snapshots.
///
/// # Errors
/// As for [`ls`].
pub fn diff(options: &Options, args: &Diff, style: Style) -> anyhow::Result<Exit> {
    let peek = Peek::open(options)?;
    let [from, to] = [&args.from, &args.to].map(|what| find(&peek, options, what, args.repository.as_deref()));
    let (from, to) = (from?, to?);
    let keyed = |place: &Place| -> anyhow::Result<BTreeMap<PathBuf, TreeEntry>> {
        let below = |entry: &TreeEntry| entry.path.strip_prefix(&place.path).unwrap_or(&entry.path).to_owned();
        Ok(place.list(&peek, true)?.into_iter().map(|entry| (below(&entry), entry)).collect())
    };
    let (mut old, new) = (keyed(&from)?, keyed(&to)?);
    let mut changes = Vec::new();
    for (path, entry) in new {
        match old.remove(&path) {
            None => changes.push(Difference { path, change: "added", what: Vec::new(), size: entry.size }),
            Some(before) => {
                let what = changed(&before, &entry);
                if !what.is_empty() {
                    changes.push(Difference { path, change: "changed", what, size: entry.size });
                }
            }
        }
    }
    let removed =
        old.into_iter().map(|(path, entry)| Difference { path, change: "removed", what: Vec::new(), size: entry.size });
    changes.extend(removed);
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    if args.format.output == Format::Table {
        remark(&format!("{} → {}", title(&from), title(&to)));
    }
    emit(&render(args.format.output, &changes, || changes_text(&changes, style))?)?;
    Ok(Exit::Ok)
}

/// What of an entry is not as it was. Of a directory, its time says nothing that its entries do not.
fn changed(before: &TreeEntry, after: &TreeEntry) -> Vec<&'static str> {
    let mut what = Vec::new();
    let mut tell = |differs: bool, word| what.extend(differs.then_some(word));
    tell(before.kind != after.kind, "kind");
    tell(before.size != after.size, "size");
    tell(before.mtime != after.mtime && after.kind != EntryKind::Directory, "time");
    tell(before.mode != after.mode, "mode");
    tell((before.uid, before.gid) != (after.uid, after.gid), "owner");
    tell(before.target != after.target, "target");
    what
}

fn changes_text(changes: &[Difference], style: Style) -> String {
    let mut text = String::new();
    for Difference { path, change, what, size } in changes {
        let (sign, tone) = match *change {
            "added" => ("+", Tone::Good),
            "removed" => ("-", Tone::Bad),
            _ => ("M", Tone::Doubt),
        };
        let more = if what.is_empty() { bytes(*size) } else { format!("{}, {}", what.join(" "), bytes(*size)) };
        text.line(format!("{} {} ({more})", style.paint(tone, sign), one_line(&path.display().to_string())));
    }
    let of = |word: &str| changes.iter().filter(|change| change.change == word).count() as u64;
    text.line(format!("{} added, {} removed, {} changed", of("added"), of("removed"), of("changed")));
    text
}

fn listing(list: &[TreeEntry], style: Style) -> String {
    let rows = list
        .iter()
        .map(|entry| {
            let TreeEntry { path, kind, mode, uid, gid, size, mtime, target } = entry;
            let target = target.as_ref().map_or_else(String::new, |target| format!(" -> {}", target.display()));
            let slash = if *kind == EntryKind::Directory { "/" } else { "" };
            [
                format!("{mode:04o}").into(),
                format!("{uid}:{gid}").into(),
                if *kind == EntryKind::File { bytes(*size) } else { kind.as_str().to_owned() }.into(),
                mtime.map_or_else(String::new, seconds).into(),
                format!("{}{slash}{target}", path.display()).into(),
            ]
        })
        .collect();
    table(style, ["MODE", "OWNER", "SIZE", "CHANGED", "PATH"], rows, "nothing is in it")
}

fn title(place: &Place) -> String {
    let SnapshotRecord { id, time, source, files, .. } = &*place.snapshot;
    let source = source.as_ref().map_or_else(|| "something else".to_owned(), ToString::to_string);
    format!("{} of {source}, {}, in {}: {}", short_id(id), seconds(*time), place.repository, count(*files, "file"))
}

/// What `SNAPSHOT[:PATH]` means.
fn find(peek: &Peek, options: &Options, what: &str, repository: Option<&str>) -> anyhow::Result<Place> {
    let (name, path) = what.split_once(':').unwrap_or((what, ""));
    let path = Path::new(path.trim_matches('/')).to_owned();
    let (repository, snapshot, _) = lookup(peek, options, name, repository)?;
    Ok(Place { repository, snapshot, path })
}

/// The snapshot of which this is the beginning of the id, or the policy's newest complete one; with its repository, and
/// whether it was named by its id.
pub(super) fn lookup(
    peek: &Peek,
    options: &Options,
    name: &str,
    repository: Option<&str>,
) -> anyhow::Result<(String, Arc<SnapshotRecord>, bool)> {
    let mut trouble = None;
    let mut fits: Vec<(String, Arc<SnapshotRecord>)> = Vec::new();
    for known in peek.desired().repositories.keys().filter(|known| repository.is_none_or(|name| name == *known)) {
        match peek.with(known, RepositoryAdapter::snapshots) {
            Ok(all) => fits.extend(all.into_iter().map(|snapshot| (known.clone(), snapshot))),
            Err(error) => trouble = Some(error),
        }
    }
    let is_id = name.len() >= 4 && name.chars().all(|c| c.is_ascii_hexdigit());
    let of_policy = |snapshot: &SnapshotRecord| snapshot.source.as_ref().is_some_and(|source| source.policy == name);
    let by_id = |snapshot: &SnapshotRecord| is_id && snapshot.id.starts_with(name);
    let named = fits.iter().any(|(_, snapshot)| by_id(snapshot));
    if named {
        fits.retain(|(_, snapshot)| by_id(snapshot));
        fits.dedup_by(|a, b| a.1.id == b.1.id);
        if fits.len() > 1 {
            return Err(Advice::new(format!("several snapshots begin with {name}"), "give more of the id").into());
        }
    } else {
        fits.retain(|(_, snapshot)| of_policy(snapshot) && snapshot.complete && snapshot.host == options.host);
    }
    let newest = fits.into_iter().max_by_key(|(_, snapshot)| snapshot.time);
    let Some((repository, snapshot)) = newest else {
        let known = Advice::new(
            format!("no snapshot and no policy with one is called `{name}`"),
            "see `seawall get snapshots`",
        );
        return Err(trouble.unwrap_or_else(|| known.into()));
    };
    Ok((repository, snapshot, named))
}
