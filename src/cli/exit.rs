//! Every exit code of the program. `--help` prints the same table.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// It could not be done, or what was examined is not in order: an invalid policy file, a broken audit chain, a
    /// drill that fails, a damaged repository.
    Error,
    /// `plan`: there is something to do.
    Pending,
    /// `backup`: a snapshot was made, but some files could not be taken as they were.
    Partial,
    /// `backup`: at least one source got no usable snapshot.
    NoSnapshot,
    /// The command line itself is wrong. 64 is `EX_USAGE` of sysexits.h; clap's own 2 is taken by [`Exit::Pending`].
    Usage,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Pending => 2,
            Self::Partial => 3,
            Self::NoSnapshot => 4,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table that ends `--help`.
pub const HELP: &str = "\
Exit codes:
   0  done
   1  it could not be done, or what was examined is not in order
      (invalid policy files, a broken audit chain, a drill that fails, a
      damaged repository)
   2  plan: there is something to do
   3  backup, import: a snapshot was made, but some files could not be taken as they were
   4  backup: at least one source got no usable snapshot
  64  the command line is wrong";
