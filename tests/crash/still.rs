//! What is read while the application stands still belongs together.

use crate::host::{Host, text};
use sha2::{Digest, Sha256};

/// Appends a record to one file and then to another, for ever. Between the two, in the order in which a backup
/// reads, lies something that takes a while.
const WRITER: &str = "i=0; while :; do i=$((i+1)); s=$(echo $i | /bin/busybox sha256sum | /bin/busybox cut -c1-64); \
                      echo $i $s >>/data/a; echo $i $s >>/data/z; done";

fn a_snapshot_verifies(quiesce: &str) {
    let host = Host::new();
    let app = host.app_with(&["--stop-timeout=1"], &["sh", "-c", WRITER]);
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(64 << 20).collect();
    std::fs::write(host.engine.mountpoint(&host.volume).join("m"), noise).unwrap();
    host.policy("p", quiesce, false);
    for _ in 0..2 {
        let output = host.backup("p");
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(host.status(&app), "running");
        let dump = |file: &str| {
            let output = host.restic(&["dump", "latest", &format!("/{}/{file}", host.volume)]);
            assert!(output.status.success(), "{}", text(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let (first, second) = (dump("a"), dump("z"));
        let (first, second): (Vec<_>, Vec<_>) = (first.lines().collect(), second.lines().collect());
        assert!(!first.is_empty());
        let behind = first.len().checked_sub(second.len());
        assert!(matches!(behind, Some(0 | 1)), "{} and {} records", first.len(), second.len());
        assert_eq!(first[..second.len()], second[..]);
        for line in first {
            let mut words = line.split(' ');
            let (number, sum) = (words.next().unwrap(), words.next().unwrap_or_default());
            assert_eq!(hex::encode(Sha256::digest(format!("{number}\n"))), sum, "record {number}");
        }
    }
}

#[test]
fn while_it_is_paused() {
    a_snapshot_verifies("mode: pause");
}

#[test]
fn while_it_is_stopped() {
    a_snapshot_verifies("mode: stop");
}

/// The counter-proof: what stands still for nobody does not verify, and its snapshot says so.
#[test]
fn without_a_window_a_changing_file_makes_the_snapshot_partial() {
    let host = Host::new();
    host.app_with(&["--stop-timeout=1"], &["sh", "-c", "while :; do echo more >>/data/log; done"]);
    host.policy("p", "mode: none", false);
    host.until("a backup in which it is seen", || {
        let output = host.backup("p");
        text(&output).contains("partial")
    });
}
