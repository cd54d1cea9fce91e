//! `seawall migrate`: turns what another tool was told into policies, and says what has no counterpart.

mod compose;
mod env;
mod offen;
mod quiesce;
mod repository;
mod schedule;
mod variables;
mod write;

use super::exit::Exit;
use super::output::{emit, remark};
use super::trouble::Advice;
use anyhow::{Context, bail};
use compose::Project;
use offen::{CONF_D, Configuration, Converted};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// `migrate`.
#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// From which tool
    #[command(subcommand)]
    pub from: From,
}

/// The tools.
#[derive(Debug, clap::Subcommand)]
pub enum From {
    /// docker-volume-backup by offen: its service in Compose files, its variables and labels
    ///
    /// Reads Compose files with their `.env` and `env_file`, and the files of conf.d, each a schedule of its own: those that
    /// the service mounts, and those that are named here. Writes a policy for every volume or directory that is mounted
    /// below `BACKUP_SOURCES`, with comments that say where each line came from, and tells what has no counterpart. Changes
    /// nothing and starts nothing. Values of variables that may be secrets are not printed.
    #[command(after_help = "Examples:\n  \
        seawall migrate offen docker-compose.yml\n  \
        seawall migrate offen docker-compose.yml conf.d/*.conf --project shop --output policies/\n  \
        seawall import archive/backup-*.tar.gz --policy data     then take its archives over too\n\n\
        Exit codes: 0 written, 1 nothing to write, or it could not be")]
    Offen(Offen),
}

/// `migrate offen`.
#[derive(Debug, clap::Args)]
pub struct Offen {
    /// Compose files, and files of conf.d
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The name of the Compose project, which begins the names of its volumes [default: as Compose finds it]
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Write a file for each policy into this directory; none that exists is overwritten
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Migrates.
///
/// # Errors
/// There is nothing to migrate, a file cannot be read, or one cannot be written.
pub fn run(args: &Migrate) -> anyhow::Result<Exit> {
    let From::Offen(args) = &args.from;
    let is_compose = |file: &&PathBuf| file.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let (compose, settings): (Vec<&PathBuf>, Vec<&PathBuf>) = args.files.iter().partition(is_compose);
    if compose.is_empty() {
        bail!(Advice::new(
            "no Compose file is among the files",
            "name the one that has the backup service, ending in .yml"
        ));
    }
    let mut converted = Converted::default();
    for file in compose {
        let project = Project::read(file, args.project.as_deref())?;
        for (name, service) in project.services.iter().filter(|(_, service)| offen::is_backup(service)) {
            let mounted = service.mounts.iter().find(|mount| mount.to == CONF_D);
            let mounted = mounted.and_then(|mount| project.path(mount)).map(|path| listed(&path)).transpose()?;
            let mut files: Vec<PathBuf> = settings.iter().map(|file| (*file).clone()).collect();
            files.extend(mounted.unwrap_or_default());
            files.retain(|file| file.file_name().is_some_and(|name| name != ".env"));
            files.sort();
            files.dedup_by_key(|file| fs::canonicalize(&*file).ok());
            let configuration = |file: &PathBuf| {
                let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                let file = file.file_name().map(|name| name.to_string_lossy().into_owned());
                Ok(Configuration { file, variables: env::parse(&text, &service.variables) })
            };
            let mut all = files.iter().map(configuration).collect::<anyhow::Result<Vec<_>>>()?;
            if all.is_empty() {
                all.push(Configuration { file: None, variables: env::Variables::new() });
            }
            for configuration in &all {
                offen::convert(&project, name, configuration, &mut converted);
            }
        }
    }
    if converted.documents.is_empty() {
        bail!(Advice::new(
            "there is no backup service in these files that backs anything up",
            "it is known by its image, offen/docker-volume-backup, or by variables that begin with BACKUP_"
        ));
    }
    converted.documents.sort_by_key(|document| !offen::is_repository(document));
    if let Some(directory) = &args.output {
        write_all(directory, &converted)?;
    } else {
        let documents: Vec<&str> = converted.documents.iter().map(|document| document.text.as_str()).collect();
        emit(&documents.join("---\n"))?;
    }
    for (nth, text) in converted.remarks.iter().enumerate() {
        if !converted.remarks[..nth].contains(text) {
            remark(&format!("note: {text}"));
        }
    }
    Ok(Exit::Ok)
}

fn listed(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file());
    Ok(files.collect())
}

/// All or nothing: a file that exists stops it before the first is written.
fn write_all(directory: &Path, converted: &Converted) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let files: Vec<(PathBuf, &str)> = converted
        .documents
        .iter()
        .map(|document| (directory.join(format!("{}.yaml", document.name)), document.text.as_str()))
        .collect();
    let there: Vec<String> =
        files.iter().filter(|(path, _)| path.exists()).map(|(path, _)| path.display().to_string()).collect();
    if !there.is_empty() {
        let what = format!("nothing was written: {} exists already", there.join(", "));
        return Err(Advice::new(what, "name another directory; nothing is overwritten").into());
    }
    for (path, text) in files {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        emit(&format!("{}\n", path.display()))?;
    }
    Ok(())
}
