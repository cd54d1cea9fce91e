//! The command line as it is written: clap's types and nothing that acts.

use super::exit;
use super::global::Global;
use super::health::Health;
use crate::app::Options;
use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The backup operator for Docker hosts.
///
/// You commit `BackupPolicy` files; Seawall compares what they ask for with the volumes and snapshots that exist,
/// does the work that closes the difference, and tells Prometheus how far reality is from each promise.
///
/// The commands that show something ask the running operator through its socket in the state directory. Where none
/// runs, they look for themselves, once.
#[derive(Debug, Parser)]
#[command(
    name = "seawall",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "Run `seawall --help` for examples and exit codes, `seawall COMMAND --help` for a command.",
    after_long_help = long_epilogue()
)]
pub struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn long_epilogue() -> String {
    format!(
        "Examples:\n  \
         seawall validate policies/                 check files, with no Docker and no state\n  \
         seawall plan --policies ./policies         what an edit would do, before it is committed\n  \
         seawall run                                be the operator\n  \
         seawall get policies                       is everything safe?\n  \
         seawall describe policy n8n-data           one policy, in full\n  \
         seawall backup n8n-data                    make a snapshot now\n  \
         seawall key export --output /mnt/usb/key   keep the key somewhere else\n\n{}",
        exit::HELP
    )
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For both
    Yaml,
}

/// `-o`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Output {
    /// How the result is printed
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub output: Format,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be the operator: watch the policies, back up, apply retention, serve metrics
    ///
    /// One operator per state directory. SIGTERM and SIGINT end it within ten seconds, SIGHUP reads the policies again.
    #[command(after_help = "Example:\n  \
        seawall run --policies /etc/seawall/policies --state /var/lib/seawall --listen 127.0.0.1:9187")]
    Run(Run),
    /// Check policy files and print every error with its place
    ///
    /// Needs neither Docker nor state, so that it can stand in a pre-commit hook or in CI.
    #[command(after_help = "Examples:\n  \
        seawall validate                           the whole --policies directory\n  \
        seawall validate policies/n8n-data.yaml    one file\n  \
        git show HEAD:policies/n8n-data.yaml | seawall validate -\n\n\
        Exit codes: 0 all valid, 1 at least one error")]
    Validate(Validate),
    /// Show what the operator would do now, and why, without doing it
    ///
    /// Reads --policies as they are on disk, so that an edit can be looked at before it is committed. Lists every
    /// snapshot that retention would remove, and for every other one the reason why it stays.
    #[command(after_help = "Examples:\n  \
        seawall plan\n  \
        seawall plan n8n-data --policies ./policies\n\n\
        Exit codes: 0 nothing to do, 1 error or an invalid policy file, 2 something to do")]
    Plan(Plan),
    /// List policies, snapshots, runs, volumes, repositories or events
    #[command(after_help = "Examples:\n  \
        seawall get policies\n  \
        seawall get snapshots --policy n8n-data -o json | jq -r '.[0].id'\n  \
        seawall get volumes")]
    Get(super::get::Get),
    /// Show one object in full
    #[command(after_help = "Example:\n  seawall describe policy n8n-data")]
    Describe(super::describe::Describe),
    /// Back up a policy's sources now and wait for the result
    ///
    /// Asks the running operator; where none runs, does it itself. The schedule is not changed by it.
    #[command(after_help = "Examples:\n  \
        seawall backup n8n-data\n  \
        seawall backup all-data --source prosaasil_n8n_data\n\n\
        Exit codes: 0 success, 3 partial, 4 no usable snapshot, 1 it could not be asked for")]
    Backup(super::backup::Args),
    /// Restore the newest snapshot of a policy's sources into a scratch volume now, look at it, and measure
    ///
    /// Asks the running operator; where none runs, does it itself. The scratch volume is removed again.
    #[command(after_help = "Example:\n  seawall drill n8n-data\n\n\
        Exit codes: 0 every check passed, 1 one did not, or it could not be restored")]
    Drill(super::drill::Args),
    /// Look through repositories for damage now, and mend one when told to
    #[command(after_help = "Examples:\n  \
        seawall check\n  \
        seawall check default --read-data 100\n  \
        seawall check default --repair\n\n\
        Exit codes: 0 whole, 1 damaged, or it could not be looked at")]
    Check(super::check::Args),
    /// Bring a snapshot back: in the place of what is there, into another volume, or into a directory
    ///
    /// Shows first what will happen, and asks. In place, everything is laid down beside what is there and verified before
    /// a container is stopped; then the two change places in one step. What was replaced is kept for seven days, or as
    /// `--keep` says.
    #[command(after_help = "Examples:\n  \
        seawall restore n8n-data                                  all of it, as of the newest complete snapshot\n  \
        seawall restore n8n-data --at '2026-01-23 14:05' --yes    as it was then\n  \
        seawall restore n8n-data --path config --to /tmp/look     one file, to look at\n  \
        seawall restore n8n-data --undo                           as it was before the restore\n\n\
        Exit codes: 0 done, 3 done, but some attributes could not be given back, 1 not done")]
    Restore(super::restore::Args),
    /// Take archives that were made by other means into a repository, each as a snapshot of its own time
    ///
    /// Takes tar files, plain, `.gz`, `.zst`, and encrypted by `openssl enc -aes-256-cbc -pbkdf2`; what they are is told
    /// from their content. Each is looked through before anything is done with it, shown, and asked about. Their time is
    /// in their names: `n8n_data_20260123_140530.tar.gz`. One that was taken already is not taken again. Works beside a
    /// running operator.
    #[command(after_help = "Examples:\n  \
        seawall import /srv/backups/n8n_data_*.tar.gz --policy n8n-data\n  \
        seawall import old.enc --policy n8n-data --time '2026-01-23 14:05' --passphrase-file pass\n  \
        seawall import backup-2026-01-23T14-05-30.tar.gz --policy uploads --strip backup/uploads\n\n\
        Exit codes: 0 taken, or there already; 3 taken, but something of it could not be read; 1 not all were taken")]
    Import(super::import::Args),
    /// Turn what another backup tool was told into policies
    Migrate(super::migrate::Migrate),
    /// Bring a host that is gone back on this one, which has nothing but a repository and its key
    ///
    /// Shows first what was found and what will happen, and asks. Volumes are made as Compose knows them and filled, the most
    /// critical first; `path` sources, policies and the key go to their places; then come databases and buckets whose servers
    /// are reached and hold nothing there. Nothing that exists is overwritten, so that the same command goes on where a
    /// cut-off one stopped. What is left for a person is listed at the end.
    #[command(after_help = "Examples:\n  \
        seawall recover --repository /mnt/backup/seawall --key-file /mnt/usb/seawall.key --dry-run\n  \
        seawall recover --repository /mnt/backup/seawall --key-file /mnt/usb/seawall.key\n  \
        seawall recover --repository s3:https://s3.example.com/acme-backups/host-1 --key-file seawall.key\n  \
        seawall --host web-1 recover --repository /mnt/backup/seawall --volume 'shop_*'    one of several hosts\n\n\
        Exit codes: 0 all is back, 3 something was left alone or could not be brought back, 1 nothing was done")]
    Recover(super::recover::Args),
    /// List what is in a snapshot
    #[command(after_help = "Examples:\n  \
        seawall ls n8n-data\n  \
        seawall ls 1f2e3d4c:nodes -r")]
    Ls(super::inside::Ls),
    /// Write a file of a snapshot to standard output
    #[command(after_help = "Example:\n  seawall cat n8n-data:config")]
    Cat(super::inside::Cat),
    /// Tell what differs between two snapshots
    #[command(after_help = "Example:\n  seawall diff 1f2e3d4c n8n-data")]
    Diff(super::inside::Diff),
    /// Show snapshots as a tree of files, for reading, until Ctrl-C
    ///
    /// On a directory by FUSE, or by WebDAV, which file managers, rclone, davfs2 and browsers speak; that has no words for owners,
    /// modes, links and special files. Reading a file reads no more of the repository than the parts that are asked for.
    #[command(after_help = "Examples:\n  \
        seawall mount n8n-data /mnt                        every snapshot by time, and `latest`\n  \
        seawall mount 1f2e3d4c --webdav 127.0.0.1:8080     one snapshot")]
    Mount(super::mount::Args),
    /// Ask the running operator over HTTP whether it is alive; for health checks
    #[command(after_help = "Exit codes: 0 alive (or ready), 1 not")]
    Health(Health),
    /// The keys of repositories: without them, no snapshot can be read
    Key(super::key::Key),
    /// The hash-chained record of who did what
    Audit(super::audit::Audit),
    /// Write the runbook of this host: what is protected, how well, and what to type when it is lost
    #[command(after_help = "Examples:\n  \
        seawall runbook | less\n  \
        seawall runbook --output /srv/wiki/runbook.md     in a timer, on a host that survives this one")]
    Runbook(super::runbook::Args),
    /// Print the JSON Schema of a document kind
    #[command(after_help = "Example:\n  seawall schema backuppolicy > backuppolicy.v1.schema.json")]
    Schema {
        /// The kind
        #[arg(value_enum)]
        kind: SchemaKind,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  seawall completions bash > /etc/bash_completion.d/seawall")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// `run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Where the read-only HTTP endpoints listen: /metrics, /healthz, /readyz, /api/v1
    #[arg(long, value_name = "ADDRESS", env = "SEAWALL_LISTEN", hide_env_values = true, default_value_t = DEFAULT_LISTEN)]
    pub listen: SocketAddr,
    /// Most runs at once
    #[arg(
        long,
        value_name = "N",
        env = "SEAWALL_MAX_RUNS",
        hide_env_values = true,
        default_value_t = DEFAULT_MAX_RUNS,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub max_runs: u16,
    /// Seconds after which the policies are read again even if no change was noticed
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SEAWALL_RESCAN",
        hide_env_values = true,
        default_value_t = DEFAULT_RESCAN,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub rescan: u64,
}

/// `validate`.
#[derive(Debug, clap::Args)]
pub struct Validate {
    /// Files or directories, or `-` for standard input [default: the --policies directory]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How the errors are printed
    #[command(flatten)]
    pub format: Output,
}

/// `plan`.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// Only this policy
    #[arg(value_name = "POLICY")]
    pub name: Option<String>,
    /// How the plan is printed
    #[command(flatten)]
    pub format: Output,
}

/// The document kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// `kind: BackupPolicy`
    #[value(name = "backuppolicy")]
    BackupPolicy,
    /// `kind: Repository`
    Repository,
}

/// Loopback: what is served has no secret in it, but it is nobody else's business.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9187));
/// One reads while another writes; more gain little on one disk.
const DEFAULT_MAX_RUNS: u16 = 2;
/// Seconds.
const DEFAULT_RESCAN: u64 = 30;

impl Args {
    /// What every command needs to know about this host, with the defaults of this machine filled in.
    #[must_use]
    pub fn options(&self) -> Options {
        let (listen, max_runs, rescan) = match &self.command {
            Command::Run(run) => (run.listen, run.max_runs, run.rescan),
            _ => (DEFAULT_LISTEN, DEFAULT_MAX_RUNS, DEFAULT_RESCAN),
        };
        Options {
            policies: self.global.policies.clone(),
            state: self.global.state.clone(),
            docker_host: self.global.docker_host.clone().filter(|url| !url.is_empty()),
            host: self.global.host_name(),
            listen,
            max_runs: usize::from(max_runs),
            rescan: Duration::from_secs(rescan),
        }
    }
}
