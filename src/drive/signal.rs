//! Signals: what may end a run's waits from outside.

use core::task::{Context, Poll};
use core::time::Duration;

use crate::time::BlockingTimer;
#[cfg(feature = "std")]
use crate::time::in_slices;

/// May end a run's waits. A run without one keeps nothing for it.
#[doc(hidden)]
pub trait Signal {
    const ANY: bool;

    /// An outcome that may still be returned after the wait.
    type Kept<R>;

    /// Nothing yet.
    fn nothing<R>() -> Self::Kept<R>;

    fn keep<R>(outcome: R) -> Self::Kept<R>;

    fn kept<R>(kept: Self::Kept<R>) -> Option<R>;

    fn is_stopped(&self) -> bool;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// A signal that ends the waits of blocking runs, or none.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`.until(future)` needs an async run: blocking code polls no future",
    label = "has a future to stop it",
    note = "in a blocking run use a handle: `.stopped_by(&stop)` with a `persevere::time::Stop`"
)]
pub trait BlockingSignal: Signal {
    fn sleep<T: BlockingTimer>(&self, timer: &T, wait: Duration);
}

/// Nothing ends a wait.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoSignal;

impl Signal for NoSignal {
    const ANY: bool = false;
    type Kept<R> = ();

    #[inline(always)]
    fn nothing<R>() {}

    #[inline(always)]
    fn keep<R>(_: R) {}

    #[inline(always)]
    fn kept<R>((): ()) -> Option<R> {
        None
    }

    #[inline(always)]
    fn is_stopped(&self) -> bool {
        false
    }

    #[inline(always)]
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl BlockingSignal for NoSignal {
    #[inline(always)]
    fn sleep<T: BlockingTimer>(&self, timer: &T, wait: Duration) {
        timer.sleep(wait);
    }
}

/// What every signal keeps.
#[cfg(feature = "std")]
macro_rules! keeps {
    () => {
        const ANY: bool = true;
        type Kept<R> = Option<R>;

        fn nothing<R>() -> Option<R> {
            None
        }

        fn keep<R>(outcome: R) -> Option<R> {
            Some(outcome)
        }

        fn kept<R>(kept: Option<R>) -> Option<R> {
            kept
        }
    };
}

/// One signal or the other.
#[cfg(feature = "std")]
impl<A: Signal, B: Signal> Signal for (A, B) {
    keeps!();

    fn is_stopped(&self) -> bool {
        self.0.is_stopped() || self.1.is_stopped()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.poll(context).is_ready() { Poll::Ready(()) } else { self.1.poll(context) }
    }
}

#[cfg(feature = "std")]
impl<B: BlockingSignal> BlockingSignal for (NoSignal, B) {
    fn sleep<T: BlockingTimer>(&self, timer: &T, wait: Duration) {
        self.1.sleep(timer, wait);
    }
}

/// Two handles: one is slept by, and the other is looked at in between.
#[cfg(feature = "std")]
impl<A: BlockingSignal, B: BlockingSignal, C: BlockingSignal> BlockingSignal for ((A, B), C) {
    fn sleep<T: BlockingTimer>(&self, timer: &T, wait: Duration) {
        in_slices(wait, || self.is_stopped(), |slice| self.1.sleep(timer, slice));
    }
}

#[cfg(feature = "std")]
pub(crate) use self::with_std::{Until, UntilStopped};

#[cfg(feature = "std")]
mod with_std {
    use core::fmt;
    use core::future::Future;
    use core::pin::Pin;
    use core::task::{Context, Poll, Waker};
    use core::time::Duration;
    use std::boxed::Box;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::{BlockingSignal, Signal};
    use crate::time::{BlockingTimer, Stop, Stopped};

    /// A handle, and the future that waits for it.
    #[derive(Debug)]
    pub struct UntilStopped {
        stop: Stop,
        stopped: Stopped,
    }

    impl UntilStopped {
        pub(crate) fn new(stop: &Stop) -> Self {
            Self { stop: stop.clone(), stopped: stop.stopped() }
        }
    }

    impl Signal for UntilStopped {
        keeps!();

        fn is_stopped(&self) -> bool {
            self.stop.is_stopped()
        }

        fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
            Pin::new(&mut self.stopped).poll(context)
        }
    }

    impl BlockingSignal for UntilStopped {
        fn sleep<T: BlockingTimer>(&self, timer: &T, wait: Duration) {
            timer.sleep_unless(wait, &self.stop);
        }
    }

    /// A future that is polled in each wait.
    pub struct Until<F>(Arc<Mutex<Option<Pin<Box<F>>>>>);

    impl<F: Future> Until<F> {
        pub(crate) fn new(future: F) -> Self {
            Self(Arc::new(Mutex::new(Some(Box::pin(future)))))
        }

        fn ask(&self, context: &mut Context<'_>) -> Poll<()> {
            // A panic of the future's passes through. The future is taken out before, so it counts as over from then on.
            let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(mut future) = place.take() else { return Poll::Ready(()) };
            let polled = future.as_mut().poll(context).map(drop);
            if polled.is_pending() {
                *place = Some(future);
            }
            polled
        }
    }

    impl<F> Clone for Until<F> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl<F> fmt::Debug for Until<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Until")
        }
    }

    impl<F: Future> Signal for Until<F> {
        keeps!();

        fn is_stopped(&self) -> bool {
            // The next wait polls it again, with the task's own waker.
            self.ask(&mut Context::from_waker(Waker::noop())).is_ready()
        }

        fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
            self.ask(context)
        }
    }
}
