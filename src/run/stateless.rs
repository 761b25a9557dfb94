//! Decisions without a run: for work that outlives its process.

use core::time::Duration;

use super::streak::Streak;
use super::{Decision, Run, State, StopReason, ended, hinted};
use crate::policy::{Hints, Policy, StreakPolicy};
use crate::time::nanos;
use crate::verdict::{Fault, Verdict};

impl Policy {
    /// Decides what follows a failure, for whoever keeps the count elsewhere: a queue that delivers again.
    ///
    /// It takes constant time, reads no clock and remembers nothing. The rules and their order are those of a
    /// [`Run`].
    ///
    /// - `failures` says how often the work failed, this time included, so it is 1 after the first failure. A queue that
    ///   counts deliveries counts deaths of a worker, too, and that is right: a message that kills its worker must end.
    /// - `since` is the time since the first attempt began, from which [`within`](Policy::within) counts.
    /// - `random` should be uniform over all of `u64`, as [`Run::random`] is; it is used only if the policy has jitter.
    ///
    /// Round the wait up to the queue's unit, so that nothing comes early. On [`Decision::Stop`] say "over" in the queue's
    /// own way, and keep the message where somebody finds it.
    ///
    /// What needs a memory is answered without one: a fault's own limit counts all failures, and decorrelated jitter takes
    /// the wait before for as long as it can have been. A [`Run`] that is kept as a [`RunState`] has that memory.
    ///
    /// ```
    /// use persevere::{run::Decision, Jitter, Policy, StopReason, Verdict};
    /// use std::time::Duration;
    ///
    /// const POLICY: Policy = Policy::new().total(3).jitter(Jitter::None);
    /// let second = POLICY.next(2, Duration::from_secs(5), Verdict::transient(), 0);
    /// assert_eq!(second, Decision::Wait(Duration::from_millis(600)));
    /// let fourth = POLICY.next(4, Duration::from_secs(9), Verdict::transient(), 0);
    /// assert_eq!(fourth, Decision::Stop(StopReason::Exhausted));
    /// ```
    pub const fn next(&self, failures: u32, since: Duration, verdict: Verdict, random: u64) -> Decision {
        let failures = if failures == 0 { 1 } else { failures };
        if let Some(reason) = ended(self, &verdict, failures) {
            return Decision::Stop(reason);
        }
        if let Some(own) = self.own_limit(verdict.fault) {
            if failures > own as u32 {
                return Decision::Stop(StopReason::LimitReached(verdict.fault));
            }
        }
        let left = if self.within == u64::MAX { u64::MAX } else { self.within.saturating_sub(nanos::from(since)) };
        let mut wait = self.rule.forgetful(failures, matches!(verdict.fault, Fault::Throttle), random);
        if verdict.asks_for_wait() && !matches!(self.hints, Hints::Ignore) {
            match hinted(self, verdict.hint_nanos(), left, random) {
                Ok(hint) if hint > wait => wait = hint,
                Ok(_) => {}
                Err(reason) => return Decision::Stop(reason),
            }
        }
        if left != u64::MAX && wait >= left {
            return Decision::Stop(StopReason::DeadlineExceeded);
        }
        Decision::Wait(nanos::duration(wait))
    }
}

/// What a [`Run`] remembers, to be kept beside the work and gone on from in another process.
///
/// It is some fifty numbers without a heap, and goes through `serde` with the feature `serde`. The times in it are on the
/// clock that the run was given, so give it one that goes on: the time since 1970. A later version of this crate reads it.
///
/// ```
/// use persevere::{run::{Decision, Run}, Fault, Policy, StopReason, Verdict};
/// use std::time::Duration;
///
/// let policy = Policy::new().connect(1);
/// let refused = Verdict::transient().with_fault(Fault::Connect);
/// let mut run = Run::new(policy, Duration::from_secs(1_700_000_000));
/// assert_eq!(run.failed(refused, Duration::from_secs(1_700_000_001), 0), Decision::Wait(Duration::ZERO));
/// let kept = run.state();
///
/// // In another process:
/// let mut run = Run::resume(policy.into(), kept);
/// let decision = run.failed(refused, Duration::from_secs(1_700_000_009), 0);
/// assert_eq!(decision, Decision::Stop(StopReason::LimitReached(Fault::Connect)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize))]
pub struct RunState {
    state: State,
    streak: Streak,
}

impl Run {
    /// Returns what the run remembers, for [`resume`](Run::resume).
    pub const fn state(&self) -> RunState {
        RunState { state: self.state, streak: self.streak }
    }

    /// Goes on with a run whose state was kept, by this policy. Its deadline is the one it began with.
    pub const fn resume(policy: StreakPolicy, state: RunState) -> Self {
        let RunState { state, streak } = state;
        Self { policy: policy.policy, rules: policy.rules, state, streak }
    }

    /// Returns a random number for [`failed`](Run::failed) and [`Policy::next`], which no other process draws.
    #[cfg(feature = "jitter")]
    pub fn random() -> u64 {
        crate::time::entropy::fresh()
    }
}
