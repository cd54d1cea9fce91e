//! Secrets that a host had and that no repository holds.

use crate::policy::{SecretRef, secrets};
use crate::reconcile::recovery::Written;
use std::collections::BTreeSet;

/// What documents name and this host does not have, in words. The key of the repository that is recovered from is there, or
/// is put there.
pub(super) fn missing(documents: &[Written], repository: &str) -> BTreeSet<String> {
    let of = |written: &Written| {
        let own = !written.is_policy() && written.name == repository;
        secrets::named(&written.text).into_iter().filter(move |secret| !own || matches!(secret, SecretRef::Env(_)))
    };
    let named = documents.iter().flat_map(|written| of(written).map(move |secret| (secret, &written.name)));
    named
        .filter_map(|(secret, whose)| match secret {
            SecretRef::Env(name) if std::env::var_os(&name).is_some() => None,
            SecretRef::File(path) if path.exists() => None,
            SecretRef::Env(name) => Some(format!("the variable {name} to the Seawall process, for {whose}")),
            SecretRef::File(path) => Some(format!("the file {}, for {whose}", path.display())),
        })
        .collect()
}
