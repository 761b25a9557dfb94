//! Virtual time.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;

use crate::time::{BlockingTimer, Stop, Timer};

/// A timer whose time passes only by sleeping: hours of waits take microseconds.
///
/// It serves blocking and async runs, on any executor. Clones share one time. Of several async sleeps the one that
/// ends first ends first. Time goes on when every task that sleeps has had some turns, about sixteen; it does not know
/// of tasks that wait for something else. What takes longer than that in turns, such as an answer over a socket, needs a
/// real clock.
///
/// ```
/// use persevere::{testing::VirtualTimer, Policy};
/// use std::{io, time::Duration};
///
/// let timer = VirtualTimer::new();
/// let outcome = Policy::new()
///     .jitter(persevere::Jitter::None)
///     .timer(&timer)
///     .run(|| Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)));
/// assert!(outcome.is_err());
/// assert_eq!(timer.sleeps(), [600, 1200].map(Duration::from_millis)); // the first retry did not wait
/// assert_eq!(timer.elapsed(), Duration::from_millis(1800));
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualTimer {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    now: Duration,
    reads: usize,
    sleeps: Vec<Duration>,
    /// Async sleeps that have not ended: their number and their end.
    pending: Vec<(u64, Duration)>,
    created: u64,
    /// How often an async sleep moved the time on.
    moves: u64,
}

impl VirtualTimer {
    /// Makes a timer at time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells how much time has passed.
    pub fn elapsed(&self) -> Duration {
        self.lock().now
    }

    /// Lets time pass: what an operation does that takes long.
    pub fn advance(&self, by: Duration) {
        let mut shared = self.lock();
        shared.now = shared.now.saturating_add(by);
    }

    /// Lists the sleeps that were asked for, in order.
    pub fn sleeps(&self) -> Vec<Duration> {
        self.lock().sleeps.clone()
    }

    /// Tells how often a run read the clock.
    pub fn reads(&self) -> usize {
        self.lock().reads
    }

    /// Tells how many async sleeps are pending: none after a run, or after its future was dropped.
    pub fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// As the timer's sleep, but not listed among the sleeps: the time that an operation takes.
    pub(super) fn stall(&self, time: Duration) -> VirtualSleep {
        let mut shared = self.lock();
        shared.created += 1;
        let (id, end) = (shared.created, shared.now.saturating_add(time));
        shared.pending.push((id, end));
        VirtualSleep { timer: self.clone(), id, seen: (0, 0) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // No code of a user's runs under the lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Duration {
        let mut shared = self.lock();
        shared.reads += 1;
        shared.now
    }
}

impl BlockingTimer for VirtualTimer {
    fn now(&self) -> Duration {
        self.read()
    }

    fn sleep(&self, wait: Duration) {
        let mut shared = self.lock();
        shared.sleeps.push(wait);
        shared.now = shared.now.saturating_add(wait);
    }

    fn sleep_unless(&self, wait: Duration, stop: &Stop) {
        if !stop.is_stopped() {
            BlockingTimer::sleep(self, wait);
        }
    }
}

impl Timer for VirtualTimer {
    type Sleep = VirtualSleep;

    fn now(&self) -> Duration {
        self.read()
    }

    fn sleep(&self, wait: Duration) -> VirtualSleep {
        self.lock().sleeps.push(wait);
        self.stall(wait)
    }
}

/// A sleep in virtual time.
#[derive(Debug)]
pub struct VirtualSleep {
    timer: VirtualTimer,
    id: u64,
    /// The move after which it was polled last, and how often since.
    seen: (u64, u8),
}

/// How many turns whatever else is ready has before time moves on: the second poll of a run that yields, an answer that
/// comes through a channel from another task.
const TURNS: u8 = 16;

impl Future for VirtualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (seen, turns) = self.seen;
        let mut shared = self.timer.lock();
        let Some(end) = shared.pending.iter().find(|sleep| sleep.0 == self.id).map(|sleep| sleep.1) else {
            return Poll::Ready(());
        };
        // To move the time on it must be the earliest, and have let the others have their turns since the last move.
        let turns = if seen == shared.moves { turns } else { 0 };
        let (now, pending) = (shared.now, &shared.pending);
        let first = pending.iter().map(|sleep| sleep.1).filter(|&end| end > now).min().unwrap_or(end);
        if turns == u8::MAX && first < end {
            // Nobody polls the earlier one: its time passes all the same.
            shared.now = first;
            shared.moves += 1;
        }
        let may_move = turns >= TURNS && first >= end;
        if end <= shared.now || may_move {
            if end > shared.now {
                shared.now = end;
                shared.moves += 1;
            }
            shared.pending.retain(|sleep| sleep.0 != self.id);
            return Poll::Ready(());
        }
        let moves = shared.moves;
        drop(shared);
        self.seen = (moves, turns.saturating_add(1));
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        self.timer.lock().pending.retain(|sleep| sleep.0 != self.id);
    }
}

impl fmt::Display for VirtualTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {} sleeps", self.elapsed(), self.sleeps().len())
    }
}
