//! Guards that shorten the waits of code under test, on the thread that holds them.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
///   waits for itself, nor a loop of your own over [`Run`](crate::run::Run).
/// - What is left out of a wait counts towards the run's deadline, and in the times of its report, as if it had passed. So
///   a run with a deadline ends after as many attempts as ever. The timer itself stands still.
/// - A run without an end never ends: after 100 000 waits the guard panics, and says so.
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

/// How many waits a guard leaves out before it takes the run for one without an end.
const MOST: usize = 100_000;

/// How many guards there are, on all threads and for the process: without one a wait costs one load.
static GUARDED: AtomicUsize = AtomicUsize::new(0);

/// The cap for the whole process, if it has one.
static PROCESS: Mutex<Option<Duration>> = Mutex::new(None);

fn process() -> MutexGuard<'static, Option<Duration>> {
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many waits it has left out.
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    static GUARDS: RefCell<Vec<Guard>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Makes every wait before a retry take at most `cap`, on every thread of the process, for as long as the guard lives.
///
/// It is for test programs whose code retries on threads of its own, such as the workers of a multi-thread runtime. Tests of
/// one program share the process, so two of these guards at once would fight: the second one panics. Take it in one place,
/// for example a `LazyLock` that every test touches and that is never dropped. Where [`skip_waits`] on the test's own
/// thread is enough, prefer that. Beside it the lowest cap is in force.
///
/// What is left out counts towards deadlines, as with [`skip_waits`].
///
/// # Panics
///
/// If the process has such a guard already. A wait panics after a million of them, because a run that has no end would
/// never end.
///
/// ```
/// use persevere::{Policy, testing};
/// use std::{io, thread, time::Duration};
///
/// let waits = testing::cap_waits_everywhere(Duration::ZERO);
/// let policy = Policy::new().backoff(Duration::from_secs(60));
/// let elsewhere = thread::spawn(move || policy.run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))));
/// assert!(elsewhere.join().unwrap().is_err()); // at once
/// drop(waits);
/// ```
pub fn cap_waits_everywhere(cap: Duration) -> ShortWaitsEverywhere {
    {
        let mut process = process();
        assert!(
            process.is_none(),
            "the waits of this process are capped already: another test holds the guard of `cap_waits_everywhere`"
        );
        *process = Some(cap);
    }
    LEFT_OUT.store(0, Relaxed);
    GUARDED.fetch_add(1, Relaxed);
    ShortWaitsEverywhere(())
}

/// Keeps the waits of the process short; what [`cap_waits_everywhere`] returns.
#[derive(Debug)]
#[must_use = "the waits are short only as long as the guard lives"]
pub struct ShortWaitsEverywhere(());

impl Drop for ShortWaitsEverywhere {
    fn drop(&mut self) {
        GUARDED.fetch_sub(1, Relaxed);
        *process() = None;
    }
}

/// What this wait is under the guards of this thread and of the process. Asked only where a wait is about to be taken.
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
    let here = least(nanos::duration(nanos));
    let everywhere = *process();
    let Some(cap) = everywhere else { return nanos::from(here) };
    let left_out = LEFT_OUT.fetch_add(1, Relaxed);
    assert!(left_out < 10 * MOST, "{}", endless(10 * MOST));
    nanos::from(here.min(cap))
}

fn endless(waits: usize) -> std::string::String {
    std::format!(
        "{waits} waits were left out by the test kit: a run without an end, such as one with `forever`, needs a `total`, \
         a deadline or an operation that succeeds"
    )
}

fn least(wait: Duration) -> Duration {
    let least = GUARDS.try_with(|guards| {
        guards.borrow_mut().iter_mut().fold((wait, 0), |(least, most), guard| {
            guard.due.push(wait);
            (least.min(guard.cap), most.max(guard.due.len()))
        })
    });
    let (least, most) = least.unwrap_or((wait, 0));
    assert!(most <= MOST, "{}", endless(MOST));
    least
}
