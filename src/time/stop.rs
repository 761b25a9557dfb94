//! Stopping: one call that ends the waits of many runs.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::vec::Vec;

/// Ends the waits of all runs that have it, blocking and async alike: for a shutdown.
///
/// A run gets it by [`stopped_by`](crate::Retry::stopped_by). Once [`stop`](Stop::stop) was called, a wait ends at once and
/// no other attempt begins. The run returns the operation's own last outcome, and the reason is
/// [`StopReason::Stopped`](crate::StopReason::Stopped). An attempt that is running may finish. The first attempt of a run
/// is always made.
///
/// Clones share one state, so one clone can be kept in each task and thread. It can't be taken back.
///
/// ```
/// use persevere::{time::Stop, Policy, Report, StopReason};
/// use std::{io, thread, time::Duration};
///
/// let stop = Stop::new();
/// let shutdown = stop.clone();
/// let mut report = Report::new();
/// let policy = Policy::new().forever().backoff(Duration::from_secs(3600)).jitter(persevere::Jitter::None);
/// let run = policy.stopped_by(&stop).report(&mut report);
/// let worker = thread::spawn(move || shutdown.stop());
/// let outcome = run.run(|| Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)));
/// worker.join().unwrap();
/// assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
/// assert_eq!(report.stop_reason(), Some(StopReason::Stopped));
/// ```
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    waiting: Mutex<Waiting>,
    blocked: Condvar,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<(u64, Waker)>,
    made: u64,
}

impl Stop {
    /// Creates one that has not stopped anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the waits of all runs that have it, now and later.
    pub fn stop(&self) {
        let wakers = {
            let mut waiting = self.shared.lock();
            self.shared.stopped.store(true, Ordering::Release);
            core::mem::take(&mut waiting.wakers)
        };
        self.shared.blocked.notify_all();
        // A waker runs code of the executor's, so not under the lock.
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    /// Returns whether [`stop`](Stop::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    /// Returns a future that ends when [`stop`](Stop::stop) is called, for whatever else has to end then.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time, and another one made.
    pub fn stopped(&self) -> Stopped {
        Stopped { stop: self.clone(), id: None }
    }

    /// Blocks this long, or until it is stopped.
    pub(crate) fn block(&self, wait: Duration) {
        let end = Instant::now().checked_add(wait);
        let mut waiting = self.shared.lock();
        while !self.is_stopped() {
            // What the clock can't count has no end.
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            // A day at a time, since not every system takes any length.
            let slice = left.min(Duration::from_secs(86_400));
            let waited = self.shared.blocked.wait_timeout(waiting, slice);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code of a user's runs under the lock, but for a waker's clone and drop.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

/// Ends when a [`Stop`] is stopped: what [`Stop::stopped`] returns.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Stopped {
    stop: Stop,
    /// Where its waker is kept.
    id: Option<u64>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { stop, id } = &mut *self;
        if stop.is_stopped() {
            return Poll::Ready(());
        }
        let mut waiting = stop.shared.lock();
        if stop.is_stopped() {
            return Poll::Ready(());
        }
        let Waiting { wakers, made } = &mut *waiting;
        let id = *id.get_or_insert_with(|| {
            *made += 1;
            *made
        });
        match wakers.iter_mut().find(|(waiting, _)| *waiting == id) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => wakers.push((id, context.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.stop.shared.lock().wakers.retain(|(waiting, _)| *waiting != id);
        }
    }
}

impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").field("stop", &self.stop).finish_non_exhaustive()
    }
}
