//! Mending what `check` found: the index forgets what cannot be read, so that the next backup writes it again.
//!
//! Nothing is thrown away: files that are not what was written are moved aside. Snapshots stay as they are; those that
//! refer to what is lost are whole again once a backup has stored the same contents anew, and else lose it.

use super::{Found, hash};
use crate::adapters::repository::files::name_of;
use crate::adapters::repository::lock::Lock;
use crate::adapters::repository::maintain::PATIENCE;
use crate::adapters::repository::report::Control;
use crate::adapters::repository::{Reason, RepositoryAdapter, RepositoryError, lock};
use crate::policy::quantity::count;
use crate::reconcile::CheckReport;
use crate::reconcile::verification::Portion;
use rustic_core::{FileType, Id, RepairIndexOptions};
use std::collections::BTreeSet;

/// Where files are moved that are not what was written.
const ASIDE: &str = "damaged";

impl RepositoryAdapter {
    /// Mends what [`RepositoryAdapter::check`] finds, if it is what the person has seen (its digest), and checks again.
    /// Alone in the repository.
    ///
    /// # Errors
    /// `Refused` when the damage is another than the one that was agreed to; nothing is changed then. See [`Reason`].
    pub fn repair(
        &self,
        seen: &str,
        portion: Option<Portion>,
        suspects: &[String],
        control: &Control,
    ) -> Result<CheckReport, RepositoryError> {
        let _pass = self.gate.alone(&control.cancel, PATIENCE).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::take(&self.files, &self.sealer, true)?;
        let before = self.look_through(portion, suspects, control)?;
        if before.damage_count == 0 {
            return Ok(before);
        }
        if before.digest != seen {
            let message = format!(
                "Nothing was repaired: the damage is not what was agreed to any more ({} now). Look at it again: \
                 seawall check {} --repair",
                count(before.damage_count, "finding"),
                self.name
            );
            return Err(RepositoryError::new(Reason::Refused, message));
        }
        let mut repaired = Vec::new();
        let packs: BTreeSet<Id> =
            before.damage.iter().filter_map(|damage| damage.pack.as_ref()?.parse().ok()).collect();
        let (moved, saved) = self.save_packs(&packs, control)?;
        let mut indexes = 0_u64;
        let mut found = Found::new(control);
        for id in self.listed(FileType::Index)?.into_keys() {
            found.go_on()?;
            if !self.is_whole(FileType::Index, &id, "index file", &mut found)? {
                self.set_aside(FileType::Index, &id)?;
                indexes += 1;
            }
        }
        if packs.is_empty() && indexes == 0 {
            return Ok(before);
        }
        *lock(&self.resident) = None;
        self.guarded("repair the index", || self.open.repair_index(&RepairIndexOptions::default(), false))?;
        *lock(&self.resident) = None;
        let aside = self.location.join(ASIDE);
        if moved > 0 {
            let parts = count(saved, "part");
            let packs = count(moved, "damaged pack");
            repaired.push(format!(
                "Wrote {parts} that can still be read into new packs, and moved {packs} to {}",
                aside.display()
            ));
        }
        if indexes > 0 {
            repaired.push(format!("Moved {} to {}", count(indexes, "damaged index file"), aside.display()));
        }
        repaired.push("Rebuilt the index".to_owned());
        let mut after = self.look_through(portion, &[], control)?;
        after.repaired = repaired;
        Ok(after)
    }

    /// Saves what can be read of damaged packs, then moves them out of the way. How many packs were moved, and
    /// how many parts of them saved.
    fn save_packs(&self, packs: &BTreeSet<Id>, control: &Control) -> Result<(u64, u64), RepositoryError> {
        let contents = self.contents(packs)?;
        let (mut moved, mut saved) = (0, 0);
        for id in packs {
            Found::new(control).go_on()?;
            if !self.is_spoiled(FileType::Pack, id) {
                continue;
            }
            if let Some(pack) = contents.get(id) {
                saved += self.salvage(id, pack)?;
            }
            self.set_aside(FileType::Pack, id)?;
            moved += 1;
        }
        Ok((moved, saved))
    }

    /// Whether there is a file that is not what was written, or cannot be read. Asked right before it is touched: what
    /// was good after all stays where it is, and a right file in a size that the index does not say is the index's fault.
    fn is_spoiled(&self, tpe: FileType, id: &Id) -> bool {
        match hash(&self.files, &name_of(tpe, id), |_| Ok(())) {
            Ok(None) => false,
            Ok(Some(hash)) => hash != id.to_hex().as_str(),
            Err(_) => true,
        }
    }

    /// Moves a file to where nobody looks for it.
    fn set_aside(&self, tpe: FileType, id: &Id) -> Result<(), RepositoryError> {
        let name = name_of(tpe, id);
        let aside = format!("{ASIDE}/{}-{}", tpe.dirname(), id.to_hex().as_str());
        let moved = self.files.rename(&name, &aside);
        moved.map_err(|e| RepositoryError::io("move a damaged file aside", &self.files.at(&name), &e))
    }
}
