//! What to do where the system refuses something, in a few words.

use std::io::{self, ErrorKind};

/// The error as one sentence, with what to do about it where that can be told.
pub fn told(error: &anyhow::Error) -> String {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    match cause.and_then(|cause| remedy(cause.kind())) {
        Some(remedy) => format!("{error:#}; {remedy}"),
        None => format!("{error:#}"),
    }
}

fn remedy(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room there and try again",
        ErrorKind::FileTooLarge => "allow larger files (`ulimit -f`) and try again",
        ErrorKind::ReadOnlyFilesystem => "use a place that can be written to and try again",
        ErrorKind::PermissionDenied => "get permission for it, or use another place, and try again",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn what_to_do_is_the_end_of_the_sentence() {
        let full: io::Result<()> = Err(ErrorKind::StorageFull.into());
        let error = full.context("cannot write a.rs").expect_err("it is full");
        let said = told(&error);
        assert!(said.starts_with("cannot write a.rs: "), "{said}");
        assert!(said.ends_with("; make room there and try again"), "{said}");
        assert_eq!(
            told(&anyhow::anyhow!("no such exercise")),
            "no such exercise"
        );
    }
}
