//! What a diagnosis means: its page, or one line for each of them.

use anyhow::bail;

use crate::diagnosis::Diagnosis;
use crate::render::{Sheet, page};

/// The page of the diagnosis that is meant, or all of them where none is.
///
/// # Errors
/// Where there is no such diagnosis, or several fit.
pub fn explain(wanted: Option<&str>, sheet: &Sheet) -> anyhow::Result<String> {
    match wanted {
        Some(wanted) => Ok(page::page(meant(wanted)?.page(), sheet)),
        None => {
            let rows = Diagnosis::ALL.map(|one| (one.code(), one.headline()));
            let end = "`checker explain CODE` tells more of one. The deepest cause stands first.";
            Ok(page::list(&rows, end, sheet))
        }
    }
}

/// The diagnosis that somebody means: its name, or a part of it that no other has.
fn meant(wanted: &str) -> anyhow::Result<Diagnosis> {
    let name = wanted.trim().to_lowercase().replace(['_', ' '], "-");
    if let Some(diagnosis) = Diagnosis::from_code(&name) {
        return Ok(diagnosis);
    }
    let fits: Vec<_> = Diagnosis::ALL
        .into_iter()
        .filter(|one| !name.is_empty() && one.code().contains(&name))
        .collect();
    match fits.as_slice() {
        [one] => Ok(*one),
        [] => {
            let likeness = |one: &Diagnosis| strsim::jaro_winkler(&name, one.code());
            let nearest = Diagnosis::ALL
                .into_iter()
                .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
                .filter(|one| likeness(one) > 0.75);
            match nearest {
                Some(one) => bail!(
                    "there is no diagnosis `{wanted}`; did you mean `{one}` ({})? `checker explain` \
                     lists them all.",
                    one.headline()
                ),
                None => bail!(
                    "there is no diagnosis `{wanted}`; `checker explain` lists those that there are."
                ),
            }
        }
        several => {
            let names: Vec<_> = several.iter().map(|one| format!("`{one}`")).collect();
            bail!("`{wanted}` fits {}; say which one.", names.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(wanted: &str) -> String {
        meant(wanted)
            .expect_err("nobody is called that")
            .to_string()
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for wanted in ["not-asked", "NOT_ASKED", " not asked "] {
            assert_eq!(meant(wanted).ok(), Some(Diagnosis::NotAsked));
        }
    }

    #[test]
    fn a_part_that_fits_one_is_enough() {
        assert_eq!(meant("guard").ok(), Some(Diagnosis::GuardAcrossAwait));
        assert_eq!(
            complaint("stale"),
            "`stale` fits `stale-queue` and `stale-address`; say which one."
        );
    }

    #[test]
    fn the_name_of_one_may_be_part_of_another() {
        assert_eq!(meant("sequential").ok(), Some(Diagnosis::Sequential));
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest() {
        assert_eq!(
            complaint("sequental"),
            "there is no diagnosis `sequental`; did you mean `sequential` (one after the other)? \
             `checker explain` lists them all."
        );
        assert_eq!(
            complaint("xyzzy"),
            "there is no diagnosis `xyzzy`; `checker explain` lists those that there are."
        );
        assert!(complaint("gaurd-across-await").contains("`guard-across-await`"));
        assert!(complaint("serialized-clients").contains("`serialised-clients`"));
    }
}
