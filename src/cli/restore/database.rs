//! Into a database: what will happen, and then it is done like any other restore.

use super::choose::Chosen;
use super::plan::{Plan, history};
use super::{Args, carry_out};
use crate::adapters::postgres::{Database, Target as Reached};
use crate::app::Peek;
use crate::cli::exit::Exit;
use crate::cli::human::bytes;
use crate::cli::output::remark;
use crate::cli::person::ask;
use crate::cli::style::Style;
use crate::cli::trouble::Advice;
use crate::clock::Clock;
use crate::policy::{PostgresSource, Source};
use crate::reconcile::restore::{IntoDatabase, Manner, Over, database_target};
use crate::reconcile::{RestoreAction, RestoreStep, SourceKey};
use tokio_util::sync::CancellationToken;

/// Where a database goes.
#[derive(Debug, Default, clap::Args)]
pub struct Target {
    /// A database: into this one of the policy's server, or the one whose address is in a variable (`env:NAME`) or a file
    /// (`file:PATH`); it is empty or made [default: where it came from, in the place of what is there]
    #[arg(long, value_name = "NAME|env:NAME|file:PATH", conflicts_with_all = ["to", "undo", "discard"])]
    pub to_database: Option<String>,
    /// With `--to-database`: replace what is there, and keep it on the server under another name
    #[arg(long, requires = "to_database")]
    pub clean: bool,
    /// A database: leave owners and rights aside, where the server has other roles
    #[arg(long)]
    pub no_owner: bool,
}

/// What is said of the database that is written.
pub(super) fn place(peek: &Peek, target: &Target, source: &SourceKey) -> Vec<(&'static str, String)> {
    let into = |text: String| vec![("Into", text)];
    let name = match target.to_database.as_deref().map(database_target) {
        Some(IntoDatabase::Env(name)) => {
            return into(format!("the database whose address is in the variable {name} of the process that restores"));
        }
        Some(IntoDatabase::File(path)) => return into(format!("the database whose address is in {path}")),
        Some(IntoDatabase::Name(name)) => Some(name),
        None => None,
    };
    let policy = peek.desired().policies.get(&source.policy).map(|policy| &policy.source);
    let Some(Source::Postgres(source)) = policy else {
        return into("the database of a policy that is not in force".to_owned());
    };
    // Only a look: what cannot be seen from here, the restore itself finds out before it touches anything.
    match look(source, name.as_deref()) {
        Some((shown, None)) => into(format!("{shown}, which is made")),
        Some((shown, Some(found))) if found.empty => into(format!("{shown}, which is empty")),
        Some((shown, Some(found))) => vec![
            ("Replaces", format!("{shown}, {} now; kept on its server under another name", bytes(found.bytes))),
            ("Ends", format!("{} sessions of it, once all is loaded beside it", found.sessions)),
        ],
        None => into(format!("{}, which cannot be seen from here", name.as_deref().unwrap_or("its database"))),
    }
}

/// Where a database is, and what is there.
fn look(source: &PostgresSource, name: Option<&str>) -> Option<(String, Option<Database>)> {
    let target = Reached::reach(&source.url_from, name, source.binaries.as_deref(), &CancellationToken::new()).ok()?;
    Some((target.shown(), target.look().ok()?))
}

pub(super) fn run(
    what: &Plan<'_>,
    chosen: &Chosen,
    args: &Args,
    style: Style,
    clock: &dyn Clock,
) -> anyhow::Result<Exit> {
    if args.to.is_some() {
        let help = "`--to-database NAME` names a database, `--to DIR` with a `/` a directory for the dump";
        return Err(Advice::new("a database does not go into a volume", help).into());
    }
    if !what.path.as_os_str().is_empty() {
        let help =
            "`--path` and `--to DIR` give one file of the snapshot; `pg_restore --table` takes a part out of a dump";
        return Err(Advice::new("a database comes back as a whole", help).into());
    }
    let Target { to_database, clean, no_owner } = &args.database;
    let step = RestoreStep::Bring {
        repository: chosen.repository.clone(),
        snapshot: chosen.snapshot.id.to_string(),
        path: String::new(),
        to: to_database.clone(),
        database: Manner { clean: *clean, no_owner: *no_owner },
        keep: args.keep,
        over: Over::default(),
    };
    let action = RestoreAction { source: chosen.source.clone(), step };
    let history = history(what.options, &action);
    remark(what.text(style, &history)?.trim_end());
    if (to_database.is_none() || *clean) && !args.yes {
        ask("Go on?")?;
    }
    carry_out(what.options, &action, what.size.bytes, style, clock)
}
