//! Errors as the person sees them: what, because of what, and what to do.

use super::output::Lines;
use super::style::{Style, Tone};
use crate::policy::nearest;
use std::fmt;

/// An error that knows what to do about it.
#[derive(Debug)]
pub struct Advice {
    what: String,
    help: String,
}

impl Advice {
    /// `what` is a sentence without a full stop; `help` begins with a verb.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Advice {}

/// There is no such thing; names the nearest one, or the command that lists them.
#[must_use]
pub fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>, list: &str) -> Advice {
    let what = format!("there is no {kind} `{name}`");
    match nearest(name, known.into_iter()) {
        Some(near) => Advice::new(what, format!("did you mean `{near}`?")),
        None => Advice::new(what, format!("see `{list}`")),
    }
}

/// The error with its causes, and what to do where that is known.
#[must_use]
pub fn render(error: &anyhow::Error, style: Style) -> String {
    let mut text = String::new();
    text.line(format!("{} {error}", style.paint(Tone::Bad, "error:")));
    for cause in error.chain().skip(1) {
        text.line(format!("  caused by: {cause}"));
    }
    if let Some(advice) = error.chain().find_map(|cause| cause.downcast_ref::<Advice>()) {
        text.line(format!("{} {}", style.paint(Tone::Good, "help:"), advice.help));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn names_the_nearest_and_only_a_near_one() {
        let help = |name| unknown("policy", name, ["n8n-data", "whatsapp-auth"], "seawall get policies").help;
        assert_eq!(help("n8n-dta"), "did you mean `n8n-data`?");
        assert_eq!(help("postgres"), "see `seawall get policies`");
    }

    #[test]
    fn prints_causes_and_the_advice_of_the_innermost() {
        let error = anyhow::Error::from(Advice::new("no key", "make one")).context("cannot open").context("cannot run");
        assert_eq!(
            render(&error, Style::PLAIN),
            "error: cannot run\n  caused by: cannot open\n  caused by: no key\nhelp: make one\n"
        );
        let plain = Err::<(), _>(std::io::Error::other("full")).context("cannot write").unwrap_err();
        assert_eq!(render(&plain, Style::PLAIN), "error: cannot write\n  caused by: full\n");
    }
}
