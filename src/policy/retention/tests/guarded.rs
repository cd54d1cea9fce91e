//! The shrink guard by example.

use super::*;
use rstest::rstest;

fn held(rule: &Retention, snapshots: &[Candidate]) -> Option<String> {
    guard(&evaluate(Some(rule), snapshots.to_vec(), "UTC", now()), &rule.guard, "n8n-data/vol in default")
        .map(|h| h.message)
}

fn keep_last(last: u32, max_delete_percent: u8, acknowledge: Option<&str>) -> Retention {
    Retention { last, guard: Guard { max_delete_percent, acknowledge: acknowledge.map(str::to_owned) }, ..NONE }
}

#[rstest]
// As much as is said, and one more.
#[case(10, 5, 50, false)]
#[case(10, 4, 50, true)]
#[case(3, 1, 50, true)]
#[case(10, 8, 10, true)]
#[case(10, 1, 100, false)]
// One for another, however few there are.
#[case(2, 1, 50, false)]
#[case(2, 1, 1, false)]
#[case(3, 2, 10, false)]
#[case(2, 1, 0, true)]
#[case(2, 2, 0, false)]
fn too_large_a_share_waits(#[case] all: u32, #[case] last: u32, #[case] percent: u8, #[case] waits: bool) {
    assert_eq!(held(&keep_last(last, percent, None), &november(all)).is_some(), waits);
}

#[test]
fn a_partial_one_may_go_with_the_one_that_is_replaced() {
    let mut snapshots = november(3);
    snapshots[1].complete = false;
    assert_eq!(held(&keep_last(1, 50, None), &snapshots), None);
    // A long row of partial ones is history too, and does not go at once when a complete one comes.
    let mut snapshots = november(10);
    snapshots[1..9].iter_mut().for_each(|s| s.complete = false);
    assert!(held(&keep_last(2, 50, None), &snapshots).is_some());
}

#[test]
fn the_message_says_what_to_write() {
    let message = held(&keep_last(3, 50, None), &november(12)).unwrap();
    assert_eq!(
        message,
        "9 of 12 snapshots of n8n-data/vol in default would be removed, which is 75 % and more than maxDeletePercent: 50 \
         lets go at once; the newest of them is 09aaaaaa of 2026-11-09T02:00:00Z. If that is meant, write \
         `acknowledge: delete-9-until-20261109T020000Z-09aaaaaa` under `retention.guard`; it covers this removal and no \
         later one"
    );
}

const NINE: &str = "delete-9-until-20261109T020000Z-09aaaaaa";

#[test]
fn the_acknowledgement_lets_that_removal_go() {
    assert_eq!(held(&keep_last(3, 50, Some(NINE)), &november(12)), None);
    let several = format!("delete-2-until-20260101T000000Z-ffffffff, {NINE}");
    assert_eq!(held(&keep_last(3, 50, Some(&several)), &november(12)), None);
    // Interrupted: the oldest four have gone already.
    assert_eq!(held(&keep_last(3, 50, Some(NINE)), &november(12)[4..]), None);
}

#[test]
fn time_may_pass_until_it_is_in_force() {
    assert_eq!(held(&keep_last(3, 50, Some(NINE)), &november(14)), None);
    // With nothing allowed unseen, two more are still let through, and a third is not.
    assert_eq!(held(&keep_last(3, 0, Some(NINE)), &november(14)), None);
    assert!(held(&keep_last(3, 0, Some(NINE)), &november(15)).is_some());
}

#[rstest]
#[case::it_was_used(&november(30)[9..])]
#[case::more_than_the_share_beyond_it(&november(30))]
#[case::of_another_source(&november(12).into_iter().map(|s| Candidate { id: format!("b{}", s.id).into(), ..s }).collect::<Vec<_>>())]
#[case::of_another_time(&november(12).into_iter().map(|s| Candidate { time: s.time - SignedDuration::from_secs(1), ..s }).collect::<Vec<_>>())]
fn it_covers_no_other_removal(#[case] snapshots: &[Candidate]) {
    let message = held(&keep_last(3, 50, Some(NINE)), snapshots).unwrap();
    assert!(message.ends_with("(the acknowledgement that is there belongs to another removal)"), "{message}");
}

#[test]
fn it_does_not_cover_more_of_what_is_older() {
    // Nine were to go and months to stay; then somebody takes the months away as well.
    let old: Vec<_> =
        (1..=9).map(|m| complete(&format!("m{m}aaaaaaa"), &format!("2026-{m:02}-01T02:00:00Z"))).collect();
    let snapshots = [old, november(12)].concat();
    let months = Retention { monthly: 12, ..keep_last(3, 30, None) };
    let message = held(&months, &snapshots).unwrap();
    assert!(message.contains(NINE), "{message}");
    let acknowledge = Some(NINE.to_owned());
    let guard = Guard { max_delete_percent: 30, acknowledge };
    assert_eq!(held(&Retention { guard: guard.clone(), ..months }, &snapshots), None);
    assert!(held(&Retention { guard, ..keep_last(3, 30, None) }, &snapshots).is_some());
}

#[rstest]
#[case("yes")]
#[case("delete-until-20261109T020000Z-09aaaaaa")]
#[case("delete--until-20261109T020000Z-09aaaaaa")]
#[case("delete-9-until-20261109T020000Z-")]
#[case("delete-9-until-20261109T020000Z-09")]
#[case("delete-9-until-20261112T020000Z-12aaaaaa")]
#[case(", ,")]
fn anything_else_acknowledges_nothing(#[case] text: &str) {
    assert!(held(&keep_last(3, 50, Some(text)), &november(12)).is_some());
}
