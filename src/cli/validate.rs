//! `seawall validate`: every error of every file, with its place. Needs no Docker, no state and no operator.

use super::args::Validate as Args;
use super::diagnostics;
use super::exit::Exit;
use super::human::count;
use super::output::{Lines, emit, remark, render};
use super::style::Style;
use crate::controller::ports::{Accepted, AcceptedDocument};
use crate::policy::{self, Diagnostic, Document, Repository, RepositoryLocation};
use crate::status::model::ConfigStatus;
use crate::store;
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How standard input is named in errors.
const STDIN: &str = "<stdin>";

/// What came of it.
#[derive(Default)]
struct Checked {
    errors: Vec<Diagnostic>,
    /// What was read, for the lines that errors show, where it cannot be read again.
    texts: BTreeMap<PathBuf, String>,
    files: u64,
    policies: u64,
    repositories: u64,
    notes: Vec<String>,
}

/// Checks the given paths, or the policies directory.
///
/// # Errors
/// A path cannot be read. What is wrong inside a file is not an error but the result, and ends with [`Exit::Error`].
pub fn run(policies: &Path, args: &Args, style: Style, now: Timestamp) -> anyhow::Result<Exit> {
    let whole = [policies.to_owned()];
    let paths = if args.paths.is_empty() { &whole[..] } else { &args.paths };
    let mut checked = Checked::default();
    let mut alone = Vec::new();
    for path in paths {
        if path.is_dir() {
            checked.directory(path, now)?;
        } else {
            checked.file(path, &mut alone)?;
        }
    }
    checked.together(alone);
    checked.errors.sort();
    for note in &checked.notes {
        remark(note);
    }
    emit(&render(args.format.output, &checked.errors, || checked.text(style))?)?;
    Ok(if checked.errors.is_empty() { Exit::Ok } else { Exit::Error })
}

impl Checked {
    fn directory(&mut self, path: &Path, now: Timestamp) -> anyhow::Result<()> {
        let loaded = store::load_once(path, &NothingAccepted, now);
        if let Some(problem) = loaded.config.problem {
            bail!(problem);
        }
        self.files += loaded.config.files.len() as u64;
        self.policies += loaded.desired.policies.len() as u64;
        // The embedded default is in no file.
        let written = loaded.desired.repositories.values().filter(|it| !it.file.as_os_str().is_empty());
        self.repositories += written.count() as u64;
        self.errors.extend(located(loaded.config.files.into_iter().flat_map(|file| file.errors), path));
        Ok(())
    }

    fn file(&mut self, path: &Path, documents: &mut Vec<(PathBuf, Document)>) -> anyhow::Result<()> {
        // One byte more than may be: enough for the parser to say that it is too much.
        let most = policy::MAX_FILE_BYTES as u64 + 1;
        let mut bytes = Vec::new();
        let name = if path == Path::new("-") {
            io::stdin().lock().take(most).read_to_end(&mut bytes).context("cannot read standard input")?;
            PathBuf::from(STDIN)
        } else {
            File::open(path)
                .and_then(|file| file.take(most).read_to_end(&mut bytes))
                .with_context(|| format!("cannot read {}", path.display()))?;
            path.to_owned()
        };
        let parsed = policy::parse(&name, &bytes);
        self.files += 1;
        self.errors.extend(parsed.errors);
        documents.extend(parsed.documents.into_iter().map(|document| (name.clone(), document)));
        self.texts.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    }

    /// What files say together: names taken twice, repositories that do not exist. Files that were named one by one
    /// are seldom all there are, so a repository that is in none of them is noted and is no error.
    fn together(&mut self, mut documents: Vec<(PathBuf, Document)>) {
        let mut known = BTreeSet::from(["default".to_owned()]);
        let mut wanted = BTreeSet::new();
        for (_, document) in &documents {
            match document {
                Document::Policy(policy) => {
                    self.policies += 1;
                    wanted.extend(policy.backup().into_iter().flat_map(|backup| backup.repositories.iter().cloned()));
                }
                Document::Repository { repository, .. } => {
                    self.repositories += 1;
                    known.insert(repository.name.clone());
                }
            }
        }
        for name in wanted.difference(&known) {
            self.notes.push(format!("note: repository `{name}` is in none of these files, so it was not checked"));
            documents.push((PathBuf::new(), elsewhere(name)));
        }
        self.errors.extend(policy::link(documents).1);
    }

    fn text(&self, style: Style) -> String {
        if self.errors.is_empty() {
            let repositories = if self.repositories == 1 { "repository" } else { "repositories" };
            let (policies, n) = (self.policies, self.repositories);
            let policies = if policies == 1 { "1 policy".to_owned() } else { format!("{policies} policies") };
            return format!("{} valid: {policies}, {n} {repositories}\n", count(self.files, "file"));
        }
        let read = |path: &Path| self.texts.get(path).cloned().or_else(|| std::fs::read_to_string(path).ok());
        let mut text = diagnostics::render(&self.errors, read, style.0);
        let files: BTreeSet<_> = self.errors.iter().map(|error| &error.file).collect();
        let errors = count(self.errors.len() as u64, "error");
        text.line(format!("\n{errors} in {}", count(files.len() as u64, "file")));
        text
    }
}

/// A repository that is defined in some other file.
fn elsewhere(name: &str) -> Document {
    let repository = Repository {
        name: name.to_owned(),
        location: RepositoryLocation::Local { path: None },
        password_from: None,
        check: None,
        file: PathBuf::new(),
        text: "".into(),
        digest: String::new(),
    };
    Document::Repository { repository: Arc::new(repository), line: 0, text: "".into() }
}

/// The errors of all files of the directory, for people; empty when there is none.
#[must_use]
pub fn report(config: &ConfigStatus, style: Style) -> String {
    let errors: Vec<Diagnostic> = config.files.iter().flat_map(|file| &file.errors).cloned().collect();
    show(&errors, &config.directory, style, |path| std::fs::read_to_string(path).ok())
}

/// The errors with their lines of text; their paths are relative to the directory.
#[must_use]
pub fn show(errors: &[Diagnostic], directory: &Path, style: Style, read: impl Fn(&Path) -> Option<String>) -> String {
    let errors: Vec<Diagnostic> = located(errors.iter().cloned(), directory).collect();
    diagnostics::render(&errors, read, style.0)
}

/// The errors with paths that can be opened from here.
fn located(errors: impl Iterator<Item = Diagnostic>, directory: &Path) -> impl Iterator<Item = Diagnostic> {
    errors.map(|error| Diagnostic { file: directory.join(&error.file), ..error })
}

/// A host on which nothing was ever accepted: what is checked are the files alone.
struct NothingAccepted;

impl Accepted for NothingAccepted {
    fn load(&self) -> Result<Vec<AcceptedDocument>, String> {
        Ok(Vec::new())
    }

    fn save(&self, _: &[AcceptedDocument]) -> Result<(), String> {
        Ok(())
    }
}
