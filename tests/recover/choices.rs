//! What a person may choose, and what is never overwritten.

use crate::scene::Lost;
use crate::support::engine::Engine;
use crate::support::operator::{Host, Tmpfs};
use std::fs;

#[test]
fn what_is_there_stays_and_one_policy_comes_alone() {
    let lost = Lost::new();
    lost.lose();
    let engine = Engine::private();
    let host = Host::unnamed(&engine);
    let [db, files] = lost.volumes();

    // One volume by its name.
    lost.recover(&host, &["--yes", "--volume", "*_d?"]).ok();
    let volumes = || engine.docker(&["volume", "ls", "--quiet"]);
    assert_eq!(volumes(), db);
    assert!(!lost.env().exists(), "paths were left out");

    // Somebody has begun with the other volume, the `.env` and a policy.
    engine.volume_named(&files, &[], &[]);
    fs::write(engine.mountpoint(&files).join("new"), "mine").unwrap();
    fs::write(lost.env(), "SECRET=new\n").unwrap();
    host.write("redis.yaml", "# mine\n");
    let policy = host.policies().join("files.yaml");
    let text = fs::read_to_string(&policy).unwrap().replace("high", "low");
    fs::write(&policy, &text).unwrap();
    let said = lost.recover(&host, &["--yes"]);
    assert_eq!(said.code, 3, "{said:#?}");
    assert!(said.out.contains("left alone: holds something else"), "{said:#?}");
    assert!(said.err.contains("another version of it is there, and stays"), "{said:#?}");
    assert_eq!(fs::read_to_string(engine.mountpoint(&files).join("new")).unwrap(), "mine");
    assert_eq!(fs::read_dir(engine.mountpoint(&files)).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(lost.env()).unwrap(), "SECRET=new\n");
    assert_eq!(fs::read_to_string(&policy).unwrap(), text);
    assert_eq!(fs::read_to_string(host.policies().join("redis.yaml")).unwrap(), "# mine\n");

    // What it offers replaces it after all.
    host.seawall(&["restore", "files", "--source", &files, "--yes"]).ok();
    assert_eq!(lost.differences(&engine), "");
}

#[test]
fn what_is_equal_is_taken_for_recovered_without_any_history() {
    let lost = Lost::new();
    lost.lose();
    // A rescued disk is best mounted so that nothing is written to it.
    let _sealed = Tmpfs::sealed(&lost.repository());
    let engine = Engine::private();
    let first = Host::unnamed(&engine);
    lost.recover(&first, &["--yes"]).ok();
    let other = Host::unnamed(&engine);
    let said = lost.recover(&other, &["--yes"]).ok();
    assert_eq!(said.matches("is there, and equal to the snapshot").count(), 3, "{said}");
}

#[test]
fn what_stands_in_the_way_is_told_before_anything_is_done() {
    let lost = Lost::new();
    lost.lose();
    let engine = Engine::shared();
    let host = Host::unnamed(&engine);
    let key = host.path("wrong");
    fs::write(&key, "not the key\n").unwrap();
    let (repository, key) = (lost.repository(), key.to_str().unwrap().to_owned());
    let repository = repository.to_str().unwrap();
    for (args, wanted) in [
        (vec!["--repository", "/nowhere", "--key-file", &key], "There is no repository at /nowhere"),
        (vec!["--repository", "nowhere", "--key-file", &key], "write an absolute path"),
        (vec!["--repository", repository, "--key-file", &key], "key"),
        (vec!["--repository", repository], "--key-file"),
        (vec!["--repository", repository, "--password-env", "NO_SUCH"], "NO_SUCH is not set"),
    ] {
        let said = host.seawall(&[&["recover", "--yes"], args.as_slice()].concat());
        assert!(said.code != 0 && said.err.contains(wanted), "{wanted}: {said:#?}");
        assert!(!said.err.contains("not the key\n"), "{said:#?}");
    }
    let named = lost.recover(&host, &["--yes", "--host", "another"]);
    assert!(named.err.contains("no snapshot of a host another; it has those of testhost"), "{named:#?}");
    assert!(!host.state().exists(), "nothing was written");

    // A first start has made a key of its own.
    fs::create_dir_all(host.state().join("keys")).unwrap();
    fs::write(host.state().join("keys/default.key"), "0123\n").unwrap();
    let other = lost.recover(&host, &["--yes"]);
    assert!(other.code == 1 && other.err.contains("holds another key"), "{other:#?}");
    assert_eq!(fs::read_dir(host.policies()).unwrap().count(), 0);
}
