//! A running store on a directory of its own.

use crate::clock::SystemClock;
use crate::controller::ports::{Accepted, AcceptedDocument, Loaded};
use crate::status::model::FileStatus;
use crate::store::watch::{MakeWatcher, native};
use crate::store::{Handle, StoreOptions, load_once, start_with};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// So long that only events can have told.
pub const NEVER: Duration = Duration::from_hours(1);
/// Short enough to wait for.
pub const SOON: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the accepted documents in memory.
#[derive(Default)]
pub struct Memory {
    pub documents: Mutex<Vec<AcceptedDocument>>,
    pub full: AtomicBool,
}

impl Accepted for Memory {
    fn load(&self) -> Result<Vec<AcceptedDocument>, String> {
        Ok(self.documents.lock().unwrap().clone())
    }

    fn save(&self, documents: &[AcceptedDocument]) -> Result<(), String> {
        if self.full.load(Ordering::SeqCst) {
            return Err("no space left on device".to_owned());
        }
        *self.documents.lock().unwrap() = documents.to_vec();
        Ok(())
    }
}

/// A policy that is in order. `hour` is a part of its meaning.
pub fn policy(name: &str, hour: u8) -> String {
    policy_into(name, hour, "default")
}

/// A policy with a repository of its choice.
pub fn policy_into(name: &str, hour: u8, repository: &str) -> String {
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{volume: {{name: data}}}}\n  schedule: {{cron: \"0 {hour} * * *\"}}\n  repositories: [{repository}]\n"
    )
}

/// A repository that is in order.
pub fn repository(name: &str, path: &str) -> String {
    format!(
        "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: {name}}}\nspec:\n  local: {{path: {path}}}\n"
    )
}

/// What no parser accepts.
pub const BROKEN: &str = "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {name: broken}\nspec: {bogus: 1}\n";

/// A running store.
pub struct Running {
    pub directory: PathBuf,
    pub accepted: Arc<Memory>,
    pub handle: Handle,
    pub receiver: watch::Receiver<Arc<Loaded>>,
    _cancel: DropGuard,
    _runtime: tokio::runtime::Runtime,
}

/// A new directory with these files, and the path of a directory around it.
pub fn directory(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let path = keep.path().canonicalize().unwrap().join("policies");
    std::fs::create_dir(&path).unwrap();
    for (name, text) in files {
        write(&path.join(name), text);
    }
    (keep, path)
}

/// Writes a file, with the directories that it needs.
pub fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl Running {
    /// Only events tell it to look.
    pub fn on(directory: &Path) -> Self {
        Self::with(directory, Arc::default(), NEVER, native())
    }

    pub fn with(directory: &Path, accepted: Arc<Memory>, rescan: Duration, make: MakeWatcher) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = StoreOptions { rescan, ..StoreOptions::new(directory.to_owned()) };
        let cancel = CancellationToken::new();
        let (handle, receiver) = {
            let _in_runtime = runtime.enter();
            start_with(options, Arc::clone(&accepted) as _, Arc::new(SystemClock), cancel.clone(), make).unwrap()
        };
        let directory = directory.to_owned();
        Self { directory, accepted, handle, receiver, _cancel: cancel.drop_guard(), _runtime: runtime }
    }

    /// The newest that was published.
    pub fn now(&self) -> Arc<Loaded> {
        Arc::clone(&self.receiver.borrow())
    }

    /// Waits until what is published is so.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Loaded) -> bool) -> Arc<Loaded> {
        let (mut waited, mut pause) = (Duration::ZERO, Duration::from_millis(5));
        while waited < PATIENCE {
            let now = self.now();
            if is_so(&now) {
                return now;
            }
            std::thread::sleep(pause);
            waited += pause;
            pause = (pause * 5 / 4).min(Duration::from_millis(250));
        }
        let single = load_once(&self.directory, &*self.accepted, Timestamp::UNIX_EPOCH);
        panic!("waited in vain until {what}; now: {:#?}\na single look: {single:#?}", self.now());
    }

    /// Waits until what is published is so, and is also what a single look would say.
    #[track_caller]
    pub fn settles(&self, what: &str, mut is_so: impl FnMut(&Loaded) -> bool) -> Arc<Loaded> {
        self.until(what, |loaded| {
            is_so(loaded) && agree(loaded, &load_once(&self.directory, &*self.accepted, Timestamp::UNIX_EPOCH))
        })
    }

    /// Waits until exactly these policies are in force, each with this generation.
    #[track_caller]
    pub fn in_force(&self, expected: &[(&str, u64)]) -> Arc<Loaded> {
        self.settles(&format!("{expected:?} are in force"), |loaded| policies(loaded) == expected)
    }

    /// Waits until a file is invalid; returns its errors as text.
    #[track_caller]
    pub fn invalid(&self, name: &str) -> String {
        let loaded = self.settles(&format!("{name} is invalid"), |loaded| file(loaded, name).is_some_and(|f| !f.valid));
        assert!(!loaded.config.last_reload_successful);
        errors(&loaded, name)
    }
}

/// Whether two looks saw the same and put the same in force.
pub fn agree(a: &Loaded, b: &Loaded) -> bool {
    a.desired == b.desired
        && a.config.files == b.config.files
        && a.config.problem == b.config.problem
        && a.config.last_reload_successful == b.config.last_reload_successful
}

/// Names and generations of the policies in force.
pub fn policies(loaded: &Loaded) -> Vec<(&str, u64)> {
    loaded.desired.policies.values().map(|policy| (policy.name.as_str(), policy.generation)).collect()
}

/// The state of one file.
pub fn file<'a>(loaded: &'a Loaded, name: &str) -> Option<&'a FileStatus> {
    loaded.config.files.iter().find(|file| file.file == Path::new(name))
}

/// The errors of one file, a line each.
pub fn errors(loaded: &Loaded, name: &str) -> String {
    let of_file = file(loaded, name).map(|file| file.errors.clone()).unwrap_or_default();
    of_file.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
