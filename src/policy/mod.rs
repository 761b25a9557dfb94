//! Policy: how often, how long, and what to do with what the server asks. Plain data.

use core::fmt;
use core::time::Duration;

use crate::time::nanos::{self, Seconds};
use crate::verdict::Fault;

pub(crate) mod backoff;
pub(crate) mod jitter;
#[cfg(feature = "serde")]
pub(crate) mod serde;
pub(crate) mod settings;
pub(crate) mod streak;
pub(crate) mod timed;

pub use self::backoff::Backoff;
use self::backoff::Rule;
pub use self::jitter::Jitter;
pub use self::streak::StreakPolicy;
pub(crate) use self::streak::StreakRules;
pub use self::timed::Timed;

/// Says how a run persists: how many retries, which waits, until when.
///
/// A policy is 64 bytes of plain data: `const`, `Copy`, comparable, no heap. Its setters are `const`, take what they
/// are given and saturate; [`check`](Policy::check) finds contradictions, and [`valid`](Policy::valid) refuses
/// them while compiling. Its [`Display`](fmt::Display) says in one sentence what it will do.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`total`](Policy::total) | 3 retries | the requests recipe's; more multiplies load where it hurts |
/// | [`backoff`](Policy::backoff) | 0.3 s: waits 0, 0.6 s, 1.2 s | the recipe's `backoff_factor` |
/// | [`max_wait`](Policy::max_wait) | 120 s | urllib3's `backoff_max` |
/// | [`jitter`](Policy::jitter) | full | clients that failed together do not return together |
/// | [`max_hint`](Policy::max_hint) | 120 s | a server's wish is not a reason to hang |
/// | [`within`](Policy::within) | no deadline | only the caller knows it |
/// | [`idempotent`](Policy::idempotent) | true | wrapping an operation says that it may be repeated |
///
/// ```
/// use persevere::Policy;
/// use std::time::Duration;
///
/// const PATIENT: Policy = Policy::new().total(8).within(Duration::from_secs(60)).valid();
///
/// let recipe = Policy::new().jitter(persevere::Jitter::None);
/// assert_eq!(recipe.to_string(), "up to 4 attempts, waits 0 s, 0.6 s, 1.2 s");
/// # let _ = PATIENT;
/// ```
#[derive(Clone, Copy, PartialEq)]
#[must_use]
pub struct Policy {
    pub(crate) rule: Rule,
    pub(crate) within: u64,
    pub(crate) hint_max: u64,
    pub(crate) total: u32,
    pub(crate) limits: [u16; LIMITS],
    pub(crate) hints: Hints,
    pub(crate) idempotent: bool,
}

/// The longest hint that is obeyed unless set.
const HINT_MAX: u64 = 120_000_000_000;

/// The limits of one fault's own: connect, read, status, redirect, other.
pub(crate) const LIMITS: usize = 5;
/// How many kinds of faults there are.
pub(crate) const FAULTS: usize = Fault::NAMES.len();
pub(crate) const UNLIMITED: u32 = u32::MAX;
/// Limits are kept as one more than they are, so that none of its own is zero: five of those are tested at once.
pub(crate) const UNSET_LIMITS: [u16; LIMITS] = [0; LIMITS];

/// Says what to do with a hint above [`max_hint`](Policy::max_hint), or with hints at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Hints {
    /// Ends the run at once with [`StopReason::HintTooLong`](crate::StopReason::HintTooLong): neither hangs nor
    /// comes back before it is wanted. The default.
    #[default]
    GiveUp,
    /// Waits `max_hint` instead, and up to a fifth more with jitter.
    Clamp,
    /// Takes no notice of any hint.
    Ignore,
}

impl Policy {
    /// Makes the default policy; see the table above.
    #[inline]
    pub const fn new() -> Self {
        Self {
            rule: Rule::exponential(Duration::from_millis(300)).with_unset_jitter(),
            within: u64::MAX,
            hint_max: HINT_MAX,
            total: 3,
            limits: UNSET_LIMITS,
            hints: Hints::GiveUp,
            idempotent: true,
        }
    }

    /// Makes the default policy with exactly these waits: the backoff's growth, cap and jitter.
    ///
    /// The backoff's seed is not part of a policy: `retry(backoff.seed(7), op)` keeps it.
    ///
    /// ```
    /// use persevere::{Backoff, Policy};
    /// use std::time::Duration;
    ///
    /// const STEADY: Policy = Policy::from_backoff(Backoff::constant(Duration::from_secs(1)));
    /// assert_eq!(STEADY.to_string(), "up to 4 attempts, waits 1 s, 1 s, 1 s");
    /// ```
    #[allow(clippy::needless_pass_by_value)] // Built in place: `Policy::from_backoff(Backoff::constant(..))`.
    #[inline]
    pub const fn from_backoff(backoff: Backoff) -> Self {
        Self { rule: backoff.rule, ..Self::new() }
    }

    /// Sets how many retries may follow the first attempt: `total(3)` makes at most 4 attempts.
    ///
    /// This is urllib3's meaning. [`max_attempts`](Policy::max_attempts) tells the other number. `u32::MAX` is
    /// [`forever`](Policy::forever).
    #[inline]
    pub const fn total(mut self, retries: u32) -> Self {
        self.total = retries;
        self
    }

    /// Retries without a limit on their number. Set a deadline or a budget with it.
    #[inline]
    pub const fn forever(self) -> Self {
        self.total(UNLIMITED)
    }

    /// Sets the base of the backoff: with 0.3 s and the default growth the waits are 0, 0.6 s, 1.2 s, 2.4 s …
    #[inline]
    pub const fn backoff(mut self, base: Duration) -> Self {
        self.rule.base = nanos::from(base);
        self
    }

    /// Sets what each wait is multiplied by; 2 unless set. See [`Backoff::factor`].
    #[inline]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.rule = self.rule.with_factor(factor);
        self
    }

    /// Sets the cap of a backoff's wait, jitter included. Hints have their own, [`max_hint`](Policy::max_hint).
    #[inline]
    pub const fn max_wait(mut self, max: Duration) -> Self {
        self.rule.max = nanos::ceiling(max);
        self
    }

    /// Sets the random part of the waits; full jitter unless set.
    ///
    /// A list of [`waits`](crate::Retry::waits) has no jitter unless it is set here.
    #[inline]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.rule = self.rule.with_jitter(jitter);
        self
    }

    /// Says whether the first retry comes at once; true unless set.
    ///
    /// Most errors are resolved by an immediate second try. A throttle fault never gets it.
    #[inline]
    pub const fn immediate_first(mut self, immediate: bool) -> Self {
        self.rule.immediate_first = immediate;
        self
    }

    /// Sets when a run stops trying; in async code it cuts no running attempt, as [`deadline`](Policy::deadline) does.
    ///
    /// It counts from the start of the first attempt, and covers attempts and waits.
    /// No attempt begins at or after the deadline. A wait that would reach it is not begun: the run ends at once with
    /// the operation's last error. If a wait takes longer than it should, because the executor was busy or the machine
    /// was suspended, the next attempt is not made:
    ///
    /// | run | what it returns after a wait that passed the deadline |
    /// |---|---|
    /// | blocking | the operation's last error or value |
    /// | async with an [`attempt_timeout`](Policy::attempt_timeout) | an error made by `From<TimedOut>` |
    /// | async without one | the result of one last attempt |
    /// | a request of an HTTP client | the client's last error, or the last response without its body |
    ///
    /// An async run without an attempt timeout has dropped the error before the wait, because keeping it would make
    /// every future larger. So it has nothing to return, and makes that one attempt.
    ///
    /// A deadline alone cannot cut an attempt that is running. With an attempt timeout (async) attempts are cut too, and
    /// the run ends by its deadline. The clock is the timer's, and monotonic.
    ///
    /// ```
    /// use persevere::{testing::VirtualTimer, Policy};
    /// use std::{io, time::Duration};
    ///
    /// let timer = VirtualTimer::new();
    /// let mut calls = 0;
    /// let policy = Policy::new().jitter(persevere::Jitter::None).within(Duration::from_millis(1800));
    /// let outcome = policy.timer(&timer).run(|| {
    ///     calls += 1;
    ///     Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))
    /// });
    /// assert!(outcome.is_err());
    /// // The waits are 0, 0.6 s and 1.2 s. The third would end exactly at the deadline.
    /// assert_eq!((calls, timer.elapsed()), (3, Duration::from_millis(600)));
    /// ```
    #[inline]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.within = nanos::from(deadline);
        self
    }

    /// Sets the longest hint that is obeyed; 120 s unless set.
    ///
    /// A hint is the least that is waited. With jitter, up to a fifth of it comes on top, so that clients that were told the
    /// same do not come back together. This holds for a hint of exactly this length and for one that is cut to it
    /// ([`Hints::Clamp`]), too: such a wait may exceed `max_hint` by a fifth. It never reaches the deadline.
    ///
    /// ```
    /// use persevere::{run::{Decision, Run}, Jitter, Policy, Verdict};
    /// use std::time::Duration;
    ///
    /// let (ask, highest) = (Verdict::transient().with_hint(Duration::from_secs(120)), u64::MAX);
    /// let wait = |policy| Run::new(policy, Duration::ZERO).failed(ask, Duration::ZERO, highest);
    /// assert_eq!(wait(Policy::new()), Decision::Wait(Duration::from_secs(144)));
    /// assert_eq!(wait(Policy::new().jitter(Jitter::None)), Decision::Wait(Duration::from_secs(120)));
    /// ```
    #[inline]
    pub const fn max_hint(mut self, max: Duration) -> Self {
        self.hint_max = nanos::ceiling(max);
        self
    }

    /// Says what to do with a hint that is too long, or with hints at all.
    #[inline]
    pub const fn hints(mut self, hints: Hints) -> Self {
        self.hints = hints;
        self
    }

    /// Limits the retries after connect faults. The lower of this and `total` wins; 65 535 means no limit of its own.
    #[inline]
    pub const fn connect(self, retries: u16) -> Self {
        self.limit(Fault::Connect, retries)
    }

    /// Limits the retries after read faults and timeouts, as [`connect`](Policy::connect) does.
    #[inline]
    pub const fn read(self, retries: u16) -> Self {
        self.limit(Fault::Read, retries)
    }

    /// Limits the retries after status and throttle faults, as [`connect`](Policy::connect) does.
    #[inline]
    pub const fn status(self, retries: u16) -> Self {
        self.limit(Fault::Status, retries)
    }

    /// Limits the retries after redirect faults, as [`connect`](Policy::connect) does.
    #[inline]
    pub const fn redirect(self, retries: u16) -> Self {
        self.limit(Fault::Redirect, retries)
    }

    /// Limits the retries after all other faults, as [`connect`](Policy::connect) does.
    #[inline]
    pub const fn other(self, retries: u16) -> Self {
        self.limit(Fault::Other, retries)
    }

    /// Limits the retries after this fault. The lower of this and `total` wins; 65 535 means no limit of its own.
    ///
    /// Some faults share a limit, as in urllib3: read and timeout, status and throttle.
    ///
    /// ```
    /// use persevere::{Fault, Policy};
    ///
    /// assert_eq!(Policy::new().limit(Fault::Timeout, 1), Policy::new().read(1));
    /// ```
    #[inline]
    pub const fn limit(mut self, fault: Fault, retries: u16) -> Self {
        self.limits[slot(fault)] = retries.wrapping_add(1);
        self
    }

    /// Sets whether the operation may be repeated after it may have taken effect; true unless set.
    ///
    /// With `false`, only failures with [`Reached::No`](crate::Reached::No) are retried: a refused connection, not
    /// a broken one.
    ///
    /// **One effect per attempt.** `false` looks at the call that failed, not at what the operation did before it. An
    /// operation that charges a card and is then refused by a second server charges again. Give each effect a run of its
    /// own, as in [what is safe to repeat](crate::guide::safe_to_repeat#one-effect-per-attempt):
    ///
    /// ```
    /// use persevere::{Policy, retry};
    /// use std::io;
    ///
    /// let once = Policy::new().idempotent(false).backoff(std::time::Duration::ZERO);
    /// let mut charged = 0;
    /// let mut charge = || -> io::Result<()> {
    ///     charged += 1;
    ///     Ok(())
    /// };
    /// let notify = || -> io::Result<()> { Err(io::ErrorKind::ConnectionRefused.into()) };
    ///
    /// let paid = retry(once, &mut charge).and_then(|()| retry(once, notify));
    /// assert!(paid.is_err());
    /// assert_eq!(charged, 1);
    /// ```
    #[inline]
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Tells the most attempts that a run may make, the first one included; `None` if there is no limit.
    #[inline]
    pub const fn max_attempts(&self) -> Option<u32> {
        if self.total == UNLIMITED { None } else { Some(self.total + 1) }
    }

    /// Finds the first contradiction, if there is one.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    ///
    /// ```
    /// use persevere::Policy;
    ///
    /// let wrong = Policy::new().factor(f64::NAN).check().unwrap_err();
    /// assert_eq!(wrong.to_string(), "factor is NaN: it must be 1 or more");
    /// ```
    pub const fn check(&self) -> Result<(), Contradiction> {
        let rule = &self.rule;
        let endless = self.total == UNLIMITED && self.within == u64::MAX;
        if let Err(contradiction) = rule.check() {
            return Err(contradiction);
        }
        Err(Contradiction(if self.within == 0 {
            Cause::Within
        } else if endless && rule.base == 0 && rule.amount == 0 {
            Cause::Spins
        } else {
            return Ok(());
        }))
    }

    /// Passes the policy on if it is free of contradictions. In a `const`, a contradiction fails to compile.
    ///
    /// # Panics
    ///
    /// On what [`check`](Policy::check) finds. Use it in a `const`, and `check` for what comes in at run time.
    pub const fn valid(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }

    /// Lists the waits before they happen, at their longest.
    ///
    /// ```
    /// use persevere::Policy;
    /// use std::time::Duration;
    ///
    /// let preview = Policy::new().preview();
    /// assert_eq!(preview.worst_case(), Some(Duration::from_millis(1800)));
    /// let waits: Vec<_> = preview.map(|wait| wait.as_secs_f64()).collect();
    /// assert_eq!(waits, [0.0, 0.6, 1.2]);
    /// ```
    pub const fn preview(&self) -> Preview {
        Preview { policy: *self, retry: 0 }
    }
}

impl Rule {
    const fn check(&self) -> Result<(), Contradiction> {
        Err(Contradiction(if self.factor.is_nan() || self.factor < 1.0 {
            Cause::Factor(self.factor)
        } else if self.base > self.max {
            Cause::BackoffAboveMax(self.base)
        } else {
            return Ok(());
        }))
    }
}

impl Default for Policy {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl From<Backoff> for Policy {
    fn from(backoff: Backoff) -> Self {
        Self::from_backoff(backoff)
    }
}

/// Where the limit for this fault is kept.
pub(crate) const fn slot(fault: Fault) -> usize {
    match fault {
        Fault::Connect => 0,
        Fault::Timeout | Fault::Read => 1,
        Fault::Status | Fault::Throttle => 2,
        Fault::Redirect => 3,
        Fault::Other => 4,
    }
}

impl Policy {
    /// The limit of this fault's own, if it has one.
    pub(crate) const fn own_limit(&self, fault: Fault) -> Option<u16> {
        self.limits[slot(fault)].checked_sub(1)
    }
}

/// The waits of a policy at their longest, in order: what [`Policy::preview`] returns.
#[derive(Clone, Debug)]
pub struct Preview {
    policy: Policy,
    retry: u32,
}

impl Preview {
    /// Adds up the waits that are left; `None` if there is no limit. Hints can lengthen a
    /// wait, a throttle fault never gets the immediate first one, and a deadline ends it all.
    ///
    /// The first 10 000 waits are added exactly; each later one counts as the longest.
    pub fn worst_case(&self) -> Option<Duration> {
        const EXACT: usize = 10_000;
        if self.policy.total == UNLIMITED {
            return if self.policy.within == u64::MAX { None } else { Some(nanos::duration(self.policy.within)) };
        }
        let exact = self.clone().take(EXACT).fold(0, |sum: u64, wait| sum.saturating_add(nanos::from(wait)));
        let rest = u64::from(self.policy.total - self.retry).saturating_sub(EXACT as u64);
        let total = exact.saturating_add(rest.saturating_mul(self.longest(self.policy.total)));
        Some(nanos::duration(total.min(self.policy.within)))
    }

    fn longest(&self, n: u32) -> u64 {
        let rule = &self.policy.rule;
        match rule.jitter() {
            // No source needed: the whole range is below this.
            Jitter::Decorrelated => rule.longest_decorrelated(n),
            Jitter::Additive(amount) if !rule.is_immediate(n) => {
                rule.grown(n).saturating_add(nanos::from(amount)).min(rule.max)
            }
            _ => rule.grown(n),
        }
    }
}

impl Iterator for Preview {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.retry == self.policy.total {
            return None;
        }
        self.retry = self.retry.saturating_add(1);
        let longest = if self.retry == 1 && self.policy.rule.immediate_first { 0 } else { self.longest(self.retry) };
        Some(nanos::duration(longest))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: u32 = 5;
        match self.max_attempts() {
            None => f.write_str("attempts without limit")?,
            Some(1) => return f.write_str("1 attempt, no retry"),
            Some(attempts) => write!(f, "up to {attempts} attempts")?,
        }
        let waits = self.preview();
        for (index, wait) in waits.clone().take(SHOWN as usize).enumerate() {
            write!(f, "{} {}", if index == 0 { ", waits" } else { "," }, Seconds(nanos::from(wait)))?;
        }
        if self.total > SHOWN {
            write!(f, " … {}", Seconds(waits.longest(self.total)))?;
        }
        match self.rule.jitter() {
            Jitter::None => {}
            Jitter::Full => f.write_str(" with full jitter")?,
            Jitter::Equal => f.write_str(" with equal jitter")?,
            Jitter::Decorrelated => f.write_str(" with decorrelated jitter")?,
            Jitter::Additive(_) => f.write_str(" with additive jitter")?,
        }
        let names = ["connect", "read", "status", "redirect", "other"];
        for (name, limit) in names.into_iter().zip(self.limits).filter(|&(_, limit)| limit != 0) {
            write!(f, ", at most {} after {name} faults", limit - 1)?;
        }
        match self.hints {
            Hints::Ignore => f.write_str(", hints ignored")?,
            Hints::Clamp => write!(f, ", hints cut at {}", Seconds(self.hint_max))?,
            Hints::GiveUp if self.hint_max != HINT_MAX => write!(f, ", hints up to {}", Seconds(self.hint_max))?,
            Hints::GiveUp => {}
        }
        if !self.idempotent {
            f.write_str(", only where nothing was reached")?;
        }
        if self.within != u64::MAX {
            write!(f, ", give up after {}", Seconds(self.within))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [connect, read, status, redirect, other] = self.limits.map(|limit| limit.checked_sub(1));
        f.debug_struct("Policy")
            .field("total", &(self.total != UNLIMITED).then_some(self.total))
            .field("backoff", &nanos::duration(self.rule.base))
            .field("growth", &self.rule.growth)
            .field("factor", &self.rule.factor)
            .field("max_wait", &nanos::duration(self.rule.max))
            .field("jitter", &self.rule.jitter())
            .field("immediate_first", &self.rule.immediate_first)
            .field("within", &(self.within != u64::MAX).then(|| nanos::duration(self.within)))
            .field("max_hint", &nanos::duration(self.hint_max))
            .field("hints", &self.hints)
            .field("connect", &connect)
            .field("read", &read)
            .field("status", &status)
            .field("redirect", &redirect)
            .field("other", &other)
            .field("idempotent", &self.idempotent)
            .finish()
    }
}

/// Says which setting contradicts itself or another: field, value, and what is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contradiction(pub(crate) Cause);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cause {
    Factor(f32),
    BackoffAboveMax(u64),
    Within,
    AttemptTimeout,
    ResetAfter,
    FailingFor,
    Spins,
    #[cfg(target_has_atomic = "64")]
    Guard(Guard),
}

/// What may contradict itself in a budget, a breaker or a throttle.
#[cfg(target_has_atomic = "64")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Guard {
    Ratio(f64),
    Retry,
    Throttled,
    Share(f64),
    Least,
    Window,
    Pause,
    Multiplier(f64),
    Probe,
}

#[cfg(target_has_atomic = "64")]
impl Guard {
    const fn field(&self) -> &'static str {
        match self {
            Self::Ratio(_) => "ratio",
            Self::Retry => "retry",
            Self::Throttled => "throttled",
            Self::Share(_) => "failure_rate",
            Self::Least => "min_outcomes",
            Self::Window => "window",
            Self::Pause => "open_for",
            Self::Multiplier(_) => "multiplier",
            Self::Probe => "probe_every",
        }
    }

    const fn allowed(&self) -> &'static str {
        match self {
            Self::Ratio(_) => "ratio is negative or NaN: it must be 0 or more",
            Self::Retry => "retry is 0: it must be 1 or more",
            Self::Throttled => "throttled is 0: it must be 1 or more",
            Self::Share(_) => "failure_rate is out of range: it must be more than 0 and at most 1",
            Self::Least => "min_outcomes is 0: it must be 1 or more",
            Self::Window => "window is 0 s: it must be longer than zero",
            Self::Pause => "open_for is 0 s: it must be longer than zero",
            Self::Multiplier(_) => "multiplier is too small or NaN: it must be 1 or more",
            Self::Probe => "probe_every is 0 s: it must be longer than zero",
        }
    }
}

#[cfg(target_has_atomic = "64")]
impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(value) => write!(f, "ratio is {value}: it must be 0 or more"),
            Self::Share(value) => write!(f, "failure_rate is {value}: it must be more than 0 and at most 1"),
            Self::Multiplier(value) => write!(f, "multiplier is {value}: it must be 1 or more"),
            _ => f.write_str(self.allowed()),
        }
    }
}

impl Contradiction {
    /// Tells the setter's name.
    pub const fn field(&self) -> &'static str {
        match self.0 {
            Cause::Factor(_) => "factor",
            Cause::BackoffAboveMax(_) | Cause::Spins => "backoff",
            Cause::Within => "within",
            Cause::AttemptTimeout => "attempt_timeout",
            Cause::ResetAfter => "reset_after",
            Cause::FailingFor => "failing_for",
            #[cfg(target_has_atomic = "64")]
            Cause::Guard(guard) => guard.field(),
        }
    }

    /// A panic in a `const` formats no value: the compiler's message names the field and what is allowed.
    pub(crate) const fn panic(&self) -> ! {
        match self.0 {
            Cause::Factor(factor) if factor.is_nan() => panic!("factor is NaN: it must be 1 or more"),
            Cause::Factor(_) => panic!("factor is less than 1: it must be 1 or more"),
            Cause::BackoffAboveMax(_) => panic!("backoff is longer than max_wait: it must be at most max_wait"),
            Cause::Within => panic!("within is 0 s: it must be longer than zero"),
            Cause::AttemptTimeout => panic!("attempt_timeout is 0 s: it must be longer than zero"),
            Cause::ResetAfter => panic!("reset_after is 0 s: it must be longer than zero"),
            Cause::FailingFor => panic!("failing_for is 0 s: it must be longer than zero"),
            Cause::Spins => panic!("backoff is 0 s: with forever and no deadline it must be longer than zero"),
            #[cfg(target_has_atomic = "64")]
            Cause::Guard(guard) => panic!("{}", guard.allowed()),
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Factor(factor) => write!(f, "factor is {factor}: it must be 1 or more"),
            Cause::BackoffAboveMax(base) => write!(f, "backoff is {}: it must be at most max_wait", Seconds(base)),
            Cause::Within | Cause::AttemptTimeout | Cause::ResetAfter | Cause::FailingFor => {
                write!(f, "{} is 0 s: it must be longer than zero", self.field())
            }
            Cause::Spins => f.write_str("backoff is 0 s: with forever and no deadline it must be longer than zero"),
            #[cfg(target_has_atomic = "64")]
            Cause::Guard(guard) => guard.fmt(f),
        }
    }
}

impl core::error::Error for Contradiction {}
