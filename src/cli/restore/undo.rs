//! `seawall restore --undo` and `--discard`.

use super::{Args, carry_out};
use crate::app::Options;
use crate::cli::data::{self, Wanted};
use crate::cli::exit::Exit;
use crate::cli::human::{bytes, relative, seconds, short_id};
use crate::cli::output::{Lines, remark};
use crate::cli::person::ask;
use crate::cli::style::Style;
use crate::cli::trouble::Advice;
use crate::clock::Clock;
use crate::policy::postgres::short_name;
use crate::reconcile::{RestoreAction, RestoreStep, Undo};
use anyhow::bail;
use jiff::Timestamp;

pub(super) fn run(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    let status = data::look(options, &Wanted::default())?.status;
    let fits = |undo: &&Undo| {
        args.name.as_ref().is_none_or(|name| *name == undo.source.policy)
            && args.source.as_ref().is_none_or(|name| *name == undo.source.source)
    };
    let kept: Vec<&Undo> = status.undos.iter().filter(fits).collect();
    let Some(newest) = kept.first() else {
        let of = args.name.as_ref().map_or_else(String::new, |name| format!(" of policy {name}"));
        bail!("nothing is kept of any restore{of}");
    };
    let now = clock.now();
    let chosen = if args.discard { kept.as_slice() } else { &kept[..1] };
    if let Some(other) = kept.iter().find(|undo| undo.source != newest.source) {
        let what = format!("restores of several sources can be meant: {} and {}", newest.source, other.source);
        return Err(Advice::new(what, "name the policy, and `--source` where it has several").into());
    }
    for undo in chosen {
        remark(text(undo, args.discard, now).trim_end());
    }
    if !args.yes {
        ask(if args.discard { "Remove it for good?" } else { "Go on?" })?;
    }
    let mut exit = Exit::Ok;
    for undo in chosen {
        let restore = undo.restore.clone();
        let step = if args.discard { RestoreStep::Discard(restore) } else { RestoreStep::Undo(restore) };
        let action = RestoreAction { source: undo.source.clone(), step };
        let ended = carry_out(options, &action, 0, style, clock)?;
        exit = if ended == Exit::Ok { exit } else { ended };
    }
    Ok(exit)
}

fn text(undo: &Undo, discard: bool, now: Timestamp) -> String {
    let mut text = String::new();
    let Undo { source, snapshot, at, expires, bytes: size, undone, path, .. } = undo;
    let part = if path.is_empty() { String::new() } else { format!(", of {path}") };
    let (when, ago) = (seconds(*at), relative(*at, now));
    // An archive stands there with its path.
    let from = if snapshot.contains('/') { snapshot.clone() } else { format!("snapshot {}", short_id(snapshot)) };
    let again = if *undone { ", which was undone" } else { "" };
    text.line(format!("Restore of {source}{part} from {from}, {when} ({ago}){again}"));
    let held = if *undone { "what it had brought" } else { "what it replaced" };
    text.line(if discard {
        format!("  Removes {held}: {}", bytes(*size))
    } else {
        format!(
            "  Puts {held} back, {}; what is there now is kept in its place until {}",
            bytes(*size),
            seconds(*expires)
        )
    });
    if short_name(&source.source).is_some() {
        let ends = if discard { "" } else { "; ends the sessions of both" };
        text.line(format!("  It is the database {}, beside {} on its server{ends}", undo.place.display(), undo.target));
    }
    text
}
