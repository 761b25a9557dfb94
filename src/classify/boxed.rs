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
    let below = |error: &'a (dyn Error + 'static)| match found::<io::Error>(error).map(io::Error::get_ref) {
        Some(Some(inner)) => Some(inner as &(dyn Error + 'static)),
        // A shared error has the sources of the error inside, and so hides the error itself.
        _ => match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(inner) => Some(&**inner as &(dyn Error + 'static)),
            None => error.source(),
        },
    };
    core::iter::successors(Some(error), move |&error| below(error)).take(LONGEST)
}

/// Returns the error as a `T`, also if it is boxed or shared: clients whose errors are large are used so.
pub(super) fn found<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let boxed = || error.downcast_ref::<Box<T>>().map(|error| &**error);
    let shared = || error.downcast_ref::<Arc<T>>().map(|error| &**error);
    error.downcast_ref::<T>().or_else(boxed).or_else(shared)
}

/// Returns the verdict on this error, and not on what is below; `None` if its type is not known.
pub(super) fn known(error: &(dyn Error + 'static)) -> Option<Verdict> {
    if let Some(error) = found::<io::Error>(error) {
        return super::io::by_kind(error);
    }
    #[cfg(feature = "http")]
    if let Some(error) = found::<crate::http::StatusError>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = found::<hyper::Error>(error) {
        return Some(super::hyper::judge(error, false));
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = found::<reqwest::Error>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "ureq")]
    if let Some(error) = found::<ureq::Error>(error) {
        return Some(error.verdict());
    }
    if let Some(verdict) = super::cut::verdict(error) {
        return Some(verdict);
    }
    #[cfg(feature = "tonic-0_14")]
    if let Some(verdict) = super::tonic::verdict(error) {
        return Some(verdict);
    }
    #[cfg(feature = "hyper-util-0_1")]
    if let Some(error) = found::<hyper_util::client::legacy::Error>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "h2-0_4")]
    if let Some(error) = found::<h2::Error>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "tokio-tungstenite-0_30")]
    if let Some(error) = found::<tungstenite::Error>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "async-nats-0_51")]
    if let Some(verdict) = super::async_nats::verdict(error) {
        return Some(verdict);
    }
    #[cfg(feature = "tokio")]
    if let Some(error) = found::<tokio::time::error::Elapsed>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "tower")]
    if let Some(verdict) = super::tower::known(error) {
        return Some(verdict);
    }
    #[cfg(feature = "tokio-postgres-0_7")]
    if let Some(verdict) = super::tokio_postgres::known(error) {
        return Some(verdict);
    }
    #[cfg(feature = "sqlx-0_9")]
    if let Some(verdict) = super::sqlx::sqlx_0_9::known(error) {
        return Some(verdict);
    }
    #[cfg(feature = "sqlx-0_8")]
    if let Some(verdict) = super::sqlx::sqlx_0_8::known(error) {
        return Some(verdict);
    }
    #[cfg(feature = "redis")]
    if let Some(verdict) = super::redis::known(error) {
        return Some(verdict);
    }
    #[cfg(feature = "rusqlite-0_43")]
    if let Some(error) = found::<rusqlite_0_43::Error>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "deadpool-0_13")]
    if let Some(verdict) = super::deadpool::known(error) {
        return Some(verdict);
    }
    #[cfg(feature = "bb8-0_9")]
    if let Some(verdict) = super::bb8::known(error) {
        return Some(verdict);
    }
    if let Some(error) = found::<Rejected>(error) {
        return Some(error.verdict());
    }
    found::<TimedOut>(error).map(Retryable::verdict)
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
