//! Pages in a real browser. Where none is installed there is nothing to try, and a
//! notice says so.

#![cfg(unix)]

mod driver;
mod gateway;
mod page;
