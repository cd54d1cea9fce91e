//! What a backup may take of a busy host.

use super::quantity::parse_bytes;
use super::raw;
use super::validate::Check;

/// What a backup may take. By default all that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Most bytes that are read from the source in a second, on average; at least one.
    pub read_rate: Option<u64>,
    /// One core, and only when nothing else wants it.
    pub low_cpu: bool,
    /// Disks only when nothing else wants them.
    pub idle_io: bool,
}

pub(super) fn resources(check: &mut Check<'_>, raw: &raw::Resources) -> Resources {
    const RATE: &str = "spec.resources.readRate";
    let read_rate = raw.read_rate.as_ref().and_then(|size| match parse_bytes(&size.0) {
        Ok(0) => {
            check.advise(RATE, "nothing would ever be read", Some("leave it out to read as fast as can be"));
            None
        }
        Ok(rate) => Some(rate),
        Err(why) => {
            check.find(RATE, why);
            None
        }
    });
    Resources { read_rate, low_cpu: raw.cpu == raw::Cpu::Low, idle_io: raw.io_priority == raw::IoPriority::Idle }
}
