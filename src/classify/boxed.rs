use std::boxed::Box;
use std::error::Error;
use std::io;
use std::sync::Arc;

use super::io::UNREACHED;
use super::texts;
use crate::verdict::{Rejected, Retryable, TimedOut, Verdict};

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

/// The first error of a chain whose type the crate knows decides. A chain without one is unclassified.
///
/// Rust can't ask an erased error whether it is `Retryable`, so your own types are not found here: look for them with
/// [`any_of`](crate::Retry::any_of).
pub(super) fn walk(error: &(dyn Error + 'static)) -> Verdict {
    let mut connecting = false;
    for error in chain(error) {
        let verdict = known(error);
        if !connecting {
            if let Some(verdict) = verdict {
                return verdict;
            }
            connecting = shows(error, &texts::CONNECTING);
        } else if shows(error, &texts::SHARED_CONNECTION) {
            return UNREACHED;
        } else if let Some(verdict) = verdict {
            // No connection stood, whatever kind of fault it is: a timeout, a reset, a host that is unreachable.
            return verdict.connecting();
        }
    }
    Verdict::unclassified()
}

/// Whether an error shows itself as one of these texts.
pub(super) fn shows(error: &(dyn Error + 'static), texts: &[&'static str]) -> bool {
    texts.iter().any(|text| texts::is(format_args!("{error}"), text))
}

/// The causes of an error, outermost first, with what stands inside an `io::Error`, which `source()` skips.
pub(super) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // A chain that leads back to itself must not hang a run.
    const LONGEST: usize = 64;
    let below = |error: &'a (dyn Error + 'static)| match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
        Some(Some(inner)) => Some(inner as &(dyn Error + 'static)),
        // A shared error has the sources of the error inside, and so hides the error itself.
        _ => match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(inner) => Some(&**inner as &(dyn Error + 'static)),
            None => error.source(),
        },
    };
    core::iter::successors(Some(error), move |&error| below(error)).take(LONGEST)
}

fn known(error: &(dyn Error + 'static)) -> Option<Verdict> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return super::io::by_kind(error);
    }
    #[cfg(feature = "http")]
    if let Some(error) = error.downcast_ref::<crate::http::StatusError>() {
        return Some(error.verdict());
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(super::hyper::judge(error, false));
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return Some(error.verdict());
    }
    #[cfg(feature = "ureq")]
    if let Some(error) = error.downcast_ref::<ureq::Error>() {
        return Some(error.verdict());
    }
    #[cfg(feature = "tokio")]
    if let Some(error) = error.downcast_ref::<tokio::time::error::Elapsed>() {
        return Some(error.verdict());
    }
    #[cfg(feature = "tower")]
    if let Some(verdict) = super::tower::known(error) {
        return Some(verdict);
    }
    if let Some(error) = error.downcast_ref::<Rejected>() {
        return Some(error.verdict());
    }
    error.downcast_ref::<TimedOut>().map(Retryable::verdict)
}

macro_rules! erased {
    ($($error:ty),*) => {$(
        /// Walks the `source()` chain to the first error whose type this crate knows: `std::io::Error`, [`TimedOut`],
        /// [`Rejected`](crate::Rejected), and those behind features.
        ///
        /// A chain without one is [unclassified](Verdict::unclassified). Look for your own types with
        /// [`any_of`](crate::Retry::any_of), or decide with [`when`](crate::Retry::when).
        impl Retryable for $error {
            fn verdict(&self) -> Verdict {
                walk(self)
            }
        }
    )*};
}

erased!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);
