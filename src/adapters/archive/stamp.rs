//! When an archive was made, by its name.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Why a name does not say when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTime {
    /// It has no time in it.
    #[error("its name has no time such as 20260123_140530 or 2026-01-23T14-05-30")]
    None,
    /// It has several.
    #[error("its name has several times in it")]
    Several,
}

/// The time in a file's name: `n8n_data_20260123_140530.tar.gz`, `backup-2026-01-23T14-05-30.tar.gz`. A `Z` or an offset
/// behind it counts; without one it is a time of day in `zone`. One that the clock there showed twice is the first; one
/// that it skipped is as much later as it was put forward.
///
/// # Errors
/// There is none, or more than one.
pub fn time_of(name: &str, zone: &TimeZone) -> Result<Timestamp, NoTime> {
    let bytes = name.as_bytes();
    let mut found: Vec<Timestamp> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        // In the middle of a number nothing begins.
        let inside = at > 0 && bytes[at - 1].is_ascii_digit();
        match (!inside).then(|| civil(&bytes[at..])).flatten() {
            Some((civil, length)) => {
                let zone = if bytes.get(at + length) == Some(&b'Z') { &TimeZone::UTC } else { zone };
                found.extend(zone.to_ambiguous_zoned(civil).compatible().map(|zoned| zoned.timestamp()));
                at += length;
            }
            None => at += 1,
        }
    }
    found.dedup();
    match found.as_slice() {
        [] => Err(NoTime::None),
        [one] => Ok(*one),
        _ => Err(NoTime::Several),
    }
}

/// A date and a time at the beginning, and how many bytes they are.
fn civil(text: &[u8]) -> Option<(DateTime, usize)> {
    let (date, mut at) = three(text, b"-", 4)?;
    if matches!(text.get(at), Some(b'_' | b'-' | b'T' | b't' | b' ' | b'.')) {
        at += 1;
    }
    let (time, length) = three(&text[at..], b"-_:.", 2)?;
    let end = at + length;
    if text.get(end).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let small = |n: u16| i8::try_from(n).ok();
    let date = Date::new(i16::try_from(date[0]).ok()?, small(date[1])?, small(date[2])?).ok()?;
    let time = Time::new(small(time[0])?, small(time[1])?, small(time[2])?, 0).ok()?;
    Some((date.to_datetime(time), end))
}

/// Three numbers, the first of so many digits and the others of two, with or without one of the separators in between.
fn three(text: &[u8], separators: &[u8], first: usize) -> Option<([u16; 3], usize)> {
    let (mut numbers, mut at) = ([0; 3], 0);
    for (nth, digits) in [first, 2, 2].into_iter().enumerate() {
        if nth > 0 && text.get(at).is_some_and(|byte| separators.contains(byte)) {
            at += 1;
        }
        let part = text.get(at..at + digits).filter(|part| part.iter().all(u8::is_ascii_digit))?;
        numbers[nth] = part.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        at += digits;
    }
    Some((numbers, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_time() {
        let zone = TimeZone::get("Asia/Jerusalem").unwrap();
        for (name, time) in [
            ("n8n_data_20260123_140530.tar.gz", "2026-01-23T12:05:30Z"),
            ("backup-2026-01-23T14-05-30.tar.gz", "2026-01-23T12:05:30Z"),
            ("backup-2026-01-23T14-05-30Z.tar.gz", "2026-01-23T14:05:30Z"),
            ("2026-07-01_14.05.30-n8n.tgz.enc", "2026-07-01T11:05:30Z"),
            ("x20260123140530.tar", "2026-01-23T12:05:30Z"),
            ("v2_n8n_20260123-140530.tar.zst", "2026-01-23T12:05:30Z"),
            // Skipped by the clock on that day, and shown twice.
            ("a_20260327_023000.tar", "2026-03-27T00:30:00Z"),
            ("a_20261025_013000.tar", "2026-10-24T22:30:00Z"),
        ] {
            assert_eq!(time_of(name, &zone).map(|t| t.to_string()).as_deref(), Ok(time), "{name}");
        }
        for name in
            ["n8n.tar.gz", "n8n_20260123.tar.gz", "a_20261323_140530.tar", "a_20260123_256199.tar", "1202601231405301"]
        {
            assert_eq!(time_of(name, &zone), Err(NoTime::None), "{name}");
        }
        assert_eq!(time_of("20260123_140530-20260124_140530.tar", &zone), Err(NoTime::Several));
    }
}
