//! Colour, where a person looks at the output.

use super::global::Colour;
use std::io::IsTerminal;

/// Whether output carries ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style(pub bool);

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// In order.
    Good,
    /// Not in order.
    Bad,
    /// Not known, or wants attention.
    Doubt,
    /// Of little interest.
    Dim,
    /// A heading.
    Bold,
}

impl Style {
    /// No colour.
    pub const PLAIN: Self = Self(false);

    /// Follows `--color`; `auto` means that the stream is a terminal which knows colours and `NO_COLOR` is not set.
    #[must_use]
    pub fn for_stream(choice: Colour, stream: &impl IsTerminal) -> Self {
        Self(match choice {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
                stream.is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
            }
        })
    }

    /// The text in the tone's colour.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Doubt => 33,
            Tone::Dim => 2,
            Tone::Bold => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
