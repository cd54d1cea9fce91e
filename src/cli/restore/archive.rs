//! From an archive that was made by other means, as it is.

use super::plan::Plan;
use super::{Args, directory, order};
use crate::adapters::archive::{self as adapter, Part, Survey, Wanted, time_of};
use crate::adapters::key::Secret;
use crate::adapters::lay::Attributes;
use crate::app::{self, Options, Peek};
use crate::cli::archive::{self, Opening};
use crate::cli::exit::Exit;
use crate::cli::human::{bytes, relative, seconds};
use crate::cli::output::remark;
use crate::cli::person::on_interrupt;
use crate::cli::style::Style;
use crate::cli::trouble;
use crate::clock::Clock;
use crate::controller::ports::Progress;
use crate::policy::Policy;
use crate::reconcile::{RestoreStep, SourceKey};
use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ffi::OsStr;
use std::path::Path;
use tokio_util::sync::CancellationToken;

pub(super) fn run(
    options: &Options,
    args: &Args,
    file: &Path,
    style: Style,
    clock: &dyn Clock,
) -> anyhow::Result<Exit> {
    let peek = Peek::open(options)?;
    let name = args.name.as_deref().unwrap_or_default();
    let known = &peek.desired().policies;
    let policy = known.get(name).ok_or_else(|| {
        trouble::unknown("policy in force", name, known.keys().map(String::as_str), "seawall get policies")
    })?;
    let docker = app::docker_once(options)?;
    let source =
        SourceKey { policy: policy.name.clone(), source: archive::source(policy, &docker, args.source.as_deref())? };
    let cancel = CancellationToken::new();
    let passphrase = args.opening.passphrase()?;
    let file = std::fs::canonicalize(file).with_context(|| format!("cannot find {}", file.display()))?;
    let looked = args.opening.look(&file, &source.source, passphrase.as_ref(), &cancel);
    let told = |error: adapter::ArchiveError| anyhow::anyhow!("{}: {}", file.display(), error.told());
    let (survey, root) = looked.map_err(told)?;
    let path = args.path.as_deref().map(adapter::named).transpose().map_err(told)?.unwrap_or_default();
    let origin = origin(&file, &survey, &root, policy, clock.now());
    let (survey, part) = if path.as_os_str().is_empty() {
        archive::remarks(&file, &root);
        (survey, root.clone())
    } else if root.content.is_file {
        bail!("policy {} is of one file: leave `--path` away", policy.name);
    } else {
        Opening::look_at(&file, &root, &path, passphrase.as_ref(), &cancel).map_err(told)?
    };
    let (size, to) = (part.content.size, args.to.as_deref());
    let what = Plan { options, source: &source, origin, place: Vec::new(), path: &path, to, size, keep: args.keep };
    if let Some(to) = what.directory() {
        let whole = Path::new(&source.source);
        let name = if path.as_os_str().is_empty() { whole } else { &path }.file_name().unwrap_or_default();
        remark(what.text(style, &[])?.trim_end());
        on_interrupt(&cancel)?;
        return directory::fill(&source.to_string(), to, size, |into| {
            unpack(&file, passphrase.as_ref(), &survey, (&part, name), into, &cancel)
        });
    }
    let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("the archive's path is not UTF-8: rename it");
    let step = RestoreStep::Unpack {
        file: text(&file)?,
        digest: survey.digest.clone(),
        root: text(&root.root)?,
        path: text(&path)?,
        passphrase: args.opening.passphrase_from()?,
        to: what.volume(),
        keep: args.keep,
    };
    order(&what, step, args.yes, style, clock)
}

fn origin(file: &Path, survey: &Survey, part: &Part, policy: &Policy, now: Timestamp) -> Vec<(&'static str, String)> {
    let zone = policy.schedule().map_or(TimeZone::UTC, crate::policy::Schedule::zone);
    let when = match time_of(&file.file_name().unwrap_or_default().to_string_lossy(), &zone) {
        Ok(time) => format!("as of {} ({}) by its name", seconds(time), relative(time, now)),
        Err(_) => "of an unknown time".to_owned(),
    };
    let (form, size) = (archive::form(survey), bytes(survey.bytes));
    vec![("Archive", format!("{} ({form}, {size}), {when}", file.display())), ("Its root", archive::root(part))]
}

fn unpack(
    file: &Path,
    passphrase: Option<&Secret>,
    survey: &Survey,
    (part, name): (&Part, &OsStr),
    into: &Path,
    cancel: &CancellationToken,
) -> anyhow::Result<directory::Filled> {
    let fallback = Attributes::of_directory(into);
    let wanted = Wanted { file, passphrase, digest: &survey.digest, part, name, fallback };
    let told = |error: adapter::ArchiveError| anyhow::anyhow!("{}: {}", file.display(), error.told());
    let laid = adapter::unpack(&wanted, into, &Progress::default(), cancel).map_err(told)?;
    // As another user, owners stay that user's; what differs is told below, and nothing else may.
    if laid.problem_count == 0 {
        laid.verify(into, &Progress::default(), cancel).map_err(told)?;
    }
    let problem_count = laid.problem_count + laid.notes.len() as u64;
    let problems = laid.problems.into_iter().chain(laid.notes).collect();
    Ok(directory::Filled { files: laid.files, bytes: laid.bytes, problems, problem_count, differences: 0 })
}
