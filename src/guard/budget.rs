//! Budgets: what share of the calls may be retries, for all callers together.

use core::fmt;

use crate::guard::sync::{AtomicU64, Relaxed, const_fn};
use crate::policy::{Cause, Contradiction, Guard};
use crate::verdict::Fault;

/// Limits the share of retries among the calls of many callers: a token bucket that they share.
///
/// **Successes fill it, retries drain it.** A first attempt is never blocked. A retry takes a token when it is
/// decided; if there is none, the run ends at once with the operation's last error: nobody waits for tokens. So while
/// a server is down, when hardly anything succeeds, hardly anything is retried, and what reaches the server is close
/// to the load without retries. A budget does not raise the success of an outage; it keeps retries from making one
/// longer.
///
/// Two flavours, both bounded by a size and full at the start:
///
/// | | a success | a retry |
/// |---|---|---|
/// | [`new`](Budget::new), with a ratio | deposits the ratio | withdraws 1 |
/// | [`quota`](Budget::quota), with prices | deposits 1; after retries, what the last one cost | withdraws its price |
///
/// It has no clock, so neither a step of one nor a quiet night changes it. It keeps no reserve for each client: such a
/// reserve is often more than the client's own traffic. What a burst can cost is the size times the
/// number of budgets, so share one among all that call the same server: in a `static`, or in an `Arc`. It is not
/// `Clone`, since a copy would double its tokens.
///
/// All of its state is one atomic word. A success that finds it full reads that word and writes nothing.
///
/// ```
/// use persevere::{guard::Budget, Fault};
///
/// static BUDGET: Budget = Budget::new().ratio(0.2).size(5).valid();
///
/// assert!((0..5).all(|_| BUDGET.withdraw(Fault::Connect)));
/// assert!(!BUDGET.withdraw(Fault::Connect));
/// (0..5).for_each(|_| BUDGET.deposit()); // five successes, each worth a fifth of a retry
/// assert!(BUDGET.withdraw(Fault::Connect));
/// ```
#[must_use]
pub struct Budget {
    /// How far the bucket is from full, in parts of a token: zero is what a success meets nearly always.
    spent: AtomicU64,
    size: u64,
    deposit: u64,
    retry: u64,
    throttled: u64,
    flavour: Flavour,
}

#[derive(Clone, Copy, PartialEq)]
enum Flavour {
    /// As it was set, and the size in retries.
    Ratio(f64, u32),
    Quota,
}

impl Budget {
    const_fn! {
        /// Makes a full budget of 10 retries, of which each success deposits a tenth.
        #[inline]
        pub fn new() -> Self {
            Self { spent: AtomicU64::new(0), size: 0, deposit: 0, retry: 0, throttled: 0, flavour: Flavour::Quota }
                .set(0.1, 10)
        }
    }

    const_fn! {
        /// Makes a full budget of `size` tokens, where a retry costs `retry` tokens, and `throttled` after a
        /// [throttle](Fault::Throttle) fault.
        ///
        /// A first-try success deposits one token; a success after retries gives back what its last retry cost.
        /// `Budget::quota(500, 14, 5)` has the figures of the AWS SDKs of 2026.
        ///
        /// ```
        /// use persevere::{guard::Budget, Fault};
        ///
        /// let budget = Budget::quota(500, 14, 5).valid();
        /// assert_eq!((0..1000).filter(|_| budget.withdraw(Fault::Timeout)).count(), 500 / 14);
        /// budget.deposit_after(Fault::Timeout);
        /// assert!(budget.withdraw(Fault::Timeout) && !budget.withdraw(Fault::Timeout));
        /// ```
        #[inline]
        pub fn quota(size: u32, retry: u32, throttled: u32) -> Self {
            Self {
                spent: AtomicU64::new(0),
                size: size as u64,
                deposit: 1,
                retry: retry as u64,
                throttled: throttled as u64,
                flavour: Flavour::Quota,
            }
        }
    }

    /// Sets how many retries each success deposits; 0.1 unless set.
    ///
    /// The number is taken at its word: it is kept as the simplest fraction that it stands for, so 0.6 is 3 retries
    /// for 5 successes, and `1.0 / 3.0` is 1 for 3. Below one in two thousand million it counts as 0, and NaN and
    /// what is negative do too, which [`check`](Budget::check) refuses. A quota becomes a budget with a ratio.
    #[inline]
    pub const fn ratio(self, ratio: f64) -> Self {
        let size = match self.flavour {
            Flavour::Ratio(_, size) => size,
            Flavour::Quota => 10,
        };
        self.set(ratio, size)
    }

    /// Sets how many retries it holds, at most and at the start; 10 unless set. A quota's is in tokens.
    ///
    /// This is the burst that one budget lets through when a healthy server fails at once.
    #[inline]
    pub const fn size(mut self, retries: u32) -> Self {
        match self.flavour {
            Flavour::Ratio(ratio, _) => self.set(ratio, retries),
            Flavour::Quota => {
                self.size = retries as u64;
                self.filled()
            }
        }
    }

    const fn set(mut self, ratio: f64, size: u32) -> Self {
        let (deposit, retry) = fraction(ratio);
        self.flavour = Flavour::Ratio(ratio, size);
        self.size = size as u64 * retry;
        self.deposit = deposit;
        self.retry = retry;
        self.throttled = retry;
        self.filled()
    }

    /// Full again: what one that was in use has spent is of the size and in the units that it had.
    #[cfg_attr(persevere_loom, allow(unused_mut))]
    const fn filled(mut self) -> Self {
        #[cfg(not(persevere_loom))]
        {
            self.spent = AtomicU64::new(0);
        }
        self
    }

    /// Finds the first contradiction, if there is one.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    ///
    /// ```
    /// use persevere::guard::Budget;
    ///
    /// let wrong = Budget::new().ratio(-0.1).check().unwrap_err();
    /// assert_eq!(wrong.to_string(), "ratio is -0.1: it must be 0 or more");
    /// ```
    pub const fn check(&self) -> Result<(), Contradiction> {
        Err(Contradiction(Cause::Guard(match self.flavour {
            Flavour::Ratio(ratio, _) if ratio.is_nan() || ratio < 0.0 => Guard::Ratio(ratio),
            Flavour::Quota if self.retry == 0 => Guard::Retry,
            Flavour::Quota if self.throttled == 0 => Guard::Throttled,
            _ => return Ok(()),
        })))
    }

    /// Passes the budget on if it is free of contradictions. In a `static` or `const`, a contradiction fails to
    /// compile.
    ///
    /// # Panics
    ///
    /// On what [`check`](Budget::check) finds.
    pub const fn valid(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }

    /// Deposits for a success at the first try.
    ///
    /// One load if the bucket is full.
    #[inline]
    pub fn deposit(&self) {
        if self.spent.load(Relaxed) != 0 {
            self.refill(self.deposit);
        }
    }

    /// Deposits for a success after retries, the last of which was charged after this fault.
    ///
    /// With a ratio this is [`deposit`](Budget::deposit); in a quota it gives back what that retry cost.
    pub fn deposit_after(&self, fault: Fault) {
        self.refill(match self.flavour {
            Flavour::Ratio(..) => self.deposit,
            Flavour::Quota => self.price(fault),
        });
    }

    /// Charges a retry after this fault, if there are tokens for it; says whether there were.
    ///
    /// A refusal changes nothing.
    #[must_use = "a retry without a token is what the budget is there to prevent"]
    pub fn withdraw(&self, fault: Fault) -> bool {
        let price = self.price(fault);
        let mut spent = self.spent.load(Relaxed);
        loop {
            // Both are below 2^63.
            let after = spent + price;
            if after > self.size {
                return false;
            }
            match self.spent.compare_exchange_weak(spent, after, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => spent = now,
            }
        }
    }

    /// Takes back the charge for a retry after this fault that never began.
    pub fn refund(&self, fault: Fault) {
        self.refill(self.price(fault));
    }

    /// Tells how many plain retries it has tokens for; the fraction is on its way to one more.
    ///
    /// Infinite where a retry costs nothing.
    pub fn tokens(&self) -> f64 {
        if self.retry == 0 {
            return f64::INFINITY;
        }
        let left = self.size - self.spent.load(Relaxed);
        if left < 1 << f64::MANTISSA_DIGITS {
            return left as f64 / self.retry as f64;
        }
        // Whole ones apart: these parts are more than an `f64` can count.
        (left / self.retry) as f64 + (left % self.retry) as f64 / self.retry as f64
    }

    /// Whether it can't be told from a new one.
    #[cfg(feature = "std")]
    pub(crate) fn is_full(&self) -> bool {
        self.spent.load(Relaxed) == 0
    }

    const fn price(&self, fault: Fault) -> u64 {
        match fault {
            Fault::Throttle => self.throttled,
            _ => self.retry,
        }
    }

    fn refill(&self, amount: u64) {
        let mut spent = self.spent.load(Relaxed);
        while spent != 0 && amount != 0 {
            let after = spent.saturating_sub(amount);
            match self.spent.compare_exchange_weak(spent, after, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => spent = now,
            }
        }
    }
}

/// As [`Budget::new`].
impl Default for Budget {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Budget");
        match self.flavour {
            Flavour::Ratio(ratio, size) => shown.field("ratio", &ratio).field("size", &size),
            Flavour::Quota => {
                shown.field("size", &self.size).field("retry", &self.retry).field("throttled", &self.throttled)
            }
        };
        shown.field("tokens", &self.tokens()).finish_non_exhaustive()
    }
}

/// The largest denominator: with it, `u32::MAX` retries still fit in the word, and a price added to them.
const DENOMINATOR: u128 = 1 << 31;

/// The simplest fraction that this number stands for, by its continued fraction: (parts a success, parts a retry).
pub(crate) const fn fraction(ratio: f64) -> (u64, u64) {
    if ratio.is_nan() || ratio <= 0.0 {
        return (0, 1);
    }
    if ratio >= 4_294_967_296.0 {
        return (u64::MAX, 1);
    }
    let (mut before, mut last) = ((0, 1), (1, 0));
    let mut rest = ratio;
    loop {
        // `u128::from` is not `const`; through `u64`, so that the product fits.
        let whole = rest as u64 as u128;
        let next: (u128, u128) = (whole * last.0 + before.0, whole * last.1 + before.1);
        if next.1 > DENOMINATOR {
            break;
        }
        (before, last) = (last, next);
        rest -= whole as f64;
        if rest <= 0.0 || last.0 as f64 / last.1 as f64 == ratio {
            break;
        }
        rest = 1.0 / rest;
    }
    (last.0 as u64, last.1 as u64)
}

#[cfg(all(test, not(persevere_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_fraction_that_was_meant() {
        let cases = [
            (0.1, (1, 10)),
            (0.6, (3, 5)),
            (1.0 / 3.0, (1, 3)),
            (2.0 / 7.0, (2, 7)),
            (0.333, (333, 1000)),
            (1.0, (1, 1)),
            (2.5, (5, 2)),
            (1e-9, (1, 1_000_000_000)),
            (0.0, (0, 1)),
            (-0.0, (0, 1)),
            (-1.0, (0, 1)),
            (f64::NAN, (0, 1)),
            (f64::MIN_POSITIVE, (0, 1)),
            (4_294_967_295.5, (8_589_934_591, 2)),
            (1e300, (u64::MAX, 1)),
            (f64::INFINITY, (u64::MAX, 1)),
        ];
        for (ratio, expected) in cases {
            assert_eq!(fraction(ratio), expected, "{ratio}");
        }
    }

    #[test]
    fn any_fraction_is_near_and_fits() {
        let mut random = 1;
        for n in 0..20_000 {
            random = crate::time::entropy::mix(random + n);
            // Every exponent from 2^-40 to 2^40.
            let ratio = (1.0 + (random >> 12) as f64 / (1_u64 << 52) as f64) * 2_f64.powi((random % 81) as i32 - 40);
            let (deposit, retry) = fraction(ratio);
            assert!(u128::from(retry) <= DENOMINATOR && retry > 0, "{ratio}");
            if ratio < 4e9 {
                let error = (deposit as f64 / retry as f64 - ratio).abs();
                assert!(error <= 1.0 / DENOMINATOR as f64, "{ratio} became {deposit}/{retry}");
            }
        }
    }
}
