//! How a learner calls this program: `checker`, or `cargo checker`. A command that
//! a message names is copied and pasted, so it has to be the one that works here.

use std::borrow::Cow;
use std::ffi::OsString;

/// What the alias in `.cargo/config.toml` puts before the learner's own words.
/// The environment would not do: `cargo test` sets what `cargo run` sets.
const THROUGH_CARGO: &str = "--through-cargo";

/// How this program is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Call {
    /// `checker …`: it is installed.
    #[default]
    Checker,
    /// `cargo checker …`: cargo's alias of a checkout.
    CargoChecker,
}

impl Call {
    /// How this process was called.
    pub fn of_this_process() -> Self {
        match std::env::args_os().nth(1) {
            Some(first) if first == THROUGH_CARGO => Self::CargoChecker,
            _ => Self::Checker,
        }
    }

    /// The words of this process, less the one that the alias has added.
    pub fn arguments(self) -> Vec<OsString> {
        let mut all: Vec<_> = std::env::args_os().collect();
        if self == Self::CargoChecker {
            all.remove(1);
        }
        all
    }

    /// What a learner types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checker => "checker",
            Self::CargoChecker => "cargo checker",
        }
    }

    /// `text` with its commands as this learner types them. A command stands at
    /// the start of a line, or after a backtick.
    pub fn spell(self, text: &str) -> Cow<'_, str> {
        if self == Self::Checker || !text.contains("checker") {
            return Cow::Borrowed(text);
        }
        let mut spelt = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some(at) = rest.find("checker") {
            let (before, found) = rest.split_at(at);
            spelt += before;
            let after = &found["checker".len()..];
            let starts = spelt.ends_with('`')
                || spelt.trim_end_matches(' ').is_empty()
                || spelt.trim_end_matches(' ').ends_with('\n');
            let ends = after.starts_with([' ', '`', '\n']) || after.is_empty();
            spelt += if starts && ends {
                self.name()
            } else {
                "checker"
            };
            rest = after;
        }
        spelt += rest;
        Cow::Owned(spelt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_spelt_as_they_are_typed_and_nothing_else_is() {
        let text = "checker explain hung\n  checker list\nUse `checker`, `checker hint ex01` or \
                    `cargo checker man`; this checker cannot, the checker does, checker/src.";
        assert_eq!(Call::Checker.spell(text), text);
        assert_eq!(
            Call::CargoChecker.spell(text),
            "cargo checker explain hung\n  cargo checker list\nUse `cargo checker`, \
             `cargo checker hint ex01` or `cargo checker man`; this checker cannot, the checker \
             does, checker/src."
        );
    }

    #[test]
    fn the_alias_of_a_checkout_says_that_it_is_one() {
        let config = include_str!("../../.cargo/config.toml");
        assert!(
            config.contains(&format!("-- {THROUGH_CARGO}\"")),
            "{config}"
        );
    }
}
