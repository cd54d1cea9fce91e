//! What is left out.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsString;
use std::path::Path;

/// What of a tree is left out; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    /// Compiled globs, relative to the root.
    globs: GlobSet,
    /// The one entry of the root that is not.
    only: Option<OsString>,
}

impl Exclude {
    /// Compiles globs. One without a `/` matches at any depth; a match leaves out all that is below it, too.
    ///
    /// # Errors
    /// The glob that is not one, and why.
    pub fn new(globs: &[String]) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(compile(glob)?);
        }
        Ok(Self { globs: set.build()?, only: None })
    }

    /// Leaves out every entry of the root but one, where one is named.
    #[must_use]
    pub fn all_but(self, only: Option<OsString>) -> Self {
        Self { only, ..self }
    }

    /// Whether the entry at this path is left out.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let other =
            self.only.as_ref().is_some_and(|only| path.components().next().is_some_and(|c| c.as_os_str() != only));
        other || (!self.globs.is_empty() && self.globs.is_match(path))
    }
}

fn compile(glob: &str) -> Result<Glob, globset::Error> {
    let trimmed = glob.trim_end_matches('/');
    let anchored = match trimmed.strip_prefix('/') {
        Some(rest) => rest.to_owned(),
        None if trimmed.contains('/') => trimmed.to_owned(),
        None => format!("**/{trimmed}"),
    };
    GlobBuilder::new(&anchored).literal_separator(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(globs: &[&str], path: &str) -> bool {
        let globs: Vec<String> = globs.iter().map(ToString::to_string).collect();
        Exclude::new(&globs).unwrap().matches(Path::new(path))
    }

    #[test]
    fn depth_follows_the_slash() {
        assert!(excluded(&["*.log"], "a/b/c.log"));
        assert!(excluded(&["*.log"], "c.log"));
        assert!(!excluded(&["a/*.log"], "a/b/c.log"));
        assert!(excluded(&["a/*.log"], "a/c.log"));
        assert!(!excluded(&["a/*.log"], "x/a/c.log"));
        assert!(excluded(&["/top"], "top"));
        assert!(!excluded(&["/top"], "a/top"));
        assert!(excluded(&["cache/"], "a/cache"));
        assert!(excluded(&["cache/**"], "cache/x/y"));
        assert!(!excluded(&["cache/**"], "cache"));
        assert!(!excluded(&[], "anything"));
    }

    #[test]
    fn all_but_one_entry_of_the_root() {
        let exclude = Exclude::new(&["*.log".to_owned()]).unwrap().all_but(Some(".env".into()));
        assert!(!exclude.matches(Path::new(".env")));
        assert!(exclude.matches(Path::new("other")));
        assert!(exclude.matches(Path::new("a/.env")));
    }

    #[test]
    fn a_bad_glob_is_named() {
        assert!(Exclude::new(&["a[".to_owned()]).unwrap_err().to_string().contains("a["));
    }
}
