//! A watcher that fails, loses events, or reaches a limit: the periodic look sees the change, and it is said.

use super::support::{Memory, NEVER, Running, SOON, directory, policy, write};
use crate::store::hints::Hints;
use crate::store::last_known_good::LastKnownGood;
use crate::store::listing::Walk;
use crate::store::load::Loader;
use crate::store::watch::{MakeWatcher, Watch, native};
use futures_util::FutureExt;
use notify::event::{EventKind, Flag, RemoveKind};
use notify::{Config, ErrorKind, Event, EventHandler, RecursiveMode, Watcher, WatcherKind};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Accepts so many watches and never says anything.
struct Deaf(usize);

impl Watcher for Deaf {
    fn new<F: EventHandler>(_: F, _: Config) -> notify::Result<Self> {
        Ok(Self(0))
    }

    fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| notify::Error::new(ErrorKind::MaxFilesWatch))?;
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

/// The kernel's watcher after `failures` others, and the hints through which a test can speak for it.
fn at_last(failures: usize, broken: fn() -> notify::Result<Deaf>) -> (MakeWatcher, Arc<Mutex<Option<Arc<Hints>>>>) {
    let seen: Arc<Mutex<Option<Arc<Hints>>>> = Arc::default();
    let (keep, count, mut real) = (Arc::clone(&seen), AtomicUsize::new(0), native());
    let make: MakeWatcher = Box::new(move |hints| {
        *keep.lock().unwrap() = Some(Arc::clone(hints));
        if count.fetch_add(1, Ordering::SeqCst) < failures { Ok(Box::new(broken()?)) } else { real(hints) }
    });
    (make, seen)
}

#[test]
fn without_a_watcher_the_periodic_look_sees_the_change() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let broken = || Err(notify::Error::io(rustix::io::Errno::MFILE.into()));
    let store = Running::with(&path, Arc::default(), SOON, at_last(usize::MAX, broken).0);
    assert!(store.now().config.watch_problem.as_ref().unwrap().contains("max_user_instances"));
    assert!(store.now().config.last_reload_successful, "the policies themselves are in order");
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
    assert!(store.now().config.watch_problem.is_some());
}

#[test]
fn watched_in_part_the_periodic_look_sees_the_change() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("sub/b.yaml", &policy("b", 1))]);
    let store = Running::with(&path, Arc::default(), SOON, at_last(usize::MAX, || Ok(Deaf(1))).0);
    assert!(store.now().config.watch_problem.as_ref().unwrap().contains("max_user_watches"));
    write(&path.join("sub/b.yaml"), &policy("b", 2));
    store.in_force(&[("a", 1), ("b", 2)]);
}

#[test]
fn a_watcher_that_could_not_be_made_is_made_later() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let (make, _) = at_last(1, || Ok(Deaf(0)));
    let store = Running::with(&path, Arc::default(), NEVER, make);
    assert!(store.now().config.watch_problem.is_some());
    store.handle.reload();
    store.settles("the warning is over", |loaded| loaded.config.watch_problem.is_none());
    assert_eq!(store.now().config.reloads.success, 1, "the watcher's state is no change of the policies");
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
}

#[test]
fn an_overflow_makes_it_look_and_is_said_until_the_next_periodic_look() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    // Nothing is heard from the first watcher, as if the queue had dropped it.
    let (make, hints) = at_last(1, || Ok(Deaf(usize::MAX)));
    let store = Running::with(&path, Arc::default(), NEVER, make);
    write(&path.join("a.yaml"), &policy("a", 2));
    let hints = hints.lock().unwrap().clone().unwrap();
    hints.event(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    let loaded = store.in_force(&[("a", 2)]);
    assert!(loaded.config.watch_problem.as_ref().unwrap().contains("overflowed"));
    // All is watched anew, by a watcher that hears.
    write(&path.join("a.yaml"), &policy("a", 3));
    store.in_force(&[("a", 3)]);
    store.handle.reload();
    store.settles("the warning is over", |loaded| loaded.config.watch_problem.is_none());
}

#[test]
fn a_watcher_that_dies_is_replaced() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let (make, hints) = at_last(1, || Ok(Deaf(usize::MAX)));
    let store = Running::with(&path, Arc::default(), NEVER, make);
    let hints = hints.lock().unwrap().clone().unwrap();
    hints.event(Err(notify::Error::generic("gone")));
    store.until("it is said", |loaded| loaded.config.watch_problem.is_some());
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
}

#[test]
fn its_own_reading_does_not_wake_it() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let hints: Arc<Hints> = Arc::default();
    let mut watch = Watch::new(native(), Arc::clone(&hints));
    assert!(watch.arm(&Walk::of(&path).listing, &BTreeSet::new()));
    assert!(!watch.arm(&Walk::of(&path).listing, &BTreeSet::new()), "everything was watched already");
    let woken = || hints.wake.notified().now_or_never().is_some();
    let mut loader = Loader::new(path.clone(), LastKnownGood::default());
    loader.looker.step = Duration::ZERO;
    let mut look = || {
        // Once with all that is read, once by the stamps alone.
        loader.looker.forget_readings();
        drop((loader.look(), loader.look()));
        std::thread::sleep(Duration::from_millis(200));
    };
    look();
    assert!(!woken());
    std::fs::write(path.with_file_name("beside"), "").unwrap();
    std::fs::write(path.join("notes.txt"), "").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(woken(), "a new name in the directory could be a policy");
    std::fs::write(path.join("notes.txt"), "more").unwrap();
    std::fs::write(path.with_file_name("beside"), "more").unwrap();
    look();
    assert!(!woken(), "what is no policy may change as it likes, and so may what lies beside the directory");
}

#[test]
fn a_directory_that_went_is_watched_anew_even_if_the_next_one_looks_the_same() {
    let (_keep, path) = directory(&[("sub/a.yaml", &policy("a", 1))]);
    let hints: Arc<Hints> = Arc::default();
    let mut watch = Watch::new(at_last(1, || Ok(Deaf(usize::MAX))).0, Arc::clone(&hints));
    let listing = Walk::of(&path).listing;
    assert!(watch.arm(&listing, &BTreeSet::new()));
    // A file system that gives the same inode number again and knows no time of birth.
    hints.event(Ok(Event::new(EventKind::Remove(RemoveKind::Folder)).add_path(path.join("sub"))));
    assert!(hints.wake.notified().now_or_never().is_some());
    assert!(watch.arm(&listing, &BTreeSet::new()));
    assert!(!watch.arm(&listing, &BTreeSet::new()));
}

/// The kernel's own limits, lowered in a user namespace in which this test runs once more.
#[rstest::rstest]
#[case::watches("max_inotify_watches", "max_user_watches")]
#[case::instances("max_inotify_instances", "max_user_instances")]
fn the_kernels_own_limit(#[case] limit: &str, #[case] word: &str) {
    const INSIDE: &str = "SEAWALL_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let name = std::thread::current().name().unwrap().to_owned();
        let script = format!("echo 0 >/proc/sys/user/{limit} || exit 77; exec \"$@\"");
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", &script, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(INSIDE, "1")
            .output();
        match output {
            Ok(output) if output.status.success() => {
                let told = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(told.contains("1 passed"), "the test did not run inside: {told}");
            }
            Ok(output) if output.status.code() == Some(101) => {
                panic!("inside: {}", String::from_utf8_lossy(&output.stderr));
            }
            other => eprintln!("SKIPPED: no user namespace with a limit of its own: {other:?}"),
        }
        return;
    }
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::with(&path, Arc::<Memory>::default(), SOON, native());
    let told = store.now().config.watch_problem.clone().unwrap();
    assert!(told.contains(word), "{told}");
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
}
