//! The proof that what is written is a dump: `pg_restore` reads it while it passes by, its table of contents and every row
//! up to the end.

use super::child::{Running, Start};
use super::error::PostgresError;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::thread::{self, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Two readers of one dump: of its table of contents, and of all of it.
pub(super) struct Proof {
    readers: [Reader; 2],
    listed: JoinHandle<Listed>,
}

struct Reader {
    running: Running,
    input: Option<ChildStdin>,
}

/// What is in a dump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Entries of any kind.
    pub entries: u64,
    /// Tables with rows.
    pub tables: u64,
}

impl Proof {
    pub fn begin(pg_restore: &Path, cancel: &CancellationToken) -> Result<Self, PostgresError> {
        let start = Start { program: pg_restore, address: None, user: None, cancel };
        let (running, input, output) = start.run(["--list"], true)?;
        let list = Reader { running, input };
        let (running, input, _) = start.run(["--file=/dev/null"], true)?;
        Ok(Self { readers: [list, Reader { running, input }], listed: thread::spawn(move || count(output)) })
    }

    /// Shows them what passes by. Each ends on its own once it has seen enough.
    pub fn show(&mut self, bytes: &[u8]) {
        for reader in &mut self.readers {
            if reader.input.as_mut().is_some_and(|input| input.write_all(bytes).is_err()) {
                reader.input = None;
            }
        }
    }

    /// What they have found.
    pub fn end(self) -> Result<Listed, PostgresError> {
        for Reader { running, input } in self.readers {
            drop(input);
            running.end()?;
        }
        Ok(self.listed.join().unwrap_or_default())
    }
}

fn count(output: ChildStdout) -> Listed {
    let mut listed = Listed::default();
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        // As in `3328; 0 16385 TABLE DATA public users app`; comments begin with `;`.
        let line = String::from_utf8_lossy(&line);
        let Some((id, entry)) = line.split_once("; ") else { continue };
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
            listed.entries += 1;
            listed.tables += u64::from(entry.splitn(3, ' ').nth(2).is_some_and(|what| what.starts_with("TABLE DATA ")));
        }
    }
    listed
}
