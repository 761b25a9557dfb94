//! What a guard answers in place of an attempt.

use core::fmt;
use core::time::Duration;

use crate::time::nanos::{self, Brief};
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// Means that a breaker, a throttle or a gate did not permit an attempt.
///
/// It is transient, a throttle fault with the breaker's pause as its hint. So a run that meets it waits, or ends if that
/// is too long. Nothing was sent and nothing was done, so it is never reached. The one exception is the end of a run that
/// made an attempt and found the breaker closed to it after the wait: that attempt may have taken effect.
///
/// It turns into an `io::Error` of kind `ResourceBusy`, and by that into boxed errors, where the crate finds it again.
///
/// ```
/// use persevere::{guard::Breaker, Fault, Reached, Retryable};
/// use std::time::Duration;
///
/// let breaker = Breaker::new().min_outcomes(1);
/// let now = Duration::from_secs(100);
/// breaker.admit(now)?.failed(now);
/// let rejected = breaker.admit(now + Duration::from_secs(2)).unwrap_err();
/// assert_eq!(rejected.to_string(), "not attempted: the breaker is open for another 3 s");
/// assert_eq!(rejected.retry_in(), Some(Duration::from_secs(3)));
/// assert_eq!(std::io::Error::from(rejected).verdict().reached(), Reached::No);
/// # Ok::<(), persevere::Rejected>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    why: Why,
    /// Whether the run that it ended had made an attempt before.
    late: bool,
}

// Only guards make one, and they need a 64-bit atomic.
#[cfg_attr(not(target_has_atomic = "64"), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Open(u64),
    Probing,
    Throttle,
    Held(u64),
}

#[cfg(target_has_atomic = "64")]
impl Rejected {
    pub(crate) const fn open(nanos: u64) -> Self {
        Self { why: Why::Open(nanos), late: false }
    }

    pub(crate) const fn probing() -> Self {
        Self { why: Why::Probing, late: false }
    }

    pub(crate) const fn throttle() -> Self {
        Self { why: Why::Throttle, late: false }
    }

    #[cfg_attr(not(any(feature = "reqwest", feature = "ureq")), allow(dead_code))]
    pub(crate) const fn held(nanos: u64) -> Self {
        Self { why: Why::Held(nanos), late: false }
    }

    /// As the end of a run that has made an attempt.
    pub(crate) const fn after_an_attempt(self) -> Self {
        Self { late: true, ..self }
    }
}

impl Rejected {
    /// Returns when the breaker lets a probe through, or the gate opens; `None` where that can't be known, since a probe is under way
    /// or the throttle decides by chance.
    pub const fn retry_in(&self) -> Option<Duration> {
        match self.why {
            Why::Open(nanos) | Why::Held(nanos) => Some(nanos::duration(nanos)),
            Why::Probing | Why::Throttle => None,
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Open(nanos) => write!(f, "not attempted: the breaker is open for another {}", Brief(nanos)),
            Why::Probing => f.write_str("not attempted: the breaker waits for its probe"),
            Why::Held(nanos) => {
                write!(f, "not attempted: the server asked for another {} without requests", Brief(nanos))
            }
            Why::Throttle => f.write_str("not attempted: the throttle holds it back"),
        }
    }
}

impl core::error::Error for Rejected {}

impl Retryable for Rejected {
    fn verdict(&self) -> Verdict {
        let reached = if self.late { Reached::Maybe } else { Reached::No };
        let verdict = Verdict::transient().with_fault(Fault::Throttle).with_reached(reached);
        match self.retry_in() {
            Some(wait) => verdict.with_hint(wait),
            None => verdict,
        }
    }
}

#[cfg(feature = "std")]
impl From<Rejected> for std::io::Error {
    fn from(rejected: Rejected) -> Self {
        Self::new(std::io::ErrorKind::ResourceBusy, rejected)
    }
}
