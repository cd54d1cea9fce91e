//! From what a person wrote of a directory or file of the host to a value that makes sense.

use super::finding::short;
use super::validate::Check;
use super::{PathSource, raw};
use std::path::{Component, Path, PathBuf};

const FIELD: &str = "spec.source.path.path";

pub(super) fn check(check: &mut Check<'_>, raw: &raw::PathSource) -> Option<PathSource> {
    check.globs("spec.source.path.exclude", &raw.exclude);
    let shown = raw.path.to_string_lossy();
    let normal: PathBuf = raw.path.components().collect();
    if !raw.path.is_absolute() {
        check.find(FIELD, format!("`{}` is not an absolute path", short(&shown)));
    } else if normal.components().any(|part| part == Component::ParentDir) {
        check.find(FIELD, format!("`{}` has `..` in it; write where it leads to", short(&shown)));
    } else if normal == Path::new("/") {
        check.find(FIELD, "the whole host is no source: name the directories that hold data");
    } else if normal.starts_with("/proc") || normal.starts_with("/sys") || normal.starts_with("/dev") {
        check.find(FIELD, format!("`{}` is made by the kernel and holds no data", short(&shown)));
    } else {
        return Some(PathSource { path: normal.to_str()?.to_owned(), exclude: raw.exclude.clone() });
    }
    None
}
