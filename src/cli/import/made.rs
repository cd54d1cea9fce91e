//! That a repository is there before something is imported into it.

use crate::adapters::repository::{Registry, RepositoryError};
use crate::app::Options;
use crate::cli::client::Operator;
use crate::cli::data;
use crate::cli::trouble::Advice;
use crate::policy::Repository;
use crate::status::persist::StateDir;
use std::time::Duration;

/// An operator makes the repositories of its policies when it begins.
const PATIENCE: u32 = 120;
const POLL: Duration = Duration::from_millis(500);

/// Waits for the operator to make it, or makes it where none runs and none can start meanwhile. Of two processes that made
/// one at a time, each would have a key that the other does not know.
///
/// # Errors
/// It is not there and cannot be made.
pub(super) fn ensure(options: &Options, registry: &Registry, repository: &Repository) -> anyhow::Result<()> {
    let told = |error: RepositoryError| anyhow::anyhow!("{}", error.told());
    for _ in 0..PATIENCE {
        if registry.open_existing(repository).map_err(told)?.is_some() {
            return Ok(());
        }
        if data::block_on(Operator::find(&options.state))?.is_none() {
            let _alone = StateDir::open(&options.state, "seawall import")?;
            return registry.open(repository).map(drop).map_err(told);
        }
        std::thread::sleep(POLL);
    }
    Err(Advice::new(
        format!("the operator has not made the repository {} yet", repository.name),
        "see `seawall get repositories` for what stands in its way",
    )
    .into())
}
