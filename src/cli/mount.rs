//! `seawall mount`: snapshots as a tree of files, for reading.

use super::exit::Exit;
use super::inside;
use super::output::{emit, remark};
use super::person::on_interrupt;
use super::trouble::Advice;
use crate::app::mount::{self, Mounted, Root};
use crate::app::{Options, Peek};
use anyhow::Context;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// `mount`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A policy, for all its snapshots by time and the newest complete one as `latest`; or one snapshot, by the beginning of
    /// its id
    #[arg(value_name = "POLICY|SNAPSHOT")]
    pub what: String,
    /// An empty directory to mount on, by FUSE; for root, or where there is `fusermount`
    #[arg(value_name = "DIR", required_unless_present = "webdav")]
    pub at: Option<PathBuf>,
    /// Serve by WebDAV instead, at this address of the host; it has to be a loopback one, since nothing is encrypted. Port 0:
    /// a free one
    #[arg(long, value_name = "ADDRESS", conflicts_with = "at")]
    pub webdav: Option<SocketAddr>,
    /// Only in this repository
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
}

/// Serves until a signal ends it.
///
/// # Errors
/// There is no such snapshot or policy, the repository cannot be read, or the address not be listened on.
pub fn run(options: &Options, args: &Args) -> anyhow::Result<Exit> {
    let address = args.webdav.filter(|address| !address.ip().is_loopback());
    if let Some(address) = address {
        return Err(Advice::new(
            format!("{address} is not only of this host, and what is served is not encrypted"),
            "serve at 127.0.0.1 and come through `ssh -L`",
        )
        .into());
    }
    let peek = Peek::open(options)?;
    let (repository, snapshot, by_id) = inside::lookup(&peek, options, &args.what, args.repository.as_deref())?;
    let root = if by_id { Root::Snapshot(snapshot.id.to_string()) } else { Root::Policy(args.what.clone()) };
    let tree = Mounted::new(options, peek, repository, root);
    let cancel = CancellationToken::new();
    on_interrupt(&cancel)?;
    match (&args.at, args.webdav) {
        (Some(at), _) => {
            let told = || emit(&format!("{} is mounted on {}, for reading, until Ctrl-C\n", args.what, at.display()));
            mount::attach(tree, at, told, &cancel)?;
        }
        (None, address) => {
            let mut random = [0_u8; 16];
            getrandom::fill(&mut random).context("no password can be made")?;
            let password = hex::encode(random);
            let told = |address: SocketAddr| {
                remark("for reading, until Ctrl-C; user and password are in the address, and new with every start:");
                emit(&format!("http://seawall:{password}@{address}/\n"))
            };
            let at = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
            mount::serve(tree, at, &password, told, cancel)?;
        }
    }
    Ok(Exit::Ok)
}
