//! What keeps a learner's program from outliving or overloading anything.

use crate::program::{self, Facility};

use super::Row;

pub(super) fn row() -> Row {
    let facilities = program::containment();
    let (here, missing): (Vec<_>, Vec<_>) = facilities.iter().partition(|one| one.available);
    let names = |of: &[&Facility]| of.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    let mut seen = names(&here);
    // Said everywhere, because it holds everywhere.
    seen.push_str("; not contained: the network, and files that you can read");
    let missing: Vec<_> = missing
        .into_iter()
        .filter(|one| one.of_this_system())
        .collect();
    if missing.is_empty() {
        Row::ok("containment", seen)
    } else {
        Row::warning(
            "containment",
            format!("{seen}; missing here: {}", names(&missing)),
            "grade programs of others only in a container or a virtual machine",
        )
    }
}
