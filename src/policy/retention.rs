//! What is kept: rules, and the reason for every snapshot that stays or goes.

use std::time::Duration;

/// A validated retention rule. Every rule that is set keeps snapshots; what no rule keeps, goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Keep everything younger than this.
    pub within: Option<Duration>,
    /// Keep this many newest; at least 1.
    pub last: u32,
    /// Keep the newest of this many hours that have one.
    pub hourly: u32,
    /// … of days, in the schedule's time zone.
    pub daily: u32,
    /// … of ISO weeks.
    pub weekly: u32,
    /// … of months.
    pub monthly: u32,
    /// … of years.
    pub yearly: u32,
    /// When a plan is held back.
    pub guard: Guard,
}

/// The shrink guard: a plan that would remove too large a share at once waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Most that one plan may remove, in percent of the source's snapshots in one repository. Default 50.
    pub max_delete_percent: u8,
    /// The acknowledgement that a person copied from the message of a held plan.
    pub acknowledge: Option<String>,
}
