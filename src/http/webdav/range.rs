//! Which part of a file is asked for: RFC 9110, section 14.

/// What a `Range` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it, or something that is not understood, which means the same.
    All,
    /// From the first number to before the second.
    Part(u64, u64),
    /// A part that is not there.
    Nothing,
}

/// What it asks for of a file of this size. Of several parts, which nobody needs here, all is given.
pub(super) fn parse(text: &str, size: u64) -> Asked {
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|part| part.split_once('-')) else {
        return Asked::All;
    };
    let (from, to) = (from.trim(), to.trim());
    match (from.is_empty(), from.parse::<u64>(), to.parse::<u64>()) {
        // The last so many.
        (true, _, Ok(0)) => Asked::Nothing,
        (true, _, Ok(_)) if size == 0 => Asked::Nothing,
        (true, _, Ok(last)) => Asked::Part(size.saturating_sub(last), size),
        (false, Ok(from), Ok(to)) if from <= to => part(from, to.saturating_add(1).min(size), size),
        (false, Ok(from), Err(_)) if to.is_empty() => part(from, size, size),
        _ => Asked::All,
    }
}

const fn part(from: u64, to: u64, size: u64) -> Asked {
    if from < size { Asked::Part(from, to) } else { Asked::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_written() {
        for (text, wanted) in [
            ("bytes=0-0", Asked::Part(0, 1)),
            ("bytes=2-5", Asked::Part(2, 6)),
            ("bytes=5-", Asked::Part(5, 10)),
            ("bytes=5-99", Asked::Part(5, 10)),
            ("bytes=-3", Asked::Part(7, 10)),
            ("bytes=-99", Asked::Part(0, 10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::All),
            ("bytes=0-1,4-5", Asked::All),
            ("bytes=x-", Asked::All),
            ("bytes=0-99999999999999999999999", Asked::All),
            ("lines=0-1", Asked::All),
        ] {
            assert_eq!(parse(text, 10), wanted, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Nothing);
    }
}
