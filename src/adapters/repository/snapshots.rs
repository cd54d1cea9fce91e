//! Between the library's snapshots and ours: which are Seawall's own is in their tags.

use super::report::SnapshotMeta;
use crate::reconcile::{RunId, SnapshotRecord, SourceKey};
use jiff::tz::TimeZone;
use rustic_core::StringList;
use rustic_core::repofile::{SnapshotFile, SnapshotId};

/// Marks a snapshot as Seawall's own.
const OWN: &str = "seawall";
const COMPLETE: &str = "complete";
const PARTIAL: &str = "partial";

/// A snapshot to be filled by the archiver.
pub(super) fn begin(meta: &SnapshotMeta) -> SnapshotFile {
    let mut snapshot = SnapshotFile {
        time: meta.time.to_zoned(TimeZone::UTC),
        program_version: concat!("seawall ", env!("CARGO_PKG_VERSION")).to_owned(),
        hostname: meta.host.clone(),
        username: "seawall".to_owned(),
        ..SnapshotFile::default()
    };
    let (slot, imported) = (meta.slot.iter(), meta.imported.iter());
    let tags = [
        OWN.to_owned(),
        format!("policy={}", meta.source.policy),
        format!("source={}", meta.source.source),
        format!("run={}", meta.run),
    ];
    let more = slot.map(|slot| format!("slot={slot}")).chain(imported.map(|digest| format!("imported={digest}")));
    for tag in tags.into_iter().chain(more) {
        snapshot.tags.add(tag);
    }
    snapshot
}

/// Says whether everything was taken. The manifest, of `manifest` bytes, is not one of the source's files.
pub(super) fn finish(snapshot: &mut SnapshotFile, complete: bool, manifest: u64) {
    snapshot.tags.add(if complete { COMPLETE } else { PARTIAL }.to_owned());
    if let Some(summary) = &mut snapshot.summary {
        summary.total_files_processed = summary.total_files_processed.saturating_sub(1);
        summary.total_bytes_processed = summary.total_bytes_processed.saturating_sub(manifest);
    }
}

/// Makes a snapshot of another repository that of a run into this one.
pub(super) fn taken_over(snapshot: &mut SnapshotFile, meta: &SnapshotMeta) {
    let mut tags: Vec<String> = snapshot.tags.iter().filter(|tag| !tag.starts_with("run=")).cloned().collect();
    tags.push(format!("run={}", meta.run));
    snapshot.tags = StringList::default();
    for tag in tags {
        snapshot.tags.add(tag);
    }
    // That one is not here.
    snapshot.parent = None;
    snapshot.parents = Vec::new();
    snapshot.id = SnapshotId::default();
}

/// What a snapshot says of itself. One without all of Seawall's tags has no source, and so is never touched.
pub(super) fn record(id: String, snapshot: &SnapshotFile) -> SnapshotRecord {
    let tag = |prefix: &str| snapshot.tags.iter().find_map(|tag| tag.strip_prefix(prefix)).map(str::to_owned);
    let (complete, partial) = (snapshot.tags.contains(COMPLETE), snapshot.tags.contains(PARTIAL));
    let own = snapshot.tags.contains(OWN) && complete != partial;
    let source = match (tag("policy="), tag("source=")) {
        (Some(policy), Some(source)) if own => Some(SourceKey { policy, source }),
        _ => None,
    };
    let summary = snapshot.summary.as_ref();
    SnapshotRecord {
        id: id.into(),
        time: snapshot.time.timestamp(),
        host: snapshot.hostname.clone(),
        source,
        slot: tag("slot=").and_then(|slot| slot.parse().ok()),
        run: tag("run=").map(RunId),
        imported: tag("imported="),
        complete,
        files: summary.map_or(0, |s| s.total_files_processed),
        bytes: summary.map_or(0, |s| s.total_bytes_processed),
        added_bytes: summary.map_or(0, |s| s.data_added_packed),
    }
}
