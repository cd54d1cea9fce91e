//! A thread that reads and cannot write.
//!
//! SQLite, where it runs as root, gives logs the owner of their database, and makes one that is missing. Without the
//! rights of root to do so, neither happens in a directory that is not root's own; what is left is the right to read
//! everything (capabilities(7)).

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// What root may do to the files of others besides reading them.
const MORE: CapabilitySet =
    CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER).union(CapabilitySet::FSETID);

/// The calling thread without those rights, for as long as this lives.
#[derive(Debug)]
pub(super) struct Harmless(Option<CapabilitySet>);

impl Harmless {
    /// Gives up what can be had back. A thread that has no such rights stays as it is.
    pub(super) fn begin() -> std::io::Result<Self> {
        let mut sets = capabilities(None)?;
        let given_up = sets.effective & MORE;
        if given_up.is_empty() {
            return Ok(Self(None));
        }
        sets.effective -= given_up;
        set_capabilities(None, sets)?;
        Ok(Self(Some(given_up)))
    }
}

impl Drop for Harmless {
    fn drop(&mut self) {
        let Some(given_up) = self.0 else { return };
        let restored = capabilities(None).and_then(|mut sets| {
            sets.effective |= given_up;
            set_capabilities(None, sets)
        });
        if let Err(error) = restored {
            tracing::error!(%error, "a thread did not get its rights back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn nothing_of_others_can_be_written_and_everything_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&file, Some(1000), Some(1000)).unwrap();
        chown(dir.path(), Some(1000), Some(1000)).unwrap();
        let harmless = Harmless::begin().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
        assert!(fs::write(&file, "y").is_err());
        assert!(fs::write(dir.path().join("new"), "y").is_err());
        assert!(chown(&file, Some(0), Some(0)).is_err());
        drop(harmless);
        fs::write(dir.path().join("new"), "y").unwrap();
        chown(&file, Some(0), Some(0)).unwrap();
    }
}
