//! How an attempt is bounded in time: not at all, or cut by a timer.

use core::convert::identity;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use crate::drive::plan::{Limited, Making, MayMake, Timing, Whole};
use crate::run::State;
use crate::time::{Timer, nanos};
use crate::verdict::TimedOut;

/// How an attempt is bounded in time.
///
/// Of an attempt's output nothing is said here but that it is one. A bound that named the `V` and `E` of its `Result`
/// would have to be proved anew wherever the compiler asks whether a task is `Send`, and can't be there where they
/// borrow: it has forgotten the lifetimes.
#[doc(hidden)]
pub trait Bound: Timing {
    /// How an attempt ended: with its output, or by being cut where that can be.
    type Ended<R>;

    /// Notes whether it was cut.
    fn cut<R>(ended: &Self::Ended<R>) -> Self::Flag;

    /// Runs the attempt for at most `limit` nanoseconds, or until the deadline.
    fn bound<F, T>(limit: u64, state: State, timer: T, attempt: F) -> impl Future<Output = Self::Ended<F::Output>>
    where
        F: Future,
        T: Timer;

    /// Polls an attempt once, for an entry point that keeps the attempt and the sleep itself. `bound` on top of this
    /// would cost every first try. The limit is clipped at the first poll, which finds no sleep.
    ///
    /// The closure gets whether the time is over. If it is and the closure has no outcome, then the attempt is cut. An
    /// attempt in steps calls this for each of them: a step that ends when the time is over must not be `Ready`, because
    /// the next one would poll a sleep that has ended.
    fn poll<R, T: Timer>(
        limit: &mut u64,
        state: State,
        timer: &T,
        sleep: Pin<&mut Option<T::Sleep>>,
        context: &mut Context<'_>,
        attempt: impl FnMut(&mut Context<'_>, bool) -> Poll<R>,
    ) -> Poll<Self::Ended<R>>;
}

/// A timer that is lent by `&mut`, which can go to another thread even if the timer can't be shared.
pub(crate) struct Lent<'a, T>(pub(crate) &'a mut T);

impl<T: Timer> Timer for Lent<'_, T> {
    type Sleep = T::Sleep;

    #[inline(always)]
    fn now(&self) -> Duration {
        self.0.now()
    }

    #[inline(always)]
    fn sleep(&self, wait: Duration) -> T::Sleep {
        self.0.sleep(wait)
    }
}

/// How an attempt with errors of type `E` is bounded in time.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{E}` can't say that an attempt timed out",
    label = "an attempt timeout needs an error that is `From<TimedOut>`",
    note = "give your error a variant for it, with thiserror: `#[error(transparent)] TimedOut(#[from] persevere::TimedOut)`",
    note = "or make the error at the call: `.on_timeout(|timed_out| ..)` on the policy, `on_timeout = |timed_out| ..` in `#[retry(..)]`",
    note = "`io::Error`, boxed errors and `anyhow::Error` have it already"
)]
pub trait Guard<E>: Bound {
    /// Returns the outcome of an attempt, cut or not.
    fn outcome<V>(ended: Self::Ended<Result<V, E>>, make: Self::Make<'_>) -> Result<V, E>;

    /// Returns the error of an attempt that is not made because it is late, where such an error can be made.
    fn late(make: Self::Make<'_>) -> Option<E>;
}

/// No timeout: the attempt's own future, unwrapped.
impl Bound for Whole {
    type Ended<R> = R;

    #[inline(always)]
    fn cut<R>(_: &R) {}

    #[inline(always)]
    fn bound<F, T>(_: u64, _: State, _: T, attempt: F) -> impl Future<Output = F::Output>
    where
        F: Future,
        T: Timer,
    {
        attempt
    }

    #[inline(always)]
    fn poll<R, T: Timer>(
        _: &mut u64,
        _: State,
        _: &T,
        _: Pin<&mut Option<T::Sleep>>,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut Context<'_>, bool) -> Poll<R>,
    ) -> Poll<R> {
        attempt(context, false)
    }
}

impl<E> Guard<E> for Whole {
    #[inline(always)]
    fn outcome<V>(ended: Result<V, E>, (): ()) -> Result<V, E> {
        ended
    }

    #[inline(always)]
    fn late((): ()) -> Option<E> {
        None
    }
}

/// The error's own `From` makes it.
#[diagnostic::do_not_recommend]
impl<E: From<TimedOut>> Guard<E> for Limited {
    #[inline]
    fn outcome<V>(ended: Result<Result<V, E>, TimedOut>, (): ()) -> Result<V, E> {
        ended.map_err(E::from).and_then(identity)
    }

    #[inline]
    fn late((): ()) -> Option<E> {
        Some(TimedOut::new(Duration::ZERO).into())
    }
}

/// The closure of `on_timeout` makes it.
#[diagnostic::do_not_recommend]
impl<E, F: FnMut(TimedOut) -> E> Guard<E> for Limited<Making<F>> {
    #[inline]
    fn outcome<V>(ended: Result<Result<V, E>, TimedOut>, make: &mut F) -> Result<V, E> {
        ended.map_err(make).and_then(identity)
    }

    #[inline]
    fn late(make: &mut F) -> Option<E> {
        Some(make(TimedOut::new(Duration::ZERO)))
    }
}

/// What the first poll left of the limit: it may have taken its time.
fn left_of(limit: u64, began: u64, timer: &impl Timer) -> Duration {
    let spent = nanos::from(timer.now()).saturating_sub(began);
    nanos::duration(if limit == u64::MAX { limit } else { limit.saturating_sub(spent) })
}

impl<M: MayMake> Bound for Limited<M> {
    type Ended<R> = Result<R, TimedOut>;

    #[inline]
    fn cut<R>(ended: &Result<R, TimedOut>) -> bool {
        ended.is_err()
    }

    fn bound<F, T>(limit: u64, state: State, timer: T, attempt: F) -> impl Future<Output = Result<F::Output, TimedOut>>
    where
        F: Future,
        T: Timer,
    {
        async move {
            let began = nanos::from(timer.now());
            let limit = limit.min(state.left_nanos(began));
            let mut attempt = pin!(attempt);
            // What is ready at once needs no timer.
            if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context))).await {
                return Ok(outcome);
            }
            let left = left_of(limit, began, &timer);
            if left.is_zero() {
                return Err(TimedOut::new(nanos::duration(limit)));
            }
            let mut sleep = pin!(timer.sleep(left));
            let mut fresh = true;
            poll_fn(|context| {
                // The sleep is asked first, lest a busy attempt use up the task's turn, but the attempt wins.
                let late = sleep.as_mut().poll(context).is_ready();
                if !mem::take(&mut fresh) {
                    if let Poll::Ready(outcome) = attempt.as_mut().poll(context) {
                        return Poll::Ready(Ok(outcome));
                    }
                }
                if late { Poll::Ready(Err(TimedOut::new(nanos::duration(limit)))) } else { Poll::Pending }
            })
            .await
        }
    }

    fn poll<R, T: Timer>(
        limit: &mut u64,
        state: State,
        timer: &T,
        mut sleep: Pin<&mut Option<T::Sleep>>,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut Context<'_>, bool) -> Poll<R>,
    ) -> Poll<Result<R, TimedOut>> {
        let fresh = sleep.is_none();
        if fresh {
            let began = nanos::from(timer.now());
            *limit = (*limit).min(state.left_nanos(began));
            // What is ready at once needs no timer.
            if let Poll::Ready(outcome) = attempt(context, false) {
                return Poll::Ready(Ok(outcome));
            }
            let left = left_of(*limit, began, timer);
            if !left.is_zero() {
                sleep.set(Some(timer.sleep(left)));
            }
        }
        // The sleep is asked first, lest a busy attempt use up the task's turn, but the attempt wins.
        let late = sleep.as_pin_mut().is_none_or(|sleep| sleep.poll(context).is_ready());
        if !fresh {
            if let Poll::Ready(outcome) = attempt(context, late) {
                return Poll::Ready(Ok(outcome));
            }
        }
        if late { Poll::Ready(Err(TimedOut::new(nanos::duration(*limit)))) } else { Poll::Pending }
    }
}
