//! Writing a dump into a database, as it is read.

use super::ask::Asker;
use super::child::{Running, Start};
use super::error::PostgresError;
use std::io::{self, Write};
use std::process::ChildStdin;
use std::thread::{self, JoinHandle};

/// A `pg_restore` that waits for its dump.
pub struct Load {
    running: Running,
    input: ChildStdin,
    output: JoinHandle<()>,
}

/// What of a dump is left aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Who owned what, and who may do what: all will be the role's that restores.
    pub owners: bool,
}

impl Asker {
    /// Begins to write into the database of this address, which is empty. All is done or nothing is.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn load(&self, leaving: Leaving) -> Result<Load, PostgresError> {
        let program = self.programs.path("pg_restore");
        let start = Start { program: &program, address: Some(&self.address), user: None, cancel: &self.cancel };
        let database = self.address.database().unwrap_or_default();
        let mut arguments =
            vec!["--exit-on-error".to_owned(), "--single-transaction".to_owned(), "--no-password".to_owned()];
        // A name that has a `=` in it would be taken for an address.
        arguments.push(format!("--dbname=dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'")));
        if leaving.owners {
            arguments.extend(["--no-owner".to_owned(), "--no-privileges".to_owned()]);
        }
        let (running, input, mut output) = start.run(arguments, true)?;
        let input = input.ok_or_else(|| PostgresError::refused("pg_restore has no input"))?;
        let output = thread::spawn(move || drop(io::copy(&mut output, &mut io::sink())));
        Ok(Load { running, input, output })
    }
}

impl Load {
    /// Waits until all is in the database.
    ///
    /// # Errors
    /// It is not, and so nothing is.
    pub fn end(self) -> Result<(), PostgresError> {
        drop(self.input);
        let ended = self.running.end();
        drop(self.output.join());
        ended
    }
}

impl Write for Load {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}
