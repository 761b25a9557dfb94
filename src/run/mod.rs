//! The decision core. No clock, no randomness, no waiting: they come in as arguments, so each rule is tested alone.

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use self::streak::Streak;
use crate::policy::backoff::{Pace, Rule};
use crate::policy::{Hints, LIMITS, Policy, StreakPolicy, StreakRules, UNLIMITED, UNSET_LIMITS, jitter, slot};
use crate::time::nanos::{self, Seconds};
use crate::verdict::{Fault, Progress, Reached, Verdict};

mod stateless;
pub(crate) mod streak;

pub use self::stateless::RunState;

/// Decides, failure by failure, whether to wait or to stop.
///
/// Every door of this crate drives this core; use it where none of them fits. Feed it with a verdict on each failure,
/// the time on any monotonic clock, and a random number; it answers with a wait or with the reason to stop. The order
/// of its rules: classification, idempotence, `total`, the fault's own limit, growth, cap, jitter, hint, deadline.
///
/// ```
/// use persevere::{run::{Decision, Run}, Policy, StopReason, Verdict};
/// use std::time::Duration;
///
/// let mut run = Run::new(Policy::new().total(1), Duration::ZERO);
/// assert_eq!(run.failed(Verdict::transient(), Duration::from_secs(1), 0), Decision::Wait(Duration::ZERO));
/// assert_eq!(run.attempt(), 2);
/// assert_eq!(run.failed(Verdict::transient(), Duration::from_secs(2), 0), Decision::Stop(StopReason::Exhausted));
/// ```
///
/// After [progress](Verdict::progressed) the limits begin anew, and [`attempt`](Run::attempt) counts from there. For work
/// that lasts, [`reset_after`](Run::reset_after) and [`failing_for`](Run::failing_for) look at the time.
///
/// ```
/// use persevere::{run::{Decision, Run}, Jitter, Policy, Verdict};
/// use std::time::Duration;
///
/// const S: fn(u64) -> Duration = Duration::from_secs;
/// // A connection that breaks twice at once, then lives for an hour.
/// let policy = Policy::new().forever().backoff(S(1)).immediate_first(false).jitter(Jitter::None);
/// let mut run = Run::new(policy, S(0)).reset_after(S(60));
/// assert_eq!(run.failed(Verdict::transient(), S(0), 0), Decision::Wait(S(1)));
/// assert_eq!(run.failed(Verdict::transient(), S(1), 0), Decision::Wait(S(2)));
/// assert_eq!(run.failed(Verdict::transient(), S(3603), 0), Decision::Wait(S(1)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Run {
    policy: Policy,
    state: State,
    rules: StreakRules,
    streak: Streak,
}

impl Run {
    /// Starts a run whose first attempt begins at `now`, from where a deadline counts.
    ///
    /// The time is that since any fixed moment, on a clock that never goes back.
    pub const fn new(policy: Policy, now: Duration) -> Self {
        Self::of_streaks(StreakPolicy::new(policy), now)
    }

    /// Starts a run by a policy for work that lasts, as [`new`](Run::new) does.
    ///
    /// ```
    /// use persevere::{run::{Decision, Run}, Backoff, Fault, Policy, Verdict};
    /// use std::time::Duration;
    ///
    /// const S: fn(u64) -> Duration = Duration::from_secs;
    /// let policy = Policy::new().backoff(S(1)).backoff_for(Fault::Throttle, Backoff::new(S(10)));
    /// let mut run = Run::of_streaks(policy, S(0));
    /// let slow_down = Verdict::transient().with_fault(Fault::Throttle);
    /// assert_eq!(run.failed(slow_down, S(0), 0), Decision::Wait(S(10)));
    /// assert_eq!(run.failed(Verdict::transient(), S(10), 0), Decision::Wait(S(0)));
    /// assert_eq!(run.failed(slow_down, S(10), 0), Decision::Wait(S(20)));
    /// ```
    pub const fn of_streaks(policy: StreakPolicy, now: Duration) -> Self {
        let StreakPolicy { policy, rules } = policy;
        let now = nanos::from(now);
        Self { policy, state: State::new().started(policy.within, now), rules, streak: Streak::started(now) }
    }

    /// Takes every attempt that ran at least this long for progress: it was healthy before it failed.
    ///
    /// The next failure is then the first of a new streak, for the limits and for the waits. The waits also begin anew
    /// after an attempt that [progressed](Verdict::progressed) and ran at least as long as the wait before it and as the
    /// backoff's base.
    #[must_use]
    pub const fn reset_after(mut self, healthy: Duration) -> Self {
        self.rules.reset_after = nanos::from(healthy);
        self
    }

    /// Stops once failures have lasted this long without progress, counted from the first failure of the streak.
    ///
    /// A wait that would reach that moment is not begun; the reason is [`StopReason::FailingTooLong`].
    ///
    /// ```
    /// use persevere::{run::{Decision, Run}, Jitter, Policy, StopReason, Verdict};
    /// use std::time::Duration;
    ///
    /// const S: fn(u64) -> Duration = Duration::from_secs;
    /// let policy = Policy::new().forever().backoff(S(10)).factor(1.0).immediate_first(false).jitter(Jitter::None);
    /// let mut run = Run::new(policy, S(0)).failing_for(S(15));
    /// assert_eq!(run.failed(Verdict::transient(), S(3600), 0), Decision::Wait(S(10)));
    /// assert_eq!(run.failed(Verdict::transient(), S(3610), 0), Decision::Stop(StopReason::FailingTooLong));
    /// ```
    #[must_use]
    pub const fn failing_for(mut self, limit: Duration) -> Self {
        self.rules.failing_for = nanos::from(limit);
        self
    }

    /// Decides what follows a failure at `now`.
    ///
    /// A wait that would reach the deadline is not begun. If your own wait took longer than it should, ask
    /// [`remaining`](Run::remaining) before the attempt, and make none if nothing remains.
    ///
    /// `random` should be uniform over all of `u64`; it is used only if the policy has jitter.
    pub fn failed(&mut self, verdict: Verdict, now: Duration, random: u64) -> Decision {
        let Self { policy, state, rules, streak } = self;
        let now = nanos::from(now);
        let extra = streak.judge(rules, &policy.rule, &verdict, now, |_| random);
        let decided = decide::<false>(policy, state, &verdict, now, |_| random, &extra);
        if let Ok(wait) = decided {
            streak.waits(now, wait);
        }
        decided.map_or_else(Decision::Stop, |wait| Decision::Wait(nanos::duration(wait)))
    }

    /// Returns the number of the attempt that is running or, after [`Decision::Wait`], due; the first is 1.
    ///
    /// After progress it counts anew: the attempt after the first failure of a streak is attempt 2.
    pub const fn attempt(&self) -> u32 {
        self.state.attempt()
    }

    /// Tells what is left of the deadline at `now`; `None` if there is no deadline.
    pub const fn remaining(&self, now: Duration) -> Option<Duration> {
        self.state.left(nanos::from(now))
    }
}

/// What the core decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Wait this long, then begin the next attempt.
    Wait(Duration),
    /// Begin no other attempt, for this reason.
    Stop(StopReason),
}

/// Tells why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The operation succeeded.
    Succeeded,
    /// The failure was classified as permanent.
    Permanent,
    /// No rule knows the error: see [`Verdict::unclassified`].
    Unclassified,
    /// The operation may have taken effect and the policy is not [`idempotent`](Policy::idempotent).
    NotIdempotent,
    /// The body of the request was sent, at least in part, and can't be sent again.
    ///
    /// Make it anew for each attempt: with `body_with` or `multipart_with` on the request of a session, or with
    /// `clone_request` on the layer for tower.
    BodyNotReplayable,
    /// All retries that [`total`](Policy::total) or a list of waits allows were used.
    Exhausted,
    /// All retries that this fault's own limit allows were used.
    LimitReached(Fault),
    /// The server asked for a wait longer than [`max_hint`](Policy::max_hint).
    HintTooLong {
        /// The wait that the server asked for.
        hint: Duration,
    },
    /// The next wait would have reached the deadline, or the deadline passed during an attempt or a wait.
    DeadlineExceeded,
    /// The run was told to stop, by a [`Stop`](crate::Retry::stopped_by) or a [future](crate::Retry::until).
    Stopped,
    /// Failures have lasted as long as [`failing_for`](Run::failing_for) allows, without progress.
    FailingTooLong,
    /// The [`Budget`](crate::guard::Budget) has no token for a retry.
    BudgetExhausted,
    /// The [`Breaker`](crate::guard::Breaker) is open, or waits for its probe.
    BreakerOpen,
    /// The [`AdaptiveThrottle`](crate::guard::AdaptiveThrottle) held the first attempt back.
    Throttled,
    /// A run inside the attempt gave up; see [`Nested`](crate::guard::Nested).
    Nested,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Permanent => f.write_str("permanent failure"),
            Self::Unclassified => f.write_str("no rule knows the error"),
            Self::NotIdempotent => f.write_str("may have taken effect and is not idempotent"),
            Self::BodyNotReplayable => {
                f.write_str("body can't be sent again: make it anew with `body_with` or `clone_request`")
            }
            Self::Exhausted => f.write_str("retries exhausted"),
            Self::LimitReached(fault) => write!(f, "retries after {fault} faults exhausted"),
            Self::HintTooLong { hint } => write!(f, "asked to wait {}, too long", Seconds(nanos::from(*hint))),
            Self::DeadlineExceeded => f.write_str("deadline exceeded"),
            Self::Stopped => f.write_str("told to stop"),
            Self::FailingTooLong => f.write_str("failing for too long"),
            Self::BudgetExhausted => f.write_str("budget exhausted"),
            Self::BreakerOpen => f.write_str("breaker open"),
            Self::Throttled => f.write_str("held back by the throttle"),
            Self::Nested => f.write_str("a run inside gave up"),
        }
    }
}

/// What a run remembers between attempts. Small, since each byte of it is a byte of every async door's future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize))]
#[doc(hidden)]
pub struct State {
    /// When the deadline is over, on the run's clock; `u64::MAX` for none.
    end: u64,
    /// Never zero, so that a state that is not there yet takes no room.
    attempt: NonZeroU32,
    failures: [u16; LIMITS],
    pace: Pace,
}

impl State {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { end: u64::MAX, attempt: NonZeroU32::MIN, failures: [0; LIMITS], pace: Pace::FRESH }
    }

    /// Whether no failure has come before.
    const fn is_fresh(&self) -> bool {
        self.attempt.get() == 1 && self.pace.is_fresh()
    }

    #[inline]
    pub(crate) const fn started(mut self, within: u64, now: u64) -> Self {
        self.end = now.saturating_add(within);
        self
    }

    #[inline]
    pub(crate) const fn attempt(&self) -> u32 {
        self.attempt.get()
    }

    /// The failure that is judged is the first of a new streak.
    #[cold]
    const fn begin_streak(&mut self, rule: &Rule, progress: Progress) {
        self.pace = match progress {
            Progress::LimitsAndPace => Pace::FRESH,
            _ => self.pace.after(rule, self.attempt.get() - 1),
        };
        self.attempt = NonZeroU32::MIN;
        self.failures = [0; LIMITS];
    }

    /// Time that a wait should have taken, and did not: the deadline is nearer by it.
    #[cfg(feature = "testing")]
    pub(crate) const fn skip(&mut self, skipped: u64) {
        if self.end != u64::MAX {
            self.end = self.end.saturating_sub(skipped);
        }
    }

    /// When the run started, if a deadline keeps that.
    pub(crate) const fn since(&self, within: u64) -> Option<u64> {
        if self.end == u64::MAX { None } else { Some(self.end.saturating_sub(within)) }
    }

    pub(crate) const fn left(&self, now: u64) -> Option<Duration> {
        if self.end == u64::MAX { None } else { Some(Duration::from_nanos(self.end.saturating_sub(now))) }
    }

    /// As `left`, in nanoseconds, without end where there is no deadline.
    pub(crate) const fn left_nanos(&self, now: u64) -> u64 {
        if self.end == u64::MAX { u64::MAX } else { self.end.saturating_sub(now) }
    }
}

/// The wait that something else than the policy's backoff has for this failure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listed {
    /// Nothing else: the policy's backoff decides.
    No,
    /// A caller's own list.
    Wait(u64),
    Ended,
    /// A backoff of the fault's own, with its jitter.
    Drawn(u64),
}

/// What a run may have beside its policy, for one failure.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Extra {
    pub(crate) seed: Option<u64>,
    pub(crate) progress: Progress,
    /// Where the backoff begins, and after how many draws.
    pub(crate) pace: Pace,
    pub(crate) drawn: u32,
    pub(crate) listed: Listed,
    /// When failures have lasted too long; `u64::MAX` for never.
    pub(crate) failing_until: u64,
    /// Whether the run was told to stop.
    pub(crate) stopped: bool,
}

impl Extra {
    pub(crate) const NOTHING: Self = Self {
        seed: None,
        progress: Progress::None,
        pace: Pace::FRESH,
        drawn: 0,
        listed: Listed::No,
        failing_until: u64::MAX,
        stopped: false,
    };

    pub(crate) const fn of(verdict: &Verdict) -> Self {
        Self { progress: verdict.progress, ..Self::NOTHING }
    }
}

/// Whether nothing has a say in the wait after this failure but a doubling backoff, with full jitter or none, as in
/// most runs.
#[inline(always)]
pub(crate) fn is_usual(policy: &Policy, verdict: &Verdict) -> bool {
    // One after the other: as one expression it is computed whole.
    if verdict.has_progressed() || !policy.rule.is_usual() {
        return false;
    }
    if verdict.asks_for_wait() {
        return false;
    }
    policy.limits == UNSET_LIMITS
}

/// The one place that decides: how long to wait, in nanoseconds, or why to stop.
///
/// With `USUAL`, which takes [`is_usual`] and the lack of a list for granted, it calls nothing, and so saves no register.
#[inline(always)]
pub(crate) fn decide<const USUAL: bool>(
    policy: &Policy,
    state: &mut State,
    verdict: &Verdict,
    now: u64,
    random: impl Fn(u32) -> u64,
    extra: &Extra,
) -> Result<u64, StopReason> {
    if !USUAL && extra.progress != Progress::None {
        state.begin_streak(&policy.rule, extra.progress);
    }
    if !USUAL && state.is_fresh() {
        state.pace = extra.pace;
    }
    let attempt = state.attempt();
    if let Some(reason) = ended(policy, verdict, attempt) {
        return Err(reason);
    }
    if !USUAL && policy.limits != UNSET_LIMITS {
        let failures = &mut state.failures[slot(verdict.fault)];
        if policy.own_limit(verdict.fault).is_some_and(|limit| *failures >= limit) {
            return Err(StopReason::LimitReached(verdict.fault));
        }
        *failures = failures.saturating_add(1);
    }

    if !USUAL && extra.stopped {
        return Err(StopReason::Stopped);
    }
    let mut wait = match extra.listed {
        Listed::Wait(wait) if !USUAL => policy.rule.listed(wait, &mut state.pace, || random(attempt)),
        Listed::Ended if !USUAL => return Err(StopReason::Exhausted),
        Listed::Drawn(wait) if !USUAL => wait,
        _ => {
            let throttled = verdict.fault == Fault::Throttle;
            policy.rule.wait::<USUAL>(attempt, throttled, &mut state.pace, || random(attempt))
        }
    };
    if !USUAL && verdict.asks_for_wait() {
        let hint = verdict.hint_nanos();
        // Drawn where a part of the hint is left to chance, and only there.
        let drawn = if policy.rule.is_jittered() { random(attempt) } else { 0 };
        wait = wait.max(hinted(policy, hint, state.left_nanos(now), drawn)?);
    }
    // At the deadline is past it: no attempt begins there.
    if state.end != u64::MAX && (state.end <= now || wait >= state.end - now) {
        return Err(StopReason::DeadlineExceeded);
    }
    if !USUAL && extra.failing_until != u64::MAX && now.saturating_add(wait) >= extra.failing_until {
        return Err(StopReason::FailingTooLong);
    }
    state.attempt = state.attempt.saturating_add(1);
    Ok(wait)
}

/// Why no retry follows the failure of this attempt, whatever came before it.
#[inline(always)]
const fn ended(policy: &Policy, verdict: &Verdict, attempt: u32) -> Option<StopReason> {
    if !verdict.transient {
        return Some(if verdict.unclassified { StopReason::Unclassified } else { StopReason::Permanent });
    }
    if !policy.idempotent && !matches!(verdict.reached, Reached::No) {
        return Some(StopReason::NotIdempotent);
    }
    if !verdict.repeatable {
        return Some(StopReason::BodyNotReplayable);
    }
    if policy.total != UNLIMITED && attempt > policy.total {
        return Some(StopReason::Exhausted);
    }
    None
}

/// The least wait that the server's hint asks for, with up to a fifth on top, so that a thousand clients that were
/// told the same do not come back together.
#[cold]
#[inline(never)]
const fn hinted(policy: &Policy, hint: u64, left: u64, random: u64) -> Result<u64, StopReason> {
    match policy.hints {
        Hints::Ignore => return Ok(0),
        Hints::GiveUp if hint > policy.hint_max => {
            return Err(StopReason::HintTooLong { hint: Duration::from_nanos(hint) });
        }
        _ => {}
    }
    let hint = nanos::min(hint, policy.hint_max);
    if !policy.rule.is_jittered() {
        return Ok(hint);
    }
    let room = nanos::min(left.saturating_sub(hint).saturating_sub(1), hint / 5);
    // A seeded draw is the one that the backoff had, which used the high bits: the halves swapped make a second.
    Ok(hint.saturating_add(jitter::within(room, random.rotate_left(32))))
}
