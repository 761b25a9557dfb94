use std::boxed::Box;
use std::error::Error;
use std::io;
use std::sync::Arc;

use crate::retryable::{Retryable, Verdict};
use crate::timed::TimedOut;

impl<T: Retryable + ?Sized> Retryable for Box<T> {
    fn verdict(&self) -> Verdict {
        (**self).verdict()
    }
}

impl<T: Retryable + ?Sized> Retryable for Arc<T> {
    fn verdict(&self) -> Verdict {
        (**self).verdict()
    }
}

/// The first error of a chain whose type the crate knows decides; a chain without one is permanent.
///
/// Rust can't ask an erased error whether it is `Retryable`, so your own types are not found here: decide about them
/// with [`when`](crate::Retry::when).
pub(super) fn walk(error: &(dyn Error + 'static)) -> Verdict {
    // A chain that leads back to itself must not hang a run.
    const LONGEST: usize = 64;
    let mut chain = core::iter::successors(Some(error), |&error| below(error)).take(LONGEST);
    chain.find_map(known).unwrap_or(Verdict::permanent())
}

/// The next error of the chain. `source()` of an `io::Error` skips the error inside and goes on to that one's source.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<Verdict> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return super::io::by_kind(error);
    }
    error.downcast_ref::<TimedOut>().map(Retryable::verdict)
}

macro_rules! erased {
    ($($error:ty),*) => {$(
        /// Walks the `source()` chain to the first error whose type this crate knows: `std::io::Error`,
        /// [`TimedOut`], and those behind features. A chain without one is permanent; decide about your own types
        /// with [`when`](crate::Retry::when).
        impl Retryable for $error {
            fn verdict(&self) -> Verdict {
                walk(self)
            }
        }
    )*};
}

erased!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);
