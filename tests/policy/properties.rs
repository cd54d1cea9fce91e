//! Whatever the bytes are: no panic, and every error lies inside the text.

use crate::{POLICY, REPOSITORY, read};
use proptest::prelude::*;
use proptest::sample::Index;

fn holds(bytes: &[u8]) -> Result<(), TestCaseError> {
    let parsed = read(bytes);
    let text = String::from_utf8_lossy(bytes);
    for error in &parsed.errors {
        prop_assert!(!error.message.is_empty() && !error.message.contains(char::is_control), "{error:?}");
        if error.line == 0 {
            prop_assert_eq!(error.column, 0);
            continue;
        }
        let line = text.split('\n').nth(error.line - 1);
        prop_assert!(line.is_some(), "no line {}: {error}", error.line);
        let width = line.unwrap_or_default().chars().count();
        prop_assert!((1..=width + 1).contains(&error.column), "{error} in a line of {width}");
    }
    prop_assert!(!parsed.errors.is_empty() || !text.trim().is_empty());
    Ok(())
}

fn both() -> String {
    format!("{POLICY}---\n{REPOSITORY}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn of_arbitrary_bytes(bytes: Vec<u8>) {
        holds(&bytes)?;
    }

    #[test]
    fn of_arbitrary_text(text in "(?s).*") {
        holds(text.as_bytes())?;
    }

    #[test]
    fn of_what_looks_like_yaml(text in "([-?:,{}\\[\\]&*!|>'\"%@`# \t\r\na0~.]|\u{e4}|---|\\.\\.\\.|: |kind: |spec:\n  ){0,80}") {
        holds(text.as_bytes())?;
        holds(format!("{POLICY}---\n{text}").as_bytes())?;
    }

    #[test]
    fn of_a_policy_with_bytes_changed(changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..5)) {
        let mut bytes = both().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        holds(&bytes)?;
    }

    #[test]
    fn of_a_policy_with_text_put_in(at: Index, text in "\\PC{1,8}|[-:{}\\[\\]\"'#&*!|> \n]{1,4}") {
        let mut whole = both();
        whole.insert_str(at.index(whole.len()), &text);
        holds(whole.as_bytes())?;
    }

    #[test]
    fn of_a_policy_with_lines_lost_doubled_or_moved(changes in prop::collection::vec((any::<Index>(), any::<Index>(), 0..3), 1..4)) {
        let whole = both();
        let mut lines: Vec<&str> = whole.split_inclusive('\n').collect();
        for (at, to, what) in changes {
            let (at, to) = (at.index(lines.len()), to.index(lines.len()));
            match what {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at]),
                _ => lines.swap(at, to),
            }
        }
        holds(lines.concat().as_bytes())?;
    }

    #[test]
    fn of_a_policy_cut_short(at: Index) {
        let whole = both();
        holds(&whole.as_bytes()[..at.index(whole.len())])?;
    }
}
