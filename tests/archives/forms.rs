//! Every way in which the same tree can be packed gives the same tree.

use crate::desk::{Desk, differences, hard_tree};
use std::fs;

/// What restic cannot give back, or a format not hold.
fn but(lines: &[String], known: &[&str]) -> Vec<String> {
    let known = |line: &&String| known.iter().any(|known| line.contains(known));
    lines.iter().filter(|line| !known(line)).cloned().collect()
}

const OF_RESTIC: &[&str] = &["symlink-one", "symlink-two", "target-not-utf8"];

#[test]
fn a_hard_tree_comes_back_from_pax_with_every_attribute() {
    let desk = Desk::new();
    hard_tree(&desk.work("data"));
    desk.shell(
        "tar --format=pax --xattrs --xattrs-include='*' --acls -czf a_20260101_000000.tar.gz data
         tar --format=pax --sparse-version=1.0 -S --xattrs --xattrs-include='*' --acls -cf b_20260102_000000.tar data
         tar --format=pax --sparse-version=0.1 -S --xattrs --xattrs-include='*' --acls -cf c_20260103_000000.tar data
         tar --format=pax --sparse-version=0.0 -S --xattrs --xattrs-include='*' --acls -cf d_20260104_000000.tar data",
    );
    let files = ["a_20260101_000000.tar.gz", "b_20260102_000000.tar", "c_20260103_000000.tar", "d_20260104_000000.tar"];
    desk.import(&files, &[]).ok();
    for (nth, snapshot) in desk.host.snapshots().iter().enumerate() {
        let lines = differences(&desk.work("data"), &desk.restored(snapshot["short_id"].as_str().unwrap()));
        assert_eq!(but(&lines, OF_RESTIC), Vec::<String>::new(), "{}", files[nth]);
    }
    // By Seawall's own restore, nothing at all is missing; and holes are holes.
    for file in files {
        let to = desk.work(&format!("to-{file}"));
        let (from, to_text) = (desk.work(file).display().to_string(), to.display().to_string());
        desk.host.seawall(&["restore", "p", "--from-archive", &from, "--to", &to_text]).ok();
        assert_eq!(differences(&desk.work("data"), &to), Vec::<String>::new(), "{file}");
        let blocks = desk.shell(&format!("du -s --block-size=1 {to_text} | cut -f1"));
        assert!(blocks.trim().parse::<u64>().unwrap() < 16 << 20, "{file} takes {blocks}");
    }
}

#[test]
fn a_hard_tree_comes_back_from_gnu_tar_in_all_that_it_holds() {
    let desk = Desk::new();
    hard_tree(&desk.work("data"));
    desk.shell(
        "tar --format=gnu -cf a_20260101_000000.tar data
         tar --format=gnu -S -czf b_20260102_000000.tgz data
         tar --format=gnu --zstd -S -cf c_20260103_000000.tar.zst data
         gzip -c a_20260101_000000.tar > /dev/null",
    );
    let files = ["a_20260101_000000.tar", "b_20260102_000000.tgz", "c_20260103_000000.tar.zst"];
    for file in files {
        let to = desk.work(&format!("to-{file}"));
        let from = desk.work(file).display().to_string();
        desk.host.seawall(&["restore", "p", "--from-archive", &from, "--to", to.to_str().unwrap()]).ok();
        let lines = differences(&desk.work("data"), &to);
        assert_eq!(but(&lines, &["mtime", "xattrs"]), Vec::<String>::new(), "{file}");
        let seconds = |at: &std::path::Path| {
            use std::os::unix::fs::MetadataExt;
            fs::symlink_metadata(at).unwrap().mtime()
        };
        for name in ["before", "long-before", "far", "epoch", "nanoseconds"] {
            assert_eq!(
                seconds(&to.join("times").join(name)),
                seconds(&desk.work("data/times").join(name)),
                "{file} {name}"
            );
        }
    }
}

#[test]
fn what_openssl_encrypted_is_read_and_a_wrong_passphrase_told() {
    let desk = Desk::new();
    let data = desk.data("secret");
    // The runbook's own two lines, and lengths around a block of the cipher.
    desk.shell(
        "printf 'hunter2\\nsecond line\\n' > pass
         tar czf - data | openssl enc -aes-256-cbc -pbkdf2 -pass file:pass -out a_20260101_000000.tar.gz.enc
         tar cf - data | openssl enc -aes-256-cbc -pbkdf2 -pass pass:hunter2 -out b_20260102_000000.tar.enc
         tar --zstd -cf - data | openssl enc -aes-256-cbc -pbkdf2 -pass pass:hunter2 -out c_20260103_000000.tar.zst.enc
         head -c 3000 b_20260102_000000.tar.enc > cut_20260104_000000.tar.enc
         head -c 3008 b_20260102_000000.tar.enc > block_20260105_000000.tar.enc
         openssl enc -aes-256-cbc -md md5 -pass pass:hunter2 -in a_20260101_000000.tar.gz.enc -out old_20260106_000000.enc",
    );
    let files = ["a_20260101_000000.tar.gz.enc", "b_20260102_000000.tar.enc", "c_20260103_000000.tar.zst.enc"];
    let pass = desk.work("pass").display().to_string();
    desk.import(&files, &["--passphrase-file", &pass]).ok();
    for snapshot in desk.host.snapshots() {
        assert_eq!(
            differences(&data, &desk.restored(snapshot["short_id"].as_str().unwrap()))
                .iter()
                .filter(|l| !l.contains("mtime"))
                .count(),
            0
        );
    }
    let without = desk.import(&files[..1], &[]);
    assert!(without.code == 1 && without.err.contains("it is encrypted"), "{without:?}");
    for file in ["cut_20260104_000000.tar.enc", "block_20260105_000000.tar.enc", "old_20260106_000000.enc"] {
        let said = desk.import(&[file], &["--passphrase-file", &pass]);
        assert!(said.code == 1 && said.err.contains("nothing was imported"), "{file}: {said:?}");
        assert!(!format!("{said:?}").contains("hunter2"));
    }
    let mut wrong = desk.host.command(&["import", "--policy", "p", "--yes", "--passphrase-env", "PASS"]);
    let wrong =
        crate::support::operator::run(wrong.env("PASS", "hunter3").arg(desk.work("a_20260101_000000.tar.gz.enc")));
    assert!(wrong.code == 1 && wrong.err.contains("the passphrase is another one"), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("hunter3"), "a secret is never printed");
}

#[test]
fn other_things_are_known_for_what_they_are() {
    let desk = Desk::new();
    desk.data("one");
    desk.shell(
        "tar czf a_20260101_000000.tar.gz data; gzip -c a_20260101_000000.tar.gz > twice_20260102_000000.tar.gz
         tar cf - data | bzip2 > b_20260103_000000.tar.gz
         printf 'age-encryption.org/v1\\n' > c_20260104_000000.tar.gz",
    );
    for (file, part) in [
        ("twice_20260102_000000.tar.gz", "gzip within gzip"),
        ("b_20260103_000000.tar.gz", "bunzip2"),
        ("c_20260104_000000.tar.gz", "age --decrypt"),
    ] {
        let said = desk.import(&[file], &[]);
        assert!(said.code == 1 && said.err.contains(part), "{file}: {said:?}");
    }
}
