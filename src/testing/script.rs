//! Operations by script.

use core::future::Future;
use core::time::Duration;
use core::{fmt, iter, mem};
use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::VirtualTimer;

/// An operation that does what it is told: fail twice with this, then with that, stall for 5 s, succeed.
///
/// [`call`](Script::call) is the blocking operation, [`call_async`](Script::call_async) the async one. Both take
/// `&self`, and clones share one script, so a test can hand it to the code under test and ask it afterwards how often
/// it was called. Errors need not be `Clone`: they are made by a closure. What the script holds is what it was given;
/// it may come from an endless iterator ([`then`](Script::then)).
///
/// ```
/// use persevere::{testing::{Script, VirtualTimer}, Policy, Report, StopReason};
/// use std::{io, time::Duration};
///
/// let timer = VirtualTimer::new();
/// let server = Script::new()
///     .timer(&timer)
///     .fail(2, || io::Error::from(io::ErrorKind::ConnectionRefused))
///     .stall(Duration::from_secs(5))
///     .fail(1, || io::Error::from(io::ErrorKind::TimedOut)) // after 5 s
///     .succeed(42);
///
/// let mut report = Report::new();
/// let answer = Policy::new().timer(&timer).report(&mut report).run(|| server.call());
/// assert_eq!(answer.unwrap(), 42);
/// assert_eq!(server.calls(), 4);
/// assert_eq!(report.failures().nth(2).unwrap().took(), Duration::from_secs(5));
/// ```
pub struct Script<V, E> {
    shared: Arc<Mutex<Shared<V, E>>>,
}

struct Shared<V, E> {
    parts: VecDeque<Part<V, E>>,
    /// The stall before the outcome that is added next.
    stall: Duration,
    timer: Option<VirtualTimer>,
    calls: u32,
}

struct Part<V, E> {
    stall: Duration,
    outcomes: Box<dyn Iterator<Item = Result<V, E>> + Send>,
}

impl<V, E> Script<V, E> {
    /// Makes a script without any outcome.
    pub fn new() -> Self {
        let shared = Shared { parts: VecDeque::new(), stall: Duration::ZERO, timer: None, calls: 0 };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Fails so many times, each time with a new error of the closure's, which must not call the script itself.
    pub fn fail(self, times: usize, error: impl FnMut() -> E + Send + 'static) -> Self
    where
        V: 'static,
        E: 'static,
    {
        self.then(iter::repeat_with(error).take(times).map(Err))
    }

    /// Succeeds once, with this value.
    pub fn succeed(self, value: V) -> Self
    where
        V: Send + 'static,
        E: 'static,
    {
        self.then(iter::once(value).map(Ok))
    }

    /// Goes on with these outcomes, which are made when they are due: an array, or an iterator, be it endless. The
    /// iterator must not call the script itself.
    ///
    /// ```
    /// use persevere::{testing::Script, Policy};
    /// use std::io;
    ///
    /// let down = Script::<(), _>::new().then(std::iter::repeat_with(|| Err(io::Error::from(io::ErrorKind::BrokenPipe))));
    /// let _ = Policy::new().total(6).backoff(std::time::Duration::ZERO).run(|| down.call());
    /// assert_eq!(down.calls(), 7);
    /// ```
    pub fn then<I>(self, outcomes: I) -> Self
    where
        I: IntoIterator<Item = Result<V, E>>,
        I::IntoIter: Send + 'static,
    {
        let outcomes = Box::new(outcomes.into_iter());
        let mut shared = self.lock();
        let stall = mem::take(&mut shared.stall);
        shared.parts.push_back(Part { stall, outcomes });
        drop(shared);
        self
    }

    /// Makes the next outcome come only after this time.
    ///
    /// With a [`timer`](Script::timer) it is that timer's virtual time. Without one an async call stalls on tokio's
    /// time, which a test can pause.
    pub fn stall(self, time: Duration) -> Self {
        self.lock().stall = time;
        self
    }

    /// Stalls in the virtual time of this timer, which the run under test should name, too. Stalls are not among the
    /// timer's [`sleeps`](VirtualTimer::sleeps).
    pub fn timer(self, timer: &VirtualTimer) -> Self {
        self.lock().timer = Some(timer.clone());
        self
    }

    /// Runs the next outcome, as a blocking operation.
    ///
    /// # Errors
    ///
    /// What the script says.
    ///
    /// # Panics
    ///
    /// If the script is over; or if it stalls and has no [`timer`](Script::timer), since a test should not sleep.
    #[track_caller]
    pub fn call(&self) -> Result<V, E> {
        let (stall, timer, outcome) = self.next();
        if !stall.is_zero() {
            let Some(timer) = timer else {
                panic!("the script stalls: give it a virtual timer with `.timer(&timer)`, or call it with `call_async`")
            };
            timer.advance(stall);
        }
        outcome
    }

    /// Runs the next outcome, as an async operation. Nothing happens before the future is polled.
    ///
    /// # Errors
    ///
    /// What the script says.
    ///
    /// # Panics
    ///
    /// If the script is over; or if it stalls, has no [`timer`](Script::timer), and tokio's is not there: outside of
    /// its runtime, or without the feature `tokio`.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped while it stalls has used up its outcome.
    pub fn call_async(&self) -> impl Future<Output = Result<V, E>> + use<V, E> {
        let script = self.clone();
        async move {
            let (stall, timer, outcome) = script.next();
            if !stall.is_zero() {
                match timer {
                    Some(timer) => timer.stall(stall).await,
                    #[cfg(feature = "tokio")]
                    None => tokio::time::sleep(stall).await,
                    #[cfg(not(feature = "tokio"))]
                    None => panic!("the script stalls: give it a virtual timer with `.timer(&timer)`"),
                }
            }
            outcome
        }
    }

    /// Tells how often it was called.
    pub fn calls(&self) -> u32 {
        self.lock().calls
    }

    #[track_caller]
    fn next(&self) -> (Duration, Option<VirtualTimer>, Result<V, E>) {
        let mut shared = self.lock();
        let call = shared.calls + 1;
        shared.calls = call;
        let timer = shared.timer.clone();
        let mut stall = Duration::ZERO;
        while let Some(part) = shared.parts.front_mut() {
            // A part without outcomes leaves its stall to the next.
            stall = stall.saturating_add(mem::take(&mut part.stall));
            if let Some(outcome) = part.outcomes.next() {
                return (stall, timer, outcome);
            }
            shared.parts.pop_front();
        }
        drop(shared);
        panic!("the script is over: there is no outcome for call {call}")
    }

    fn lock(&self) -> MutexGuard<'_, Shared<V, E>> {
        // A closure that makes an error may panic under the lock, and leaves nothing half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V, E> Default for Script<V, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V, E> Clone for Script<V, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<V, E> fmt::Debug for Script<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
