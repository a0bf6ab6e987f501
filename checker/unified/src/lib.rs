//! Empty on purpose: this crate exists for the features that its manifest names.
