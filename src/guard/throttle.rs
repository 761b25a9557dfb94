//! Adaptive throttling: first attempts held back by chance, the more the fewer are accepted.

use core::fmt;
use core::time::Duration;

use crate::guard::budget::fraction;
use crate::guard::sync::{AtomicU64, Relaxed, const_fn};
use crate::guard::window::Window;
use crate::policy::{Cause, Contradiction, Guard};
use crate::time::nanos;
use crate::verdict::Rejected;

/// Holds first attempts back by chance when a server accepts too few: client-side throttling.
///
/// The probability is that of the SRE book ("Handling Overload"): `(requests - K * accepts) / (requests + 1)`, but at
/// least 0, over a window of time. With K = 2 nothing is held back while the server accepts at least half; when it
/// accepts none, nearly all is. Requests are the attempts that were answered or held back; one that is under way or
/// was cancelled counts for nothing, so a start with many calls at once holds none of them back.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`multiplier`](AdaptiveThrottle::multiplier), the book's K | 2 | the book's |
/// | [`window`](AdaptiveThrottle::window) | 10 s | the book's two minutes take many minutes to recover at a few calls a second |
/// | [`probe`](AdaptiveThrottle::probe_every) | 1 s | however bad it is, one attempt a second is let through, and finds out |
///
/// **It costs availability**: what is held back is a failure, and after an outage it goes on for a while. Where
/// many independent clients share a server that can't refuse cheaply it is of use; a [`Budget`](crate::guard::Budget) alone
/// keeps retries from making an outage longer. It is opt-in.
///
/// It is lock-free and has neither clock nor random source: both come in as arguments.
///
/// ```
/// use persevere::guard::AdaptiveThrottle;
/// use std::time::Duration;
///
/// static THROTTLE: AdaptiveThrottle = AdaptiveThrottle::new().valid();
///
/// let now = Duration::from_secs(100);
/// for _ in 0..100 {
///     THROTTLE.record(false, now);
/// }
/// // 100 requests, none accepted: 100 of 101 are held back, but for one attempt a second.
/// let draw = u64::MAX / 2;
/// assert!(THROTTLE.admit(now, draw).is_ok());
/// assert!(THROTTLE.admit(now, draw).is_err());
/// assert!(THROTTLE.admit(now + Duration::from_secs(1), draw).is_ok());
/// ```
#[must_use]
pub struct AdaptiveThrottle {
    window: Window,
    length: u64,
    multiplier: f64,
    /// The multiplier as a fraction.
    part: (u64, u64),
    probe: u64,
    /// When the last attempt was let through while others were held back, in nanoseconds; zero for never.
    last: AtomicU64,
}

impl AdaptiveThrottle {
    const_fn! {
        /// Makes a throttle with the defaults of the table above.
        pub fn new() -> Self {
            const LENGTH: Duration = Duration::from_secs(10);
            Self {
                window: Window::new(LENGTH),
                length: nanos::from(LENGTH),
                multiplier: 2.0,
                part: (2, 1),
                probe: 1_000_000_000,
                last: AtomicU64::new(0),
            }
        }
    }

    /// Sets the book's K; 2 unless set. A larger one holds back less and later.
    #[inline]
    pub const fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier;
        self.part = fraction(multiplier);
        self
    }

    /// Sets how long requests count; 10 s unless set. It moves in steps of a tenth.
    #[inline]
    pub const fn window(mut self, length: Duration) -> Self {
        self.length = nanos::from(length);
        self.window = self.window.length(length);
        self
    }

    /// Sets the time in which at least one attempt is let through, if one comes; 1 s unless set.
    #[inline]
    pub const fn probe_every(mut self, every: Duration) -> Self {
        self.probe = nanos::from(every);
        self
    }

    /// Finds the first contradiction, if there is one.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    ///
    /// ```
    /// use persevere::guard::AdaptiveThrottle;
    ///
    /// let wrong = AdaptiveThrottle::new().multiplier(0.5).check().unwrap_err();
    /// assert_eq!(wrong.to_string(), "multiplier is 0.5: it must be 1 or more");
    /// ```
    pub const fn check(&self) -> Result<(), Contradiction> {
        Err(Contradiction(Cause::Guard(if self.multiplier.is_nan() || self.multiplier < 1.0 {
            Guard::Multiplier(self.multiplier)
        } else if self.length == 0 {
            Guard::Window
        } else if self.probe == 0 {
            Guard::Probe
        } else {
            return Ok(());
        })))
    }

    /// Passes the throttle on if it is free of contradictions. In a `static` or `const`, a contradiction fails to
    /// compile.
    ///
    /// # Panics
    ///
    /// On what [`check`](AdaptiveThrottle::check) finds.
    pub const fn valid(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }

    /// Lets a first attempt begin, or holds it back.
    ///
    /// The time is that since any fixed moment; `random` should be uniform over all of `u64`.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the probability above, unless a probe is due.
    pub fn admit(&self, now: Duration, random: u64) -> Result<(), Rejected> {
        let now = nanos::from(now);
        let (requests, accepts) = self.window.counts(0, now);
        let (part, whole) = self.part;
        let [requests, accepts, part, whole] = [requests, accepts, part, whole].map(u128::from);
        let over = (requests * whole).saturating_sub(accepts * part);
        if over == 0 {
            return Ok(());
        }
        // random / 2^64 < over / ((requests + 1) * whole), without a fraction.
        let holds_back = u128::from(random) * ((requests + 1) * whole) < over << 64;
        if !holds_back {
            self.last.store(now, Relaxed);
            return Ok(());
        }
        let last = self.last.load(Relaxed);
        // A clock set back far makes a probe due, too.
        let due = last == 0 || now.abs_diff(last) >= self.probe;
        if due && self.last.compare_exchange(last, now.max(1), Relaxed, Relaxed).is_ok() {
            return Ok(());
        }
        self.window.count(0, now, false, || true);
        Err(Rejected::throttle())
    }

    /// Counts the outcome of an attempt that was let through.
    ///
    /// A success is accepted, and so is a permanent failure such as "not found", which is an answer; what trying
    /// again may mend is not.
    pub fn record(&self, accepted: bool, now: Duration) {
        self.window.count(0, nanos::from(now), accepted, || true);
    }

    /// Tells the probability, at this time, with which a first attempt is held back.
    pub fn probability(&self, now: Duration) -> f64 {
        let (requests, accepts) = self.window.counts(0, nanos::from(now));
        // Infinity times nothing is nothing here.
        let accepted = if accepts == 0 { 0.0 } else { self.multiplier * accepts as f64 };
        ((requests as f64 - accepted) / (requests + 1) as f64).max(0.0)
    }
}

/// As [`AdaptiveThrottle::new`].
impl Default for AdaptiveThrottle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AdaptiveThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveThrottle")
            .field("multiplier", &self.multiplier)
            .field("window", &nanos::duration(self.length))
            .field("probe", &nanos::duration(self.probe))
            .finish_non_exhaustive()
    }
}
