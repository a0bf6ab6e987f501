//! Makes text of others harmless and honest: whatever would act on the
//! terminal, or hide in it, is shown instead.

use std::fmt::Write as _;

/// `text` with every control character, escape sequence, change of writing
/// direction and zero-width character made visible: `␛[2J`, `⟨U+202E⟩`.
/// Newlines and tabs stay; a carriage return before a newline goes.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => shown.push(c),
            _ => show(c, &mut shown),
        }
    }
    shown
}

/// As [`clean`], except that sequences which only set a foreground colour or a
/// weight stay as they are: for what cargo has rendered. Backgrounds, blinking
/// and concealed text are not among them, for they can hide what is written.
pub fn keep_colours(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, sequence) = rest.split_at(at);
        shown.push_str(&clean(before));
        let kept = colour(sequence).unwrap_or_default();
        if kept.is_empty() {
            show('\u{1b}', &mut shown);
            rest = &sequence[1..];
        } else {
            shown.push_str(kept);
            rest = &sequence[kept.len()..];
        }
    }
    shown.push_str(&clean(rest));
    shown
}

/// As [`clean`], on one line: newlines and tabs are shown as well.
pub(super) fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        show(c, &mut shown);
    }
    shown
}

fn show(c: char, shown: &mut String) {
    match c {
        '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
        '\u{7f}' => shown.push('␡'),
        _ if hides(c) => {
            // Writing to a string cannot fail.
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
        }
        _ => shown.push(c),
    }
}

/// Whether `c` is drawn as nothing, or changes how its neighbours are drawn.
/// Combining accents and the two selectors of emoji style are what people write.
fn hides(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'                       // controls of eight bits
        | '\u{ad}' | '\u{34f}' | '\u{61c}'        // soft hyphen, joiner, Arabic mark
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // letters without ink
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'                 // zero width, left-to-right, right-to-left
        | '\u{2028}'..='\u{202e}'                 // separators, embeddings, overrides
        | '\u{2060}'..='\u{206f}'                 // joiners, isolates, old shaping
        | '\u{fe00}'..='\u{fe0d}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'               // tags, more selectors
    )
}

/// The colour sequence that `text`, which starts with an escape, begins with.
fn colour(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !matches!(c, '0'..='9' | ';'))?;
    (rest[end..].starts_with('m') && only_colours(&rest[..end])).then(|| &text[..end + 3])
}

fn only_colours(codes: &str) -> bool {
    let mut codes = codes.split(';').map(|code| match code {
        "" => Some(0),
        _ => code.parse::<u8>().ok(),
    });
    while let Some(code) = codes.next() {
        let numbers = match code {
            Some(0..=4 | 22..=24 | 30..=37 | 39 | 90..=97) => 0,
            Some(38) => match codes.next() {
                Some(Some(5)) => 1,
                Some(Some(2)) => 3,
                _ => return false,
            },
            _ => return false,
        };
        if (0..numbers).any(|_| !matches!(codes.next(), Some(Some(_)))) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that leans towards what is dangerous.
    fn nasty(seed: u64) -> String {
        const PIECES: [&str; 24] = [
            "\u{1b}[2J",
            "\u{1b}[31m",
            "\u{1b}[0m",
            "\u{1b}[m",
            "\u{1b}[38;5;9m",
            "\u{1b}[1;32m",
            "\u{1b}]0;title\u{7}",
            "\u{1b}]8;;http://x\u{1b}\\",
            "\u{1b}",
            "\u{9b}31m",
            "\r",
            "\r\n",
            "\n",
            "\t",
            "\u{8}",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{feff}",
            "\u{1b}[8m",
            "\u{1b}[38;5m",
            "né",
            "漢字",
            "plain words",
        ];
        let mut random = fastrand::Rng::with_seed(seed);
        (0..random.usize(0..40))
            .map(|_| match random.u8(0..4) {
                0 => random.char(..).to_string(),
                _ => PIECES[random.usize(0..PIECES.len())].to_owned(),
            })
            .collect()
    }

    fn is_harmless(text: &str) -> bool {
        text.chars()
            .all(|c| matches!(c, '\n' | '\t') || !(c.is_control() || hides(c)))
    }

    proptest::proptest! {
        #[test]
        fn no_text_keeps_what_acts_or_hides(text: String, seed: u64) {
            for text in [text, nasty(seed)] {
                proptest::prop_assert!(is_harmless(&clean(&text)));
                proptest::prop_assert!(is_harmless(&one_line(&text)));
                keep_colours(&text);
            }
        }
    }

    #[test]
    fn nothing_that_acts_or_hides_is_left() {
        for seed in 0..2_000 {
            let shown = clean(&nasty(seed));
            assert!(is_harmless(&shown), "seed {seed}: {shown:?}");
        }
    }

    #[test]
    fn clean_text_is_not_cleaned_again() {
        for seed in 0..2_000 {
            let once = clean(&nasty(seed));
            assert_eq!(clean(&once), once, "seed {seed}");
            let once = keep_colours(&nasty(seed));
            assert_eq!(keep_colours(&once), once, "seed {seed}");
        }
    }

    #[test]
    fn without_its_colours_the_rest_is_harmless() {
        for seed in 0..2_000 {
            let mut shown = keep_colours(&nasty(seed));
            while let Some(at) = shown.find('\u{1b}') {
                let sequence = colour(&shown[at..]).expect("only colours stay").len();
                shown.replace_range(at..at + sequence, "");
            }
            assert!(is_harmless(&shown), "seed {seed}: {shown:?}");
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "thread 'main' panicked:\n\tZürich is 3°, 東京 is 9° ❤\u{fe0f}";
        assert_eq!(clean(text), text);
        assert_eq!(keep_colours(text), text);
    }

    #[test]
    fn what_was_hidden_is_named() {
        assert_eq!(clean("a\u{1b}[2Jb"), "a␛[2Jb");
        assert_eq!(clean("if\u{202e} x"), "if⟨U+202E⟩ x");
        assert_eq!(clean("50%\r100%\r\n"), "50%␍100%\n");
        assert_eq!(one_line("a\n\tb"), "a␊␉b");
    }

    #[test]
    fn colours_stay_and_concealment_does_not() {
        let error = "\u{1b}[0m\u{1b}[1m\u{1b}[38;5;9merror\u{1b}[0m: no";
        assert_eq!(keep_colours(error), error);
        assert_eq!(keep_colours("\u{1b}[8mhidden"), "␛[8mhidden");
        assert_eq!(keep_colours("\u{1b}[47;37mhidden"), "␛[47;37mhidden");
        assert_eq!(keep_colours("\u{1b}[31"), "␛[31");
    }
}
