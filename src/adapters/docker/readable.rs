//! Whether a volume's files can be read directly, and where.
//!
//! A directory is believed to be the volume only for one of these reasons:
//!
//! - The local driver keeps a volume without mount options in its mountpoint. Over a Unix socket the engine is taken
//!   to be this host's, whose paths mean here what they mean there: directly, or because the volumes directory was
//!   mounted into Seawall's container under its own path. Over TCP it may be any host's: then one volume at least
//!   has to have, here, the very change time that the engine reports.
//! - The local driver mounts a volume with options `type` or `device` at its mountpoint while a container uses it, and
//!   only then; otherwise an empty directory is there. So a mount has to be seen at exactly that path.
//! - A volume of the kind `o=bind` is a directory elsewhere on the host, and stays readable there when its containers
//!   are stopped. Inside a container that path may be another directory, so it counts only where it lies on
//!   something that was mounted into the container.

use super::mounts::Mounts;
use crate::reconcile::observed::Readable;
use bollard::models::Volume;
use jiff::Timestamp;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// This process's side of the question, gathered once for all volumes.
#[derive(Debug, Default)]
pub(super) struct Here {
    mounts: Mounts,
    in_container: bool,
    other_host: bool,
}

impl Here {
    /// Looks around. `remote` is given for an engine that may be another host's: its volumes, and an instant before
    /// they were listed.
    pub(super) fn look(remote: Option<(&[Volume], Timestamp)>) -> Self {
        let mounts = Mounts::look();
        // Docker and podman each leave their mark at the root of a container; it stays when a host is made from its image.
        let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
        Self {
            in_container: marked && !mounts.root_is_a_whole_disk(),
            mounts,
            other_host: remote.is_some_and(|(volumes, since)| !volumes.iter().any(|volume| same_time(volume, since))),
        }
    }

    /// Where a volume's files can be read, or why they cannot.
    pub(super) fn readable(&self, volume: &Volume) -> Readable {
        if volume.driver != "local" {
            let message = format!(
                "the volume belongs to the driver {:?}, whose files only the engine can reach; \
                 Seawall reads volumes of the local driver",
                volume.driver
            );
            return no("NotLocalDriver", message);
        }
        if self.other_host {
            let message = "Docker is reached over TCP and none of its volumes is in a directory of this host; \
                           run Seawall on the host whose volumes it protects";
            return no("OtherHost", message.to_owned());
        }
        let mountpoint = Path::new(&volume.mountpoint);
        // Docker's own rule for what it has to mount.
        let has = |option: &str| volume.options.get(option).is_some_and(|value| !value.is_empty());
        if !has("type") && !has("device") {
            return directory(mountpoint);
        }
        let mounted = self.mounts.at(&real(mountpoint));
        if let Some(device) = self.bound_directory(volume)
            && (!mounted || same_directory(&device, mountpoint))
        {
            return directory(&device);
        }
        // What is mounted is not touched: a network file system may hang.
        if mounted { Readable::At(mountpoint.to_owned()) } else { self.not_mounted(mountpoint) }
    }

    /// The directory that a volume of the kind `o=bind` stands for, where that path means the same here.
    fn bound_directory(&self, volume: &Volume) -> Option<PathBuf> {
        let bind = volume.options.get("o")?.split(',').any(|o| matches!(o.trim(), "bind" | "rbind"));
        let device = volume.options.get("device").filter(|device| bind && device.starts_with('/'))?;
        if self.in_container && self.mounts.over(Path::new(device)).is_none_or(|over| over == Path::new("/")) {
            return None;
        }
        // The mount goes to where the path leads.
        fs::canonicalize(device).ok().filter(|device| device.is_dir())
    }

    fn not_mounted(&self, mountpoint: &Path) -> Readable {
        // Says first what would keep it from being seen even when it is mounted.
        if let Some(parent) = mountpoint.parent()
            && let no @ Readable::No { .. } = reachable(parent)
        {
            return no;
        }
        let more = if self.in_container {
            ". Seawall runs in a container: there its volumes directory has to be mounted with `rslave`, or the \
             mount is never seen"
        } else {
            ""
        };
        let message = format!(
            "the volume is mounted from elsewhere by its options, and is not mounted at {} now; \
             Docker mounts it while a container uses it{more}",
            mountpoint.display()
        );
        no("NotMounted", message)
    }
}

fn no(reason: &str, message: String) -> Readable {
    Readable::No { reason: reason.to_owned(), message }
}

/// A directory that can be listed.
fn directory(path: &Path) -> Readable {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => match fs::read_dir(path) {
            Ok(_) => Readable::At(path.to_owned()),
            Err(error) => unreachable(path, &error),
        },
        Ok(_) => no("NotADirectory", format!("{} is not a directory; something replaced the volume", path.display())),
        Err(error) => unreachable(path, &error),
    }
}

/// A directory that can be looked up.
fn reachable(path: &Path) -> Readable {
    match fs::metadata(path) {
        Ok(_) => Readable::At(path.to_owned()),
        Err(error) => unreachable(path, &error),
    }
}

fn unreachable(path: &Path, error: &io::Error) -> Readable {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            no("PermissionDenied", format!("{shown} may not be read by this user; run Seawall as root"))
        }
        io::ErrorKind::NotFound => {
            // …/volumes/NAME/_data
            let root = path.ancestors().nth(2).unwrap_or(path).display();
            let message = format!(
                "{shown} does not exist here. When Seawall runs in a container, mount the volumes directory into it \
                 under its own path: --volume {root}:{root}:ro,rslave"
            );
            no("NoSuchDirectory", message)
        }
        _ => no("Unreadable", format!("{shown} cannot be read: {error}")),
    }
}

/// The path by which the kernel lists a mount: links resolved, the last component left alone.
fn real(path: &Path) -> PathBuf {
    match (path.parent().and_then(|parent| fs::canonicalize(parent).ok()), path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

fn same_directory(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

/// Whether the directory at a volume's mountpoint has the change time that the engine reports as the time of creation
/// (of the directory itself in older versions, of the one above it in newer ones), or has changed since it was listed.
fn same_time(volume: &Volume, listed: Timestamp) -> bool {
    let Some(created) = volume.created_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok()) else { return false };
    let mountpoint = Path::new(&volume.mountpoint);
    let fits = |path: &Path| {
        // File systems keep time more coarsely than clocks.
        let changed = |found: fs::Metadata| found.ctime() == created.as_second() || found.ctime() >= listed.as_second();
        fs::symlink_metadata(path).is_ok_and(changed)
    };
    volume.driver == "local" && volume.options.is_empty() && (fits(mountpoint) || mountpoint.parent().is_some_and(fits))
}

#[cfg(test)]
mod tests;
