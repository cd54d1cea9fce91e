//! Any part of a file of a snapshot, with no more read for it than the blobs that it is in.

use super::RepositoryAdapter;
use super::error::{Reason, RepositoryError};
use super::fetch::{Pack, Place};
use super::index::Index;
use super::laid::attributes;
use crate::adapters::lay::Opened;
use rustic_core::DataId;
use rustic_core::repofile::Node;
use std::path::Path;

/// A file of a snapshot, looked up: where its parts lie.
pub struct FileView {
    size: u64,
    /// With the place in the file, in its order.
    pieces: Vec<(u64, DataId, Place)>,
}

impl FileView {
    /// Bytes of the file.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

impl std::fmt::Debug for FileView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileView").field("size", &self.size).field("pieces", &self.pieces.len()).finish()
    }
}

impl RepositoryAdapter {
    /// Looks a file up. Reads the index and no data.
    ///
    /// # Errors
    /// It is no regular file; see [`Reason`].
    pub fn view(&self, id: &str, path: &Path) -> Result<FileView, RepositoryError> {
        let repository = self.resident()?;
        let node = self.node_at(&repository, id, path)?;
        if !node.is_file() {
            let message = format!("{} is not a file in this snapshot", path.display());
            return Err(RepositoryError::new(Reason::Refused, message));
        }
        self.view_of(&repository, &node)
    }

    /// The extended attributes of an entry.
    ///
    /// # Errors
    /// There is nothing at the path; see [`Reason`].
    pub fn extended_attributes(&self, id: &str, path: &Path) -> Result<Vec<(String, Vec<u8>)>, RepositoryError> {
        let repository = self.resident()?;
        Ok(attributes(&self.node_at(&repository, id, path)?.meta)?.xattrs)
    }

    pub(super) fn view_of(&self, index: &Index, node: &Node) -> Result<FileView, RepositoryError> {
        let wanted = node.content.as_deref().unwrap_or_default();
        let mut size = 0;
        let mut pieces = Vec::with_capacity(wanted.len());
        for id in wanted {
            let place = index.data(id).ok_or_else(|| self.missing(&[]))?;
            pieces.push((size, *id, place));
            size += u64::from(place.plain_length());
        }
        Ok(FileView { size, pieces })
    }

    /// Gives the bytes from `from` to before `to` in their order, each blob checked against its hash, until `each` has enough.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn read_part(
        &self,
        view: &FileView,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<bool, RepositoryError>,
    ) -> Result<(), RepositoryError> {
        let first = view.pieces.partition_point(|(start, _, _)| *start <= from).saturating_sub(1);
        let mut last = Opened::default();
        for (start, id, place) in view.pieces.iter().skip(first).take_while(|(start, _, _)| *start < to) {
            let pack = last.get(place.pack, || Pack::open(self, place.pack))?;
            let plain = self.blob(pack, id, place)?;
            let within = |at: u64| usize::try_from(at.saturating_sub(*start)).unwrap_or(usize::MAX).min(plain.len());
            if !each(&plain[within(from)..within(to)])? {
                break;
            }
        }
        Ok(())
    }
}
