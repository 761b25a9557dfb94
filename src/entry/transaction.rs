//! The transaction in place: it runs again unless it may have been applied.

use core::error::Error;
use core::fmt;

use crate::drive::Driver;
use crate::drive::before::Before;
use crate::drive::judge::Classify;
use crate::drive::plan::{Adjust, Plan};
use crate::drive::retry::{IntoRetry, Retry};
#[cfg(feature = "std")]
use crate::drive::shared::SharedObserver;
use crate::observe::Observer;
#[cfg(feature = "std")]
use crate::observe::{self, Observe};
use crate::verdict::{Erased, Reached, Rejected, Retryable, TimedOut, Verdict};

/// The failure of a transaction, with whether it took effect.
///
/// [`transaction!`](crate::transaction!) returns it, because the error alone does not show that. The same lost connection is
/// harmless before `COMMIT` is sent, and leaves the outcome open afterwards.
///
/// ```
/// use persevere::transaction::Failed;
/// use std::io;
///
/// let lost = || io::Error::from(io::ErrorKind::ConnectionReset);
/// assert!(!Failed::NotApplied(lost()).is_ambiguous());
/// assert!(Failed::Ambiguous(lost()).is_ambiguous());
/// assert_eq!(Failed::NotApplied(lost()).into_inner().unwrap().kind(), io::ErrorKind::ConnectionReset);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failed<E> {
    /// Nothing of the transaction took effect.
    NotApplied(E),
    /// `COMMIT` was sent and its answer did not come. The transaction may be applied, or not.
    Ambiguous(E),
    /// The token was there before this call, so an earlier call applied the transaction. This call did nothing.
    AlreadyApplied,
}

impl<E> Failed<E> {
    /// Returns whether nobody knows if the transaction was applied.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous(_))
    }

    /// Returns the error of the client or of the body, if there is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::NotApplied(error) | Self::Ambiguous(error) => Some(error),
            Self::AlreadyApplied => None,
        }
    }

    /// The failure of an attempt that no guard let begin.
    fn refused(rejected: Rejected, error: E) -> Self {
        match rejected.verdict().reached() {
            Reached::No => Self::NotApplied(error),
            _ => Self::Ambiguous(error),
        }
    }

    const fn inner(&self) -> Option<&E> {
        match self {
            Self::NotApplied(error) | Self::Ambiguous(error) => Some(error),
            Self::AlreadyApplied => None,
        }
    }

    fn verdict_by(&self, inner: impl FnOnce(&E) -> Verdict) -> Verdict {
        match self {
            Self::NotApplied(error) => inner(error).with_reached(Reached::No),
            Self::Ambiguous(error) => inner(error).with_reached(Reached::Maybe),
            Self::AlreadyApplied => Verdict::permanent(),
        }
    }
}

/// Decides as the error inside does. [`NotApplied`](Failed::NotApplied) is *never reached*, and
/// [`Ambiguous`](Failed::Ambiguous) is *maybe reached*.
impl<E: Retryable> Retryable for Failed<E> {
    fn verdict(&self) -> Verdict {
        self.verdict_by(Retryable::verdict)
    }

    fn erased(&self) -> Option<Erased<'_>> {
        self.inner().and_then(Retryable::erased)
    }
}

/// An [`Ambiguous`](Failed::Ambiguous) failure, because nobody knows here which part was cut.
///
/// Inside [`transaction!`](crate::transaction!) it is known, and an attempt that was cut before `COMMIT` is
/// [`NotApplied`](Failed::NotApplied).
impl<E: From<TimedOut>> From<TimedOut> for Failed<E> {
    fn from(timed_out: TimedOut) -> Self {
        Self::Ambiguous(timed_out.into())
    }
}

/// A [`NotApplied`](Failed::NotApplied) failure, unless an attempt was made before.
impl<E: From<Rejected>> From<Rejected> for Failed<E> {
    fn from(rejected: Rejected) -> Self {
        Self::refused(rejected, rejected.into())
    }
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplied(error) => error.fmt(f),
            Self::Ambiguous(error) => write!(f, "the transaction may be applied: {error}"),
            Self::AlreadyApplied => f.write_str("an earlier call with the same token applied the transaction"),
        }
    }
}

/// It stands for the error inside, so its source is that error's.
impl<E: Error> Error for Failed<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotApplied(error) | Self::Ambiguous(error) => error.source(),
            Self::AlreadyApplied => None,
        }
    }
}

/// Classifies the error inside, and adds what is known of the transaction.
#[derive(Clone, Copy, Debug)]
pub struct Phased<C>(C);

impl<E, C: Classify<E>> Classify<Failed<E>> for Phased<C> {
    fn verdict(&mut self, failed: &Failed<E>) -> Verdict {
        failed.verdict_by(|error| self.0.verdict(error))
    }

    fn erased<'e>(&self, failed: &'e Failed<E>) -> Option<Erased<'e>> {
        failed.inner().and_then(|error| self.0.erased(error))
    }
}

/// The hooks of a [`SharedRetry`](crate::SharedRetry) have the type of the error inside.
#[cfg(feature = "std")]
impl<E> Observe<Failed<E>> for SharedObserver<E> {
    fn failed(&mut self, failure: &observe::Failed<'_, Failed<E>>) {
        let &observe::Failed { name, attempt, verdict, next, now, nested, error, unknown } = failure;
        let error = error.and_then(Failed::inner);
        let failure = observe::Failed { name, attempt, verdict, next, now, nested, error, unknown };
        Observe::<E>::failed(self, &failure);
    }

    fn rejected(&mut self, rejected: Rejected) -> Option<Failed<E>> {
        Observe::<E>::rejected(self, rejected).map(|error| Failed::refused(rejected, error))
    }

    #[cfg(feature = "tracing")]
    fn text(&self, failed: &Failed<E>, to: &mut dyn fmt::Write) -> bool {
        failed.inner().is_some_and(|error| Observe::<E>::text(self, error, to))
    }
}

/// Prepares the run of a transaction. Only one with a token may repeat an ambiguous `COMMIT`.
#[inline]
#[allow(clippy::type_complexity)]
pub fn prepare<P>(
    policy: P,
    has_token: bool,
) -> Retry<<P::Plan as Adjust>::Adjusted, Phased<P::Classify>, P::Accept, P::Observe, P::Before, P::Timer>
where
    P: IntoRetry<Plan: Adjust>,
{
    let Retry { plan, classify, accept, observe, before, timer } = policy.into_retry();
    let plan = plan.adjust(|policy| policy.idempotent(has_token));
    Retry { plan, classify: Phased(classify), accept, observe, before, timer }
}

/// The client's error, of a type that is known before it becomes the run's. So the compiler names both if it can't.
#[derive(Debug)]
pub struct Cause<C>(pub C);

impl<C> Cause<C> {
    /// Makes the run's error of it.
    #[inline]
    pub fn into<E: From<C>>(self) -> E {
        self.0.into()
    }
}

/// How far the attempt has come, and whether an earlier `COMMIT` is still open.
#[derive(Debug)]
pub struct Phase {
    part: Part,
    is_open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Body,
    Commit,
    /// The client returned an error for `COMMIT`.
    Refused,
}

#[allow(clippy::missing_errors_doc)] // Expansions alone call these.
impl Phase {
    /// Creates the phase of a run that has not started.
    #[inline]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self { part: Part::Body, is_open: false }
    }

    /// Notes that `COMMIT` is about to be sent.
    #[inline]
    pub const fn commits(&mut self) {
        self.part = Part::Commit;
    }

    /// Notes that the client returned an error for `COMMIT`.
    #[inline]
    pub const fn refused(&mut self) {
        self.part = Part::Refused;
    }

    /// Notes that the database has the token from this attempt alone: no earlier one was applied.
    #[inline]
    pub const fn is_first(&mut self) {
        self.is_open = false;
    }

    /// Returns the value of the attempt that was applied.
    #[inline]
    pub fn applied<V, E>(&self, kept: &mut Option<V>) -> Result<V, Failed<E>> {
        kept.take().ok_or(Failed::AlreadyApplied)
    }

    /// Returns the value of an earlier attempt whose `COMMIT` had no answer, now that the token was there.
    #[inline]
    pub fn applied_before<V, E>(&self, kept: &mut Option<V>) -> Result<V, Failed<E>> {
        if self.is_open { self.applied(kept) } else { Err(Failed::AlreadyApplied) }
    }

    /// Says in the failure whether the transaction took effect. The attempt that comes next begins with its body.
    #[inline]
    pub fn place<P, C, K, O, B, T, V, E>(
        &mut self,
        run: &mut Driver<P, Phased<C>, K, O, B, T>,
        outcome: Result<V, Failed<E>>,
    ) -> Result<V, Failed<E>>
    where
        P: Plan,
        C: Classify<E>,
        O: Observer,
        B: Before,
    {
        outcome.map_err(|failed| self.placed(failed, |error| run.retry.classify.0.verdict(error)))
    }

    #[cold]
    fn placed<E>(&mut self, failed: Failed<E>, verdict: impl FnOnce(&E) -> Verdict) -> Failed<E> {
        let (Failed::NotApplied(error) | Failed::Ambiguous(error)) = failed else { return failed };
        self.is_open = match core::mem::replace(&mut self.part, Part::Body) {
            Part::Body => self.is_open,
            Part::Commit => true,
            Part::Refused => {
                let verdict = verdict(&error);
                // The database's own answer means that it rolled back: it is permanent, or proves it.
                verdict.unclassified || verdict.is_transient() && verdict.reached() != Reached::No
            }
        };
        if self.is_open { Failed::Ambiguous(error) } else { Failed::NotApplied(error) }
    }
}

/// Runs a transaction in place, and again while the policy allows and it was not applied.
///
/// Each attempt begins a transaction, runs the body and commits. The body stands in your own function: it borrows whatever
/// it names, `&mut` included, and the whole is still `Send` where the body is. `?` and `return` in it end the body. The
/// macro calls the transaction's own `commit()` and `rollback()`, so it works with every async client that has them:
/// `sqlx`, `tokio-postgres`, and the pools around them. The policy is whatever
/// [`retry_async`](crate::retry_async()) takes. Use it where `.await` is allowed.
///
/// | form | |
/// |---|---|
/// | `transaction!(policy, pool.begin(), -> Result<T, E> \|tx\| { .. })` | the pool begins the transaction |
/// | `transaction!(policy, let mut client = pool.get(), client.transaction(), -> ..)` | the pool lends a client, which begins it |
/// | `transaction!(policy, .., once = \|tx\| is_new, -> ..)` | with a token, see below |
///
/// `pool.begin()`, `pool.get()` and `client.transaction()` are awaited by the macro. Their errors become an `E` by `From`,
/// as `?` does it, and so does the error of `commit()`. In the body, `tx` is a `&mut` to the transaction.
///
/// # What is repeated
///
/// Until `COMMIT` is sent, nothing of the transaction took effect. So each transient failure before it is retried,
/// whatever [`idempotent`](crate::Policy::idempotent) says. A `COMMIT` that the database refused is not applied either, and
/// is retried if that helps: a serialization failure is. A `COMMIT` whose answer did not come may have been applied. It
/// ends the run with [`Failed::Ambiguous`](crate::transaction::Failed::Ambiguous).
///
/// That is true of what the database rolls back, and of nothing else that the body did. MySQL does not roll back `CREATE
/// TABLE` and its like, nor tables without transactions, and no database rolls back sequences.
///
/// # A token
///
/// With `once`, an ambiguous `COMMIT` is repeated. Its expression inserts a row with a token of your own, new for each
/// call, and returns whether the row was new: a `Result<bool, _>`. If it was not, then an earlier attempt was applied,
/// and the macro returns the value of that attempt. Where no attempt of this call was applied, an earlier call was, and
/// the error is [`Failed::AlreadyApplied`](crate::transaction::Failed::AlreadyApplied).
///
/// # Errors
///
/// [`Failed`](crate::transaction::Failed) with the error of the last attempt. The type of the error needs to be
/// [`Retryable`](crate::Retryable) unless the policy has a [`when`](crate::Retry::when), which gets that error. Hooks get a
/// `Failed` (those of a [`SharedRetry`](crate::SharedRetry) the error inside), and [`on_timeout`](crate::Retry::on_timeout) and [`on_rejected`](crate::Retry::on_rejected) make one: the macro
/// corrects whether it is applied. A value is one of a transaction that is applied, so [`when_ok`](crate::Retry::when_ok) repeats nothing.
///
/// # Cancel safety
///
/// Dropping the future around it drops the transaction, and the client rolls it back. If `COMMIT` was sent by then, it may
/// be applied.
///
/// # Examples
///
/// A client that loses its connection once:
///
/// ```
/// # use std::io;
/// # struct Pool(std::sync::atomic::AtomicU32);
/// # struct Transaction<'a>(&'a Pool);
/// # impl Pool {
/// #     async fn begin(&self) -> io::Result<Transaction<'_>> { Ok(Transaction(self)) }
/// # }
/// # impl Transaction<'_> {
/// #     async fn execute(&mut self, _: &str) -> io::Result<u64> {
/// #         match self.0.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
/// #             0 => Err(io::ErrorKind::ConnectionReset.into()),
/// #             _ => Ok(1),
/// #         }
/// #     }
/// #     async fn commit(self) -> io::Result<()> { Ok(()) }
/// #     async fn rollback(self) -> io::Result<()> { Ok(()) }
/// # }
/// use persevere::{Policy, transaction};
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// # let pool = Pool(0.into());
/// let mut log = Vec::new();
/// let changed = transaction!(Policy::new(), pool.begin(), -> Result<u64, io::Error> |tx| {
///     log.push("asked");
///     tx.execute("update accounts set balance = balance - 10 where id = 1").await?;
///     tx.execute("update accounts set balance = balance + 10 where id = 2").await
/// });
/// assert_eq!(changed.unwrap(), 1);
/// assert_eq!(log.len(), 2);
/// # });
/// ```
#[macro_export]
macro_rules! transaction {
    (@emit ($policy:expr) ($has_token:literal) ($(let $client:pat = $get:expr)?) ($begin:expr) ($(once |$once:ident| $new:expr)?)
        ($value:ty) ($error:ty) ($tx:ident) $body:block) => {
        match ($crate::__private::Phase::new(), $crate::__private::Option::None::<$value>) {
            (mut __persevere_phase, mut __persevere_kept) => $crate::retry_async!(@emit
                ($crate::__private::prepare($policy, $has_token)) () ()
                ($crate::__private::Result<$value, $crate::transaction::Failed<$error>>)
                {
                    $(let $client = match $get.await {
                        $crate::__private::Result::Ok(__persevere_client) => __persevere_client,
                        $crate::__private::Result::Err(__persevere_error) => {
                            return $crate::transaction!(@not_applied $error, __persevere_error);
                        }
                    };)?
                    let mut __persevere_tx = match $begin.await {
                        $crate::__private::Result::Ok(__persevere_tx) => __persevere_tx,
                        $crate::__private::Result::Err(__persevere_error) => {
                            return $crate::transaction!(@not_applied $error, __persevere_error);
                        }
                    };
                    $(
                        let __persevere_new = {
                            let $once = &mut __persevere_tx;
                            $new
                        };
                        match __persevere_new {
                            $crate::__private::Result::Ok(true) => {
                                __persevere_phase.is_first();
                                __persevere_kept = $crate::__private::Option::None;
                            }
                            $crate::__private::Result::Ok(false) => {
                                let _ = __persevere_tx.rollback().await;
                                return __persevere_phase.applied_before(&mut __persevere_kept);
                            }
                            $crate::__private::Result::Err(__persevere_error) => {
                                let _ = __persevere_tx.rollback().await;
                                return $crate::transaction!(@not_applied $error, __persevere_error);
                            }
                        }
                    )?
                    let __persevere_done: $crate::__private::Result<$value, $error> = {
                        let $tx = &mut __persevere_tx;
                        async {
                            // Never taken: it gives the body its type.
                            if let $crate::__private::Option::Some(__persevere_never) =
                                $crate::__private::Option::None::<$crate::__private::Result<$value, $error>>
                            {
                                return __persevere_never;
                            }
                            $body
                        }
                        .await
                    };
                    match __persevere_done {
                        $crate::__private::Result::Ok(__persevere_value) => {
                            __persevere_kept = $crate::__private::Option::Some(__persevere_value);
                        }
                        $crate::__private::Result::Err(__persevere_error) => {
                            // Locks are not kept over the wait: some clients roll back at the next use alone.
                            let _ = __persevere_tx.rollback().await;
                            return $crate::__private::Result::Err($crate::transaction::Failed::NotApplied(
                                __persevere_error,
                            ));
                        }
                    }
                    __persevere_phase.commits();
                    match __persevere_tx.commit().await {
                        $crate::__private::Result::Ok(()) => {
                            __persevere_phase.applied(&mut __persevere_kept)
                        }
                        $crate::__private::Result::Err(__persevere_error) => {
                            __persevere_phase.refused();
                            $crate::transaction!(@not_applied $error, __persevere_error)
                        }
                    }
                }, __persevere_phase),
        }
    };
    (@not_applied $error:ty, $cause:expr) => {
        $crate::__private::Result::Err($crate::transaction::Failed::NotApplied(
            $crate::__private::Cause($cause).into::<$error>(),
        ))
    };
    ($policy:expr, let $client:pat = $get:expr, $begin:expr, once = |$once:ident| $new:expr,
        -> Result<$value:ty, $error:ty> |$tx:ident| $body:block $(,)?) => {
        $crate::transaction!(@emit ($policy) (true) (let $client = $get) ($begin) (once |$once| $new)
            ($value) ($error) ($tx) $body)
    };
    ($policy:expr, let $client:pat = $get:expr, $begin:expr,
        -> Result<$value:ty, $error:ty> |$tx:ident| $body:block $(,)?) => {
        $crate::transaction!(@emit ($policy) (false) (let $client = $get) ($begin) () ($value) ($error) ($tx) $body)
    };
    ($policy:expr, $begin:expr, once = |$once:ident| $new:expr,
        -> Result<$value:ty, $error:ty> |$tx:ident| $body:block $(,)?) => {
        $crate::transaction!(@emit ($policy) (true) () ($begin) (once |$once| $new) ($value) ($error) ($tx) $body)
    };
    ($policy:expr, $begin:expr, -> Result<$value:ty, $error:ty> |$tx:ident| $body:block $(,)?) => {
        $crate::transaction!(@emit ($policy) (false) () ($begin) () ($value) ($error) ($tx) $body)
    };
    ($($wrong:tt)*) => {
        ::core::compile_error!(
            "`transaction!` takes a policy, what begins the transaction, and a typed body: `transaction!(policy, \
             pool.begin(), -> Result<T, E> |tx| { .. })`, or with a pool's client: `transaction!(policy, let mut client = \
             pool.get(), client.transaction(), -> Result<T, E> |tx| { .. })`"
        )
    };
}
