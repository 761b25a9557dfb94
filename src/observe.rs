//! Observers: who is told what happened in a run. Without one, nothing is computed for them.

use core::time::Duration;

use crate::event::Event;
use crate::retryable::Verdict;
use crate::run::{Next, StopReason};

/// Told of the start and the end. Times are nanoseconds on the run's clock, read only if `CLOCK` asks for it.
#[doc(hidden)]
pub trait Observer {
    /// Whether it wants to know nothing at all.
    const IDLE: bool = false;
    const CLOCK: bool = false;

    #[inline]
    fn started(&mut self, _now: u64) {}
    #[inline]
    fn ended(&mut self, _reason: StopReason, _attempts: u32, _now: u64) {}

    /// When the run started, if the observer keeps that.
    #[inline]
    fn since(&self) -> Option<u64> {
        None
    }
}

/// An observer of runs whose errors are `E`.
#[doc(hidden)]
pub trait Observe<E>: Observer {
    fn failed(&mut self, failure: &Failed<'_, E>);

    /// Writes the error's text for the run's events, if the observer has been asked to.
    #[cfg(feature = "tracing")]
    fn text(&self, _error: &E, _to: &mut dyn core::fmt::Write) -> bool {
        false
    }
}

/// One failure, judged.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failed<'a, E> {
    pub(crate) attempt: u32,
    pub(crate) verdict: Verdict,
    pub(crate) next: Next,
    pub(crate) now: u64,
    pub(crate) error: Option<&'a E>,
}

impl<E> Failed<'_, E> {
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self.next {
            Next::Wait(wait) => Some(wait),
            Next::Stop(_) => None,
        }
    }
}

impl Observer for () {
    const IDLE: bool = true;
}

impl<E> Observe<E> for () {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    const IDLE: bool = A::IDLE && B::IDLE;
    const CLOCK: bool = A::CLOCK || B::CLOCK;

    #[inline]
    fn started(&mut self, now: u64) {
        self.0.started(now);
        self.1.started(now);
    }

    #[inline]
    fn ended(&mut self, reason: StopReason, attempts: u32, now: u64) {
        self.0.ended(reason, attempts, now);
        self.1.ended(reason, attempts, now);
    }

    #[inline]
    fn since(&self) -> Option<u64> {
        self.0.since().or(self.1.since())
    }
}

impl<E, A: Observe<E>, B: Observe<E>> Observe<E> for (A, B) {
    #[inline]
    fn failed(&mut self, failure: &Failed<'_, E>) {
        self.0.failed(failure);
        self.1.failed(failure);
    }

    #[cfg(feature = "tracing")]
    fn text(&self, error: &E, to: &mut dyn core::fmt::Write) -> bool {
        self.0.text(error, to) || self.1.text(error, to)
    }
}

/// The closure of [`Retry::on_retry`](crate::Retry::on_retry).
#[derive(Clone, Copy)]
pub struct OnRetry<F>(pub(crate) F);

impl<F> core::fmt::Debug for OnRetry<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OnRetry")
    }
}

impl<F> Observer for OnRetry<F> {}

impl<E, F: FnMut(Event<'_, E>)> Observe<E> for OnRetry<F> {
    #[inline]
    fn failed(&mut self, failure: &Failed<'_, E>) {
        if let Some(wait) = failure.wait() {
            (self.0)(Event::new(failure.attempt, wait, failure.verdict, failure.error));
        }
    }
}
