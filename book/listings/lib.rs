//! The book as a crate, so that every Rust block in it is compiled.
//!
//! ```text
//! book/src/PAGE.md → #[doc = include_str!(…)] mod → cargo test -p book --doc
//! ```
//!
//! How code stands in a page:
//!
//! - ` ```rust `: a listing that compiles by itself, and runs. `# ` at the start
//!   of a line hides the line from readers, here as in mdBook. Where to run it
//!   makes no sense: `rust,no_run`. Where it must not compile:
//!   `rust,compile_fail,E0277`, with the error's code, or a lint's name, or, where
//!   the error has no code, words of it: `cannot-be-sent-between-threads`.
//! - ` ```rs `: nothing but one `{{#include …}}` of a file that is built and
//!   graded elsewhere.
//!
//! A new page is one line below. `tests/pages.rs` says which are missing.

/// Declares a module per page, which carries the page as its documentation.
macro_rules! pages {
    ($($page:literal as $name:ident),* $(,)?) => {
        /// The pages whose Rust blocks are compiled, as paths within `book/src`.
        pub const PAGES: &[&str] = &[$($page),*];
        $(
            #[doc = include_str!(concat!("../src/", $page))]
            mod $name {}
        )*
    };
}

pub mod diagnoses;
mod weather;

pub use weather::ask;

pages! {
    "introduction.md" as introduction,
    "ex01.md" as ex01,
    "ex02.md" as ex02,
    "ex03.md" as ex03,
    "ex04.md" as ex04,
    "ex05.md" as ex05,
    "ex06.md" as ex06,
    "how-it-knows.md" as how_it_knows,
    "containment.md" as containment,
    "why-async.md" as why_async,
    "sequential.md" as sequential,
    "callbacks.md" as callbacks,
    "event-loop.md" as event_loop,
    "futures.md" as futures,
    "blocking.md" as blocking,
    "three-versions.md" as three_versions,
    "composing.md" as composing,
    "shared-state.md" as shared_state,
    "failures.md" as failures,
    "websockets.md" as websockets,
    "when-not.md" as when_not,
    "deck-errors.md" as deck_errors,
    "sources.md" as sources,
    "instructors.md" as instructors,
    "diagnoses.md" as all_diagnoses,
    "compiler-errors.md" as compiler_errors,
    "from-python-and-javascript.md" as from_python_and_javascript,
    "glossary.md" as glossary,
    "pieces.md" as pieces,
    "pieces/little.md" as piece_little,
    "pieces/player.md" as piece_player,
    "pieces/predict.md" as piece_predict,
    "pieces/restaurant.md" as piece_restaurant,
    "pieces/stepper-blocked.md" as piece_stepper_blocked,
    "pieces/stepper.md" as piece_stepper,
    "quizzes/async-await.md" as quiz_async_await,
    "quizzes/blocking.md" as quiz_blocking,
    "quizzes/callbacks.md" as quiz_callbacks,
    "quizzes/composing.md" as quiz_composing,
    "quizzes/event-loop.md" as quiz_event_loop,
    "quizzes/sequential.md" as quiz_sequential,
    "quizzes/shared-state.md" as quiz_shared_state,
    "quizzes/timeouts.md" as quiz_timeouts,
    "quizzes/websockets.md" as quiz_websockets,
    "quizzes/when-not.md" as quiz_when_not,
    "quizzes/why-async.md" as quiz_why_async,
}
