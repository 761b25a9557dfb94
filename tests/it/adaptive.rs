//! Adaptive throttling: the book's probability, its window and its floor.

use std::thread;
use std::time::Duration;

use persevere::guard::AdaptiveThrottle;
use proptest::prelude::*;

use crate::support::{any_time, millis, secs};

const T: Duration = secs(1000);

fn answered(requests: u32, accepts: u32) -> AdaptiveThrottle {
    let throttle = AdaptiveThrottle::new();
    (0..requests).for_each(|request| throttle.record(request < accepts, T));
    throttle
}

#[test]
fn the_probability_is_the_book_s() {
    for (requests, accepts, expected) in
        [(0, 0, 0.0), (1, 0, 0.5), (100, 100, 0.0), (100, 50, 0.0), (100, 49, 2.0 / 101.0), (100, 0, 100.0 / 101.0)]
    {
        let throttle = answered(requests, accepts);
        assert_eq!(throttle.probability(T), expected, "{requests} {accepts}");
        // A draw just above it is let through, one just below is not; the first to be held back is the probe.
        let draw = |place: f64| (place.clamp(0.0, 0.999_999) * 18_446_744_073_709_551_615.0) as u64;
        assert!(throttle.admit(T, draw(expected + 0.001)).is_ok());
        if expected > 0.0 {
            let _ = throttle.admit(T, 0);
            assert!(throttle.admit(T, draw(expected - 0.001)).is_err(), "{requests} {accepts}");
        }
    }
}

#[test]
fn a_larger_multiplier_holds_back_less() {
    let strict = AdaptiveThrottle::new().multiplier(1.1);
    let lax = AdaptiveThrottle::new().multiplier(5.0);
    for request in 0..100 {
        strict.record(request < 30, T);
        lax.record(request < 30, T);
    }
    assert_eq!((strict.probability(T), lax.probability(T)), ((100.0 - 33.0) / 101.0, 0.0));
}

#[test]
fn what_is_held_back_counts_as_a_request() {
    let throttle = answered(10, 0);
    let before = throttle.probability(T);
    assert!(throttle.admit(T, 0).is_ok(), "the probe");
    assert_eq!(throttle.probability(T), before);
    assert_eq!(throttle.admit(T, 0).unwrap_err().to_string(), "not attempted: the throttle holds it back");
    assert_eq!(throttle.probability(T), 11.0 / 12.0);
}

/// A service that starts with many calls at once has had no answer yet: that is no reason to hold any back.
#[test]
fn attempts_under_way_hold_none_back() {
    let throttle = AdaptiveThrottle::new();
    assert!((0..1000).all(|_| throttle.admit(T, 0).is_ok()));
}

#[test]
fn one_attempt_a_second_is_let_through_however_bad_it_is() {
    let throttle = answered(1_000_000, 0);
    let through = (0..10_000).filter(|n| throttle.admit(T + millis(*n), 0).is_ok()).count();
    // The answers of `T` leave the window in its tenth second.
    assert!((9..=10).contains(&through), "{through}");
    assert_eq!(answered(1_000_000, 0).admit(T, 0), Ok(()));
}

#[test]
fn it_forgets_with_its_window() {
    let throttle = answered(1000, 0);
    assert!(throttle.probability(T + secs(8)) > 0.99);
    assert_eq!(throttle.probability(T + secs(10)), 0.0);
    for later in [Duration::ZERO, secs(1), secs(3_000_000_000), Duration::MAX] {
        assert!(answered(1000, 0).admit(later, 0).is_ok(), "{later:?}");
    }
}

#[test]
fn only_one_thread_gets_the_probe() {
    for _ in 0..100 {
        let throttle = answered(1000, 0);
        let through: usize = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..10).filter(|_| throttle.admit(T, 0).is_ok()).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(through, 1);
    }
}

#[test]
fn what_contradicts_itself_is_named() {
    for (throttle, message) in [
        (AdaptiveThrottle::new().multiplier(0.9), "multiplier is 0.9: it must be 1 or more"),
        (AdaptiveThrottle::new().multiplier(f64::NAN), "multiplier is NaN: it must be 1 or more"),
        (AdaptiveThrottle::new().window(Duration::ZERO), "window is 0 s: it must be longer than zero"),
        (AdaptiveThrottle::new().probe_every(Duration::ZERO), "probe_every is 0 s: it must be longer than zero"),
    ] {
        let error = throttle.check().unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(message.starts_with(error.field()));
        assert!(std::panic::catch_unwind(|| throttle.valid()).is_err(), "{message}");
    }
    assert_eq!(AdaptiveThrottle::default().check(), Ok(()));
}

proptest! {
    #[test]
    fn no_clock_and_no_setting_makes_it_panic(
        settings in (any::<f64>(), any_time(), any_time()),
        calls in proptest::collection::vec((any_time(), any::<u64>(), 0..3), 0..200),
    ) {
        let (multiplier, window, probe) = settings;
        let throttle = AdaptiveThrottle::new().multiplier(multiplier).window(window).probe_every(probe);
        for (now, random, what) in calls {
            match what {
                0 => throttle.record(true, now),
                1 => throttle.record(false, now),
                _ => drop(throttle.admit(now, random)),
            }
            prop_assert!(multiplier.is_nan() || multiplier < 0.0 || (0.0..1.0).contains(&throttle.probability(now)));
        }
    }
}
