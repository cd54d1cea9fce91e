//! A volume on a file system that clones: how long the application stands still, and what a kill leaves.

use crate::host::{Host, text};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A file system of its own where the engine keeps a volume, mounted for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    /// A btrfs in a file.
    fn under(host: &Host) -> Self {
        let volume = host.engine.mountpoint(&host.volume);
        let at = volume.parent().unwrap().to_owned();
        let image = at.with_extension("image");
        fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        for command in [
            Command::new("mkfs.btrfs").arg("-q").arg(&image),
            Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at),
        ] {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", text(&output));
        }
        // Mounted, it needs its name no more.
        fs::remove_file(&image).unwrap();
        let disk = Self(at);
        fs::create_dir(&volume).unwrap();
        fs::write(volume.join("file"), "precious").unwrap();
        disk
    }

    fn scratches(&self) -> usize {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with(".seawall-clone-")).count()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_clone_is_read_once_the_application_is_back_and_a_kill_leaves_none() {
    let host = Host::new();
    let app = host.app(&[]);
    let disk = Disk::under(&host);
    host.policy_with("p", "quiesce: {mode: pause}\n      snapshot: auto");
    // The last that happens in the window: the container is back, and nothing can be removed any more.
    host.killed_at("p", "back");
    assert_eq!(disk.scratches(), 1, "the clone that was going to be read");
    assert_eq!((host.status(&app).as_str(), host.journal().as_str()), ("running", ""));
    let output = host.backup("p");
    assert!(text(&output).contains("read from a clone"), "{}", text(&output));
    assert_eq!((disk.scratches(), host.status(&app).as_str()), (0, "running"));
    let dumped = host.restic(&["dump", "latest", &format!("/{}/file", host.volume)]);
    assert_eq!(text(&dumped), "precious");
    let runs = host.get(&["get", "runs"]);
    assert!(runs[0]["quiesceSeconds"].as_f64().is_some(), "{runs}");
    assert_eq!(runs[0]["warnings"].as_array().map_or(0, Vec::len), 0, "{runs}");
}

#[test]
fn where_nothing_can_be_cloned_a_run_says_so() {
    let host = Host::new();
    let app = host.app(&[]);
    let volume = host.engine.mountpoint(&host.volume);
    let mount = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(volume.parent().unwrap()).status();
    assert!(mount.is_ok_and(|status| status.success()));
    let disk = Disk(volume.parent().unwrap().to_owned());
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("file"), "precious").unwrap();
    host.policy_with("p", "quiesce: {mode: pause}\n      snapshot: auto");
    let output = host.backup("p");
    assert!(output.status.success() && !text(&output).contains("read from a clone"), "{}", text(&output));
    assert_eq!(host.status(&app), "running");
    let runs = host.get(&["get", "runs"]);
    let told = "The volume was not cloned, and its containers stood still until it was read: its file system cannot clone files";
    assert_eq!(runs[0]["warnings"], serde_json::json!([told]));
    assert_eq!(disk.scratches(), 0);
}
