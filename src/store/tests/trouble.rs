//! Files that are none, directories that never end, and documents that do not go together.

use super::fifo;
use super::support::{BROKEN, Running, directory, errors, file, policies, policy, policy_into, repository, write};
use crate::policy::MAX_FILE_BYTES;
use crate::store::listing::MAX_FILES;
use rstest::rstest;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

fn socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

fn device(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

fn dangling(path: &Path) {
    symlink("nowhere", path).unwrap();
}

fn looping(path: &Path) {
    symlink(path.file_name().unwrap(), path).unwrap();
}

fn a_directory(path: &Path) {
    write(&path.join("inner.yaml"), &policy("inner", 1));
}

fn large(path: &Path) {
    fs::write(path, vec![b'#'; MAX_FILE_BYTES + 1]).unwrap();
}

fn endless(path: &Path) {
    // 50 GB that take no space.
    fs::File::create(path).unwrap().set_len(50 << 30).unwrap();
}

fn not_utf8(path: &Path) {
    fs::write(path, b"kind: \xff\xfe\n").unwrap();
}

#[rstest]
#[case::named_pipe(fifo, "named pipe")]
#[case::socket(socket, "socket")]
#[case::device(device, "device")]
#[case::dangling(dangling, "nowhere")]
#[case::looping(looping, "never ends")]
#[case::directory(a_directory, "a directory, not a regular file")]
#[case::large(large, "1024 KiB")]
#[case::endless(endless, "1024 KiB")]
#[case::not_utf8(not_utf8, "UTF-8")]
fn what_is_no_policy_file_is_one_error_and_keeps_what_was_there(#[case] make: fn(&Path), #[case] word: &str) {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    fs::remove_file(path.join("a.yaml")).unwrap();
    make(&path.join("a.yaml"));
    let told = store.invalid("a.yaml");
    assert!(told.contains(word), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    write(&path.join("b.yaml"), &policy("b", 2));
    let loaded = store.in_force(&[("a", 1), ("b", 2)]);
    assert_eq!(file(&loaded, "a.yaml").unwrap().documents, ["a"]);
}

#[test]
fn a_file_that_may_not_be_read() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    fs::set_permissions(path.join("a.yaml"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(path.join("a.yaml")).is_ok() {
        eprintln!("SKIPPED: this user may read everything");
        return;
    }
    assert!(store.invalid("a.yaml").contains("permission denied"));
    store.in_force(&[("a", 1)]);
}

#[test]
fn directories_that_lead_back_end() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("x/y/b.yaml", &policy("b", 1))]);
    symlink("..", path.join("x/y/up")).unwrap();
    symlink(&path, path.join("x/top")).unwrap();
    let store = Running::on(&path);
    let loaded = store.in_force(&[("a", 1), ("b", 1)]);
    assert!(errors(&loaded, "x/y/up").contains("leads back"));
    assert!(errors(&loaded, "x/top").contains("leads back"));
    assert_eq!(loaded.config.files.len(), 4);
}

#[test]
fn a_subdirectory_that_cannot_be_followed_keeps_what_was_below_it() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let elsewhere = path.with_file_name("elsewhere");
    write(&elsewhere.join("b.yaml"), &policy("b", 1));
    symlink(&elsewhere, path.join("sub")).unwrap();
    let store = Running::on(&path);
    fs::rename(&elsewhere, path.with_file_name("away")).unwrap();
    assert!(store.invalid("sub/b.yaml").contains("cannot be seen"));
    store.in_force(&[("a", 1), ("b", 1)]);
    fs::rename(path.with_file_name("away"), &elsewhere).unwrap();
    store.settles("all is well", |loaded| loaded.config.last_reload_successful);
}

#[test]
fn deeper_than_anybody_needs() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    write(&path.join("d/".repeat(60)).join("b.yaml"), &policy("b", 1));
    let loaded = Running::on(&path).in_force(&[("a", 1)]);
    assert_eq!(loaded.config.files.iter().filter(|file| !file.valid).count(), 1);
}

#[test]
fn more_files_than_anybody_needs() {
    let (_keep, path) = directory(&[("z.yaml", &policy("z", 1))]);
    let store = Running::on(&path);
    for i in 0..MAX_FILES {
        fs::write(path.join(format!("p{i:05}.yaml")), "").unwrap();
    }
    let loaded = store.until("there are too many", |loaded| loaded.config.problem.is_some());
    assert!(loaded.config.problem.as_ref().unwrap().contains("10000 policy files"), "{:?}", loaded.config.problem);
    let loaded = store.in_force(&[("z", 1)]);
    assert!(errors(&loaded, "z.yaml").contains("cannot be seen"));
}

#[test]
fn a_name_that_is_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    fs::write(path.join(std::ffi::OsStr::from_bytes(b"b\xff.yaml")), policy("b", 1)).unwrap();
    let loaded = Running::on(&path).in_force(&[("a", 1)]);
    assert!(errors(&loaded, "b\u{fffd}.yaml").contains("not UTF-8"));
    serde_json::to_string(&loaded.config).unwrap();
}

#[test]
fn of_two_with_one_name_the_one_in_force_stays() {
    let (_keep, path) = directory(&[("m.yaml", &policy("a", 1)), ("n.yaml", &policy("n", 1))]);
    let store = Running::on(&path);
    for (newcomer, hour) in [("b.yaml", 2), ("z.yaml", 3)] {
        write(&path.join(newcomer), &format!("{}---\n{}", policy("a", 7), policy("c", 1)));
        assert!(store.invalid(newcomer).contains("twice"));
        assert!(store.invalid("m.yaml").contains(newcomer));
        write(&path.join("n.yaml"), &policy("n", hour));
        let loaded = store.in_force(&[("a", 1), ("n", hour.into())]);
        assert_eq!(loaded.desired.policies["a"].file, Path::new("m.yaml"));
        fs::remove_file(path.join(newcomer)).unwrap();
        store.settles("all is well", |loaded| loaded.config.last_reload_successful);
    }
}

#[test]
fn a_policy_that_refers_to_no_repository_keeps_what_it_was() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    write(&path.join("a.yaml"), &policy_into("a", 2, "offsite"));
    assert!(store.invalid("a.yaml").contains("offsite"));
    write(&path.join("b.yaml"), &policy("b", 2));
    store.in_force(&[("a", 1), ("b", 2)]);
    write(&path.join("r.yaml"), &repository("offsite", "/mnt/offsite"));
    store.in_force(&[("a", 2), ("b", 2)]);
}

#[rstest]
#[case::that_cannot_be_understood(BROKEN)]
#[case::that_does_not_go_with_the_others("")]
fn a_policy_that_moved_to_a_file_with_an_error_is_not_withdrawn(#[case] extra: &str) {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    let good = store.now();
    let moved = policy_into("a", 2, if extra.is_empty() { "nowhere" } else { "default" });
    write(&path.join("new.yaml"), &format!("{moved}---\n{extra}"));
    fs::remove_file(path.join("a.yaml")).unwrap();
    store.settles("the move is seen", |loaded| errors(loaded, "a.yaml").contains("is gone"));
    assert_eq!(store.now().desired, good.desired);
    write(&path.join("new.yaml"), &policy("a", 2));
    let loaded = store.in_force(&[("a", 2), ("b", 1)]);
    assert!(file(&loaded, "a.yaml").is_none());
}

#[test]
fn a_policy_may_move_between_files_in_order() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    write(&path.join("a.yaml"), "# moved\n");
    write(&path.join("b.yaml"), &format!("{}---\n{}", policy("b", 1), policy("a", 1)));
    let loaded = store.settles("it moved", |loaded| loaded.desired.policies["a"].file == Path::new("b.yaml"));
    assert_eq!(policies(&loaded), [("a", 1), ("b", 1)]);
}
