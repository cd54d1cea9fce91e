//! A state disk that takes nothing: no container is touched at all.

use crate::host::{Host, text};
use seawall::clock::{Clock, SystemClock};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, until dropped.
struct Mount(PathBuf);

impl Mount {
    fn at(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", path.to_str().unwrap()]);
        Self(path.to_owned())
    }

    fn read_only(&self) {
        run("mount", &["-o", "remount,ro", self.0.to_str().unwrap()]);
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        // To the last byte.
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, args: &[&str]) {
    assert!(Command::new(program).args(args).status().unwrap().success(), "{program} {args:?}");
}

/// When the container was last started, and how often it was paused since: whether anything touched it.
fn untouched(host: &Host, app: &str, since: &str) -> (String, String) {
    let started = host.engine.docker(&["inspect", "--format={{.State.StartedAt}} {{.State.Status}}", app]);
    let until = SystemClock.now().to_string();
    let filter = format!("container={app}");
    let args = ["events", "--since", since, "--until", &until, "--filter", &filter, "--format={{.Action}}"];
    (started, host.engine.docker(&args))
}

fn nothing_is_touched(make: impl Fn(&Mount)) {
    for quiesce in ["mode: stop", "mode: pause", "mode: hooks, pre: [{command: [/bin/busybox, touch, /data/told]}]"] {
        let host = Host::new();
        let app = host.app(&[]);
        let since = SystemClock.now().to_string();
        let before = untouched(&host, &app, &since);
        let mount = Mount::at(&host.state().join("journal"), "size=4k");
        make(&mount);
        host.policy("p", quiesce, false);
        let output = host.backup("p");
        let said = text(&output);
        assert!(!output.status.success() && said.contains("no container was touched"), "{said}");
        assert_eq!(untouched(&host, &app, &since), before, "{quiesce}");
        assert!(!host.engine.mountpoint(&host.volume).join("told").exists());
        assert_eq!(host.results(), ["failure"]);
    }
}

#[test]
fn a_full_journal_disk_touches_nothing() {
    nothing_is_touched(Mount::fill);
}

#[test]
fn a_read_only_journal_disk_touches_nothing() {
    nothing_is_touched(Mount::read_only);
}

/// The operator goes on with what it has in memory, and still touches nothing.
#[test]
fn an_operator_whose_whole_state_disk_is_full_touches_nothing() {
    let host = Host::new();
    let app = host.app(&[]);
    let since = SystemClock.now().to_string();
    let mount = Mount::at(&host.state(), "size=8m");
    let elsewhere = host.beside("elsewhere");
    std::fs::write(host.beside("key"), "a key that a person made").unwrap();
    let repository = format!(
        "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: elsewhere}}\nspec:\n  local: {{path: {}}}\n  \
         passwordFrom: {{file: {}}}\n",
        elsewhere.display(),
        host.beside("key").display()
    );
    host.document("elsewhere", &repository);
    let policy = |suspend| {
        let rest = format!("repositories: [elsewhere]\n  suspend: {suspend}");
        host.policy_text("p", &host.volume, "quiesce: {mode: stop}", &rest);
    };
    policy(true);
    let operator = host.operator();
    host.until("the repository is there", || elsewhere.join("config").exists());
    let before = untouched(&host, &app, &since);
    mount.fill();
    policy(false);
    host.until("it says that it could not", || host.log().contains("no container was touched"));
    assert_eq!(untouched(&host, &app, &since), before);
    drop(operator);
}
