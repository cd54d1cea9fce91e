//! What to do, step by step, for each loss that can be foreseen.

use super::words::{clean, code, id, measured, seconds};
use super::{Book, by_criticality, noun, recovery_time};
use crate::policy::shell::word as shell;
use crate::reconcile::watch::{Kind, Watched};
use crate::status::model::{PolicyStatus, RepositoryStatus, SourceStatus, StatusSnapshot};

pub(super) fn all(book: &mut Book, status: &StatusSnapshot) {
    for policy in by_criticality(status).filter(|policy| policy.exempt.is_none()) {
        if let Some(watched) = &policy.watched {
            match watched.kind {
                Kind::Database => database(book, policy, watched, status),
                Kind::Bucket => bucket(book, policy, watched),
            }
        }
        for source in &policy.sources {
            one_source(book, policy, source, status);
        }
    }
    one_file(book, status);
    host(book, status);
}

/// The newest complete snapshot of a source that can be had, with its repository.
fn newest(source: &SourceStatus) -> Option<(&str, &str)> {
    let stores = source.repositories.iter().filter(|store| store.known);
    let newest = stores.filter_map(|store| Some((store.newest.as_ref()?, store.repository.as_str())));
    newest.max_by_key(|(snapshot, _)| snapshot.time).map(|(snapshot, repository)| (&*snapshot.id, repository))
}

fn one_source(book: &mut Book, policy: &PolicyStatus, source: &SourceStatus, status: &StatusSnapshot) {
    let what = if policy.description.is_empty() { policy.name.clone() } else { policy.description.clone() };
    book.heading(
        3,
        &format!("The {} {} is lost or damaged: {}", noun(policy).to_lowercase(), code(&source.source), clean(&what)),
    );
    book.line(format!(
        "Promised: at most {} of data, back within {}. Measured: {}.\n",
        seconds(policy.rpo_seconds),
        seconds(policy.rto_seconds),
        match recovery_time(source) {
            Some(_) => format!("back in {}", measured(recovery_time(source))),
            None => format!("never; `seawall drill {}` measures it", shell(&policy.name)),
        }
    ));
    let Some((snapshot, repository)) = newest(source) else {
        book.line("**There is no complete snapshot that could be restored.**");
        return;
    };
    let users = status.volumes.get(&source.source).map_or(&[][..], |volume| volume.used_by.as_slice());
    let stops = match users {
        _ if matches!(policy.kind.as_str(), "path" | "bucket") => "no container is stopped".to_owned(),
        _ if policy.kind == "postgres" => "stops no container, and ends the sessions of the database".to_owned(),
        [] => "no container uses it now".to_owned(),
        users => format!("stops {} and starts what ran before", clean(&users.join(", "))),
    };
    if policy.kind == "postgres" {
        book.line(
            "Stop what writes to it first: what is written until the databases are exchanged is not in the new one.\n",
        );
        book.commands(stop_all(status).iter().map(String::as_str));
        book.line("");
    }
    book.step(1, format!("Look at what there is: `seawall get snapshots --policy {}`", shell(&policy.name)));
    book.step(
        2,
        format!(
            "Restore the newest one, {} in {}. Shows its plan first and asks; {stops}:",
            code(id(snapshot)),
            clean(repository)
        ),
    );
    book.line("");
    let (name, volume, short) = (shell(&policy.name), shell(&source.source), id(snapshot));
    book.commands([format!("seawall restore {name} --source {volume} --snapshot {short}").as_str()]);
    book.line("");
    book.step(3, "Look whether the application has what it needs. If it was the wrong one, what was there before is still there:");
    book.line("");
    book.commands([format!("seawall restore {name} --source {volume} --undo").as_str()]);
}

fn one_file(book: &mut Book, status: &StatusSnapshot) {
    let with = by_criticality(status).filter(|policy| policy.exempt.is_none());
    let first = with.flat_map(|policy| &policy.sources).find_map(newest);
    let Some((snapshot, _)) = first else { return };
    book.heading(3, "One file is lost");
    book.line("No full restore is needed. For any of the snapshots above:\n");
    book.commands([
        format!("seawall ls {}", id(snapshot)).as_str(),
        format!("seawall cat {}:PATH > FILE", id(snapshot)).as_str(),
    ]);
}

fn host(book: &mut Book, status: &StatusSnapshot) {
    book.heading(3, "The whole host is lost");
    let sources = || by_criticality(status).filter(|policy| policy.exempt.is_none()).flat_map(|policy| &policy.sources);
    let known: Option<f64> = sources().map(recovery_time).sum();
    let total = known.filter(|_| sources().next().is_some());
    book.line(match total {
        Some(total) => format!(
            "The restores alone took {} when they were last measured, one after the other.",
            measured(Some(total))
        ),
        None => "How long it takes is not known: not every source has had a drill.".to_owned(),
    });
    book.line("\nTo be had from elsewhere, since it is not on a host that is gone:\n");
    for repository in status.repositories.values() {
        book.item(format!("the repository {} ({}) and its key", clean(&repository.name), code(&repository.location)));
    }
    book.item("the `.env` files and the Compose files of the applications, where they are in no repository");
    book.line("");
    book.step(
        1,
        "Set up a host with Docker and with this version of Seawall. Clone the policies and the applications' files onto it; \
         policies that are in no git come back with the snapshots.",
    );
    book.step(
        2,
        "Bring a repository (its disk, or a copy) and its key, and have everything brought back, the most critical first, of \
         the newest snapshots. One repository is enough. It shows first what will happen, and asks; cut off, it goes on:",
    );
    book.line("");
    let host = shell(&status.host);
    let recover = |repository: &RepositoryStatus| {
        format!("seawall --host {host} recover --repository {} --key-file KEY", shell(&repository.location))
    };
    let recovers: Vec<String> = with_snapshots(status).map(recover).collect();
    book.commands(recovers.iter().map(String::as_str));
    book.line("");
    let projects = projects(status, "up -d");
    let colon = if projects.is_empty() { "." } else { ":" };
    book.step(
        3,
        format!(
            "Do what its checklist says: put those `.env` files back that no policy covers, create the networks that Compose \
             calls external, restore the databases and buckets that it could not reach, start the applications{colon}"
        ),
    );
    if !projects.is_empty() {
        book.line("");
        book.commands(projects.iter().map(String::as_str));
        book.line("");
    }
    book.step(4, "Start Seawall, see that everything is healthy (`docker ps`, `seawall get policies`) and move the DNS names if the address changed.");
}

/// What the provider keeps, only the provider brings back.
fn database(book: &mut Book, policy: &PolicyStatus, watched: &Watched, status: &StatusSnapshot) {
    let provider = clean(&watched.provider);
    book.heading(3, &format!("The database {} at {provider} is corrupt or lost", code(&watched.name)));
    book.line(format!(
        "Promised: at most {} of data, back within {}. Seawall looks at {provider}'s own backups and makes none.\n",
        seconds(policy.rpo_seconds),
        seconds(policy.rto_seconds)
    ));
    book.step(1, "Stop what writes to it:");
    book.line("");
    book.commands(stop_all(status).iter().map(String::as_str));
    book.line("");
    book.step(2, format!("Restore it in {provider}'s console, to a time before the damage. What there is: `seawall describe policy {}`.", shell(&policy.name)));
    book.step(3, "Start what was stopped, run its migrations, and see that it is healthy. DNS, connection strings and passwords are as \
                 they were unless the provider made a new database: then `DATABASE_URL` has to follow.");
}

/// What protects a bucket says how its objects come back.
fn bucket(book: &mut Book, policy: &PolicyStatus, watched: &Watched) {
    let (name, provider) = (code(&watched.name), clean(&watched.provider));
    book.heading(3, &format!("Objects in the bucket {name} at {provider} were deleted or overwritten"));
    book.step(1, "Take the keys that did it away from whoever has them: what is deleted next may be what is left.");
    match watched.protection.as_deref() {
        Some("versioning") => {
            book.step(
                2,
                format!(
                    "Older versions are kept: list them (`aws s3api list-object-versions --bucket {}`), remove the \
                          delete markers, and copy the versions from before the damage over the newest.",
                    shell(&watched.name)
                ),
            );
        }
        Some(lock @ ("objectLock" | "bucketLock")) => {
            let rules = if lock == "bucketLock" { "bucket lock rule" } else { "object lock" };
            book.step(
                2,
                format!(
                    "What a {rules} covers could be neither deleted nor overwritten while it held: see that it is \
                          all there, and that the rule still is (`seawall describe policy {}`).",
                    shell(&policy.name)
                ),
            );
        }
        _ => {
            let describe = shell(&policy.name);
            book.step(
                2,
                format!(
                    "**Nothing is known to have protected it.** Whatever other copies there are have to do; see \
                          `seawall describe policy {describe}`."
                ),
            );
        }
    }
    book.line("");
}

/// How the applications are stopped.
fn stop_all(status: &StatusSnapshot) -> Vec<String> {
    let stops = projects(status, "stop");
    if stops.is_empty() { vec!["docker ps".to_owned()] } else { stops }
}

fn with_snapshots(status: &StatusSnapshot) -> impl Iterator<Item = &RepositoryStatus> {
    status.repositories.values().filter(|repository| repository.snapshots > 0)
}

/// How something is done with the applications. A host without Compose has other ways, which are not known here.
fn projects(status: &StatusSnapshot, what: &str) -> Vec<String> {
    status.projects.iter().map(|(name, project)| project.command(name, what)).collect()
}
