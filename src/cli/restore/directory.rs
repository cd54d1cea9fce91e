//! Into a directory: done by this process, beside whatever the operator does.

use super::choose::Chosen;
use crate::adapters::repository::{Control, RepositoryAdapter, RepositoryError, RestoreReport, Sample, Size};
use crate::app::Peek;
use crate::cli::exit::Exit;
use crate::cli::human::{bytes, count};
use crate::cli::output::{emit, remark};
use crate::cli::trouble::Advice;
use anyhow::Context;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

pub(super) fn run(peek: &Peek, chosen: &Chosen, path: &Path, into: &Path, size: Size) -> anyhow::Result<Exit> {
    let made = prepare(into)?;
    let free = rustix::fs::statvfs(into).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    if free.is_ok_and(|free| free < size.needed()) {
        clear(into, made);
        let help = format!("free {} there, or restore a part with `--path`", bytes(size.needed()));
        return Err(Advice::new(format!("there is not enough room at {}", into.display()), help).into());
    }
    let control = Control::default();
    crate::cli::restore::on_interrupt(&control.cancel)?;
    let work = |adapter: &RepositoryAdapter| -> Result<RestoreReport, RepositoryError> {
        let report = adapter.restore(&chosen.snapshot.id, path, into, &control)?;
        let verified = adapter.verify(&chosen.snapshot.id, path, into, Sample::default(), &control)?;
        for one in &verified.differences {
            remark(&format!("{}: {}", one.path, one.problem));
        }
        Ok(report)
    };
    let report = peek.with(&chosen.repository, work).inspect_err(|_| clear(into, made))?;
    for one in &report.problems {
        remark(&format!("note: {}: {}", one.path, one.problem));
    }
    let (files, size) = (count(report.files, "file"), bytes(report.bytes));
    emit(&format!("{}: {files}, {size} restored into {} and verified\n", chosen.source, into.display()))?;
    Ok(if report.problem_count == 0 { Exit::Ok } else { Exit::Partial })
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
