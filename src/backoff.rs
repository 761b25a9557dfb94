//! Backoff: the rule that yields the waits.

use core::time::Duration;

use crate::jitter::{self, Jitter, Kind};
use crate::nanos;

/// Yields the waits between attempts, for ever.
///
/// A `Backoff` is an endless iterator of waits, and a value to build a [`Policy`](crate::Policy) from:
/// `retry(backoff, op)` means the default policy with exactly these waits. All constructors and setters are `const`.
/// Every wait is at most [`max`](Backoff::max), 120 s unless set (as in urllib3); a constant backoff has no `max`
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
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Backoff {
    pub(crate) rule: Rule,
    pub(crate) seed: Option<u64>,
    failures: u32,
    previous: Coarse,
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

    /// Waits the same each time. It has no `max` unless one is set.
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
        Self { rule, seed: None, failures: 0, previous: Coarse(0) }
    }

    /// Sets what an exponential backoff multiplies each wait by; 2 unless set.
    ///
    /// It is kept as an `f32`, and a decimal of up to six digits means exactly that decimal: 1.1 is 1.1. Infinity
    /// jumps to `max`. NaN or less than 1 is refused by [`Policy::check`](crate::Policy::check); left unchecked, NaN
    /// acts as 1.
    #[inline]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.rule = self.rule.with_factor(factor);
        self
    }

    /// Sets the cap: no wait is longer, jitter included.
    #[inline]
    pub const fn max(mut self, max: Duration) -> Self {
        self.rule.max = nanos::from(max);
        self
    }

    /// Says whether the first wait is zero. True for an exponential backoff unless set, false for the others.
    ///
    /// The waits after it are the same either way.
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

    /// Draws the jitter from a stream that this seed determines: same seed, same waits. For tests.
    ///
    /// Clients that share a seed wait in step, which is what jitter is there to prevent. Without the `jitter` feature
    /// this is the only source of randomness, and an unseeded jittered wait is taken whole.
    #[inline]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    #[inline]
    fn next(&mut self) -> Option<Duration> {
        let Self { rule, seed, failures, previous } = self;
        *failures = failures.saturating_add(1);
        let drawn = rule.is_jittered() && (seed.is_some() || !jitter::is_ready());
        let wait = if rule.growth == Growth::Doubling && !drawn {
            let random = if rule.is_jittered() { jitter::next() } else { 0 };
            rule.wait::<true>(*failures, previous, random)
        } else {
            rule.any_wait(*failures, previous, *seed)
        };
        Some(nanos::duration(wait))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Exponential with a factor of exactly 2, which needs no floats.
    Doubling,
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
    amount: u64,
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

    pub(crate) const fn jitter(&self) -> Jitter {
        match self.kind {
            Kind::None => Jitter::None,
            Kind::Full => Jitter::Full,
            Kind::Equal => Jitter::Equal,
            Kind::Decorrelated => Jitter::Decorrelated,
            Kind::Additive => Jitter::Additive(nanos::duration(self.amount)),
        }
    }

    pub(crate) const fn is_jittered(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// Wait `n`, however it grows and wherever its jitter comes from.
    #[inline(never)]
    fn any_wait(&self, n: u32, previous: &mut Coarse, seed: Option<u64>) -> u64 {
        let random = if self.is_jittered() { jitter::drawn(seed, n) } else { 0 };
        self.wait::<false>(n, previous, random)
    }

    /// Wait `n` before jitter: grown, then capped.
    pub(crate) fn grown(&self, n: u32) -> u64 {
        if n <= 1 && self.immediate_first {
            return 0;
        }
        let exponent = n.saturating_sub(1);
        let grown = match self.growth {
            Growth::Doubling => return self.doubled(n),
            Growth::Constant => self.base,
            Growth::Linear => self.base.saturating_mul(u64::from(n)),
            Growth::Fibonacci => self.base.saturating_mul(fibonacci(n)),
            Growth::Exponential if self.base == 0 || self.factor.is_nan() => self.base,
            Growth::Exponential => self.by_factor(exponent),
        };
        grown.min(self.max)
    }

    /// As `grown`, where the factor is 2.
    #[inline(always)]
    fn doubled(&self, n: u32) -> u64 {
        if n <= 1 && self.immediate_first {
            return 0;
        }
        let exponent = n.saturating_sub(1);
        match self.base.checked_shl(exponent) {
            Some(grown) if grown >> exponent == self.base => grown.min(self.max),
            _ if self.base == 0 => 0,
            _ => self.max,
        }
    }

    /// Rounded to the nearest nanosecond; the conversion saturates.
    fn by_factor(&self, exponent: u32) -> u64 {
        (self.base as f64 * power(self.factor(), exponent) + 0.5) as u64
    }

    /// The factor as it was meant: the shortest decimal, to a millionth, that this `f32` stands for.
    pub(crate) fn factor(&self) -> f64 {
        let kept = f64::from(self.factor);
        let decimal = (kept * 1e6 + 0.5) as u64 as f64 / 1e6;
        if decimal as f32 == self.factor { decimal } else { kept }
    }

    /// Wait `n`, jitter included. `DOUBLING` takes for granted that this is how it grows.
    #[inline(always)]
    pub(crate) fn wait<const DOUBLING: bool>(&self, n: u32, previous: &mut Coarse, random: u64) -> u64 {
        let grown = if DOUBLING { self.doubled(n) } else { self.grown(n) };
        if self.kind == Kind::Full {
            return jitter::within(grown, random);
        }
        match self.kind {
            Kind::None | Kind::Full => grown,
            _ if grown == 0 => 0,
            Kind::Equal => grown - grown / 2 + jitter::within(grown / 2, random),
            Kind::Additive => grown + jitter::within(self.amount.min(self.max.saturating_sub(grown)), random),
            Kind::Decorrelated => {
                let low = self.base.min(self.max);
                let high = previous.nanos().max(low).saturating_mul(3).min(self.max);
                let wait = low + jitter::within(high - low, random);
                *previous = Coarse::new(wait);
                wait
            }
        }
    }

    /// The first wait after a throttle fault, which never gets the immediate retry: drawn from `[base/2, base]`.
    pub(crate) fn throttled(&self, random: u64) -> u64 {
        let base = self.base.min(self.max);
        if self.is_jittered() { base - base / 2 + jitter::within(base / 2, random) } else { base }
    }
}

/// By squaring, as `f64::powi` is not in `core`.
fn power(mut base: f64, mut exponent: u32) -> f64 {
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

fn fibonacci(n: u32) -> u64 {
    let (mut now, mut next) = (0_u64, 1_u64);
    // F(94) is past u64, so the loop is short however large `n` is.
    for _ in 0..n.min(94) {
        (now, next) = (next, now.saturating_add(next));
    }
    now
}

/// A wait kept in two bytes, ten significant bits rounded down: all that decorrelated jitter has to remember.
///
/// A run's state crosses every await of an async door, so each byte of it is a byte of every future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    fn seconds(backoff: Backoff, count: usize) -> Vec<f64> {
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
            far.failures = u32::MAX - 2;
            assert_eq!(far.by_ref().take(5).collect::<Vec<_>>(), [cap; 5], "factor {factor}");
        }
        assert_eq!(Backoff::new(Duration::MAX).max(Duration::MAX).nth(99), Some(Duration::MAX));
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
