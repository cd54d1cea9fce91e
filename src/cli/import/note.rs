//! That something was imported, told to the operator, or written down where none runs.

use crate::app::Options;
use crate::cli::client::{Operator, escape};
use crate::cli::data;
use crate::controller::ports::{AuditEntry, Entry, Event, Record};
use crate::http::actor;
use crate::reconcile::SourceKey;
use crate::status::persist::StateDir;
use jiff::Timestamp;
use serde::de::IgnoredAny;

/// For the audit trail and the events; an operator also looks at the repository again.
///
/// # Errors
/// It could not be told. What was imported is there all the same.
pub(super) fn tell(
    options: &Options,
    source: &SourceKey,
    repository: &str,
    message: &str,
    now: Timestamp,
) -> anyhow::Result<()> {
    let told = data::block_on(async {
        let Some(operator) = Operator::find(&options.state).await? else { return Ok(false) };
        let (policy, source) = (escape(&source.policy), escape(&source.source));
        let (repository, message) = (escape(repository), escape(message));
        let path =
            format!("/api/v1/policies/{policy}/imported?source={source}&repository={repository}&message={message}");
        operator.post::<IgnoredAny>(&path).await.map(|_| true)
    })?;
    if told {
        return Ok(());
    }
    let state = StateDir::open(&options.state, "seawall import")?;
    let object = format!("policy/{source}");
    let audit = AuditEntry {
        at: now,
        actor: actor(Some(rustix::process::getuid().as_raw())),
        action: "import".to_owned(),
        object: object.clone(),
        result: "success".to_owned(),
        detail: format!("{message}, without a running operator"),
    };
    let event = Event { at: now, warning: false, object, reason: "Imported".to_owned(), message: message.to_owned() };
    state.record(&Entry { audit: vec![audit], events: vec![event], ..Entry::default() }).map_err(anyhow::Error::msg)
}
