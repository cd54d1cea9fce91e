//! Archives as a person names them: the file, its passphrase, and which directory of it is meant.

use super::output::remark;
use super::progress;
use super::trouble::{self, Advice};
use crate::adapters::archive::{self, ArchiveError, Part, Shape, Survey};
use crate::adapters::key::{self, Secret};
use crate::controller::ports::Progress;
use crate::execute::import;
use crate::policy::{Policy, SecretRef, Source};
use crate::reconcile::{DockerState, source_names};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// How archives are opened, alike for all commands.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Opening {
    /// The directory of the archive that is the root of the source; `.` for that of the archive itself [default: as is
    /// known of the runbook's script, docker-volume-backup and Docker's own directory]. Of a source that is one file: the file
    #[arg(long, value_name = "DIR|FILE")]
    pub strip: Option<String>,
    /// The first line of this file is the passphrase that the archive was encrypted with
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    pub passphrase_file: Option<PathBuf>,
    /// This environment variable holds it
    #[arg(long, value_name = "NAME")]
    pub passphrase_env: Option<String>,
}

impl Opening {
    /// Where the passphrase is, if one is named.
    ///
    /// # Errors
    /// The path of its file cannot be told.
    pub fn passphrase_from(&self) -> anyhow::Result<Option<SecretRef>> {
        Ok(match (&self.passphrase_file, &self.passphrase_env) {
            (Some(file), _) => Some(SecretRef::File(
                std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?,
            )),
            (None, Some(name)) => Some(SecretRef::Env(name.clone())),
            (None, None) => None,
        })
    }

    /// The passphrase, if one is named.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn passphrase(&self) -> anyhow::Result<Option<Secret>> {
        let Some(from) = self.passphrase_from()? else { return Ok(None) };
        Ok(Some(key::read_line(&from).context("the passphrase cannot be had")?))
    }

    /// That no archive is named, and so nothing about one either.
    ///
    /// # Errors
    /// Something is.
    pub fn is_for_nothing(&self) -> anyhow::Result<()> {
        if self.strip.is_some() || self.passphrase_file.is_some() || self.passphrase_env.is_some() {
            bail!("`--strip` and `--passphrase-…` are about an archive: name one with `--from-archive`");
        }
        Ok(())
    }

    /// Looks through an archive and finds out what of it is the source.
    ///
    /// # Errors
    /// It cannot be used, or it cannot be told which directory or file is meant.
    pub fn look(
        &self,
        file: &Path,
        source: &str,
        passphrase: Option<&Secret>,
        cancel: &CancellationToken,
    ) -> Result<(Survey, Part), ArchiveError> {
        let strip = self.strip.as_deref().map(archive::named).transpose()?;
        look(file, source, import::shape(source), strip.as_deref(), passphrase, cancel)
    }

    /// The same for a part of it, relative to the root of the source, which is known by a first look.
    ///
    /// # Errors
    /// It cannot be used, or there is no such thing in it.
    pub fn look_at(
        file: &Path,
        root: &Part,
        path: &Path,
        passphrase: Option<&Secret>,
        cancel: &CancellationToken,
    ) -> Result<(Survey, Part), ArchiveError> {
        look(file, "", Shape::Unknown, Some(&root.root.join(path)), passphrase, cancel)
    }
}

fn look(
    file: &Path,
    source: &str,
    shape: Shape,
    strip: Option<&Path>,
    passphrase: Option<&Secret>,
    cancel: &CancellationToken,
) -> Result<(Survey, Part), ArchiveError> {
    let shown = progress::spinner(format!("looking through {}", file.display()));
    let survey = archive::survey(file, passphrase, strip, &Progress::default(), cancel);
    drop(shown);
    let survey = survey?;
    let part = archive::part(&survey, source, shape, strip)?;
    Ok((survey, part))
}

/// The one source of a policy that is meant, for which an archive can stand.
///
/// # Errors
/// There is none, or there are several and none is named.
pub fn source(policy: &Policy, docker: &DockerState, wanted: Option<&str>) -> anyhow::Result<String> {
    if !matches!(policy.source, Source::Volume(_) | Source::Path(_)) {
        let kind = policy.source.kind();
        bail!("policy {} is of a {kind}, and an archive is that of a volume, a directory or a file", policy.name);
    }
    let names = source_names(policy, docker);
    match (wanted, names.as_slice()) {
        (Some(name), _) if names.iter().any(|known| known == name) => Ok(name.to_owned()),
        (Some(name), _) => {
            let list = format!("seawall describe policy {}", policy.name);
            Err(trouble::unknown("source of this policy on this host", name, names.iter().map(String::as_str), &list)
                .into())
        }
        (None, [only]) => Ok(only.clone()),
        (None, []) => {
            let why = if docker.up { "no volume here that it selects" } else { "volumes, and Docker does not answer" };
            bail!("policy {} has {why}", policy.name)
        }
        (None, several) => {
            let what = format!("policy {} has several sources", policy.name);
            Err(Advice::new(what, format!("name one with `--source`: {}", several.join(", "))).into())
        }
    }
}

/// `gzip` and `tar` as `tar, gzip`.
#[must_use]
pub fn form(survey: &Survey) -> String {
    let mut words: Vec<&str> = survey.form.clone();
    words.reverse();
    words.join(", ")
}

/// What of an archive is the root of the source.
#[must_use]
pub fn root(part: &Part) -> String {
    let root = part.root.display();
    if part.content.is_file {
        format!("the file {root}")
    } else if part.root.as_os_str().is_empty() {
        "its own".to_owned()
    } else {
        format!("{root}/")
    }
}

/// Says what of an archive comes down other than a person may think.
pub fn remarks(file: &Path, part: &Part) {
    if part.left_out > 0 {
        let what = super::human::count(part.left_out, "file");
        remark(&format!("note: {}: {what} outside {} are left out", file.display(), root(part)));
    }
    if !part.content.has_root && !part.content.is_file {
        remark(&format!(
            "note: {}: it does not say whose its root is; it will be as that of the source is now",
            file.display()
        ));
    }
}
