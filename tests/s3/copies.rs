//! A policy with a repository on this host and one in a bucket: the source is read once, for the one on this host.

use crate::bucket::Place;
use crate::lab::{HOST, differences, noise};
use jiff::Timestamp;
use seawall::adapters::repository::Registry;
use seawall::clock::SystemClock;
use seawall::controller::ports::{Execute, Progress, RunControl, Work};
use seawall::execute::Executor;
use seawall::policy::{Desired, Document, link, parse};
use seawall::reconcile::{Action, BackupAction, Cause, DockerState, Outcome, RunId, RunResult, SourceKey};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

struct World {
    place: Place,
    registry: Arc<Registry>,
    executor: Executor,
    desired: Desired,
}

fn world() -> World {
    let place = Place::new();
    let directory = place.lab.dir.path();
    let volume = place.lab.volume();
    let text = format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: files}}\nspec:\n  source: {{path: {{path: {}}}}}\n  \
         schedule: {{every: 1h}}\n  repositories: [offsite, near]\n---\napiVersion: seawall.dev/v1\nkind: Repository\n\
         metadata: {{name: near}}\nspec: {{local: {{path: {}}}}}\n",
        volume.display(),
        directory.join("near").display()
    );
    let parsed = parse(Path::new("p.yaml"), text.as_bytes());
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    let mut documents = parsed.documents;
    documents.push(Document::Repository { repository: Arc::new(place.repository()), line: 1, text: "".into() });
    let documents = documents.into_iter().map(|document| ("p.yaml".into(), document)).collect();
    let (desired, errors) = link(documents);
    assert!(errors.is_empty(), "{errors:?}");
    let registry = Arc::new(Registry::new(directory.join("state")));
    let executor = Executor::new(Arc::clone(&registry), HOST.to_owned(), Arc::new(SystemClock));
    World { place, registry, executor, desired }
}

impl World {
    async fn backup(&self, repositories: &[&str], slot: i64) -> Vec<Outcome> {
        let key = SourceKey { policy: "files".into(), source: self.place.lab.volume().display().to_string() };
        let slot = Timestamp::from_second(1_800_000_000 + slot * 3600).unwrap();
        let repositories = repositories.iter().map(ToString::to_string).collect();
        let action = Action::Backup(BackupAction { source: key, repositories, slot, cause: Cause::Scheduled });
        let work = Work { action, desired: Arc::new(self.desired.clone()), docker: Arc::new(DockerState::default()) };
        let control = RunControl {
            run: RunId(format!("run-{}", slot.as_second())),
            started: slot,
            cancel: CancellationToken::new(),
            progress: Arc::new(Progress::default()),
        };
        self.executor.execute(work, control).await
    }
}

fn told(outcomes: &[Outcome]) -> Vec<(&str, RunResult, bool)> {
    let copied = |outcome: &Outcome| outcome.message.contains("copied from the repository near");
    outcomes.iter().map(|outcome| (outcome.repository.as_str(), outcome.result, copied(outcome))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_is_filled_from_the_snapshot_on_this_host() {
    let world = tokio::task::spawn_blocking(world).await.unwrap();
    let lab = &world.place.lab;
    lab.write("a", noise(30 << 20));
    lab.write("b/c", "c");
    let outcomes = world.backup(&["offsite", "near"], 0).await;
    assert_eq!(
        told(&outcomes),
        [("offsite", RunResult::Success, true), ("near", RunResult::Success, false)],
        "{outcomes:#?}"
    );
    let [offsite, near] = [0, 1].map(|nth: usize| outcomes[nth].snapshot.clone().unwrap());
    assert_eq!((offsite.files, offsite.bytes, offsite.slot), (near.files, near.bytes, near.slot));
    assert_eq!(offsite.source, near.source, "it is the policy's own");
    assert_eq!(offsite.run.as_ref(), Some(&outcomes[0].run));
    world.place.check();
    let target = lab.dir.path().join("restored");
    world.place.restic(&["restore", &offsite.id, "--target", target.to_str().unwrap()]);
    assert_eq!(differences(&lab.volume(), &target.join("volume")), Vec::<String>::new());

    // Only the bucket is due, as after a night without network: what the disk has of the slot is what comes there.
    std::fs::remove_file(lab.volume().join("a")).unwrap();
    let outcomes = world.backup(&["near"], 1).await;
    assert_eq!(told(&outcomes), [("near", RunResult::Success, false)]);
    lab.write("later", "later");
    let outcomes = world.backup(&["offsite"], 1).await;
    assert_eq!(told(&outcomes), [("offsite", RunResult::Success, true)]);
    assert_eq!(outcomes[0].snapshot.as_ref().unwrap().files, 1, "of the slot, and not of now");
    assert!(outcomes[0].snapshot.as_ref().unwrap().added_bytes < 1 << 20, "{outcomes:?}");

    // Nothing of the slot on this host: the source is read.
    let outcomes = world.backup(&["offsite"], 2).await;
    assert_eq!(told(&outcomes), [("offsite", RunResult::Success, false)], "{outcomes:#?}");
    world.place.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_with_holes_is_not_copied() {
    let world = tokio::task::spawn_blocking(world).await.unwrap();
    world.place.lab.write("a", noise(30 << 20));
    assert_eq!(world.backup(&["near"], 0).await[0].result, RunResult::Success);
    let index = world.place.lab.dir.path().join("near/index");
    let data = world.place.lab.dir.path().join("near/data");
    let largest = std::fs::read_dir(&data)
        .unwrap()
        .flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap())
        .max_by_key(|file| file.as_ref().unwrap().metadata().unwrap().len());
    std::fs::remove_file(largest.unwrap().unwrap().path()).unwrap();
    assert!(index.exists());
    let outcomes = world.backup(&["offsite"], 0).await;
    assert_eq!(told(&outcomes), [("offsite", RunResult::Failure, false)], "{outcomes:#?}");
    assert!(world.place.keys("snapshots").is_empty());
    drop(world.registry);
}
