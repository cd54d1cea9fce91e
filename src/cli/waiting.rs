//! Waiting for what the running operator was asked to do.

use super::client::Operator;
use super::data::Runs;
use super::output::{one_line, remark};
use crate::reconcile::{Outcome, Request};
use crate::status::model::StatusSnapshot;
use anyhow::bail;
use jiff::Timestamp;
use std::time::Duration;

/// Between two looks at what the operator does: short at first, because much is done at once, and longer as it takes longer.
pub struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(20))
    }
}

impl Pause {
    const LONGEST: Duration = Duration::from_millis(500);

    /// Waits once.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(Self::LONGEST);
    }
}

/// Runs that are looked through for the answer.
const RUNS: u32 = 200;

/// Waits, where that is neither long nor many, for the first run that answers the request and began after it was asked. What stands in its way is told once.
///
/// # Errors
/// The operator went away, or what was asked for cannot be done any more.
pub async fn answer(operator: &Operator, request: &Request, asked_at: Timestamp) -> anyhow::Result<Outcome> {
    let (owner, source) = match (request, request.source()) {
        (Request::Check { repository, .. }, _) => (format!("@{repository}"), None),
        (_, Some(source)) => (source.policy.clone(), Some(source.source.clone())),
        (_, None) => bail!("{request} is nothing to wait for"),
    };
    let path = Runs { policy: Some(owner), source, limit: RUNS }.path();
    let (mut told, mut pause) = (String::new(), Pause::default());
    loop {
        // In this order: what runs no more is recorded before it is seen to run no more.
        let status: StatusSnapshot = operator.get("/api/v1/status").await?;
        let runs: Vec<Outcome> = operator.get(&path).await?;
        let mine = |run: &&Outcome| run.operation == request.operation() && run.started >= asked_at;
        if let Some(run) = runs.iter().filter(mine).min_by_key(|run| run.started) {
            let run = run.clone();
            shown(operator, std::slice::from_ref(&run)).await;
            return Ok(run);
        }
        let running = status.running.iter().any(|run| {
            let run = &run.running;
            run.operation == request.operation() && run.source.as_ref() == request.source() && run.started >= asked_at
        });
        if !running && !status.plan.takes(request) {
            bail!("the {request} cannot be made any more; see `seawall plan`");
        }
        let why = status.plan.obstacle(request).unwrap_or_default();
        if !running && !why.is_empty() && why != told {
            remark(&format!("waiting: {}", one_line(why)));
            why.clone_into(&mut told);
        }
        pause.wait().await;
    }
}

/// Returns when what the operator shows has the end of these runs in it, or nothing is shown any more. They are recorded
/// a moment before, and whoever was told of an end looks at what it brought next.
pub async fn shown(operator: &Operator, ended: &[Outcome]) {
    let mut pause = Pause::default();
    while let Ok(status) = operator.get::<StatusSnapshot>("/api/v1/status").await {
        if !status.running.iter().any(|run| ended.iter().any(|outcome| outcome.run == run.running.run)) {
            return;
        }
        pause.wait().await;
    }
}
