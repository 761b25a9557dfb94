use std::error::Error as StdError;

use bb8_0_9::RunError;

use crate::verdict::{Erased, Fault, Reached, Retryable, Verdict};

/// Decides by what failed.
///
/// | error | verdict |
/// |---|---|
/// | `TimedOut` | transient, throttle, never reached |
/// | `User` | as the error inside |
///
/// bb8 says `TimedOut` for everything that keeps it from a connection: a pool in full use, a server that is down, and a
/// wrong password. `?` makes a `User` of any query's error, so a connection that was lost is *maybe reached*.
///
/// No variant says that an attempt may have taken effect. So over `tokio_postgres::Error`, which nobody else can make,
/// there is no `From<TimedOut>` and no `From<Rejected>`: return [`Cut`](crate::Cut) there.
impl<E: Retryable> Retryable for RunError<E> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::TimedOut => Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No),
            Self::User(error) => error.verdict(),
        }
    }

    fn erased(&self) -> Option<Erased<'_>> {
        match self {
            Self::User(error) => error.erased(),
            Self::TimedOut => None,
        }
    }
}

/// The backends whose pool errors are looked for in a box, where the type must be named.
pub(super) fn known(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    #[cfg(feature = "tokio-postgres-0_7")]
    if let Some(error) = super::boxed::found::<RunError<tokio_postgres_0_7::Error>>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "redis")]
    if let Some(error) = super::boxed::found::<RunError<redis::RedisError>>(error) {
        return Some(error.verdict());
    }
    let _ = error;
    None
}

#[cfg(feature = "redis")]
mod of_redis {
    use bb8_0_9::RunError;

    use crate::verdict::{Rejected, TimedOut};

    /// A `User` that holds the timeout.
    impl From<TimedOut> for RunError<redis::RedisError> {
        fn from(timed_out: TimedOut) -> Self {
            Self::User(timed_out.into())
        }
    }

    /// A `User` that holds the refusal.
    impl From<Rejected> for RunError<redis::RedisError> {
        fn from(rejected: Rejected) -> Self {
            Self::User(rejected.into())
        }
    }
}
