//! Telling a process that is there from one that is gone, also across restarts and containers.

use serde::{Deserialize, Serialize};
use std::fs;

/// The inode number of the first process-id namespace: `PROC_PID_INIT_INO` of the kernel.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// What tells one process from all others beside its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    boot: String,
    namespace: String,
    started: u64,
}

impl Identity {
    /// This process; `None` where `/proc` does not tell.
    pub(super) fn own() -> Option<Self> {
        Some(Self { boot: boot()?, namespace: namespace()?, started: started(std::process::id())? })
    }

    /// Whether the process with this identity and number is certainly gone.
    pub(super) fn is_gone(&self, pid: u32) -> bool {
        let Some(own) = Self::own() else { return false };
        if self.boot != own.boot {
            return true;
        }
        self.namespace == own.namespace && started(pid) != Some(self.started)
    }
}

/// Whether a process of this host of which only the number is known is certainly gone. In a container nobody can
/// tell, because numbers mean something else there.
pub(super) fn is_gone(pid: u32) -> bool {
    namespace().as_deref() == Some(FIRST_NAMESPACE) && started(pid).is_none()
}

/// The name that the kernel goes by.
pub(super) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// User and group that this process acts as.
pub(super) fn effective_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

fn namespace() -> Option<String> {
    fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned())
}

/// When a process began, in clock ticks since boot: the 22nd field of its `stat`, counted behind the name, which may
/// hold anything. A zombie does nothing any more and counts as gone.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_an_ended_one_is_gone() {
        let own = Identity::own().unwrap();
        assert!(!own.is_gone(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(own.is_gone(pid));
        assert!(Identity { boot: "another".to_owned(), ..own.clone() }.is_gone(std::process::id()));
        let elsewhere = Identity { namespace: "pid:[1]".to_owned(), ..own };
        assert!(!elsewhere.is_gone(pid), "numbers of another namespace tell nothing");
    }
}
