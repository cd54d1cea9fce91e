//! Lengths of time as people write them: `15m`, `24h`, `7d`, `1h30m`.

use std::time::Duration;

/// Units, largest first, with their length in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{}` is not a length of time such as 30s, 15m, 24h, 7d or 1h30m", super::finding::short(text));
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last = usize::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let position = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters]).ok_or_else(wrong)?;
        if last != usize::MAX && position <= last {
            return Err(format!("`{}` does not go from larger units to smaller ones", super::finding::short(text)));
        }
        last = position;
        rest = &rest[letters..];
        let part = number.checked_mul(UNITS[position].1);
        total = part
            .and_then(|p| total.checked_add(p))
            .ok_or_else(|| format!("`{}` is too long a time", super::finding::short(text)))?;
    }
    if last == usize::MAX {
        return Err(wrong());
    }
    // A century is longer than anything that is meant, and short enough to be added to any date.
    if total > 100 * 365 * UNITS[1].1 {
        return Err(format!("`{}` is longer than 100 years", super::finding::short(text)));
    }
    Ok(Duration::from_millis(total))
}

/// Writes a length of time so that [`parse`] reads it back: `90m` becomes `1h30m`. Finer than a millisecond is lost.
#[must_use]
pub fn display(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    // Weeks are read and not written: 30d is easier to compare than 4w2d.
    for (unit, length) in &UNITS[1..] {
        if rest >= *length {
            text.push_str(&(rest / length).to_string());
            text.push_str(unit);
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads a size: `512B`, `10MiB`.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];
    let wrong = || format!("`{}` is not a size such as 512B, 10KiB, 10MiB or 2GiB", super::finding::short(text));
    let (digits, shift) =
        UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift))).ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let most = || format!("`{}` is more than any disk holds", super::finding::short(text));
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(most)
}

/// A size: `0 B`, `1.2 GiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    // Tenths in integers, so that 1023.96 KiB becomes 1.0 MiB and not 1024.0 KiB.
    let mut unit = 0;
    let mut tenths = (u128::from(n) * 10 + 512) / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A number of things: `1 file`, `2 files`.
#[must_use]
pub fn count(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [
            ("30s", 30),
            ("15m", 900),
            ("24h", 86_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1h30m", 5_400),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in
            ["", "5", "m", "5 m", "5M", "-5m", "1.5h", "30m1h", "1h1h", "5y", "é5m", "99999999999999999999h", "40000d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [("0B", 0), ("512B", 512), ("10KiB", 10_240), ("10MiB", 10 << 20), ("2TiB", 2 << 40)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "5", "B", "MiB", "1 MiB", "-1B", "1.5GiB", "10MB", "1kib", "99999999TiB", "é1B"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0_u64..1_000_000_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&display(duration)), Ok(duration));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            drop(parse(&text));
        }
    }
}
