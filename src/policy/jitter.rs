//! The random part of a wait, and where its randomness comes from.

#[cfg(all(feature = "jitter", target_has_atomic = "64"))]
use core::sync::atomic::AtomicU64 as Counter;
#[cfg(all(feature = "jitter", not(target_has_atomic = "64")))]
use core::sync::atomic::AtomicUsize as Counter;
#[cfg(feature = "jitter")]
use core::sync::atomic::Ordering;
use core::time::Duration;

/// Chooses how much of a wait is left to chance.
///
/// Jitter spreads clients that failed together, so that they do not come back together. Whatever the kind, a
/// jittered wait lies between zero and the backoff's `max_wait`: jitter never lifts a wait above the cap. The immediate first
/// retry stays immediate, and a part of nothing is nothing: only [`Additive`](Jitter::Additive) waits on a backoff of
/// zero.
///
/// Below, `w` is the wait that the backoff yields, after the cap, or a wait of a [list](crate::Retry::waits). A list is
/// waited exactly unless the policy's jitter is set.
///
/// ```
/// use persevere::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let full = Backoff::constant(Duration::from_secs(4)).jitter(Jitter::Full).seed(1);
/// assert!(full.take(1000).all(|wait| wait <= Duration::from_secs(4)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// Waits exactly `w`.
    None,
    /// Draws from `[0, w]`. The default: of the kinds here it needs the fewest calls when many clients contend.
    #[default]
    Full,
    /// Draws from `[w/2, w]`: never less than half of the wait.
    Equal,
    /// Draws from `[base, 3 * previous wait]`, where the first "previous wait" is the base.
    ///
    /// The backoff's own growth and its `factor` play no part; its `max_wait` still caps. The previous wait is remembered
    /// with ten significant bits, rounded down, which shifts the upper end by less than 0.1 %.
    Decorrelated,
    /// Draws from `[w, w + amount]`, cut at `max_wait`: what urllib3 calls `backoff_jitter`.
    Additive(Duration),
}

/// The kinds as the backoff stores them: one byte, the amount of the additive one kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing was said: full for a backoff, none for a list.
    Unset,
    None,
    Full,
    Equal,
    Decorrelated,
    Additive,
}

/// A value from `[0, bound]`, uniform to within 2^-64, by the high half of a product.
#[inline(always)]
pub(crate) const fn within(bound: u64, random: u64) -> u64 {
    // The high half of random * (bound + 1), a sum that could overflow.
    let product = random as u128 * bound as u128;
    let (_, carry) = (product as u64).overflowing_add(random);
    (product >> 64) as u64 + carry as u64
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, 2014): spreads the bits of a counter over the word.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 2^64 divided by the golden ratio: the step of splitmix64's counter.
pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The draw that belongs to failure `n` of a run with this seed: splitmix64, entered at its n-th output.
pub(crate) const fn seeded(seed: u64, n: u32) -> u64 {
    mix(seed.wrapping_add(STEP.wrapping_mul(n as u64)))
}

/// The draw that belongs to failure `n`: of the seed's stream, or of the process's.
#[inline(never)]
pub(crate) fn drawn(seed: Option<u64>, n: u32) -> u64 {
    if let Some(seed) = seed {
        return seeded(seed, n);
    }
    if !is_ready() {
        prepare();
    }
    next()
}

/// The process's stream: a counter that starts at a number from the system's entropy; 0 until then. One stream for all
/// threads: a draw is one atomic addition, no two are of the same count, and nothing is set up for each thread.
#[cfg(feature = "jitter")]
static STREAM: Counter = Counter::new(0);

#[cfg(all(feature = "jitter", target_has_atomic = "64"))]
type Count = u64;
#[cfg(all(feature = "jitter", not(target_has_atomic = "64")))]
type Count = usize;

/// Whether the stream has begun.
#[cfg(feature = "jitter")]
#[inline(always)]
pub(crate) fn is_ready() -> bool {
    STREAM.load(Ordering::Relaxed) != 0
}

/// Begins the stream.
#[cfg(feature = "jitter")]
#[cold]
#[inline(never)]
fn prepare() {
    use core::hash::{BuildHasher, Hasher};
    let entropy = std::hash::RandomState::new().build_hasher().finish() ^ of_the_browser();
    let _ = STREAM.compare_exchange(0, (entropy as Count).max(1), Ordering::Relaxed, Ordering::Relaxed);
}

/// One draw of the stream, which has begun. Not for secrets.
#[cfg(feature = "jitter")]
#[inline(always)]
pub(crate) fn next() -> u64 {
    spread(STREAM.fetch_add(STEP as Count, Ordering::Relaxed))
}

/// Spreads the bits of a counter by one wide product, folded, as wyrand does (Wang Yi, 2019): half the work of [`mix`].
/// It needs all 64 bits: of a shorter counter one draw would tell the next.
#[cfg(all(feature = "jitter", target_has_atomic = "64"))]
#[inline(always)]
const fn spread(z: u64) -> u64 {
    let product = z as u128 * (z ^ 0xe703_7ed1_a0b4_28db) as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(all(feature = "jitter", not(target_has_atomic = "64")))]
const fn spread(z: usize) -> u64 {
    mix(z as u64)
}

/// Where `RandomState` is no source of entropy, the browser is.
#[cfg(all(feature = "jitter", feature = "wasm", target_family = "wasm"))]
fn of_the_browser() -> u64 {
    (js_sys::Math::random() * u64::MAX as f64) as u64
}

#[cfg(all(feature = "jitter", not(all(feature = "wasm", target_family = "wasm"))))]
const fn of_the_browser() -> u64 {
    0
}

/// A draw that decides about a share of many. That needs no entropy, so it is one without the feature, too.
#[cfg(target_has_atomic = "64")]
pub(crate) fn lot() -> u64 {
    #[cfg(feature = "jitter")]
    return drawn(None, 1);
    #[cfg(not(feature = "jitter"))]
    {
        use core::sync::atomic::{AtomicU64, Ordering};
        static LOTS: AtomicU64 = AtomicU64::new(0);
        mix(LOTS.fetch_add(STEP, Ordering::Relaxed))
    }
}

#[cfg(not(feature = "jitter"))]
pub(crate) const fn is_ready() -> bool {
    true
}

#[cfg(not(feature = "jitter"))]
const fn prepare() {}

/// Without a source of randomness a wait is taken whole: longer than a drawn one, never shorter.
#[cfg(not(feature = "jitter"))]
pub(crate) const fn next() -> u64 {
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_covers_its_range_and_never_leaves_it() {
        for bound in [0, 1, 7, 1 << 40, u64::MAX] {
            assert_eq!(within(bound, 0), 0);
            assert_eq!(within(bound, u64::MAX), bound);
        }
    }

    /// How often each pair of tenths is drawn, one draw and a later one, in 10 000 draws.
    fn pairs(draws: impl Iterator<Item = u64>, lag: usize) -> [u32; 100] {
        let tenths: std::vec::Vec<_> = draws.take(10_000).map(|draw| within(9, draw) as usize).collect();
        let mut seen = [0; 100];
        for pair in tenths.windows(lag + 1) {
            seen[pair[0] * 10 + pair[lag]] += 1;
        }
        seen
    }

    #[test]
    #[cfg(feature = "jitter")]
    fn no_draw_tells_a_later_one() {
        for lag in [1, 2, 3, 7] {
            let _ = drawn(None, 1);
            let stream = pairs(core::iter::repeat_with(next), lag);
            // What a target without 64-bit atomics does.
            let short = |n: u32| mix(u64::from(0xdead_beef_u32.wrapping_add(n.wrapping_mul(STEP as u32))));
            let seeded = pairs((0..).map(|n| seeded(7, n)), lag);
            for seen in [stream, pairs((0..).map(short), lag), seeded] {
                assert!(seen.iter().all(|seen| (40..180).contains(seen)), "{lag}: {seen:?}");
            }
        }
    }

    #[test]
    #[cfg(feature = "jitter")]
    fn no_two_threads_share_a_draw() {
        let draws = || [drawn(None, 1), drawn(None, 2)];
        let other = std::thread::spawn(draws).join().unwrap();
        let here = draws();
        assert!(here.iter().all(|draw| !other.contains(draw)));
        assert_ne!(here[0], here[1]);
    }
}
