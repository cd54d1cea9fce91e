//! Every way in which people and programs change a file, told by events alone.

use super::revision::git;
use super::support::{BROKEN, Running, directory, file, policies, policy, write};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_file_written_in_place() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    assert_eq!(policies(&store.now()), [("a", 1)]);
    fs::write(path.join("a.yaml"), policy("a", 2)).unwrap();
    store.in_force(&[("a", 2)]);
}

#[test]
fn sed_in_place() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    let done = Command::new("sed").args(["-i", "s/0 1 /0 2 /"]).arg(path.join("a.yaml")).status().unwrap();
    assert!(done.success());
    store.in_force(&[("a", 2)]);
}

#[test]
fn an_editor_that_renames_the_old_file_away() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    for hour in 2..5 {
        // What strace shows of vim with 'backup' and 'writebackup'.
        fs::write(path.join("4913"), "").unwrap();
        fs::remove_file(path.join("4913")).unwrap();
        fs::write(path.join(".a.yaml.swp"), "b0VIM").unwrap();
        fs::rename(path.join("a.yaml"), path.join("a.yaml~")).unwrap();
        let mut new = fs::File::create(path.join("a.yaml")).unwrap();
        new.write_all(policy("a", hour).as_bytes()).unwrap();
        new.sync_all().unwrap();
        fs::set_permissions(path.join("a.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
        drop(new);
        fs::remove_file(path.join(".a.yaml.swp")).unwrap();
        let loaded = store.in_force(&[("a", hour.into()), ("b", 1)]);
        assert_eq!(loaded.config.files.len(), 2, "the backup and the swap file are no policy files");
    }
}

#[test]
fn git_checkout_of_another_branch() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    git(&path, &["init", "-q"]);
    git(&path, &["add", "."]);
    git(&path, &["commit", "-q", "-m", "one"]);
    git(&path, &["checkout", "-q", "-b", "next"]);
    write(&path.join("a.yaml"), &policy("a", 2));
    fs::remove_file(path.join("b.yaml")).unwrap();
    write(&path.join("hosts/c.yml"), &policy("c", 1));
    git(&path, &["add", "."]);
    git(&path, &["commit", "-q", "-m", "two"]);
    git(&path, &["checkout", "-q", "main"]);
    let store = Running::on(&path);
    let head = || Some(git(&path, &["rev-parse", "HEAD"]));
    assert_eq!(store.now().desired.revision, head());

    git(&path, &["checkout", "-q", "next"]);
    store.in_force(&[("a", 2), ("c", 1)]);
    store.settles("the new commit shows", |loaded| loaded.config.revision == head());
    git(&path, &["checkout", "-q", "main"]);
    store.in_force(&[("a", 3), ("b", 1)]);
    // A commit that changes no file is noticed, and is not a reload.
    let before = store.now().config.reloads;
    git(&path, &["commit", "-q", "--allow-empty", "-m", "three"]);
    let loaded = store.settles("the empty commit shows", |loaded| loaded.config.revision == head());
    assert_eq!(loaded.config.reloads, before);
}

#[test]
fn a_new_file_a_new_directory_and_a_renamed_one() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    write(&path.join("deep/er/b.yml"), &policy("b", 1));
    store.in_force(&[("a", 1), ("b", 1)]);
    fs::rename(path.join("deep"), path.join("moved")).unwrap();
    let loaded = store.settles("the file moved", |loaded| file(loaded, "moved/er/b.yml").is_some());
    assert_eq!(policies(&loaded), [("a", 1), ("b", 1)], "moving is not a change of meaning");
    write(&path.join("moved/er/b.yml"), &policy("b", 2));
    store.in_force(&[("a", 1), ("b", 2)]);
}

#[test]
fn a_deleted_file_withdraws_its_policies_and_a_returning_name_goes_on_counting() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2), ("b", 1)]);
    fs::remove_file(path.join("a.yaml")).unwrap();
    let loaded = store.in_force(&[("b", 1)]);
    assert!(loaded.config.last_reload_successful);
    write(&path.join("other.yaml"), &policy("a", 3));
    store.in_force(&[("a", 3), ("b", 1)]);
}

#[test]
fn a_broken_file_keeps_what_is_in_force_until_it_is_repaired() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    let good = store.now();
    write(&path.join("a.yaml"), &format!("{}---\n{BROKEN}", policy("a", 2)));
    assert!(store.invalid("a.yaml").contains("bogus"));
    let loaded = store.now();
    assert_eq!(loaded.desired, good.desired, "nothing that is in force changes, not even a text");
    assert_eq!(file(&loaded, "a.yaml").unwrap().documents, ["a"]);
    assert_eq!(loaded.config.last_reload_success, good.config.last_reload_success);
    assert_eq!((loaded.config.reloads.success, loaded.config.reloads.failure), (1, 1));
    // Others are not held up.
    write(&path.join("b.yaml"), &policy("b", 2));
    store.in_force(&[("a", 1), ("b", 2)]);
    write(&path.join("a.yaml"), &policy("a", 2));
    let loaded = store.in_force(&[("a", 2), ("b", 2)]);
    assert!(loaded.config.last_reload_successful);
    assert!(loaded.config.last_reload_success > good.config.last_reload_success);
}

#[test]
fn a_comment_is_no_change_of_meaning_but_the_text_is_taken() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    write(&path.join("a.yaml"), &(policy("a", 1) + "# a word\n"));
    let loaded = store.settles("the text is taken", |loaded| loaded.desired.policies["a"].text.contains("a word"));
    assert_eq!(policies(&loaded), [("a", 1)]);
}

#[test]
fn nothing_is_published_when_nothing_changes() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let mut store = Running::on(&path);
    store.receiver.mark_unchanged();
    write(&path.join("a.yaml"), &policy("a", 1));
    write(&path.join("notes.txt"), "not a policy");
    store.handle.reload();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!store.receiver.has_changed().unwrap());
    // The store was not asleep.
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
}

#[test]
fn two_thousand_files() {
    let (_keep, path) = directory(&[]);
    for i in 0..2000 {
        write(&path.join(format!("{}/p{i}.yaml", i % 7)), &policy(&format!("p{i}"), 1));
    }
    let store = Running::on(&path);
    assert_eq!(store.now().desired.policies.len(), 2000);
    write(&path.join("3/p1053.yaml"), &policy("p1053", 2));
    store.settles("one of many changed", |loaded| loaded.desired.policies["p1053"].generation == 2);
    fs::remove_dir_all(path.join("4")).unwrap();
    store.settles("one in seven is withdrawn", |loaded| loaded.desired.policies.len() == 1714);
}
