//! Backoff: the rule that yields the waits.

use core::time::Duration;

use crate::policy::jitter::{self, Jitter, Kind};
use crate::time::entropy;
use crate::time::nanos;

/// Yields the waits between attempts, for ever.
///
/// A `Backoff` is an endless iterator of waits, and a value to build a [`Policy`](crate::Policy) from:
/// `retry(backoff, op)` means the default policy with exactly these waits. All constructors and setters are `const`.
/// Every wait is at most [`max_wait`](Backoff::max_wait), 120 s unless set (as in urllib3); a constant backoff has no `max_wait`
/// unless set. Arithmetic saturates: no input makes it panic or start again.
///
/// | constructor | wait `n`, counted from 1 | first waits for a base of 0.3 s |
/// |---|---|---|
/// | [`new`](Backoff::new) | `base * factor^(n-1)`, the first 0 | 0, 0.6, 1.2, 2.4 |
/// | [`constant`](Backoff::constant) | `base` | 0.3, 0.3, 0.3, 0.3 |
/// | [`linear`](Backoff::linear) | `base * n` | 0.3, 0.6, 0.9, 1.2 |
/// | [`fibonacci`](Backoff::fibonacci) | `base * F(n)` | 0.3, 0.3, 0.6, 0.9 |
///
/// ```
/// use persevere::Backoff;
/// use std::time::Duration;
///
/// let waits: Vec<_> = Backoff::new(Duration::from_millis(300)).take(4).map(|w| w.as_secs_f64()).collect();
/// assert_eq!(waits, [0.0, 0.6, 1.2, 2.4]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Backoff {
    pub(crate) rule: Rule,
    pub(crate) seed: Option<u64>,
    failures: u64,
    /// The last wait before jitter, where the next one is twice that; 0 where it has to be computed.
    grown: u64,
    previous: Pace,
}

impl Backoff {
    /// Grows exponentially: wait `n` is `base * 2^(n-1)`, except that the first is zero.
    ///
    /// "Most errors are resolved immediately by a second try", so the first retry does not wait; this is urllib3's
    /// formula. [`immediate_first(false)`](Backoff::immediate_first) makes the first wait `base`.
    #[inline]
    pub const fn new(base: Duration) -> Self {
        Self::from_rule(Rule::exponential(base))
    }

    /// Waits the same each time. It has no `max_wait` unless one is set.
    #[inline]
    pub const fn constant(wait: Duration) -> Self {
        Self::from_rule(Rule {
            growth: Growth::Constant,
            immediate_first: false,
            max: u64::MAX,
            ..Rule::exponential(wait)
        })
    }

    /// Grows by `base` each time: `base * n`.
    #[inline]
    pub const fn linear(base: Duration) -> Self {
        Self::from_rule(Rule { growth: Growth::Linear, immediate_first: false, ..Rule::exponential(base) })
    }

    /// Grows as the Fibonacci numbers 1, 1, 2, 3, 5 …, times `base`: more slowly than by doubling.
    #[inline]
    pub const fn fibonacci(base: Duration) -> Self {
        Self::from_rule(Rule { growth: Growth::Fibonacci, immediate_first: false, ..Rule::exponential(base) })
    }

    const fn from_rule(rule: Rule) -> Self {
        Self { rule, seed: None, failures: 0, grown: 0, previous: Pace::FRESH }
    }

    /// Sets what an exponential backoff multiplies each wait by; 2 unless set.
    ///
    /// It is kept as an `f32`. Below 8, a decimal of up to six places means exactly that decimal: 1.1 is 1.1. Infinity
    /// jumps to `max_wait`. NaN or less than 1 is refused by [`Policy::check`](crate::Policy::check); left unchecked, NaN
    /// acts as 1.
    #[inline]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.rule = self.rule.with_factor(factor);
        self
    }

    /// Sets the cap: no wait is longer, jitter included.
    #[inline]
    pub const fn max_wait(mut self, max: Duration) -> Self {
        self.rule.max = nanos::ceiling(max);
        self.grown = 0;
        self
    }

    /// Says whether the first wait is zero. True for an exponential backoff unless set, false for the others.
    ///
    /// The waits after it are the same either way, but for decorrelated jitter, which builds on the wait before.
    #[inline]
    pub const fn immediate_first(mut self, immediate: bool) -> Self {
        self.rule.immediate_first = immediate;
        self
    }

    /// Sets the random part; [`Jitter::None`] unless set.
    #[inline]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.rule = self.rule.with_jitter(jitter);
        self
    }

    /// Sets a seed to draw the jitter from, for tests: same seed, same waits, on every platform.
    ///
    /// Clients that share a seed wait in step, which is what jitter is there to prevent. Without a seed each draw asks the
    /// system, so that no other process has it. Without the feature `jitter` there is no seed, and a jittered wait is
    /// taken whole.
    ///
    /// ```
    /// use persevere::{Backoff, Jitter};
    /// use std::time::Duration;
    ///
    /// let waits = Backoff::new(Duration::from_millis(300)).jitter(Jitter::Full).seed(7);
    /// assert_eq!(waits.clone().take(9).collect::<Vec<_>>(), waits.take(9).collect::<Vec<_>>());
    /// ```
    #[cfg(feature = "jitter")]
    #[inline]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

/// Equal are those that are set alike and have come as far.
impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        let Self { rule, seed, failures, grown: _, previous } = self;
        (rule, seed, failures, previous) == (&other.rule, &other.seed, &other.failures, &other.previous)
    }
}

impl Backoff {
    /// Where a run by it begins, and after how many draws.
    pub(crate) fn advanced(&self) -> (Pace, u32) {
        let failures = u32::try_from(self.failures).unwrap_or(u32::MAX);
        (self.previous.after(&self.rule, failures), failures)
    }

    /// The wait after this many failures, however it grows and wherever its jitter comes from.
    #[inline(never)]
    fn computed(&mut self) -> Duration {
        let Self { rule, seed, failures, grown, previous } = self;
        let n = u32::try_from(*failures).unwrap_or(u32::MAX);
        *grown = if rule.growth == Growth::Doubling { rule.doubled(n) } else { 0 };
        let wait = rule.wait::<false>(n, false, previous, || entropy::drawn(*seed, n));
        nanos::duration(wait)
    }
}

/// A wait with full jitter after this many failures.
#[inline(never)]
fn full(grown: u64, seed: Option<u64>, failures: u64) -> Duration {
    let n = u32::try_from(failures).unwrap_or(u32::MAX);
    nanos::duration(jitter::within(grown, entropy::drawn(seed, n)))
}

impl Iterator for Backoff {
    type Item = Duration;

    #[inline]
    fn next(&mut self) -> Option<Duration> {
        let Self { rule, seed, failures, grown, .. } = self;
        *failures = failures.wrapping_add(1);
        if *grown == 0 || rule.growth != Growth::Doubling {
            return Some(self.computed());
        }
        *grown = if *grown > rule.max / 2 { rule.max } else { *grown * 2 };
        let wait = match rule.kind {
            Kind::None => *grown,
            // Called last, so that a wait without jitter saves no register.
            Kind::Full => return Some(full(*grown, *seed, *failures)),
            _ => return Some(self.computed()),
        };
        Some(nanos::duration(wait))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize), serde(rename_all = "snake_case"))]
pub(crate) enum Growth {
    /// Exponential with a factor of exactly 2, which needs no floats.
    #[cfg_attr(feature = "serde", serde(rename = "exponential"))]
    Doubling,
    #[cfg_attr(feature = "serde", serde(skip_deserializing))]
    Exponential,
    Constant,
    Linear,
    Fibonacci,
}

/// A backoff without its place in the sequence: plain data, shared by `Backoff` and `Policy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) base: u64,
    pub(crate) max: u64,
    /// The amount of `Jitter::Additive`, else 0.
    pub(crate) amount: u64,
    pub(crate) factor: f32,
    pub(crate) growth: Growth,
    kind: Kind,
    pub(crate) immediate_first: bool,
}

/// The most that a wait may be unless set, as in urllib3.
const DEFAULT_MAX: u64 = 120_000_000_000;

impl Rule {
    pub(crate) const fn exponential(base: Duration) -> Self {
        Self {
            base: nanos::from(base),
            max: DEFAULT_MAX,
            amount: 0,
            factor: 2.0,
            growth: Growth::Doubling,
            kind: Kind::None,
            immediate_first: true,
        }
    }

    pub(crate) const fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor as f32;
        if let Growth::Doubling | Growth::Exponential = self.growth {
            self.growth = if self.factor == 2.0 { Growth::Doubling } else { Growth::Exponential };
        }
        self
    }

    pub(crate) const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.amount = 0;
        self.kind = match jitter {
            Jitter::None => Kind::None,
            Jitter::Full => Kind::Full,
            Jitter::Equal => Kind::Equal,
            Jitter::Decorrelated => Kind::Decorrelated,
            Jitter::Additive(amount) => {
                self.amount = nanos::from(amount);
                Kind::Additive
            }
        };
        self
    }

    /// Leaves the jitter unset: full, but none for a list of waits.
    pub(crate) const fn with_unset_jitter(mut self) -> Self {
        self.amount = 0;
        self.kind = Kind::Unset;
        self
    }

    #[cfg(feature = "serde")]
    pub(crate) const fn sets_jitter(&self) -> bool {
        !matches!(self.kind, Kind::Unset)
    }

    pub(crate) const fn jitter(&self) -> Jitter {
        match self.kind {
            Kind::None => Jitter::None,
            Kind::Unset | Kind::Full => Jitter::Full,
            Kind::Equal => Jitter::Equal,
            Kind::Decorrelated => Jitter::Decorrelated,
            Kind::Additive => Jitter::Additive(nanos::duration(self.amount)),
        }
    }

    pub(crate) const fn is_jittered(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// Whether it doubles, with full jitter or none.
    #[inline(always)]
    pub(crate) fn is_usual(&self) -> bool {
        self.growth == Growth::Doubling && matches!(self.kind, Kind::None | Kind::Unset | Kind::Full)
    }

    /// Whether wait `n` is none, jitter included.
    pub(crate) const fn is_immediate(&self, n: u32) -> bool {
        n <= 1 && self.immediate_first
    }

    /// Wait `n` before jitter: grown, then capped.
    pub(crate) fn grown(&self, n: u32) -> u64 {
        if self.is_immediate(n) { 0 } else { self.capped(n) }
    }

    /// As `grown`, but for an immediate first one.
    const fn capped(&self, n: u32) -> u64 {
        let grown = match self.growth {
            Growth::Doubling => return self.doubled(n),
            Growth::Constant => self.base,
            Growth::Linear => self.base.saturating_mul(n as u64),
            Growth::Fibonacci => self.base.saturating_mul(fibonacci(n)),
            Growth::Exponential if self.base == 0 || self.factor.is_nan() => self.base,
            Growth::Exponential => self.by_factor(n.saturating_sub(1)),
        };
        nanos::min(grown, self.max)
    }

    /// As `capped`, where the factor is 2.
    #[inline(always)]
    const fn doubled(&self, n: u32) -> u64 {
        match n.saturating_sub(1) {
            // Above the cap if the base is above the cap shifted back: nothing can overflow.
            exponent @ 0..64 if self.max >> exponent >= self.base => self.base << exponent,
            _ if self.base == 0 => 0,
            _ => self.max,
        }
    }

    /// Rounded to the nearest nanosecond; the conversion saturates.
    const fn by_factor(&self, exponent: u32) -> u64 {
        (self.base as f64 * power(self.factor(), exponent) + 0.5) as u64
    }

    /// The factor as it was meant: the shortest decimal, to a millionth, that this `f32` stands for.
    pub(crate) const fn factor(&self) -> f64 {
        let kept = self.factor as f64;
        let decimal = (kept * 1e6 + 0.5) as u64 as f64 / 1e6;
        if decimal as f32 == self.factor { decimal } else { kept }
    }

    /// Wait `n`, jitter included. `USUAL` takes [`Rule::is_usual`] for granted.
    ///
    /// After a throttle fault the first wait is never the immediate one: it is drawn from `[base/2, base]`.
    #[inline(always)]
    pub(crate) fn wait<const USUAL: bool>(
        &self,
        attempt: u32,
        throttled: bool,
        pace: &mut Pace,
        random: impl FnOnce() -> u64,
    ) -> u64 {
        let n = pace.step(self, attempt);
        if n <= 1 {
            if throttled {
                let base = self.base.min(self.max);
                return if self.is_jittered() { base - base / 2 + jitter::within(base / 2, random()) } else { base };
            }
            if self.immediate_first {
                return 0;
            }
        }
        if USUAL {
            let grown = self.doubled(n);
            return if self.is_jittered() && grown != 0 { jitter::within(grown, random()) } else { grown };
        }
        self.drawn(self.capped(n), self.max, pace, random)
    }

    /// What jitter makes of a wait from a list: nothing, unless the jitter was set. The cap is the backoff's own.
    pub(crate) fn listed(&self, wait: u64, pace: &mut Pace, random: impl FnOnce() -> u64) -> u64 {
        match self.kind {
            Kind::Unset => wait,
            Kind::Additive => self.drawn(wait, u64::MAX, pace, random),
            _ => self.drawn(wait, wait, pace, random),
        }
    }

    #[inline(always)]
    fn drawn(&self, grown: u64, max: u64, pace: &mut Pace, random: impl FnOnce() -> u64) -> u64 {
        let (least, most) = self.range(grown, max, pace.0.nanos());
        let wait = if least == most { least } else { least + jitter::within(most - least, random()) };
        if let Kind::Decorrelated = self.kind {
            pace.0 = Coarse::new(wait);
        }
        wait
    }

    /// The range that a wait is drawn from: the least and the most.
    pub(crate) const fn range(&self, grown: u64, max: u64, previous: u64) -> (u64, u64) {
        match self.kind {
            Kind::None => (grown, grown),
            Kind::Unset | Kind::Full => (0, grown),
            Kind::Equal => (grown - grown / 2, grown),
            Kind::Additive => below_cap(grown, self.amount, max),
            Kind::Decorrelated => {
                let least = nanos::min(self.base, max);
                let previous = if previous > least { previous } else { least };
                below_cap(least, previous.saturating_mul(3) - least, max)
            }
        }
    }

    /// Wait `n` for whoever remembers nothing. With decorrelated jitter the wait before is taken for as long as it can have
    /// been.
    pub(crate) const fn forgetful(&self, n: u32, throttled: bool, random: u64) -> u64 {
        if n <= 1 {
            if throttled {
                let base = nanos::min(self.base, self.max);
                return if self.is_jittered() { base - base / 2 + jitter::within(base / 2, random) } else { base };
            }
            if self.immediate_first {
                return 0;
            }
        }
        let (least, most) = self.range(self.capped(n), self.max, self.longest_decorrelated(n.saturating_sub(1)));
        least + jitter::within(most - least, random)
    }

    /// The longest that wait `n` can be with decorrelated jitter, where none before it was drawn short.
    pub(crate) const fn longest_decorrelated(&self, n: u32) -> u64 {
        let drawn = n.saturating_sub(self.immediate_first as u32);
        nanos::min(self.base.saturating_mul(3_u64.saturating_pow(drawn)), self.max)
    }
}

/// The range of this width from `least` on, cut at the cap. Where the cut leaves next to nothing to chance, it is of this
/// width below the cap.
const fn below_cap(least: u64, width: u64, max: u64) -> (u64, u64) {
    let room = max.saturating_sub(least);
    if room < width && room <= least / 8 {
        return (max.saturating_sub(width), max);
    }
    (least, least + nanos::min(width, room))
}

/// By squaring, as `f64::powi` is not in `core`.
const fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

const fn fibonacci(n: u32) -> u64 {
    let (mut now, mut next, mut left) = (0_u64, 1_u64, n);
    // F(94) is past u64, so the loop is short however large `n` is.
    while left > 0 && now != u64::MAX {
        (now, next, left) = (next, now.saturating_add(next), left - 1);
    }
    now
}

/// How far the waits have grown, beyond what the count of failures says: the limits may have begun anew since.
///
/// With decorrelated jitter it is the wait before, from which the next one grows; with any other the steps that count no
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize))]
pub(crate) struct Pace(pub(crate) Coarse);

impl Pace {
    pub(crate) const FRESH: Self = Self(Coarse(0));

    pub(crate) const fn is_fresh(self) -> bool {
        self.0.0 == 0
    }

    /// The pace of a new streak after so many steps.
    pub(crate) const fn after(self, rule: &Rule, steps: u32) -> Self {
        let Coarse(before) = self.0;
        let steps = if steps > u16::MAX as u32 { u16::MAX } else { steps as u16 };
        match rule.kind {
            // One nanosecond, so that the first wait is not taken for the first of all.
            Kind::Decorrelated if before == 0 && steps > 0 => Self(Coarse(1)),
            Kind::Decorrelated => self,
            _ => Self(Coarse(before.saturating_add(steps))),
        }
    }

    /// Which wait of the backoff follows this attempt.
    #[inline(always)]
    fn step(self, rule: &Rule, attempt: u32) -> u32 {
        match rule.kind {
            Kind::Decorrelated => attempt.saturating_add(u32::from(self.0.0 != 0)),
            _ => attempt.saturating_add(u32::from(self.0.0)),
        }
    }
}

/// A wait kept in two bytes, ten significant bits rounded down: all that decorrelated jitter has to remember.
///
/// A run's state crosses every await of an async door, so each byte of it is a byte of every future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize))]
pub(crate) struct Coarse(pub(crate) u16);

impl Coarse {
    fn new(nanos: u64) -> Self {
        let shift = (64 - nanos.leading_zeros()).saturating_sub(11);
        let significant = (nanos >> shift) as u16;
        if shift == 0 && significant < 1024 {
            return Self(significant);
        }
        Self(((shift as u16 + 1) << 10) | (significant & 0x3ff))
    }

    fn nanos(self) -> u64 {
        let significant = u64::from(self.0 & 0x3ff);
        match self.0 >> 10 {
            0 => significant,
            shift => (significant | 0x400) << (shift - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn seconds(backoff: impl Iterator<Item = Duration>, count: usize) -> Vec<f64> {
        backoff.take(count).map(|wait| wait.as_secs_f64()).collect()
    }

    #[test]
    fn exponential_waits_are_those_of_urllib3() {
        let recipe = seconds(Backoff::new(Duration::from_millis(300)), 12);
        assert_eq!(recipe, [0.0, 0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 76.8, 120.0, 120.0, 120.0]);
        assert_eq!(seconds(Backoff::new(Duration::from_millis(100)), 4), [0.0, 0.2, 0.4, 0.8]);
        let plain = Backoff::new(Duration::from_millis(300)).immediate_first(false);
        assert_eq!(seconds(plain, 4), [0.3, 0.6, 1.2, 2.4]);
    }

    #[test]
    fn a_setting_that_changes_on_the_way_holds_from_there() {
        let mut waits = Backoff::new(Duration::from_secs(1)).max_wait(Duration::from_secs(2));
        assert_eq!(seconds(waits.by_ref(), 4), [0.0, 2.0, 2.0, 2.0]);
        waits = waits.max_wait(Duration::from_secs(60));
        assert_eq!(seconds(waits.by_ref(), 3), [16.0, 32.0, 60.0]);
        waits = waits.max_wait(Duration::from_secs(10));
        assert_eq!(seconds(waits.by_ref(), 2), [10.0, 10.0]);
        waits = waits.factor(1.0).max_wait(Duration::MAX);
        assert_eq!(seconds(waits.by_ref(), 2), [1.0, 1.0]);
        assert_eq!(seconds(waits.factor(2.0), 2), [2048.0, 4096.0]);
    }

    #[test]
    fn equal_are_those_that_will_wait_the_same() {
        let mut one = Backoff::new(Duration::from_secs(1));
        let mut other = one.clone();
        one.next();
        assert_ne!(one, other);
        other.next();
        assert_eq!(one, other);
        assert_eq!(one, other.max_wait(Duration::from_secs(120)));
        #[cfg(feature = "jitter")]
        assert_ne!(one, one.clone().seed(1));
    }

    #[test]
    #[cfg(feature = "jitter")]
    fn decorrelated_jitter_takes_no_notice_of_the_factor() {
        let waits = |factor| {
            let backoff = Backoff::new(Duration::from_nanos(9)).factor(factor).jitter(Jitter::Decorrelated).seed(3);
            backoff.take(9).collect::<Vec<_>>()
        };
        assert_eq!(waits(0.5), waits(2.0));
    }

    #[test]
    fn the_other_growths_start_at_their_base() {
        let base = Duration::from_secs(1);
        assert_eq!(seconds(Backoff::constant(base), 3), [1.0, 1.0, 1.0]);
        assert_eq!(seconds(Backoff::linear(base), 4), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(seconds(Backoff::fibonacci(base), 6), [1.0, 1.0, 2.0, 3.0, 5.0, 8.0]);
        assert_eq!(seconds(Backoff::linear(base).immediate_first(true), 3), [0.0, 2.0, 3.0]);
        assert_eq!(seconds(Backoff::constant(Duration::from_secs(300)), 1), [300.0]);
    }

    #[test]
    fn a_decimal_factor_is_taken_at_its_word() {
        let waits: Vec<_> = Backoff::new(Duration::from_secs(1)).factor(1.1).skip(1).take(3).collect();
        assert_eq!(waits, [1_100_000_000, 1_210_000_000, 1_331_000_000].map(Duration::from_nanos));
    }

    #[test]
    fn the_far_end_saturates_at_the_cap() {
        let cap = Duration::from_secs(120);
        for factor in [1.5, 2.0, 1e9, f64::INFINITY] {
            let mut far = Backoff::new(Duration::from_millis(1)).factor(factor);
            far.failures = u64::from(u32::MAX) - 2;
            assert_eq!(far.by_ref().take(5).collect::<Vec<_>>(), [cap; 5], "factor {factor}");
        }
        assert_eq!(Backoff::new(Duration::MAX).max_wait(Duration::MAX).nth(99), Some(Duration::MAX));
        assert_eq!(Backoff::new(Duration::ZERO).factor(f64::INFINITY).nth(99), Some(Duration::ZERO));
        assert_eq!(Backoff::new(Duration::from_secs(1)).factor(f64::NAN).nth(9), Some(Duration::from_secs(1)));
    }

    #[test]
    fn the_coarse_wait_keeps_ten_bits_and_rounds_down() {
        for nanos in
            (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1_u64 << bit) + 1, 3 << bit >> 1]).chain([u64::MAX])
        {
            let kept = Coarse::new(nanos).nanos();
            assert!(kept <= nanos && nanos - kept <= nanos >> 10, "{nanos} became {kept}");
        }
    }
}
