//! The snapshots of a policy, or one snapshot, as a tree of files.

use super::Options;
use super::peek::Peek;
use crate::adapters::fuse::{self, Files};
use crate::adapters::repository::{EntryKind, FileView, Reason, RepositoryAdapter, RepositoryError, TreeEntry};
use crate::http::webdav::{Entry, Tree};
use crate::reconcile::SnapshotRecord;
use anyhow::Context;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Files that are being read: how many of them are remembered with where their parts lie.
const OPEN: usize = 32;

/// What is served.
#[derive(Debug, Clone)]
pub enum Root {
    /// One snapshot, by its whole id.
    Snapshot(String),
    /// Every snapshot that this host made for a policy.
    Policy(String),
}

/// Files by snapshot and path, the one that was opened last first.
type Open = VecDeque<((Arc<str>, PathBuf), Arc<FileView>)>;

/// The snapshots behind a tree.
pub struct Mounted {
    peek: Peek,
    repository: String,
    root: Root,
    host: String,
    open: Mutex<Open>,
}

/// Serves by WebDAV until `cancel`; tells the address first.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(
    tree: Mounted,
    at: SocketAddr,
    password: &str,
    told: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let listener = crate::http::bind(at).await?;
        told(listener.local_addr().context("the address is not known")?)?;
        crate::http::webdav::serve(listener, Arc::new(tree), password, cancel).await;
        anyhow::Ok(())
    })
}

/// Mounts on a directory until `cancel`; tells when it is there.
///
/// # Errors
/// The kernel's.
pub fn attach(
    tree: Mounted,
    at: &Path,
    told: impl FnOnce() -> anyhow::Result<()>,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let mounted = fuse::mount(Arc::new(tree), at).with_context(|| format!("cannot mount on {}", at.display()))?;
    told()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(cancel.cancelled());
    drop(mounted);
    Ok(())
}

/// What a path leads to.
enum Spot {
    /// A directory that is not in a snapshot, with what is in it: snapshots by name, or further directories.
    Above(BTreeMap<String, Option<Arc<SnapshotRecord>>>),
    /// Something in a snapshot.
    Within(Arc<SnapshotRecord>, PathBuf),
}

impl Mounted {
    /// The tree of a root in a repository.
    #[must_use]
    pub fn new(options: &Options, peek: Peek, repository: String, root: Root) -> Self {
        Self { peek, repository, root, host: options.host.clone(), open: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&RepositoryAdapter) -> Result<T, RepositoryError>) -> Result<T, String> {
        self.peek.with(&self.repository, work).map_err(|error| format!("{error:#}"))
    }

    fn spot(&self, path: &Path) -> Result<Option<Spot>, String> {
        let policy = match &self.root {
            Root::Snapshot(id) => {
                let snapshot = self.with(|adapter| adapter.snapshot(id))?;
                return Ok(Some(Spot::Within(snapshot, path.to_owned())));
            }
            Root::Policy(policy) => policy,
        };
        let all = self.with(RepositoryAdapter::snapshots)?;
        let own = all.into_iter().filter(|snapshot| snapshot.host == self.host);
        let mut sources: BTreeMap<String, Vec<Arc<SnapshotRecord>>> = BTreeMap::new();
        for snapshot in own {
            let Some(source) = snapshot.source.clone().filter(|source| source.policy == *policy) else { continue };
            sources.entry(source.source.replace('/', "_")).or_default().push(snapshot);
        }
        let mut parts = path.components();
        // One source needs no directory of its own.
        let list = if sources.len() == 1 {
            sources.pop_first().map(|(_, list)| list).unwrap_or_default()
        } else {
            let Some(part) = parts.next() else {
                return Ok(Some(Spot::Above(sources.into_keys().map(|name| (name, None)).collect())));
            };
            let Some(list) = name(part).and_then(|name| sources.remove(name)) else { return Ok(None) };
            list
        };
        let mut named = by_time(list);
        let Some(part) = parts.next() else {
            return Ok(Some(Spot::Above(named.into_iter().map(|(name, snapshot)| (name, Some(snapshot))).collect())));
        };
        let found = name(part).and_then(|name| named.remove(name));
        Ok(found.map(|snapshot| Spot::Within(snapshot, parts.as_path().to_owned())))
    }

    /// A file with where its parts lie, looked up once.
    fn view(&self, id: &Arc<str>, path: &Path) -> Result<Arc<FileView>, String> {
        let key = (Arc::clone(id), path.to_owned());
        let known = self.open().iter().find(|(known, _)| *known == key).map(|(_, view)| Arc::clone(view));
        if let Some(view) = known {
            return Ok(view);
        }
        let view = Arc::new(self.with(|adapter| adapter.view(id, path))?);
        let mut open = self.open();
        open.push_front((key, Arc::clone(&view)));
        open.truncate(OPEN);
        Ok(view)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(part: Component<'_>) -> Option<&str> {
    part.as_os_str().to_str()
}

/// Snapshots under names that sort as they were made, and the newest complete one as `latest` too.
fn by_time(mut list: Vec<Arc<SnapshotRecord>>) -> BTreeMap<String, Arc<SnapshotRecord>> {
    list.sort_by_key(|snapshot| snapshot.time);
    let latest = list.iter().rev().find(|snapshot| snapshot.complete).cloned();
    let mut named = BTreeMap::new();
    for snapshot in list {
        let at = snapshot.time.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        let name =
            if named.contains_key(&at) { format!("{at}-{}", snapshot.id.get(..8).unwrap_or_default()) } else { at };
        named.insert(name, snapshot);
    }
    named.extend(latest.map(|snapshot| ("latest".to_owned(), snapshot)));
    named
}

/// A directory that is in no snapshot, or the root of one.
fn directory(path: &Path, at: Option<jiff::Timestamp>) -> TreeEntry {
    let (kind, mode) = (EntryKind::Directory, 0o755);
    TreeEntry { path: path.to_owned(), kind, mode, uid: 0, gid: 0, size: 0, mtime: at, target: None }
}

/// An entry in WebDAV's words; `None` for what is neither file nor directory, for which it has none.
fn shown(id: &str, found: &TreeEntry) -> Option<Entry> {
    let directory = match found.kind {
        EntryKind::Directory => true,
        EntryKind::File => false,
        _ => return None,
    };
    let at = found.mtime.map_or(0, jiff::Timestamp::as_nanosecond);
    let tag = format!("{}-{at}-{}", id.get(..16).unwrap_or_default(), found.size);
    Some(Entry { directory, size: found.size, modified: found.mtime, tag })
}

impl Mounted {
    /// The entry at a path, and the id of the snapshot that it is in.
    fn at(&self, path: &Path) -> Result<Option<(Arc<str>, TreeEntry)>, String> {
        Ok(match self.spot(path)? {
            None => None,
            Some(Spot::Above(_)) => Some((Arc::default(), directory(path, None))),
            Some(Spot::Within(snapshot, within)) => {
                let found = self.with(|adapter| match adapter.entry(&snapshot.id, &within) {
                    Ok(entry) => Ok(Some(entry)),
                    Err(error) if error.kind() == Reason::NotFound => Ok(None),
                    Err(error) => Err(error),
                })?;
                let root = within.as_os_str().is_empty().then_some(snapshot.time);
                let dated = |entry: TreeEntry| TreeEntry { mtime: root.or(entry.mtime), ..entry };
                found.map(|entry| (snapshot.id.clone(), dated(entry)))
            }
        })
    }

    /// What a directory holds, likewise.
    fn in_directory(&self, path: &Path) -> Result<Vec<(Arc<str>, TreeEntry)>, String> {
        Ok(match self.spot(path)? {
            None => Vec::new(),
            Some(Spot::Above(named)) => named
                .into_iter()
                .map(|(name, snapshot)| {
                    let at = snapshot.as_ref().map(|snapshot| snapshot.time);
                    (snapshot.map(|snapshot| snapshot.id.clone()).unwrap_or_default(), directory(&path.join(name), at))
                })
                .collect(),
            Some(Spot::Within(snapshot, within)) => {
                let mut below = Vec::new();
                self.with(|adapter| {
                    adapter.list(&snapshot.id, &within, false, &mut |found| {
                        below.push((snapshot.id.clone(), found));
                        Ok(())
                    })
                })?;
                below
            }
        })
    }
}

impl Tree for Mounted {
    fn entry(&self, path: &Path) -> Result<Option<Entry>, String> {
        Ok(self.at(path)?.and_then(|(id, found)| shown(&id, &found)))
    }

    fn list(&self, path: &Path) -> Result<Vec<(OsString, Entry)>, String> {
        let all = self.in_directory(path)?;
        let named =
            |(id, found): (Arc<str>, TreeEntry)| Some((found.path.file_name()?.to_owned(), shown(&id, &found)?));
        Ok(all.into_iter().filter_map(named).collect())
    }

    fn read(&self, path: &Path, from: u64, to: u64, each: &mut dyn FnMut(Bytes) -> bool) -> Result<(), String> {
        self.part(path, from, to, &mut |bytes| each(Bytes::copy_from_slice(bytes)))
    }
}

impl Files for Mounted {
    fn find(&self, path: &Path) -> Result<Option<TreeEntry>, String> {
        Ok(self.at(path)?.map(|(_, found)| found))
    }

    fn attributes(&self, path: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
        match self.spot(path)? {
            Some(Spot::Within(snapshot, path)) => self.with(|adapter| adapter.extended_attributes(&snapshot.id, &path)),
            _ => Ok(Vec::new()),
        }
    }

    fn below(&self, path: &Path) -> Result<Vec<TreeEntry>, String> {
        Ok(self.in_directory(path)?.into_iter().map(|(_, found)| found).collect())
    }

    fn part(&self, path: &Path, from: u64, to: u64, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), String> {
        let Some(Spot::Within(snapshot, path)) = self.spot(path)? else { return Err("it is no file".to_owned()) };
        let view = self.view(&snapshot.id, &path)?;
        let read = self.with(|adapter| adapter.read_part(&view, from, to, &mut |bytes| Ok(each(bytes))));
        if read.is_err() {
            // A prune may have moved its parts.
            self.open().retain(|((id, known), _)| *id != snapshot.id || *known != path);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_of_one_second_have_two_names_and_the_newest_complete_one_a_third() {
        let snapshot = |id: &str, seconds: i64, complete| {
            Arc::new(SnapshotRecord {
                id: id.repeat(16).into(),
                time: jiff::Timestamp::from_second(seconds).unwrap(),
                host: String::new(),
                source: None,
                slot: None,
                run: None,
                complete,
                files: 0,
                bytes: 0,
                added_bytes: 0,
                imported: None,
            })
        };
        let named = by_time(vec![snapshot("a", 0, true), snapshot("b", 0, true), snapshot("c", 61, false)]);
        let told: Vec<(&str, &str)> = named.iter().map(|(name, s)| (name.as_str(), &s.id[..1])).collect();
        let first = "1970-01-01T00-00-00Z";
        assert_eq!(
            told,
            [(first, "a"), (&format!("{first}-bbbbbbbb"), "b"), ("1970-01-01T00-01-01Z", "c"), ("latest", "b")]
        );
    }
}
