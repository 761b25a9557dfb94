//! All that the expansions of macros may name. Not public API: it may change in any release.

pub use core::clone::Clone;
pub use core::convert::From;
pub use core::option::Option;
pub use core::pin::pin;
pub use core::result::Result;
pub use core::time::Duration;

use crate::drive::before::Before;
pub use crate::drive::plan::FunctionName;
use crate::drive::plan::{Name, Named, Plan};
pub use crate::drive::rest::rest;
pub use crate::drive::retry::IntoRetry;
use crate::drive::retry::Retry;
pub use crate::drive::{Driver, Memory, Step};
pub use crate::entry::transaction::{Cause, Phase, prepare};
#[cfg(feature = "std")]
pub use crate::guard::nesting::Nested;
use crate::observe::event::Event;
pub use crate::policy::jitter::Jitter;
pub use crate::policy::{Backoff, Hints, Policy};
pub use crate::verdict::{Erased, Fault, Reached, Rejected, Retryable, TimedOut, Verdict};

use core::fmt;
use core::marker::PhantomData;

use crate::drive::before::BeforeBlocking;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Blocking;
use crate::drive::signal::BlockingSignal;
use crate::observe::word::NoneAwaited;
use crate::observe::{Observer, Refuse};
use crate::time::BlockingTimer;

/// A run that has not started.
#[inline]
#[allow(clippy::type_complexity)]
pub fn drive<P>(policy: P) -> Driver<P::Plan, P::Classify, P::Accept, P::Observe, P::Before, P::Timer>
where
    P: IntoRetry<Plan: Plan, Observe: Observer, Before: Before>,
{
    Driver::new(policy.into_retry())
}

/// A type that no name of the user's can hide.
pub type Text = &'static str;

/// Prepares a run that has this name unless the policy has one.
#[inline]
#[allow(clippy::type_complexity)]
pub fn named<P: IntoRetry, N: Name>(
    policy: P,
    name: N,
) -> Retry<Named<P::Plan, N>, P::Classify, P::Accept, P::Observe, P::Before, P::Timer> {
    policy.into_retry().named(name)
}

/// The return type of a function that can be retried.
#[diagnostic::on_unimplemented(
    message = "a retry needs a function that returns a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "a retry tries again when the result is an `Err`: return `Result<{Self}, E>`",
    note = "a function that returns a future has to be an `async fn`, or to be called through `retry_async`"
)]
pub trait Outcome {
    type Ok;
    type Err;
}

impl<V, E> Outcome for Result<V, E> {
    type Ok = V;
    type Err = E;
}

/// What `after = ..` of the derive may name: a duration, or one that may be missing.
#[diagnostic::on_unimplemented(
    message = "`after` takes a `Duration` or an `Option<Duration>`, not `{Self}`",
    label = "not a wait"
)]
pub trait Hint {
    fn hint(&self) -> Option<Duration>;
}

impl Hint for Duration {
    fn hint(&self) -> Option<Duration> {
        Some(*self)
    }
}

impl<H: Hint> Hint for Option<H> {
    fn hint(&self) -> Option<Duration> {
        self.as_ref().and_then(Hint::hint)
    }
}

impl<H: Hint + ?Sized> Hint for &H {
    fn hint(&self) -> Option<Duration> {
        (**self).hint()
    }
}

/// Passes on what the function of `with = ..` returned. The message about another type stands at its path.
pub fn judged(verdict: Verdict) -> Verdict {
    verdict
}

/// Adds the hint that an error holds, if it holds one.
pub fn hinted(verdict: Verdict, hint: &dyn Hint) -> Verdict {
    match hint.hint() {
        Some(hint) => verdict.with_hint(hint),
        None => verdict,
    }
}

pub use crate::policy::timed::Timed;

/// The return type of a function under `#[retry]`, which types its hooks and its outcome.
pub struct Of<V, E>(PhantomData<fn() -> Result<V, E>>);

impl<V, E> fmt::Debug for Of<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Of")
    }
}

/// Names the return type. Of what is no `Result` this alone complains, since it leaves no type to compare with.
#[inline]
pub const fn of<R: Outcome>() -> Of<R::Ok, R::Err> {
    Of(PhantomData)
}

impl<V, E> Of<V, E> {
    /// Types the closure of `when`.
    #[inline]
    pub fn when<A: Into<Verdict>, F: FnMut(&E) -> A>(&self, when: F) -> F {
        when
    }

    /// Types the closure of `when_ok`.
    #[inline]
    pub fn when_ok<A: Into<Verdict>, F: FnMut(&V) -> A>(&self, again: F) -> F {
        again
    }

    /// Types the closure of `on_retry`.
    #[inline]
    pub fn on_retry<F: FnMut(Event<'_, E>)>(&self, hook: F) -> F {
        hook
    }

    /// Types the closure of `on_retry_async`.
    #[inline]
    pub fn on_retry_async<F: FnMut(Event<'_, E>) -> W, W>(&self, hook: F) -> F {
        hook
    }

    /// Types the closure of `on_timeout`.
    #[inline]
    pub fn on_timeout<F: FnMut(TimedOut) -> E>(&self, make: F) -> F {
        make
    }

    /// Types the closure of `on_rejected`.
    #[inline]
    pub fn on_rejected<F: FnMut(Rejected) -> E>(&self, make: F) -> F {
        make
    }

    /// Runs a blocking operation. The closure takes its return type from here, `impl Trait` in it or not.
    ///
    /// # Errors
    ///
    /// The operation's own last error.
    #[inline(always)]
    pub fn block<P, C, K, O, B, T>(
        &self,
        run: Driver<P, C, K, O, B, T>,
        attempt: impl FnMut(&Driver<P, C, K, O, B, T>, &Memory) -> Result<V, E>,
    ) -> Result<V, E>
    where
        P: Plan<Timing: Blocking, Signal: BlockingSignal>,
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E, Word: NoneAwaited>,
        B: BeforeBlocking,
        T: BlockingTimer,
    {
        run.block(attempt)
    }

    /// As the function [`never`], for a type without a name.
    #[inline(always)]
    pub const fn never(&self) -> Option<Result<V, E>> {
        None
    }
}

/// What an async attempt never returns, to give its block the type.
#[inline(always)]
pub const fn never<R: Outcome>() -> Option<Result<R::Ok, R::Err>> {
    None
}

/// Clones an argument that is declared `mut`, by way of its being so.
#[inline]
pub fn clone_mut<T: Clone>(value: &mut T) -> T {
    value.clone()
}
