//! Guards that shorten the waits of code under test, on the thread that holds them.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::vec::Vec;

use crate::time::nanos;

/// Makes every wait before a retry take no time, on this thread, for as long as the guard lives.
///
/// The code under test stays as it is: it needs no timer, no shorter policy, no `cfg(test)`. The policy decides as
/// ever (hooks and reports are told the wait it decided), only the waiting is left out: an async run yields to its
/// executor in its place.
///
/// - It covers runs on **the current thread**: blocking ones, and async ones that are polled here, as under
///   `futures::executor::block_on` and on a current-thread runtime (`#[tokio::test]`'s default), every task of it
///   included. It does not cover threads that the code starts, nor the workers of a multi-thread runtime. So tests that
///   run in parallel, each on its thread, do not see each other's guards.
/// - It covers every timer, one that a run names included. It does not touch attempt timeouts, nor what an operation
///   waits for itself, nor a loop of your own over [`Run`](crate::Run).
/// - No time passes with the waits, so a deadline does not draw nearer by them. Test deadlines with a
///   [`VirtualTimer`](super::VirtualTimer) or tokio's paused clock.
///
/// Guards nest, and the lowest cap of those alive is in force. In whatever order they are dropped, what holds
/// afterwards is what the others say.
///
/// ```
/// use persevere::{Policy, testing};
/// use std::{io, time::{Duration, Instant}};
///
/// fn patient() -> io::Result<()> {
///     let policy = Policy::new().total(10).backoff(Duration::from_secs(60)).jitter(persevere::Jitter::None);
///     policy.run(|| Err(io::ErrorKind::ConnectionRefused.into()))
/// }
///
/// let started = Instant::now();
/// let waits = testing::skip_waits();
/// assert!(patient().is_err());
/// assert_eq!(waits.due().len(), 9);
/// assert_eq!(waits.due().iter().sum::<Duration>(), Duration::from_secs(9 * 120));
/// assert!(started.elapsed() < Duration::from_secs(60));
/// ```
pub fn skip_waits() -> ShortWaits {
    cap_waits(Duration::ZERO)
}

/// Makes every wait before a retry take at most `cap`, on this thread, for as long as the guard lives.
///
/// As [`skip_waits`], for tests in which something else must have a little real time between the attempts.
///
/// ```
/// use persevere::{Policy, testing};
/// use std::{io, time::Duration};
///
/// let waits = testing::cap_waits(Duration::from_micros(50));
/// let _ = Policy::new().run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
/// assert!(waits.due().len() <= 2); // up to 0.6 s and 1.2 s were due, and a ten-thousandth of it was waited
/// ```
pub fn cap_waits(cap: Duration) -> ShortWaits {
    let id = NEXT.with(|next| next.replace(next.get() + 1));
    GUARDED.fetch_add(1, Relaxed);
    GUARDS.with(|guards| guards.borrow_mut().push(Guard { id, cap, due: Vec::new() }));
    ShortWaits { id, thread: PhantomData }
}

/// Keeps the waits short; what [`skip_waits`] and [`cap_waits`] return. It stays on its thread.
#[must_use = "the waits are short only as long as the guard lives: `let waits = testing::skip_waits();`"]
pub struct ShortWaits {
    id: u64,
    /// Neither `Send` nor `Sync`: what it guards is this thread.
    thread: PhantomData<*const ()>,
}

impl ShortWaits {
    /// Lists the waits that were due on this thread since the guard was made, in order and at the length that was
    /// decided, zero left out.
    pub fn due(&self) -> Vec<Duration> {
        GUARDS.with(|guards| {
            guards.borrow().iter().find(|guard| guard.id == self.id).map_or_else(Vec::new, |guard| guard.due.clone())
        })
    }
}

impl fmt::Debug for ShortWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortWaits").field("due", &self.due()).finish()
    }
}

impl Drop for ShortWaits {
    fn drop(&mut self) {
        GUARDED.fetch_sub(1, Relaxed);
        // At the thread's end the list may be gone already, and the guard with it.
        let _ = GUARDS.try_with(|guards| guards.borrow_mut().retain(|guard| guard.id != self.id));
    }
}

struct Guard {
    id: u64,
    cap: Duration,
    due: Vec<Duration>,
}

/// How many guards there are, on all threads: without one a wait costs one load.
static GUARDED: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    static GUARDS: RefCell<Vec<Guard>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// What this wait is under the guards of this thread. Asked only where a wait is about to be taken.
#[inline]
pub(crate) fn shortened(nanos: u64) -> u64 {
    // Another thread's guards are no matter here, and this thread sees its own.
    if GUARDED.load(Relaxed) == 0 { nanos } else { capped_here(nanos) }
}

#[cold]
fn capped_here(nanos: u64) -> u64 {
    if nanos == 0 {
        return 0;
    }
    let wait = nanos::duration(nanos);
    nanos::from(least(wait))
}

fn least(wait: Duration) -> Duration {
    GUARDS
        .try_with(|guards| {
            guards.borrow_mut().iter_mut().fold(wait, |least, guard| {
                guard.due.push(wait);
                least.min(guard.cap)
            })
        })
        .unwrap_or(wait)
}
