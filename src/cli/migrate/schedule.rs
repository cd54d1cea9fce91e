//! The cron dialect of docker-volume-backup, which has seconds, `?` and `@every`, in that of policies.

use crate::policy::quantity;
use crate::policy::{Rule, Schedule};
use std::time::Duration;

/// A schedule as a policy writes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The flow map, without its braces.
    pub text: String,
    /// What is other than it was, as a sentence.
    pub differs: Option<String>,
    /// Whether it was one that never comes, which is how runs by hand alone are configured.
    pub never: bool,
}

/// An expression of the zone.
pub(super) fn convert(cron: &str, zone: &str) -> Written {
    let written = |text: String, differs: Option<String>| Written { text, differs, never: false };
    let cron = cron.trim().trim_matches('"');
    if let Some(every) = cron.strip_prefix("@every ") {
        let whole = quantity::parse(every.trim()).ok().filter(|every| *every >= Duration::from_mins(1));
        return match whole {
            Some(every) => written(format!("every: {}", quantity::display(every)), None),
            None => daily(cron, zone),
        };
    }
    let mut fields: Vec<&str> = cron.split_whitespace().collect();
    let mut differs = None;
    if fields.len() == 6 {
        let second = fields.remove(0);
        if second != "0" {
            differs = Some(format!("`{cron}` begins with seconds, which schedules here do not have"));
        }
    }
    let fields: Vec<String> = fields.iter().map(|field| field.replace('?', "*")).collect();
    let plain = fields.join(" ");
    match Schedule::new(Rule::Cron(plain.clone()), zone, Duration::ZERO, None) {
        Ok(_) => written(format!("cron: {}, timeZone: {zone}", super::write::quoted(&plain)), differs),
        Err(_) => daily(cron, zone),
    }
}

fn daily(cron: &str, zone: &str) -> Written {
    Written {
        text: format!("cron: \"@daily\", timeZone: {zone}"),
        differs: Some(format!(
            "`{cron}` is no schedule here, or one that never comes: the policy is suspended until you write one"
        )),
        never: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_say_the_same_in_the_other_dialect() {
        for (cron, text) in [
            ("@daily", "cron: \"@daily\", timeZone: UTC"),
            ("0 2 * * *", "cron: \"0 2 * * *\", timeZone: UTC"),
            ("0 0 2 ? * SUN", "cron: \"0 2 * * SUN\", timeZone: UTC"),
            ("\"*/15 * * * *\"", "cron: \"*/15 * * * *\", timeZone: UTC"),
            ("@every 1h30m", "every: 1h30m"),
            ("@every 24h", "every: 1d"),
        ] {
            assert_eq!(convert(cron, "UTC"), Written { text: text.to_owned(), differs: None, never: false }, "{cron}");
        }
        assert!(convert("30 0 2 * * *", "UTC").differs.unwrap().contains("seconds"));
        for never in ["0 0 5 31 2 ?", "@every 10s", "nonsense"] {
            assert!(convert(never, "UTC").never, "{never}");
        }
    }
}
