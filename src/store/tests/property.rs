//! Whatever is done to the directory, in whatever order and haste: in the end the store has noticed.

use super::support::{BROKEN, Running, directory, policies, policy, policy_into, repository, write};
use crate::store::last_known_good::LastKnownGood;
use crate::store::listing::Listing;
use crate::store::load::Loader;
use proptest::prelude::*;
use proptest::sample::select;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    Write(&'static str, String),
    Replace(&'static str, String),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Remove(&'static str),
    RemoveAll,
    Away,
    Back,
    Exchange,
    Rest,
}

const FILES: [&str; 6] = ["a.yaml", "b.yaml", "c.yml", "x/a.yaml", "x/y/b.yaml", ".hidden.yaml"];
const PLACES: [&str; 8] = ["a.yaml", "b.yaml", "c.yml", "x/a.yaml", "x/y", "x", "z", "note.txt"];

fn content() -> impl Strategy<Value = String> {
    let name = || select(vec!["one", "two", "three"]);
    prop_oneof![
        6 => (name(), 1..4u8).prop_map(|(name, hour)| policy(name, hour)),
        2 => (name(), name()).prop_map(|(name, into)| policy_into(name, 1, into)),
        2 => name().prop_map(|name| repository(name, "/mnt/r")),
        1 => (name(), name()).prop_map(|(a, b)| format!("{}---\n{}", policy(a, 1), policy(b, 2))),
        1 => name().prop_map(|name| format!("{}---\n{BROKEN}", policy(name, 3))),
        1 => Just("# nothing\n".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (select(&FILES[..]), content()).prop_map(|(file, text)| Step::Write(file, text)),
        4 => (select(&FILES[..]), content()).prop_map(|(file, text)| Step::Replace(file, text)),
        3 => (select(&PLACES[..]), select(&PLACES[..])).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (select(&PLACES[..]), select(&PLACES[..])).prop_map(|(from, to)| Step::Link(from, to)),
        3 => select(&PLACES[..]).prop_map(Step::Remove),
        1 => Just(Step::RemoveAll),
        1 => Just(Step::Away),
        1 => Just(Step::Back),
        1 => Just(Step::Exchange),
        4 => Just(Step::Rest),
    ]
}

/// Does it, or not if it makes no sense at the moment.
fn take(step: &Step, path: &Path) -> std::io::Result<()> {
    let away = path.with_file_name("away");
    let whole = |name: &str, text: &str| -> std::io::Result<PathBuf> {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap())?;
        fs::write(&file, text)?;
        Ok(file)
    };
    match step {
        Step::Write(name, text) => whole(name, text).map(drop),
        Step::Replace(name, text) => {
            let new = whole(&format!("{name}~"), text)?;
            fs::rename(new, path.join(name))
        }
        Step::Rename(from, to) => fs::rename(path.join(from), path.join(to)),
        Step::Link(to, from) => symlink(path.join(to), path.join(from)),
        Step::Remove(name) => fs::remove_file(path.join(name)).or_else(|_| fs::remove_dir_all(path.join(name))),
        Step::RemoveAll => fs::remove_dir_all(path),
        Step::Away => fs::rename(path, away),
        Step::Back => fs::rename(away, path),
        Step::Exchange => {
            let real = path.with_file_name("real");
            fs::rename(path, &real)?;
            symlink("real", path)
        }
        Step::Rest => {
            std::thread::sleep(Duration::from_millis(60));
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_the_store_has_noticed_everything(steps in prop::collection::vec(step(), 1..25)) {
        let (_keep, path) = directory(&[("a.yaml", &policy("one", 1))]);
        let store = Running::on(&path);
        for step in &steps {
            // What makes no sense at the moment is part of the game.
            drop(take(step, &path));
        }
        store.settles("a single look agrees", |_| true);
        // It has not gone deaf on the way: what is written last is always seen.
        if fs::metadata(&path).is_ok_and(|found| found.is_dir()) {
            write(&path.join("last/last.yaml"), &policy("last", 1));
            store.settles("the last file is seen", |loaded| policies(loaded).contains(&("last", 1)));
        }
    }

    #[test]
    fn a_look_that_trusts_stamps_sees_what_one_sees_that_reads_everything(steps in prop::collection::vec(step(), 1..16)) {
        let (_keep, path) = directory(&[("a.yaml", &policy("one", 1))]);
        let mut trusting = Loader::new(path.clone(), LastKnownGood::default());
        trusting.looker.step = Duration::ZERO;
        let mut reading = Loader::new(path.clone(), LastKnownGood::default());
        for step in &steps {
            drop(take(step, &path));
            // Longer than the steps of the file systems that tests run on.
            std::thread::sleep(Duration::from_millis(20));
            for _ in 0..2 {
                let view = |loader: &mut Loader| {
                    let look = loader.look();
                    let view = loader.decide(&look);
                    (Listing::clone(&look.listing), view.desired, view.files, view.problem)
                };
                reading.looker.forget_readings();
                prop_assert_eq!(view(&mut trusting), view(&mut reading), "after {:?}", step);
            }
        }
    }
}
