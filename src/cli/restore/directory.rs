//! Into a directory: done by this process, beside whatever the operator does.

use super::choose::Chosen;
use crate::adapters::repository::{Control, RepositoryAdapter, RepositoryError, RestoreReport, Size};
use crate::app::Peek;
use crate::cli::exit::Exit;
use crate::cli::human::{bytes, count};
use crate::cli::output::{emit, remark};
use crate::cli::trouble::Advice;
use crate::reconcile::FileProblem;
use anyhow::Context;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// What was laid down.
pub(super) struct Filled {
    pub files: u64,
    pub bytes: u64,
    /// What could not be given back, as far as it is listed.
    pub problems: Vec<FileProblem>,
    pub problem_count: u64,
    /// Entries that are not what was to be laid down.
    pub differences: u64,
}

pub(super) fn run(peek: &Peek, chosen: &Chosen, path: &Path, into: &Path, size: Size) -> anyhow::Result<Exit> {
    let control = Control::default();
    crate::cli::person::on_interrupt(&control.cancel)?;
    let work = |adapter: &RepositoryAdapter| -> Result<Filled, RepositoryError> {
        let (report, verified) = adapter.restore_and_verify(&chosen.snapshot.id, path, into, &control)?;
        for one in &verified.differences {
            remark(&format!("{}: {}", one.path, one.problem));
        }
        let RestoreReport { files, bytes, problems, problem_count, .. } = report;
        Ok(Filled { files, bytes, problems, problem_count, differences: verified.difference_count })
    };
    fill(&chosen.source.to_string(), into, size, |_| peek.with(&chosen.repository, work))
}

/// Has a directory that is empty, or made, filled with so much; empties it again where that fails.
pub(super) fn fill(
    what: &str,
    into: &Path,
    size: Size,
    work: impl FnOnce(&Path) -> anyhow::Result<Filled>,
) -> anyhow::Result<Exit> {
    let made = prepare(into)?;
    let free = rustix::fs::statvfs(into).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    if free.is_ok_and(|free| free < size.needed()) {
        clear(into, made);
        let help = format!("free {} there, or restore a part with `--path`", bytes(size.needed()));
        return Err(Advice::new(format!("there is not enough room at {}", into.display()), help).into());
    }
    let filled = work(into).inspect_err(|_| clear(into, made))?;
    for one in &filled.problems {
        remark(&format!("note: {}: {}", one.path, one.problem));
    }
    let (files, size) = (count(filled.files, "file"), bytes(filled.bytes));
    let verdict = match filled.differences {
        0 => " and verified".to_owned(),
        n => format!(
            "; {} not as in the snapshot",
            if n == 1 { "one entry is".into() } else { format!("{n} entries are") }
        ),
    };
    emit(&format!("{what}: {files}, {size} restored into {}{verdict}\n", into.display()))?;
    Ok(if filled.problem_count + filled.differences == 0 { Exit::Ok } else { Exit::Partial })
}

/// Makes the directory if it is not there. Whether it did.
fn prepare(into: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(into).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(false),
        Ok(false) => Err(Advice::new(
            format!("{} is not empty, and nothing is ever written over", into.display()),
            "name a directory that is empty or not there yet",
        )
        .into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = DirBuilder::new().mode(0o700).create(into);
            made.with_context(|| format!("cannot make {}", into.display()))?;
            Ok(true)
        }
        Err(error) => Err(error).with_context(|| format!("cannot use {}", into.display())),
    }
}

/// Removes what was laid down in vain: it was empty before.
fn clear(into: &Path, made: bool) {
    let removed = if made {
        fs::remove_dir_all(into)
    } else {
        fs::read_dir(into).and_then(|entries| {
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
            }
            Ok(())
        })
    };
    if let Err(error) = removed {
        remark(&format!("note: {} holds an incomplete restore that could not be removed: {error}", into.display()));
    }
}
