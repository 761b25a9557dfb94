//! The error of an operation whose own error nobody else can make.

use core::error::Error;
use core::fmt;

use super::{Erased, Rejected, Retryable, TimedOut, Verdict};

/// The error of an operation that is cut, or refused, although its own error `E` can't say so.
///
/// A deadline or an attempt timeout needs an error to return, and so does an open breaker. Some clients' errors can be made
/// by nobody but the client. Then let the operation return `Result<_, Cut<E>>`: `?` on the client's result works for the
/// clients behind features, and [`Cut::Failed`] wraps any other error.
///
/// ```
/// use persevere::{Cut, Policy, Retryable, Verdict, retry_async};
/// use std::time::Duration;
///
/// /// An error that only the client makes.
/// #[derive(Debug)]
/// struct ClientError;
///
/// impl Retryable for ClientError {
///     fn verdict(&self) -> Verdict {
///         Verdict::transient()
///     }
/// }
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let silent = retry_async(Policy::new().deadline(Duration::from_secs(2)), || async {
///     std::future::pending::<()>().await;
///     Err::<(), _>(ClientError).map_err(Cut::Failed)
/// });
/// assert!(matches!(silent.await, Err(Cut::TimedOut(_))));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut<E> {
    /// The operation failed by itself.
    Failed(E),
    /// The attempt timeout or the deadline cut it.
    TimedOut(TimedOut),
    /// A breaker or a throttle let no attempt begin.
    Rejected(Rejected),
}

impl<E> Cut<E> {
    /// Returns the operation's own error, if it has one.
    pub fn failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: Retryable> Retryable for Cut<E> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Failed(error) => error.verdict(),
            Self::TimedOut(timed_out) => timed_out.verdict(),
            Self::Rejected(rejected) => rejected.verdict(),
        }
    }

    fn erased(&self) -> Option<Erased<'_>> {
        match self {
            Self::Failed(error) => error.erased(),
            _ => None,
        }
    }
}

impl<E> From<TimedOut> for Cut<E> {
    fn from(timed_out: TimedOut) -> Self {
        Self::TimedOut(timed_out)
    }
}

impl<E> From<Rejected> for Cut<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E: fmt::Display> fmt::Display for Cut<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut(timed_out) => timed_out.fmt(f),
            Self::Rejected(rejected) => rejected.fmt(f),
        }
    }
}

/// It stands for the error inside, so its source is that error's.
impl<E: Error> Error for Cut<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}
