//! The git commit of the policies directory, read from `HEAD` and the refs by hand.
//!
//! git itself is never called: it may be absent, and it refuses a directory that another user owns. What is read is
//! git's documented layout (gitrepository-layout(5)): a `.git` directory, or a `.git` file that names one (linked
//! work trees, submodules); `commondir`; loose refs before `packed-refs`; ids of 40 (SHA-1) or 64 (SHA-256) hex
//! digits. The reftable format is not read: the revision is then unknown. Uncommitted changes do not show.

use super::read::{self, Limit};
use std::path::{Path, PathBuf};

/// Symbolic refs that point to symbolic refs: git itself gives up after five.
const MAX_SYMBOLIC: usize = 5;
/// A ref, `commondir` or `.git` file holds one line.
const MAX_LINE_FILE: Limit = Limit(64 << 10);
/// `packed-refs` has some 60 bytes for each ref.
const MAX_PACKED_REFS: Limit = Limit(64 << 20);

/// What the files of git say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Revision {
    /// The commit, in hex. `None`: not a work tree, no commit yet, or not readable.
    pub commit: Option<String>,
    /// The files that the answer rests on, there or not. The answer can change only when one of them does.
    pub sources: Vec<PathBuf>,
}

/// Finds the commit that is checked out in the work tree around `directory`, which must be canonical.
pub(super) fn of(directory: &Path) -> Revision {
    let mut sources = Vec::new();
    let Some(git) = directory.ancestors().find_map(git_directory) else {
        return Revision::default();
    };
    let commit = head(&git, &mut sources);
    Revision { commit, sources }
}

/// The git directory of the work tree at `top`, if it is one. Whether it can be used, its `HEAD` will tell.
fn git_directory(top: &Path) -> Option<PathBuf> {
    let dot_git = top.join(".git");
    if std::fs::metadata(&dot_git).ok()?.is_dir() {
        // Like git, pass by a directory that only happens to have the name.
        return dot_git.join("HEAD").symlink_metadata().is_ok().then_some(dot_git);
    }
    let named = line(&dot_git).and_then(|text| text.strip_prefix("gitdir: ").map(|path| top.join(path)));
    Some(named.and_then(|path| std::fs::canonicalize(path).ok()).unwrap_or(dot_git))
}

fn head(git: &Path, sources: &mut Vec<PathBuf>) -> Option<String> {
    let common = line(&git.join("commondir")).map_or_else(|| git.to_owned(), |path| git.join(path));
    let common = std::fs::canonicalize(common).ok()?;
    let mut name = "HEAD".to_owned();
    for _ in 0..MAX_SYMBOLIC {
        let own = git.join(&name);
        let shared = common.join(&name);
        sources.push(own.clone());
        let mut value = line(&own);
        if value.is_none() && shared != own {
            sources.push(shared.clone());
            value = line(&shared);
        }
        let Some(value) = value else {
            sources.push(common.join("packed-refs"));
            return packed(&common.join("packed-refs"), &name);
        };
        match value.strip_prefix("ref:").map(str::trim) {
            // A ref name is a path: one that leads out of the repository is not one.
            Some(next) if next.starts_with("refs/") && !next.split('/').any(|part| part == "..") => {
                next.clone_into(&mut name);
            }
            Some(_) => return None,
            None => return is_id(&value).then_some(value),
        }
    }
    None
}

fn packed(file: &Path, name: &str) -> Option<String> {
    let bytes = read::regular(file, MAX_PACKED_REFS).ok()?;
    bytes.split(|&byte| byte == b'\n').find_map(|row| {
        let (id, rest) = std::str::from_utf8(row).ok()?.split_once(' ')?;
        (rest == name && is_id(id)).then(|| id.to_owned())
    })
}

/// The first line of a small regular file, without what white space ends it.
fn line(file: &Path) -> Option<String> {
    let text = String::from_utf8(read::regular(file, MAX_LINE_FILE).ok()?).ok()?;
    text.lines().next().map(|line| line.trim_end().to_owned())
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
