//! What the words of a person mean, in the world as it was last decided upon.

use crate::policy::{Desired, Treatment};
use crate::reconcile::plan::{Decision, Plan, Verdict};
use crate::reconcile::{Request, SourceKey, Wish};

/// What is to be done, at least one thing, or why there is nothing to begin.
///
/// # Errors
/// A sentence for the person who asked.
pub fn of(wish: &Wish, desired: &Desired, plan: &Plan) -> Result<Vec<Request>, String> {
    match wish {
        Wish::Backup { policy, source } => {
            let there = |decision: &Decision| decision.verdict != Verdict::NoMatch;
            let found = sources(desired, plan, policy, source.as_deref(), there)?;
            Ok(found.into_iter().map(Request::Backup).collect())
        }
        // What is restored need not exist any more.
        Wish::Drill { policy, source } => {
            let found = sources(desired, plan, policy, source.as_deref(), |decision| decision.drill.is_some())?;
            Ok(found.into_iter().map(Request::Drill).collect())
        }
        Wish::Check { repository: Some(name), .. } if !desired.repositories.contains_key(name) => {
            Err(format!("no repository {name} is in force"))
        }
        Wish::Check { repository: wanted, read_percent, repair } => {
            let wanted = |name: &&String| wanted.as_ref().is_none_or(|wanted| *name == wanted);
            let request = |name: &String| {
                let (repository, read_percent, repair) = (name.clone(), *read_percent, repair.clone());
                Request::Check { repository, read_percent, repair }
            };
            Ok(desired.repositories.keys().filter(wanted).map(request).collect())
        }
        // It names everything itself; what is wrong with it, the run finds out before anything is touched.
        Wish::Restore(restore) => Ok(vec![Request::Restore(restore.clone())]),
    }
}

/// The sources of a policy that the plan speaks of, all or one.
fn sources(
    desired: &Desired,
    plan: &Plan,
    policy: &str,
    source: Option<&str>,
    takes: impl Fn(&Decision) -> bool,
) -> Result<Vec<SourceKey>, String> {
    let known = desired.policies.get(policy).ok_or_else(|| format!("no policy {policy} is in force"))?;
    match &known.treatment {
        Treatment::Backup(_) => {}
        Treatment::Exempt { .. } => {
            return Err(format!("policy {policy} is an exemption: there is nothing to back up"));
        }
        Treatment::Watch(_) => {
            let source = known.source.kind();
            return Err(format!("policy {policy} makes no copies: its source, a {source}, is only looked at"));
        }
    }
    if known.suspend {
        return Err(format!("policy {policy} is suspended; take `suspend: true` out of {}", known.file.display()));
    }
    let (mut found, mut obstacle) = (Vec::new(), None);
    for decision in plan.decisions.iter().filter(|d| d.policy == policy) {
        let wanted = source.is_none_or(|s| decision.source.as_deref() == Some(s));
        match &decision.source {
            _ if !wanted => {}
            Some(name) if takes(decision) => {
                found.push(SourceKey { policy: policy.to_owned(), source: name.clone() });
            }
            _ => obstacle = Some(decision.why.clone()),
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let none = source.map_or_else(
        || format!("policy {policy} has no source on this host"),
        |s| format!("policy {policy} has no source {s}"),
    );
    Err(obstacle.map_or(none.clone(), |why| format!("{none}: {why}")))
}
