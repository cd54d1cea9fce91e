//! Objects back into a bucket: done by this process, beside whatever the operator does.

use super::Args;
use super::choose::Chosen;
use crate::adapters::repository::{Control, Over, Wanted};
use crate::adapters::s3::S3;
use crate::app::Peek;
use crate::cli::exit::Exit;
use crate::cli::human::{bytes, count};
use crate::cli::output::{Lines, emit, one_line, remark};
use crate::cli::person::{ask, on_interrupt};
use crate::cli::style::{Style, Tone};
use crate::cli::trouble::Advice;
use crate::policy::{Bucket, Source};
use crate::reconcile::restore::is_bucket;
use jiff::Timestamp;

/// The bucket that the source of a policy is.
///
/// # Errors
/// It is one, and its policy is not in force any more, so that nobody knows how it is reached.
pub(super) fn of<'a>(peek: &'a Peek, chosen: &Chosen) -> anyhow::Result<Option<&'a Bucket>> {
    let name = &chosen.source.source;
    match peek.desired().policies.get(&chosen.source.policy).map(|policy| &policy.source) {
        Some(Source::Bucket(bucket)) if bucket.source == *name => Ok(Some(bucket)),
        _ if is_bucket(name) => {
            let what = format!("{name} is a bucket, and no policy in force says how it is reached");
            Err(Advice::new(what, "put its policy back, or restore into a directory with `--to DIR`").into())
        }
        _ => Ok(None),
    }
}

pub(super) fn run(
    peek: &Peek,
    chosen: &Chosen,
    bucket: &Bucket,
    args: &Args,
    style: Style,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let no_key = || Advice::new("the policy gives no access key".to_owned(), "give one that may write to the bucket");
    let mut access = bucket.s3.clone().ok_or_else(no_key)?;
    if let Some(to) = &args.to {
        access.bucket.clone_from(to);
    }
    let s3 = S3::patient(&access)?;
    let prefix = args.path.as_deref().unwrap_or_default();
    remark(plan(chosen, &s3, prefix, args.over_newer, style, now).trim_end());
    if !args.yes {
        ask("Go on?")?;
    }
    let control = Control::default();
    on_interrupt(&control.cancel)?;
    let wanted = Wanted { prefix, over: if args.over_newer { Over::Anything } else { Over::Older } };
    let report =
        peek.with(&chosen.repository, |adapter| adapter.put_back(&chosen.snapshot.id, &s3, wanted, &control))?;
    for key in &report.kept {
        remark(&format!("note: {}: left as it is, it was written after the snapshot; `--over-newer`", one_line(key)));
    }
    for one in &report.problems {
        remark(&format!("note: {}", one_line(&one.problem)));
    }
    let (put, size) = (count(report.objects, "object"), bytes(report.bytes));
    let mut text = format!("{}: {put}, {size} put back into bucket {}", chosen.source, s3.bucket());
    for (number, what) in [
        (report.same, "there already"),
        (report.kept.len() as u64, "newer there"),
        (report.problems.len() as u64, "failed"),
    ] {
        if number > 0 {
            text = format!("{text}; {number} {what}");
        }
    }
    emit(&format!("{text}\n"))?;
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Partial })
}

fn plan(chosen: &Chosen, s3: &S3, prefix: &str, over_newer: bool, style: Style, now: Timestamp) -> String {
    let source = &chosen.source;
    let mut text = String::new();
    text.line(style.paint(Tone::Bold, &format!("Restore of {source}")));
    let mut line = |name: &str, value: &str| text.line(format!("  {:<11} {}", format!("{name}:"), one_line(value)));
    line("Snapshot", &chosen.line(now));
    let which = if prefix.is_empty() { "all objects".to_owned() } else { format!("objects that begin with {prefix}") };
    line("Brings back", &which);
    line("Into", &format!("the bucket {} at {}; nothing is deleted there", s3.bucket(), s3.host()));
    let newer = if over_newer { "replaced as well" } else { "left as they are (`--over-newer` replaces them)" };
    line("Replaces", &format!("objects that differ; those that were written after the snapshot are {newer}"));
    text
}
