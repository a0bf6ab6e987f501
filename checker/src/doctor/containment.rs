//! What keeps a learner's program from outliving or overloading anything.

use crate::program::{self, Contained};

use super::Row;

pub(super) fn row() -> Row {
    let Contained { by, lacks } = program::contained();
    let mut seen = by.join(", ");
    // Said everywhere, because it holds everywhere.
    seen.push_str("; not contained: the network, and files that you can read");
    if lacks.is_empty() {
        Row::ok("containment", seen)
    } else {
        Row::warning(
            "containment",
            format!("{seen}, {}", lacks.join(", ")),
            "grade programs of others only in a container or a virtual machine",
        )
    }
}
