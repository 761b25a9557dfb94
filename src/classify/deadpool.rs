use std::error::Error as StdError;

use deadpool_0_13::managed::{HookError, PoolError, TimeoutType};

use crate::verdict::{Erased, Fault, Reached, Retryable, Verdict};

/// Decides by what failed.
///
/// | error | verdict |
/// |---|---|
/// | `Timeout(Wait)` | transient, throttle, never reached |
/// | `Timeout(Create)`, `Timeout(Recycle)` | transient, connect, never reached |
/// | `Backend`, and a hook's | as the error inside |
/// | everything else | permanent |
///
/// The pool itself makes a `Backend` only of a connect, but `?` makes one of any query's error. So a connection that was
/// lost is *maybe reached*: add [`connecting`](Verdict::connecting) where the call was `Pool::get` alone.
///
/// No variant says that an attempt may have taken effect. So over `tokio_postgres::Error`, which nobody else can make,
/// there is no `From<TimedOut>` and no `From<Rejected>`: return [`Cut`](crate::Cut) there.
impl<E: Retryable> Retryable for PoolError<E> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Timeout(TimeoutType::Wait) => EXHAUSTED,
            Self::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Verdict::transient().connecting(),
            Self::Backend(error) | Self::PostCreateHook(HookError::Backend(error)) => error.verdict(),
            Self::PostCreateHook(HookError::Message(_)) | Self::Closed | Self::NoRuntimeSpecified => {
                Verdict::permanent()
            }
        }
    }

    fn erased(&self) -> Option<Erased<'_>> {
        match self {
            Self::Backend(error) | Self::PostCreateHook(HookError::Backend(error)) => error.erased(),
            _ => None,
        }
    }
}

const EXHAUSTED: Verdict = Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No);

/// The backends whose pool errors are looked for in a box, where the type must be named.
pub(super) fn known(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    #[cfg(feature = "tokio-postgres-0_7")]
    if let Some(error) = super::boxed::found::<PoolError<tokio_postgres_0_7::Error>>(error) {
        return Some(error.verdict());
    }
    #[cfg(feature = "redis")]
    if let Some(error) = super::boxed::found::<PoolError<redis::RedisError>>(error) {
        return Some(error.verdict());
    }
    let _ = error;
    None
}

#[cfg(feature = "redis")]
mod of_redis {
    use super::PoolError;
    use crate::verdict::{Rejected, TimedOut};

    /// A `Backend` that holds the timeout.
    impl From<TimedOut> for PoolError<redis::RedisError> {
        fn from(timed_out: TimedOut) -> Self {
            Self::Backend(timed_out.into())
        }
    }

    /// A `Backend` that holds the refusal.
    impl From<Rejected> for PoolError<redis::RedisError> {
        fn from(rejected: Rejected) -> Self {
            Self::Backend(rejected.into())
        }
    }
}
