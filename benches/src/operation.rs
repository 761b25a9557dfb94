//! The operations that all rows run.

use std::hint::black_box;

use persevere::Retryable;

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Retryable)]
pub enum Failure {
    /// May go away.
    #[retry(transient)]
    Busy,
    /// Will not.
    #[retry(permanent)]
    Gone,
}

impl Failure {
    /// For the crates that take a predicate.
    #[inline]
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::Gone => "gone",
        })
    }
}

impl std::error::Error for Failure {}

/// What an operation comes to: the number of the call that succeeded.
pub type Outcome = Result<u64, Failure>;

#[inline]
fn answer(call: u64, failures: u64) -> Outcome {
    if call > failures { Ok(call) } else { Err(Failure::Busy) }
}

/// A blocking operation that fails this many times, then succeeds.
#[inline]
pub fn blocking(failures: u64) -> impl FnMut() -> Outcome + Clone {
    let mut calls = 0;
    move || {
        calls += 1;
        answer(black_box(calls), failures)
    }
}

/// One attempt of an async operation: it ends at its first poll, and fails if it is among the first `failures` calls.
///
/// Its future holds `WORDS` words across an await. They are never written, so the operation itself costs the same at
/// any size, and what a larger one costs more is copying.
#[inline]
pub async fn attempt<const WORDS: usize>(call: u64, failures: u64) -> Outcome {
    let mut room: Option<[u64; WORDS]> = None;
    black_box(&mut room);
    std::future::ready(()).await;
    black_box(&mut room);
    answer(black_box(call), failures)
}

/// Makes an async operation that holds this many words, and fails this many times before it succeeds.
#[macro_export]
macro_rules! operation {
    ($words:expr, $failures:expr) => {{
        let failures: u64 = $failures;
        let mut calls = 0;
        move || {
            calls += 1;
            $crate::operation::attempt::<{ $words }>(calls, failures)
        }
    }};
}

/// The words that make an operation's future 64 B large.
pub const SMALL: usize = words(64);
/// The words that make an operation's future 1 KiB large.
pub const MIDDLE: usize = words(1024);
/// The words that make an operation's future 16 KiB large.
pub const LARGE: usize = words(16 * 1024);

/// Six words are the two arguments, taken and kept, the option's tag and the state.
const fn words(bytes: usize) -> usize {
    bytes / 8 - 6
}
