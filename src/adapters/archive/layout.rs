//! Which directory of an archive is the root of a source.
//!
//! The runbook's script packs `data/…`; docker-volume-backup packs `/backup/NAME/…` for every volume that is mounted
//! there; who packs Docker's own directory has `var/lib/docker/volumes/NAME/_data/…`; and `tar -C /data .` has the root
//! itself. Anything else a person has to say: a directory taken for the root, or the root for a directory, would be a
//! backup that cannot be used.

use super::error::{ArchiveError, shown};
use super::path::below;
use super::survey::{Content, Survey};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What of an archive is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The directory that is the root, or the one file that is taken; empty: the root of the archive.
    pub root: PathBuf,
    /// What lies below it.
    pub content: Content,
    /// Files of the archive that do not.
    pub left_out: u64,
    /// What stands outside it and has another name below it, with the first of those.
    pub borrowed: BTreeMap<PathBuf, PathBuf>,
}

/// What a source is that an archive stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A directory.
    Directory,
    /// One file.
    File,
    /// It is not there, so that it can be either.
    Unknown,
}

/// The directory that a person names, as it is in archives.
///
/// # Errors
/// It leads upwards.
pub fn named(strip: &str) -> Result<PathBuf, ArchiveError> {
    below(strip.as_bytes())
}

/// What of an archive is the source of this name and shape. `strip` is what a person said, and what the survey was made with.
///
/// # Errors
/// There is nothing, or it cannot be told; the sentence says how a person tells.
pub fn part(survey: &Survey, source: &str, shape: Shape, strip: Option<&Path>) -> Result<Part, ArchiveError> {
    let part = find(survey, source, shape, strip)?;
    match (shape, part.content.is_file) {
        (Shape::File, false) => Err(ArchiveError::refused(format!("{} is no file in it", shown(&part.root)))),
        (Shape::Directory, true) => Err(ArchiveError::refused("what was to be its root is no directory")),
        _ => Ok(part),
    }
}

fn find(survey: &Survey, source: &str, shape: Shape, strip: Option<&Path>) -> Result<Part, ArchiveError> {
    let take = |root: &Path| {
        let content = if root.as_os_str().is_empty() { Some(survey.all) } else { survey.roots.get(root).copied() };
        let content = content.filter(|content| content.entries > 0).ok_or_else(|| {
            ArchiveError::refused(format!(
                "there is nothing in it below {}; it holds {}",
                shown(root),
                survey.top_names()
            ))
        })?;
        let left_out = survey.all.size.files - content.size.files;
        Ok(Part { root: root.to_owned(), content, left_out, borrowed: survey.borrowed.clone() })
    };
    if survey.all.entries == 0 {
        return Err(ArchiveError::refused("there is nothing in it"));
    }
    if let Some(strip) = strip {
        return take(strip);
    }
    let is_alone = |name: &Path| survey.all.entries == 1 && name.file_name() == Path::new(source).file_name();
    match (shape, &survey.file) {
        (Shape::File, file) => return survey.only_file(source, file.as_ref()),
        (Shape::Unknown, Some((name, _))) if is_alone(name) => return survey.only_file(source, survey.file.as_ref()),
        _ => {}
    }
    // It says itself what its root is.
    if survey.all.has_root {
        return take(Path::new(""));
    }
    let only_top = survey.tops.len() == 1;
    let (data, backup) = (Path::new("data"), Path::new("backup"));
    if only_top && survey.roots.contains_key(data) {
        return take(data);
    }
    if only_top && survey.roots.contains_key(backup) {
        return if survey.files_in_backup { take(backup) } else { take(&survey.of_several(backup, source)?) };
    }
    let in_docker: Vec<&PathBuf> = survey.roots.keys().filter(|root| root.ends_with("_data")).collect();
    if only_top && !in_docker.is_empty() {
        let named = in_docker.iter().find(|root| root.parent().is_some_and(|at| at.ends_with(source)));
        return match (named, in_docker.as_slice()) {
            (Some(root), _) | (None, [root]) => take(root),
            _ => Err(ambiguous(source, in_docker.into_iter())),
        };
    }
    match survey.tops.iter().next() {
        Some((top, true)) if only_top => Err(ArchiveError::refused(format!(
            "everything in it lies below {0}, which may be the root of {source} or a directory in it: say `--strip {0}` \
             or `--strip .`",
            shown(Path::new(top))
        ))),
        _ => take(Path::new("")),
    }
}

impl Survey {
    /// The one file that is in it, for a source that is one.
    fn only_file(&self, source: &str, file: Option<&(PathBuf, Content)>) -> Result<Part, ArchiveError> {
        let say = "say which is it with `--strip FILE`";
        let Some((root, content)) = file else {
            return Err(ArchiveError::refused(format!("it holds no file; it holds {}", self.top_names())));
        };
        if self.several_files {
            return Err(ArchiveError::refused(format!("it holds several files, and {source} is one: {say}")));
        }
        if root.file_name() != Path::new(source).file_name() {
            let message =
                format!("its file is not called as {source} is: if it is that, say `--strip {}`", shown(root));
            return Err(ArchiveError::refused(message));
        }
        let left_out = self.all.size.files - content.size.files;
        Ok(Part { root: root.clone(), content: *content, left_out, borrowed: BTreeMap::new() })
    }

    /// The directory of a source below `backup/`: of its name, or the only one.
    fn of_several(&self, backup: &Path, source: &str) -> Result<PathBuf, ArchiveError> {
        let several: Vec<&PathBuf> = self.roots.keys().filter(|root| root.parent() == Some(backup)).collect();
        let name = |root: &Path| root.file_name().unwrap_or_default().to_owned();
        // Compose puts the project before the name that its file has.
        let is_of = |root: &Path| {
            let (name, source) = (name(root), OsStr::new(source).as_bytes());
            source.strip_suffix(name.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"_"))
        };
        let fitting: Vec<&PathBuf> = several.iter().copied().filter(|root| is_of(root)).collect();
        match (fitting.as_slice(), several.as_slice()) {
            ([one], _) | ([], [one]) => Ok((*one).clone()),
            ([], []) => Ok(backup.to_owned()),
            _ => Err(ambiguous(source, several.into_iter())),
        }
    }

    fn top_names(&self) -> String {
        let names: Vec<String> = self.tops.keys().take(10).map(|name| shown(Path::new(name))).collect();
        names.join(", ")
    }
}

fn ambiguous<'a>(source: &str, roots: impl Iterator<Item = &'a PathBuf>) -> ArchiveError {
    let roots: Vec<String> = roots.take(20).map(|root| shown(root)).collect();
    ArchiveError::refused(format!(
        "it holds several directories, and none is called as {source} is: say `--strip` with one of {}",
        roots.join(", ")
    ))
}
