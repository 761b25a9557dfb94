use std::boxed::Box;
use std::error::Error;
use std::io;
use std::sync::Arc;

use super::io::UNREACHED;
use super::texts;
use crate::verdict::{Erased, Rejected, Retryable, TimedOut, Verdict};

impl<T: Retryable + ?Sized> Retryable for Box<T> {
    fn verdict(&self) -> Verdict {
        (**self).verdict()
    }

    fn erased(&self) -> Option<Erased<'_>> {
        (**self).erased()
    }
}

impl<T: Retryable + ?Sized> Retryable for Arc<T> {
    fn verdict(&self) -> Verdict {
        (**self).verdict()
    }

    fn erased(&self) -> Option<Erased<'_>> {
        (**self).erased()
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

/// Writes what knows errors, and the list of the crates whose errors are known.
macro_rules! known {
    ($($(#[$when:meta])? $name:literal: $verdict:expr;)*) => {
        /// Returns the verdict on this error, and not on what is below; `None` if its type is not known.
        pub(super) fn known(error: &(dyn Error + 'static)) -> Option<Verdict> {
            $(
                $(#[$when])?
                if let Some(verdict) = $verdict(error) {
                    return Some(verdict);
                }
            )*
            None
        }

        /// The crates whose errors are known.
        pub(super) const KNOWN: &[&str] = &[$($(#[$when])? $name),*];
    };
}

known! {
    "std": |error| found::<io::Error>(error).and_then(super::io::by_kind);
    #[cfg(feature = "http")]
    "http": of::<crate::http::StatusError>;
    #[cfg(feature = "hyper")]
    "hyper 1": |error| found::<hyper::Error>(error).map(|error| super::hyper::judge(error, false));
    #[cfg(feature = "reqwest")]
    "reqwest 0.13": of::<reqwest::Error>;
    #[cfg(feature = "ureq")]
    "ureq 3": of::<ureq::Error>;
    #[cfg(feature = "tonic-0_14")]
    "tonic 0.14": super::tonic::verdict;
    #[cfg(feature = "hyper-util-0_1")]
    "hyper-util 0.1": of::<hyper_util::client::legacy::Error>;
    #[cfg(feature = "h2-0_4")]
    "h2 0.4": of::<h2::Error>;
    #[cfg(feature = "tokio-tungstenite-0_30")]
    "tungstenite 0.30": of::<tungstenite::Error>;
    #[cfg(feature = "async-nats-0_51")]
    "async-nats 0.51": super::async_nats::verdict;
    #[cfg(feature = "tokio")]
    "tokio 1": of::<tokio::time::error::Elapsed>;
    #[cfg(feature = "tower")]
    "tower 0.5": super::tower::known;
    #[cfg(feature = "tokio-postgres-0_7")]
    "tokio-postgres 0.7": super::tokio_postgres::known;
    #[cfg(feature = "sqlx-0_9")]
    "sqlx 0.9": super::sqlx::sqlx_0_9::known;
    #[cfg(feature = "sqlx-0_8")]
    "sqlx 0.8": super::sqlx::sqlx_0_8::known;
    #[cfg(feature = "redis")]
    "redis 1": super::redis::known;
    #[cfg(feature = "rusqlite-0_43")]
    "rusqlite 0.43": of::<rusqlite_0_43::Error>;
    #[cfg(feature = "deadpool-0_13")]
    "deadpool 0.13": super::deadpool::known;
    #[cfg(feature = "bb8-0_9")]
    "bb8 0.9": super::bb8::known;
    "persevere": |error| of::<Rejected>(error).or_else(|| of::<TimedOut>(error)).or_else(|| super::cut::verdict(error));
}

fn of<T: Error + Retryable + 'static>(error: &(dyn Error + 'static)) -> Option<Verdict> {
    found::<T>(error).map(Retryable::verdict)
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

            fn erased(&self) -> Option<Erased<'_>> {
                Some(Erased { chain: self, known: KNOWN, own: None })
            }
        }
    )*};
}

erased!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);
