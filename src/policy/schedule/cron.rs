//! Five-field cron as text.
//!
//! The dialect is that of crontab(5): lists, ranges, steps after `*` or a range, names of months and weekdays, 7 for
//! Sunday, the `@` forms. When both day fields are restricted a date has to meet only one of them; a field that
//! starts with `*` counts as unrestricted for this rule, and then a date has to meet both.

use super::pattern::Pattern;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// What one of the five fields may hold.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on, of which the first three letters are written.
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field { name: "month", min: 1, max: 12, names: &MONTHS };
const WEEKDAY: Field = Field { name: "day of the week", min: 0, max: 7, names: &WEEKDAYS };

/// Reads an expression.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead.
pub(super) fn parse(text: &str) -> Result<Pattern, String> {
    let text = text.trim();
    let expanded = if text.starts_with('@') { nickname(text)? } else { text };
    let fields: Vec<&str> = expanded.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else { return Err(miscounted(&fields)) };
    let weekdays = WEEKDAY.parse(weekday)?;
    let pattern = Pattern {
        minutes: MINUTE.parse(minute)?,
        hours: HOUR.parse(hour)?,
        days: DAY.parse(day)?,
        months: MONTH.parse(month)?,
        // Sunday is both 0 and 7.
        weekdays: (weekdays | weekdays >> 7) & 0x7f,
        either_day: !day.starts_with('*') && !weekday.starts_with('*'),
    };
    if pattern.has_date() {
        Ok(pattern)
    } else {
        let months = (1u32..).zip(MONTHS).filter(|(number, _)| pattern.months >> number & 1 == 1);
        let months = months.map(|(_, name)| name).collect::<Vec<_>>().join(" or ");
        Err(format!("`{text}` never comes: there is no such date as {} {months}", pattern.days.trailing_zeros()))
    }
}

fn nickname(text: &str) -> Result<&'static str, String> {
    let word = text.to_lowercase();
    if let Some((_, expanded)) = NICKNAMES.iter().find(|(name, _)| *name == word) {
        return Ok(expanded);
    }
    let known = NICKNAMES.map(|(name, _)| name).join(", ");
    Err(match word.as_str() {
        "@reboot" => {
            "`@reboot` names no instant; write a schedule, and a missed slot is caught up after a restart".into()
        }
        w if w.starts_with("@every ") => {
            format!("`{text}` is written `every: {}` in place of `cron`", text[7..].trim())
        }
        _ => format!("`{text}` is not known; the short forms are {known}"),
    })
}

fn miscounted(fields: &[&str]) -> String {
    match fields {
        [] => {
            "the expression is empty; write five fields: minute, hour, day of the month, month, day of the week".into()
        }
        [first, ..] if first.contains('=') => {
            format!("`{first}` does not belong here; the time zone has a field of its own, `timeZone`")
        }
        [_, rest @ ..] if rest.len() == 5 || rest.len() == 6 => format!(
            "{} fields are one or two too many: there are neither seconds nor years here; with seconds first, leave \
             them out: `{}`",
            fields.len(),
            rest[..5].join(" ")
        ),
        _ => format!(
            "five fields are needed (minute, hour, day of the month, month, day of the week), not {}",
            fields.len()
        ),
    }
}

impl Field {
    /// The values that a field names, one bit each.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }

    /// `*`, a value or a range, with an optional step after `*` or a range.
    fn item(&self, item: &str) -> Result<u64, String> {
        if item == "?" {
            return Err(format!("`?` in the {} is another dialect; write `*`", self.name));
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (first, last) = if range == "*" {
            (self.min, self.last())
        } else if let Some((first, last)) = range.split_once('-') {
            // `FRI-SUN` ends with the Sunday that is 7.
            let until_sunday = self.max == 7 && last.eq_ignore_ascii_case("SUN");
            (self.value(first)?, if until_sunday { 7 } else { self.value(last)? })
        } else {
            let value = self.value(range)?;
            if let Some(step) = step {
                let (name, last) = (self.name, self.last());
                return Err(format!("`{item}` in the {name}: a step needs a range; write `{range}-{last}/{step}`"));
            }
            (value, value)
        };
        if first > last {
            return Err(format!(
                "the range `{range}` in the {} runs backwards; write it as two with a comma between them",
                self.name
            ));
        }
        let step = step.map_or(Ok(1), |step| self.step(item, step, last - first))?;
        Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    /// The last of all different values: Saturday in the week, since 7 is Sunday again.
    const fn last(&self) -> u32 {
        if self.max == 7 { 6 } else { self.max }
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        if let Some((value, _)) = (self.min..).zip(self.names).find(|(_, name)| name[..3].eq_ignore_ascii_case(text)) {
            return Ok(value);
        }
        let digits = text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        if let Some(value) = text.parse().ok().filter(|value| digits && (self.min..=self.max).contains(value)) {
            return Ok(value);
        }
        let named = match self.names {
            [first, .., last] => format!(" or {} to {}", &first[..3].to_uppercase(), &last[..3].to_uppercase()),
            _ => String::new(),
        };
        let letters = text.trim_start_matches(|c: char| c.is_ascii_digit()).to_uppercase();
        let dialect = if text.contains('#') || ["L", "W", "LW", "H"].contains(&letters.as_str()) {
            "; `L`, `W`, `#` and `H` belong to other dialects of cron"
        } else {
            ""
        };
        Err(format!("the {} `{text}` is not {} to {}{named}{dialect}", self.name, self.min, self.max))
    }

    fn step(&self, item: &str, step: &str, span: u32) -> Result<usize, String> {
        let wrong = |why: &str| Err(format!("the step of `{item}` in the {} {why}", self.name));
        match step.parse::<u32>() {
            Ok(0) => wrong("is 0; it has to be 1 or more"),
            Ok(step) if step > span && span > 0 => wrong(
                "is larger than the range, so that it would do nothing; for an interval write `every:` in place of `cron`",
            ),
            Ok(step) => Ok(step as usize),
            Err(_) => wrong("is not a number"),
        }
    }
}
