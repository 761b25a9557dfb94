//! Functions, macros and attribute, with the crate under another name.

#![deny(warnings)]

use std::io;

use again::{Policy, Retryable, Verdict, retry_async};

/// By hand.
#[derive(Debug)]
pub struct Busy;

impl Retryable for Busy {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

/// In place.
pub fn blocking() -> io::Result<String> {
    again::prelude::retry!(Policy::new(), std::fs::read_to_string("Cargo.toml"))
}

/// In place, async.
pub async fn later() -> Result<u8, Busy> {
    retry_async!(Policy::new(), Ok::<u8, Busy>(1))
}

/// The attribute, which can't know its crate's name by itself.
#[again::retry(crate = again, total = 2, backoff = 0.1)]
pub async fn attribute(path: &str) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// The derive, likewise.
#[derive(Debug, Retryable)]
#[retry(crate = again)]
pub enum Derived {
    #[retry(transient)]
    Busy,
    #[retry(permanent)]
    Gone,
}
