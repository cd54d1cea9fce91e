//! Objects back into a bucket: what will happen, and then it is done like any other restore.

use super::choose::Chosen;
use super::{Args, carry_out};
use crate::adapters::s3::S3;
use crate::app::{Options, Peek};
use crate::cli::exit::Exit;
use crate::cli::output::{Lines, one_line, remark};
use crate::cli::person::ask;
use crate::cli::style::{Style, Tone};
use crate::cli::trouble::Advice;
use crate::clock::Clock;
use crate::policy::{Bucket, Source};
use crate::reconcile::restore::{Manner, Over, is_bucket};
use crate::reconcile::{RestoreAction, RestoreStep};
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

/// Says what will happen, asks, and has it done as any other restore.
pub(super) fn run(
    options: &Options,
    chosen: &Chosen,
    bucket: &Bucket,
    args: &Args,
    style: Style,
    clock: &dyn Clock,
) -> anyhow::Result<Exit> {
    let no_key = || Advice::new("the policy gives no access key".to_owned(), "give one that may write to the bucket");
    if args.keep.is_some() {
        let what = "what is replaced in a bucket is not kept";
        return Err(Advice::new(what, "leave `--keep` away; without `--over-newer` nothing newer is replaced").into());
    }
    let mut access = bucket.s3.clone().ok_or_else(no_key)?;
    if let Some(to) = &args.to {
        access.bucket.clone_from(to);
    }
    let s3 = S3::patient(&access)?;
    let prefix = args.path.as_deref().unwrap_or_default();
    remark(plan(chosen, &s3, prefix, args.over_newer, style, clock.now()).trim_end());
    if !args.yes {
        ask("Go on?")?;
    }
    let step = RestoreStep::Bring {
        repository: chosen.repository.clone(),
        snapshot: chosen.snapshot.id.to_string(),
        path: prefix.to_owned(),
        to: args.to.clone(),
        database: Manner::default(),
        keep: None,
        over: if args.over_newer { Over::Anything } else { Over::Older },
    };
    let action = RestoreAction { source: chosen.source.clone(), step };
    carry_out(options, &action, chosen.snapshot.bytes, style, clock)
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
