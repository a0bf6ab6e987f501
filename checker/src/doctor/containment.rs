//! What keeps a learner's program from outliving or overloading anything.

use crate::program::{self, Facility};

use super::Row;

pub(super) fn row() -> Row {
    let facilities = program::containment();
    let (here, missing): (Vec<&Facility>, Vec<&Facility>) =
        facilities.iter().partition(|one| one.available);
    let mut seen = listed(here.into_iter().map(|one| one.name.to_owned()));
    // Said everywhere, because it holds everywhere.
    seen.push_str("; not contained, among others: the network, and files that you can read");
    let missing: Vec<_> = missing
        .into_iter()
        .filter(|one| one.of_this_system())
        .map(|one| format!("{} ({} has it)", one.name, one.had_by))
        .collect();
    if missing.is_empty() {
        Row::ok("containment", seen)
    } else {
        Row::warning(
            "containment",
            format!("{seen}; missing here: {}", listed(missing)),
            "grade programs of others only in a container or a virtual machine",
        )
    }
}

fn listed(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}
