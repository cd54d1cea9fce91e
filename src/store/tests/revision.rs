//! Against repositories that the real git made: it also says what the right answer is.

use crate::store::revision;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Runs git as nobody in particular; returns what it prints.
pub(super) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", "/")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(directory: &Path, content: &str) {
    std::fs::write(directory.join("a.yaml"), content).unwrap();
    git(directory, &["add", "."]);
    git(directory, &["commit", "-q", "-m", content]);
}

/// A repository with two commits, and its canonical path.
fn repository(format: &str) -> (TempDir, PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let path = keep.path().canonicalize().unwrap().join("r");
    std::fs::create_dir(&path).unwrap();
    git(&path, &["init", "-q", "--object-format", format]);
    commit(&path, "one");
    commit(&path, "two");
    (keep, path)
}

fn ours(directory: &Path) -> Option<String> {
    revision::of(directory).commit
}

#[track_caller]
fn agrees(directory: &Path) {
    assert_eq!(ours(directory), Some(git(directory, &["rev-parse", "HEAD"])));
}

#[rstest]
fn a_branch_packed_refs_a_detached_head_and_a_nested_branch(#[values("sha1", "sha256")] format: &str) {
    let (_keep, path) = repository(format);
    agrees(&path);
    git(&path, &["pack-refs", "--all"]);
    assert!(!path.join(".git/refs/heads/main").exists());
    agrees(&path);
    // A loose ref is newer than the packed one of the same name.
    commit(&path, "three");
    agrees(&path);
    git(&path, &["checkout", "-q", "--detach", "HEAD~1"]);
    agrees(&path);
    git(&path, &["checkout", "-q", "-b", "feature/deep/er"]);
    agrees(&path);
    git(&path, &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    git(&path, &["symbolic-ref", "HEAD", "refs/heads/alias"]);
    agrees(&path);
}

#[test]
fn a_subdirectory_belongs_to_the_work_tree_around_it() {
    let (_keep, path) = repository("sha1");
    let inner = path.join("hosts/one/policies");
    std::fs::create_dir_all(&inner).unwrap();
    agrees(&inner);
    // A directory that only has the name is passed by.
    std::fs::create_dir(inner.join(".git")).unwrap();
    assert_eq!(ours(&inner), ours(&path));
}

#[test]
fn a_linked_work_tree_has_a_head_of_its_own_and_shares_the_branches() {
    let (_keep, path) = repository("sha1");
    let linked = path.with_file_name("linked");
    git(&path, &["worktree", "add", "-q", linked.to_str().unwrap(), "-b", "other", "HEAD~1"]);
    agrees(&linked);
    assert_ne!(ours(&linked), ours(&path));
    git(&path, &["pack-refs", "--all"]);
    agrees(&linked);
    git(&linked, &["checkout", "-q", "--detach"]);
    agrees(&linked);
}

#[test]
fn a_submodule_is_a_work_tree_of_its_own() {
    let (_keep, path) = repository("sha1");
    let (_keep2, outer) = repository("sha1");
    commit(&outer, "three");
    git(&outer, &["submodule", "--quiet", "add", path.to_str().unwrap(), "policies"]);
    agrees(&outer.join("policies"));
    assert_eq!(ours(&outer.join("policies")), ours(&path));
}

#[test]
fn no_commit_yet_and_no_work_tree_are_no_revision() {
    let keep = tempfile::tempdir().unwrap();
    let path = keep.path().canonicalize().unwrap();
    assert_eq!(ours(&path), None);
    git(&path, &["init", "-q"]);
    assert_eq!(ours(&path), None);
    assert!(revision::of(&path).sources.contains(&path.join(".git/HEAD")), "the first commit will show there");
}

#[rstest]
#[case::leads_out("ref: refs/../../../outside\n")]
#[case::not_a_ref("ref: outside\n")]
#[case::endless("ref: refs/heads/endless\n")]
#[case::short("0123456789abcdef\n")]
#[case::empty("")]
#[case::no_text("\u{0}\u{1}")]
fn a_head_that_makes_no_sense_is_no_revision(#[case] head: &str) {
    let (_keep, path) = repository("sha1");
    std::fs::write(path.with_file_name("outside"), "a".repeat(40)).unwrap();
    std::fs::write(path.join(".git/refs/heads/endless"), "ref: refs/heads/endless\n").unwrap();
    std::fs::write(path.join(".git/HEAD"), head).unwrap();
    assert_eq!(ours(&path), None);
}

#[test]
fn a_pipe_in_place_of_a_ref_does_not_block() {
    let (_keep, path) = repository("sha1");
    std::fs::remove_file(path.join(".git/HEAD")).unwrap();
    super::fifo(&path.join(".git/HEAD"));
    assert_eq!(ours(&path), None);
}
