//! IANA time zones by name.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The table that is built into the binary: equal input gives equal slots on every host, whatever it has installed.
static TABLE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How alike two names must be, from 0 to 1, for one to be offered in place of the other.
const ALIKE: f64 = 0.75;

/// The zone with this name, in any case.
///
/// # Errors
/// A sentence that says what is wrong with the name, and the nearest one that exists.
pub(super) fn find(name: &str) -> Result<TimeZone, String> {
    if let Some(zone) = TABLE.get(name).ok().filter(|zone| !zone.is_unknown()) {
        return Ok(zone);
    }
    Err(match nearest(name) {
        Some(near) => format!("there is no time zone `{name}`; did you mean `{near}`?"),
        None => format!("there is no time zone `{name}`; write an IANA name such as `Europe/Berlin` or `UTC`"),
    })
}

/// The name that is most like the given one, as a whole or in its last part: `Jerusalem` is near `Asia/Jerusalem`.
fn nearest(name: &str) -> Option<String> {
    // `UTC+2` is like several names, and none of them means it.
    if name.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let wanted = name.to_lowercase().replace(' ', "_");
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let place = candidate.rsplit('/').next().unwrap_or_default();
        let place_wanted = wanted.rsplit('/').next().unwrap_or_default();
        let whole = strsim::normalized_damerau_levenshtein(&wanted, &candidate);
        // A place under the wrong continent is found too, after every whole name that is as much alike.
        whole.max(strsim::normalized_damerau_levenshtein(place_wanted, place) - 0.01)
    };
    TABLE
        .available()
        .map(|candidate| (likeness(candidate.as_str()), candidate.as_str().to_owned()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        // Of equals the first in the alphabet, so that the answer is always the same.
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(&a.1)))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Asia/Jerusalem", "Asia/Jerusalem")]
    #[case("asia/jerusalem", "Asia/Jerusalem")]
    #[case("utc", "UTC")]
    fn a_name_is_found_in_any_case(#[case] name: &str, #[case] canonical: &str) {
        assert_eq!(find(name).unwrap().iana_name(), Some(canonical));
    }

    #[rstest]
    #[case("Asia/Jerusalm", Some("Asia/Jerusalem"))]
    #[case("Jerusalem", Some("Asia/Jerusalem"))]
    #[case("Europe/Tel Aviv", Some("Asia/Tel_Aviv"))]
    #[case("America/NewYork", Some("America/New_York"))]
    #[case("UTC+2", None)]
    #[case("Mars/Olympus", None)]
    #[case("", None)]
    #[case("Etc/Unknown", None)]
    fn the_nearest_name_is_offered(#[case] name: &str, #[case] near: Option<&str>) {
        let message = find(name).unwrap_err();
        assert!(message.starts_with(&format!("there is no time zone `{name}`; ")), "{message}");
        match near {
            Some(near) => assert!(message.ends_with(&format!("did you mean `{near}`?")), "{message}"),
            None => assert!(message.ends_with("such as `Europe/Berlin` or `UTC`"), "{message}"),
        }
    }
}
