//! What the entry points accept, as one bound each.

use crate::drive::before::{BeforeAsync, BeforeBlocking};
use crate::drive::bound::Guard;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{Blocking, Plan};
use crate::drive::retry::IntoRetry;
use crate::drive::signal::BlockingSignal;
use crate::observe::Refuse;
use crate::observe::word::NoneAwaited;
use crate::time::{BlockingTimer, Timer};

/// Whatever can run a blocking operation whose values are `V` and whose errors are `E`.
///
/// It is what [`retry`](crate::retry()) asks of a policy, as one bound, for functions that take or return one: a
/// [`Policy`](crate::Policy) if `E` is [`Retryable`](crate::Retryable), a [`Retry`](crate::Retry) with hooks, guards and
/// a classifier that fit. The crate implements it for all that fits; nobody else can.
///
/// ```
/// use persevere::{Policy, RunsBlocking, retry};
/// use std::io;
///
/// fn house_policy<V>() -> impl RunsBlocking<V, io::Error> {
///     Policy::new().total(5).when(|error: &io::Error| error.kind() == io::ErrorKind::NotFound)
/// }
///
/// /// Anything that can run such an operation, from the caller.
/// fn read(path: &str, policy: impl RunsBlocking<String, io::Error>) -> io::Result<String> {
///     retry(policy, || std::fs::read_to_string(path))
/// }
///
/// assert!(read("Cargo.toml", house_policy()).is_ok());
/// assert!(read("Cargo.toml", Policy::new()).is_ok());
/// ```
pub trait RunsBlocking<V, E>:
    IntoRetry<
        Plan: Plan<Timing: Blocking, Signal: BlockingSignal>,
        Classify: Classify<E>,
        Accept: Accept<V>,
        Observe: Refuse<E, Word: NoneAwaited>,
        Before: BeforeBlocking,
        Timer: BlockingTimer,
    >
{
}

impl<R, V, E> RunsBlocking<V, E> for R where
    R: IntoRetry<
            Plan: Plan<Timing: Blocking, Signal: BlockingSignal>,
            Classify: Classify<E>,
            Accept: Accept<V>,
            Observe: Refuse<E, Word: NoneAwaited>,
            Before: BeforeBlocking,
            Timer: BlockingTimer,
        >
{
}

/// Whatever can run an async operation whose values are `V` and whose errors are `E`.
///
/// It is what [`retry_async`](crate::retry_async()) asks of a policy, as one bound, for functions that take or return
/// one: a [`Policy`](crate::Policy) if `E` is [`Retryable`](crate::Retryable), one with an attempt timeout if `E` is also
/// `From<TimedOut>` or made by [`on_timeout`](crate::Retry::on_timeout), a [`Retry`](crate::Retry) with hooks, guards and a classifier that fit. The crate implements it for
/// all that fits; nobody else can.
///
/// ```
/// use persevere::{Policy, RunsAsync, retry_async};
/// use std::io;
/// use std::time::Duration;
///
/// fn house_policy<V>() -> impl RunsAsync<V, io::Error> {
///     Policy::new().total(5).attempt_timeout(Duration::from_secs(2))
/// }
///
/// async fn ping(policy: impl RunsAsync<u8, io::Error>) -> io::Result<u8> {
///     retry_async(policy, async || Ok(1)).await
/// }
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(ping(house_policy()).await.unwrap(), 1);
/// assert_eq!(ping(Policy::new()).await.unwrap(), 1);
/// # });
/// ```
pub trait RunsAsync<V, E>:
    IntoRetry<
        Plan: Plan<Timing: Guard<E>>,
        Classify: Classify<E>,
        Accept: Accept<V>,
        Observe: Refuse<E>,
        Before: BeforeAsync,
        Timer: Timer,
    >
{
}

impl<R, V, E> RunsAsync<V, E> for R where
    R: IntoRetry<
            Plan: Plan<Timing: Guard<E>>,
            Classify: Classify<E>,
            Accept: Accept<V>,
            Observe: Refuse<E>,
            Before: BeforeAsync,
            Timer: Timer,
        >
{
}
