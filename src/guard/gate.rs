//! Gates: a wait that a server asked one caller for holds back all.

use core::fmt;
use core::time::Duration;

use crate::guard::sync::{AtomicU64, Relaxed, const_fn};
use crate::time::nanos;

/// Holds back all callers for as long as a server asked one of them to wait.
///
/// A server that answers 429 with `Retry-After: 30` to one request would answer the same to the next. A session with a gate
/// for each host ([`RetryClient::gates`](crate::http::RetryClient::gates)) sends no other request to that host until the
/// 30 s are over, not even a first one. What is held back waits a little longer, by up to a fifth, so that not all come
/// back together. A request that would wait longer than [`longest`](Gate::longest), or past its deadline, is refused at
/// once.
///
/// It limits nothing by itself: it knows what the server said, and no rate. A limit of your own, as of the crate
/// `governor`, stands beside it.
///
/// It has no clock: the time comes in as that since any fixed moment.
///
/// ```
/// use persevere::guard::Gate;
/// use std::time::Duration;
///
/// static GATE: Gate = Gate::new();
///
/// let now = Duration::from_secs(1000);
/// GATE.close_for(now, Duration::from_secs(30));
/// assert_eq!(GATE.closed_for(now + Duration::from_secs(10)), Some(Duration::from_secs(20)));
/// assert_eq!(GATE.closed_for(now + Duration::from_secs(30)), None);
/// ```
#[must_use]
pub struct Gate {
    /// Nanoseconds on the clock.
    until: AtomicU64,
    longest: u64,
}

impl Gate {
    const_fn! {
        /// Creates an open gate. It holds nobody back for longer than 120 s.
        pub fn new() -> Self {
            Self { until: AtomicU64::new(0), longest: nanos::from(Duration::from_secs(120)) }
        }
    }

    /// Sets how long one request may be held back in all, 120 s unless set. One that would be held longer is refused.
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = nanos::from(longest);
        self
    }

    /// Closes the gate for this long from `now` on, if it is not closed for longer already.
    pub fn close_for(&self, now: Duration, wait: Duration) {
        self.until.fetch_max(nanos::from(now).saturating_add(nanos::from(wait)), Relaxed);
    }

    /// Returns for how long the gate is still closed, or `None` if it is open.
    pub fn closed_for(&self, now: Duration) -> Option<Duration> {
        match self.closed_nanos(nanos::from(now)) {
            0 => None,
            closed => Some(nanos::duration(closed)),
        }
    }

    pub(crate) fn closed_nanos(&self, now: u64) -> u64 {
        self.until.load(Relaxed).saturating_sub(now)
    }

    #[cfg_attr(not(feature = "std"), allow(dead_code))]
    pub(crate) const fn longest_nanos(&self) -> u64 {
        self.longest
    }
}

/// As [`Gate::new`].
impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("longest", &nanos::duration(self.longest)).finish_non_exhaustive()
    }
}
