//! The random part of a wait: its range, its spread, and where it comes from.

use std::time::Duration;

use persevere::{Backoff, Jitter};
use proptest::prelude::*;

use crate::support::{any_backoff, any_jitter, any_time, millis, secs};

/// Draws so many waits that follow failures of one number, each with a seed of its own.
fn draws(backoff: &Backoff, n: usize) -> Vec<Duration> {
    (0..2_000).map(|seed| backoff.clone().seed(seed).nth(n).unwrap()).collect()
}

/// Asserts that draws fill a range evenly and never leave it.
#[track_caller]
fn assert_fills(draws: &[Duration], low: Duration, high: Duration) {
    let mut tenths = [0; 10];
    for &draw in draws {
        assert!(low <= draw && draw <= high, "{draw:?} is not within {low:?} and {high:?}");
        let place = draw.saturating_sub(low).div_duration_f64(high.saturating_sub(low));
        tenths[((place * 10.0) as usize).min(9)] += 1;
    }
    let fair = draws.len() / 10;
    assert!(tenths.iter().all(|&tenth| fair * 7 / 10 < tenth && tenth < fair * 13 / 10), "not even: {tenths:?}");
}

#[test]
fn full_jitter_draws_from_zero_to_the_wait() {
    let backoff = Backoff::new(millis(300)).jitter(Jitter::Full);
    assert_fills(&draws(&backoff, 2), Duration::ZERO, millis(1200));
}

#[test]
fn full_jitter_covers_its_whole_range_at_the_cap_too() {
    let backoff = Backoff::new(millis(300)).jitter(Jitter::Full);
    assert_fills(&draws(&backoff, 40), Duration::ZERO, secs(120));
}

#[test]
fn equal_jitter_keeps_half_of_the_wait() {
    let backoff = Backoff::constant(secs(10)).jitter(Jitter::Equal);
    assert_fills(&draws(&backoff, 0), secs(5), secs(10));
}

#[test]
fn additive_jitter_is_added_on_top() {
    let backoff = Backoff::constant(secs(10)).jitter(Jitter::Additive(secs(3)));
    assert_fills(&draws(&backoff, 5), secs(10), secs(13));
}

#[test]
fn additive_jitter_is_cut_at_the_cap_and_not_piled_up_there() {
    let backoff = Backoff::constant(secs(10)).jitter(Jitter::Additive(secs(30))).max_wait(secs(12));
    assert_fills(&draws(&backoff, 5), secs(10), secs(12));
}

/// What piles up at the cap comes back together.
#[test]
fn every_jitter_is_spread_at_the_cap_and_next_to_it() {
    for grown in [secs(12), Duration::new(11, 999_999_999), secs(13), Duration::MAX] {
        let capped = |jitter| Backoff::constant(grown).jitter(jitter).max_wait(secs(12));
        for amount in [millis(1), secs(3), secs(12)] {
            assert_fills(&draws(&capped(Jitter::Additive(amount)), 5), secs(12).saturating_sub(amount), secs(12));
        }
        assert_fills(&draws(&capped(Jitter::Additive(secs(30))), 5), Duration::ZERO, secs(12));
        assert_fills(&draws(&capped(Jitter::Decorrelated), 0), Duration::ZERO, secs(12));
    }
    // An eighth of the wait is next to the cap.
    let near = |amount| Backoff::constant(secs(11)).jitter(Jitter::Additive(amount)).max_wait(secs(12));
    assert_fills(&draws(&near(secs(3)), 5), secs(9), secs(12));
    assert_fills(&draws(&near(millis(999)), 5), secs(11), millis(11_999));
    // A doubling one that reached its cap, as most do.
    let doubling = Backoff::new(millis(300));
    assert_fills(&draws(&doubling.clone().jitter(Jitter::Equal), 40), secs(60), secs(120));
    assert_fills(&draws(&doubling.clone().jitter(Jitter::Additive(secs(10))), 40), secs(110), secs(120));
    // Where the cap leaves room, the wait is not shortened.
    assert_fills(&draws(&doubling.jitter(Jitter::Additive(secs(90))), 8), millis(76_800), secs(120));
}

#[test]
fn no_backoff_waits_longer_than_a_cap_that_cannot_be_counted() {
    let (century, year) = (secs(100 * 365 * 86_400), secs(365 * 86_400));
    for cap in [century * 5, century * 5 + year * 84, century * 6, Duration::new(u64::MAX, 0)] {
        for base in [cap, Duration::MAX] {
            for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(cap)] {
                let backoff = Backoff::constant(base).max_wait(cap).jitter(jitter);
                assert!(backoff.take(5).all(|wait| wait <= cap), "{cap:?}, {base:?}, {jitter:?}");
            }
        }
        let policy = persevere::Policy::new().backoff(Duration::MAX).max_wait(cap).forever();
        assert!(policy.preview().take(5).all(|wait| wait <= cap), "{cap:?}");
    }
    assert_eq!(Backoff::constant(Duration::MAX).max_wait(Duration::MAX).next(), Some(Duration::MAX));
}

#[test]
fn decorrelated_jitter_draws_from_the_base_to_three_times_the_last_wait() {
    let backoff = Backoff::constant(secs(1)).jitter(Jitter::Decorrelated).max_wait(secs(60));
    assert_fills(&draws(&backoff, 0), secs(1), secs(3));
    for seed in 0..100 {
        let waits: Vec<_> = backoff.clone().seed(seed).take(100).collect();
        for pair in waits.windows(2) {
            assert!(secs(1) <= pair[1] && pair[1] <= (pair[0] * 3).min(secs(60)), "{pair:?}");
        }
        assert!(waits.iter().any(|&wait| wait > secs(30)), "it never grows: {waits:?}");
    }
}

/// urllib3 with a backoff factor of 0 and a jitter waits the jitter alone, from the second retry on.
#[test]
fn additive_jitter_waits_on_a_backoff_of_zero_too() {
    let backoff = Backoff::new(Duration::ZERO).jitter(Jitter::Additive(secs(3)));
    assert_fills(&draws(&backoff, 1), secs(0), secs(3));
    assert!(draws(&backoff, 0).iter().all(Duration::is_zero), "the immediate first retry");
    assert_fills(&draws(&backoff.max_wait(secs(1)), 1), secs(0), secs(1));

    let policy = persevere::Policy::new().backoff(Duration::ZERO).jitter(Jitter::Additive(secs(3)));
    assert_eq!(policy.preview().collect::<Vec<_>>(), [0, 3, 3].map(secs));
    assert_eq!(policy.forever().check(), Ok(()));
    assert!(policy.forever().jitter(Jitter::Full).check().is_err());
}

/// tower's backoff gives a base of whole seconds no jitter at all.
#[test]
fn whole_second_bases_get_jitter_of_less_than_a_second() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(secs(1))] {
        let waits = draws(&Backoff::constant(secs(2)).jitter(jitter).max_wait(secs(120)), 0);
        let fractions = waits.iter().filter(|wait| wait.subsec_nanos() != 0).count();
        assert!(fractions > waits.len() * 9 / 10, "{jitter:?}: {fractions}");
    }
}

#[test]
fn clones_of_an_unseeded_backoff_do_not_repeat_a_stream() {
    let backoff = Backoff::constant(secs(100)).jitter(Jitter::Full);
    let [one, other] = [backoff.clone(), backoff].map(|backoff| backoff.take(8).collect::<Vec<_>>());
    assert!(one.iter().all(|wait| !other.contains(wait)), "{one:?} {other:?}");
}

/// tower's sessions all draw the same jitter, as its generator has a constant seed.
#[test]
fn no_two_threads_draw_the_same_waits() {
    let draw = || Backoff::constant(secs(100)).jitter(Jitter::Full).take(8).collect::<Vec<_>>();
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(draw)).collect();
    let mut waits: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    waits.sort_unstable();
    waits.dedup();
    assert_eq!(waits.len(), 64);
}

#[test]
fn jitter_is_full_unless_set() {
    assert_eq!(Jitter::default(), Jitter::Full);
}

proptest! {
    /// backon, backoff, tokio-retry2 and tower-resilience add it after the cap.
    #[test]
    fn jitter_never_lifts_a_wait_above_the_cap((backoff, max) in any_backoff()) {
        for wait in backoff.take(200) {
            prop_assert!(wait <= max, "{:?}", wait);
        }
    }

    #[test]
    fn drawn_waits_never_lie_above_the_cap_either(base in any_time(), max in any_time(), jitter in any_jitter()) {
        // Unseeded: the system's entropy.
        for wait in Backoff::new(base).max_wait(max).jitter(jitter).take(20) {
            prop_assert!(wait <= max, "{:?}", wait);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_waits((backoff, _) in any_backoff()) {
        let [one, other] = [backoff.clone(), backoff].map(|backoff| backoff.take(50).collect::<Vec<_>>());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn another_seed_draws_other_waits(seed in any::<u64>(), other in any::<u64>()) {
        prop_assume!(seed != other);
        let backoff = Backoff::constant(secs(100)).jitter(Jitter::Full);
        let [one, other] = [seed, other].map(|seed| backoff.clone().seed(seed).take(8).collect::<Vec<_>>());
        prop_assert_ne!(one, other);
    }

    #[test]
    fn a_wait_of_zero_stays_zero(jitter in any_jitter(), seed in any::<u64>()) {
        prop_assert_eq!(Backoff::new(secs(1)).jitter(jitter).seed(seed).next(), Some(Duration::ZERO));
    }
}
