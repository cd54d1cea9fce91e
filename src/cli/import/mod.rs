//! `seawall import`: takes archives that were made by other means into repositories.
//!
//! This process does it, beside whatever the operator does: an import touches no source and no container, and shares the
//! repository by the lock that restic has for that. The operator is told afterwards, and looks at the repository again.

mod made;
mod note;
mod text;

use super::archive::{self, Opening};
use super::exit::Exit;
use super::human::{bytes, seconds, short_id};
use super::output::{emit, remark};
use super::person::{ask, on_interrupt};
use super::progress;
use super::style::Style;
use super::trouble::{self, Advice};
use crate::adapters::archive::{Part, Scratch, Survey, time_of};
use crate::adapters::key::Secret;
use crate::adapters::lay::Attributes;
use crate::adapters::repository::Control;
use crate::app::{self, Options, Peek};
use crate::clock::Clock;
use crate::execute::import::{self, Import, Order};
use crate::policy::{BackupSpec, Repository, Source};
use crate::reconcile::{Readable, RunId, SourceKey};
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archives
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The policy whose source they are of
    #[arg(long, value_name = "NAME")]
    pub policy: String,
    /// Which of its sources, where it has several
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Into this repository only [default: all of the policy's]
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// When the archive was made, in place of the time in its name: RFC 3339, or `2026-01-23 14:05:30` in the policy's time
    /// zone
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// How the archives are opened
    #[command(flatten)]
    pub opening: Opening,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// One archive that was looked through.
struct Found {
    file: PathBuf,
    time: Timestamp,
    survey: Survey,
    part: Part,
    /// The repositories that lack it.
    lacking: Vec<Arc<Repository>>,
}

/// Imports.
///
/// # Errors
/// Nothing could be imported, or was not wanted.
pub fn run(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    let peek = Peek::open(options)?;
    let known = &peek.desired().policies;
    let policy = known.get(&args.policy).ok_or_else(|| {
        trouble::unknown("policy in force", &args.policy, known.keys().map(String::as_str), "seawall get policies")
    })?;
    let Some(spec) = policy.backup() else {
        bail!("policy {} makes no copies, so nothing can be taken for one of its snapshots", policy.name)
    };
    let docker = app::docker_once(options)?;
    let source =
        SourceKey { policy: policy.name.clone(), source: archive::source(policy, &docker, args.source.as_deref())? };
    let importing = Import { registry: peek.registry(), policy, source: &source, docker: &docker, host: &options.host };
    let repositories = repositories(&peek, spec, args.repository.as_deref())?;
    let passphrase = args.opening.passphrase()?;
    let control = Control::default();
    on_interrupt(&control.cancel)?;
    let scratch = Scratch::take(&options.state.join("imports")).context("cannot make room to unpack")?;
    let scratch = scratch.ok_or_else(|| {
        Advice::new("another `seawall import` is under way with this state directory", "wait for its end")
    })?;
    let mut found = look(args, spec, &importing, &repositories, passphrase.as_ref(), &control, clock.now())?;
    found.sort_by(|a, b| (a.time, &a.file).cmp(&(b.time, &b.file)));
    let plan = text::Plan { importing: &importing, spec, repositories: &repositories, found: &found, now: clock.now() };
    remark(plan.text(style)?.trim_end());
    for one in &found {
        archive::remarks(&one.file, &one.part);
    }
    if !docker.up && !matches!(policy.source, Source::Path(_)) {
        remark(
            "note: Docker does not answer: what a volume needs to be made anew (driver, options, labels) is taken from its \
             newest snapshot, or not known",
        );
    }
    found.retain(|one| !one.lacking.is_empty());
    if found.is_empty() {
        emit("nothing to do: all of it was taken before\n")?;
        return Ok(Exit::Ok);
    }
    let free = scratch.free().context("the free space cannot be asked for")?;
    let needed = found.iter().map(|one| one.part.content.size.needed()).max().unwrap_or(0);
    if needed > free {
        let what =
            format!("there is not enough room to unpack in {}: {} are free", options.state.display(), bytes(free));
        return Err(Advice::new(what, format!("free {} there; each is removed before the next", bytes(needed))).into());
    }
    if !args.yes {
        ask("Go on?")?;
    }
    for repository in &repositories {
        made::ensure(options, peek.registry(), repository)?;
    }
    let mut exit = Exit::Ok;
    for one in &found {
        if take(options, &importing, one, passphrase.as_ref(), &scratch, &control, clock)? == Exit::Partial {
            exit = Exit::Partial;
        }
    }
    Ok(exit)
}

fn repositories(peek: &Peek, spec: &BackupSpec, wanted: Option<&str>) -> anyhow::Result<Vec<Arc<Repository>>> {
    let known = &peek.desired().repositories;
    let names: Vec<&str> =
        wanted.map_or_else(|| spec.repositories.iter().map(String::as_str).collect(), |name| vec![name]);
    let find = |name: &&str| {
        known.get(*name).cloned().ok_or_else(|| {
            trouble::unknown("repository in force", name, known.keys().map(String::as_str), "seawall get repositories")
                .into()
        })
    };
    names.iter().map(find).collect()
}

/// Looks through all files; that one of them cannot be used is told with all others that cannot, and nothing is done.
fn look(
    args: &Args,
    spec: &BackupSpec,
    importing: &Import<'_>,
    repositories: &[Arc<Repository>],
    passphrase: Option<&Secret>,
    control: &Control,
    now: Timestamp,
) -> anyhow::Result<Vec<Found>> {
    if args.time.is_some() && args.files.len() > 1 {
        bail!(Advice::new(
            "`--time` is the time of one archive",
            "import them one by one, or name them after their times"
        ));
    }
    let listed = |repository: &Arc<Repository>| {
        let list = importing.snapshots(repository).map_err(|error| anyhow::anyhow!("{}", error.told()))?;
        Ok((Arc::clone(repository), list))
    };
    let listed = repositories.iter().map(listed).collect::<anyhow::Result<Vec<_>>>()?;
    let (mut found, mut bad) = (Vec::<Found>::new(), Vec::new());
    for file in &args.files {
        let time = match time(args.time.as_deref(), file, spec, now) {
            Ok(time) => time,
            Err(error) => {
                bad.push(format!("{}: {error:#}", file.display()));
                continue;
            }
        };
        match args.opening.look(file, &importing.source.source, passphrase, &control.cancel) {
            // The same file under two names is one snapshot.
            Ok((survey, _)) if found.iter().any(|other| other.survey.digest == survey.digest) => {}
            Ok((survey, part)) => {
                let lacks = |(_, list): &&(_, Vec<std::sync::Arc<crate::reconcile::SnapshotRecord>>)| {
                    !list.iter().any(|snapshot| snapshot.imported.as_ref() == Some(&survey.digest))
                };
                let lacking = listed.iter().filter(lacks).map(|(repository, _)| Arc::clone(repository)).collect();
                found.push(Found { file: file.clone(), time, survey, part, lacking });
            }
            Err(error) => bad.push(format!("{}: {}", file.display(), error.told())),
        }
    }
    if bad.is_empty() {
        return Ok(found);
    }
    bail!("nothing was imported:\n  {}", bad.join("\n  "))
}

fn time(given: Option<&str>, file: &Path, spec: &BackupSpec, now: Timestamp) -> anyhow::Result<Timestamp> {
    let zone = spec.schedule.zone();
    let time = match given {
        Some(text) => text
            .parse::<Timestamp>()
            .or_else(|_| text.parse::<jiff::civil::DateTime>().and_then(|civil| zone.to_timestamp(civil)))
            .map_err(|_| {
                anyhow::anyhow!("`{text}` is no time: write `2026-01-23 14:05:30` or `2026-01-23T14:05:30Z`")
            })?,
        None => time_of(&file.file_name().unwrap_or_default().to_string_lossy(), &zone)
            .map_err(|error| anyhow::anyhow!("{error}; say when it was made with `--time`"))?,
    };
    if time > now {
        bail!("{} has not come yet, and no backup is of the future; say when it was made with `--time`", seconds(time));
    }
    Ok(time)
}

/// Unpacks one, stores it in every repository that lacks it, and tells.
fn take(
    options: &Options,
    importing: &Import<'_>,
    one: &Found,
    passphrase: Option<&Secret>,
    scratch: &Scratch,
    control: &Control,
    clock: &dyn Clock,
) -> anyhow::Result<Exit> {
    let name = one.file.display();
    let root = match importing.docker.volumes.get(&importing.source.source).map(|volume| &volume.readable) {
        Some(Readable::At(path)) => path.clone(),
        _ => PathBuf::from(&importing.source.source),
    };
    let order = Order {
        file: &one.file,
        passphrase,
        digest: &one.survey.digest,
        bytes: one.survey.bytes,
        part: &one.part,
        fallback: Attributes::of_directory(&root),
        time: one.time,
        run: RunId::new(clock.now(), fastrand::u32(..)),
        now: clock.now(),
    };
    let failed = |error: crate::adapters::repository::RepositoryError| anyhow::anyhow!("{name}: {}", error.told());
    let shown = progress::spinner(format!("unpacking {name}"));
    let (unpacked, laid) = import::unpack(&order, importing.source, scratch, control).map_err(failed)?;
    drop(shown);
    for lacking in &laid.notes {
        remark(&format!("note: {name}: {}: {}", lacking.path, lacking.problem));
    }
    let mut exit = Exit::Ok;
    for repository in &one.lacking {
        let shown = progress::spinner(format!("storing {name} in {}", repository.name));
        let made = importing.store(&order, &unpacked, repository, control).map_err(failed)?;
        drop(shown);
        let id = short_id(&made.id);
        let message =
            format!("{} is snapshot {id} in {}, as of {}", file_name(&one.file), repository.name, seconds(made.time));
        note::tell(options, importing.source, &repository.name, &message, clock.now())
            .with_context(|| format!("{message}; but the operator could not be told"))?;
        let added = bytes(made.added_bytes);
        emit(&format!("{message}: {}, added {added}\n", text::holds(made.files, made.bytes)))?;
        if !made.complete {
            exit = Exit::Partial;
        }
    }
    Ok(exit)
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
