//! The page of each diagnosis. It is the book's page, so there is one text.

use super::Diagnosis;

/// What the book says of a diagnosis.
macro_rules! page {
    ($code:literal) => {
        include_str!(concat!("../../../book/src/diagnoses/", $code, ".md"))
    };
}

impl Diagnosis {
    /// What it means, as Markdown: what was seen, why, what it costs, how to
    /// mend it, and the smallest wrong and right code.
    pub const fn page(self) -> &'static str {
        match self {
            Self::NotCompiling => page!("not-compiling"),
            Self::NotListening => page!("not-listening"),
            Self::Crashed => page!("crashed"),
            Self::Exited => page!("exited"),
            Self::FloodedOutput => page!("flooded-output"),
            Self::Hung => page!("hung"),
            Self::BlockedRuntime => page!("blocked-runtime"),
            Self::NotSpawned => page!("not-spawned"),
            Self::GuardAcrossAwait => page!("guard-across-await"),
            Self::SerialisedClients => page!("serialised-clients"),
            Self::NeverAwaited => page!("never-awaited"),
            Self::NotAsked => page!("not-asked"),
            Self::CachedVerdict => page!("cached-verdict"),
            Self::KeyMangled => page!("key-mangled"),
            Self::StatusForVerdict => page!("status-for-verdict"),
            Self::FailOpen => page!("fail-open"),
            Self::AskedBeforePermission => page!("asked-before-permission"),
            Self::SlowReaderStallsAll => page!("slow-reader-stalls-all"),
            Self::UnboundedQueue => page!("unbounded-queue"),
            Self::BadFrameKills => page!("bad-frame-kills"),
            Self::RoomsMixed => page!("rooms-mixed"),
            Self::OrderLost => page!("order-lost"),
            Self::Duplicated => page!("duplicated"),
            Self::NotDelivered => page!("not-delivered"),
            Self::SilentlyDropped => page!("silently-dropped"),
            Self::LeaverKept => page!("leaver-kept"),
            Self::OversizedAccepted => page!("oversized-accepted"),
            Self::PingIgnored => page!("ping-ignored"),
            Self::CloseIgnored => page!("close-ignored"),
            Self::BadFrameIgnored => page!("bad-frame-ignored"),
            Self::UpstreamPerBrowser => page!("upstream-per-browser"),
            Self::ReconnectStorm => page!("reconnect-storm"),
            Self::NoReconnect => page!("no-reconnect"),
            Self::StaleQueue => page!("stale-queue"),
            Self::LevelLost => page!("level-lost"),
            Self::StaleAddress => page!("stale-address"),
            Self::MethodLost => page!("method-lost"),
            Self::PathMangled => page!("path-mangled"),
            Self::HopByHopForwarded => page!("hop-by-hop-forwarded"),
            Self::HeadersLost => page!("headers-lost"),
            Self::Buffered => page!("buffered"),
            Self::CreatedNotStarted => page!("created-not-started"),
            Self::Sequential => page!("sequential"),
            Self::AskedTwice => page!("asked-twice"),
            Self::LabelsSwap => page!("labels-swap"),
            Self::SlowFailure => page!("slow-failure"),
            Self::NotCancelled => page!("not-cancelled"),
            Self::NoTimeout => page!("no-timeout"),
            Self::FaultHidden => page!("fault-hidden"),
            Self::WrongStatus => page!("wrong-status"),
            Self::WrongBody => page!("wrong-body"),
            Self::ChildrenLeft => page!("children-left"),
            Self::ConnectionPerCall => page!("connection-per-call"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

    use super::*;

    /// A page by its parts.
    #[derive(Debug, Default)]
    struct Parts {
        title: String,
        /// Words of prose, outside headings and code.
        words: usize,
        /// Each block of code: the section it stands in, and its language.
        code: Vec<(String, String)>,
    }

    fn parts(page: &str) -> Parts {
        let mut parts = Parts::default();
        let (mut section, mut text) = (String::new(), String::new());
        let mut in_code = false;
        for event in Parser::new(page) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    parts.code.push((section.clone(), language.to_string()));
                    in_code = true;
                }
                Event::End(TagEnd::CodeBlock) => in_code = false,
                Event::Text(words) | Event::Code(words) if !in_code => text.push_str(&words),
                Event::SoftBreak => text.push(' '),
                Event::End(TagEnd::Heading(HeadingLevel::H1)) => {
                    parts.title = std::mem::take(&mut text);
                }
                Event::End(TagEnd::Heading(_)) => section = std::mem::take(&mut text),
                Event::End(TagEnd::Paragraph) => {
                    parts.words += std::mem::take(&mut text).split_whitespace().count();
                }
                _ => {}
            }
        }
        parts
    }

    fn book() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src")
    }

    #[test]
    fn each_page_is_called_what_its_diagnosis_is() {
        for diagnosis in Diagnosis::ALL {
            let title = format!("{diagnosis}: {}", diagnosis.headline());
            assert_eq!(parts(diagnosis.page()).title, title);
        }
    }

    #[test]
    fn each_page_is_short_and_says_something() {
        for diagnosis in Diagnosis::ALL {
            let words = parts(diagnosis.page()).words;
            assert!((80..=160).contains(&words), "{diagnosis}: {words} words");
        }
    }

    #[test]
    fn each_page_has_wrong_and_right_code() {
        for diagnosis in Diagnosis::ALL {
            let code = parts(diagnosis.page()).code;
            let sections: Vec<_> = code.iter().map(|(section, _)| section.as_str()).collect();
            assert_eq!(sections, ["Wrong", "Right"], "{diagnosis}");
            for (section, language) in &code {
                assert!(language.starts_with("rust"), "{diagnosis}: {language}");
                // One mistake is seen by the compiler. All others compile.
                let fails = diagnosis == Diagnosis::NotCompiling && section == "Wrong";
                assert_eq!(language.contains("compile_fail"), fails, "{diagnosis}");
            }
        }
    }

    #[test]
    fn no_two_pages_say_the_same() {
        let mut seen = BTreeSet::new();
        for diagnosis in Diagnosis::ALL {
            for sentence in diagnosis
                .page()
                .split("\n\n")
                .filter(|p| !p.starts_with(['#', '`']))
            {
                assert!(seen.insert(sentence), "{diagnosis}: {sentence}");
            }
        }
    }

    #[test]
    fn the_book_lists_every_page_in_the_order_of_causes_and_no_other() {
        let summary = std::fs::read_to_string(book().join("SUMMARY.md")).expect("the book has one");
        let listed: Vec<_> = summary
            .lines()
            .filter(|line| line.contains("(diagnoses/"))
            .collect();
        let expected: Vec<_> = Diagnosis::ALL
            .map(|one| format!("  - [{one}](diagnoses/{one}.md)"))
            .into();
        assert_eq!(listed, expected);
    }

    #[test]
    fn the_appendix_says_what_each_means() {
        let appendix = std::fs::read_to_string(book().join("diagnoses.md")).expect("there is one");
        let listed: Vec<_> = appendix
            .lines()
            .filter(|line| line.starts_with("- "))
            .collect();
        let expected: Vec<_> = Diagnosis::ALL
            .map(|one| format!("- [`{one}`](diagnoses/{one}.md): {}", one.headline()))
            .into();
        assert_eq!(listed, expected);
    }

    #[test]
    fn there_is_no_page_for_an_unknown_diagnosis() {
        let folder = book().join("diagnoses");
        for entry in std::fs::read_dir(folder).expect("the book has one") {
            let path = entry.expect("it can be read").path();
            let code = path.file_stem().unwrap_or_default().to_string_lossy();
            assert!(Diagnosis::from_code(&code).is_some(), "{}", path.display());
        }
    }
}
