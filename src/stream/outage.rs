//! The report of a stream that is healthy again.

use core::fmt;
use core::time::Duration;

use crate::drive::before::NoHook;
use crate::time::nanos::{self, Brief};

/// An outage that is over, for [`Resume::on_healthy`](super::Resume::on_healthy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    pub(super) failures: u32,
    pub(super) lasted: Duration,
}

impl Outage {
    /// Returns how many failures there were: the break, and each `open` that failed or came to nothing.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns how long it lasted, from the break to the next item.
    pub const fn lasted(&self) -> Duration {
        self.lasted
    }
}

/// One line for a log: `healthy again after 3 failures in 2.5 s`.
impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.failures == 1 { "" } else { "s" };
        write!(f, "healthy again after {} failure{s} in {}", self.failures, Brief(nanos::from(self.lasted)))
    }
}

/// A hook that is told, or none.
#[doc(hidden)]
pub trait Healthy {
    const ANY: bool;

    fn healed(&mut self, outage: Outage);
}

impl Healthy for NoHook {
    const ANY: bool = false;

    fn healed(&mut self, _: Outage) {}
}

/// The closure of [`Resume::on_healthy`](super::Resume::on_healthy).
pub struct OnHealthy<N>(pub(super) N);

impl<N> fmt::Debug for OnHealthy<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnHealthy")
    }
}

impl<N: FnMut(Outage)> Healthy for OnHealthy<N> {
    const ANY: bool = true;

    fn healed(&mut self, outage: Outage) {
        self.0(outage);
    }
}
