//! Breakers: when they open, one probe, and stragglers, threads and clocks that try to upset them.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use persevere::{
    Fault, Reached, Rejected, Retryable,
    guard::{Breaker, BreakerState},
};
use proptest::prelude::*;

use crate::support::{any_time, millis, secs};

const T: Duration = secs(1000);

fn settle(breaker: &Breaker, succeeded: bool, now: Duration) {
    let permit = breaker.admit(now).unwrap();
    if succeeded { permit.succeeded(now) } else { permit.failed(now) }
}

/// Opened at `T`, for 5 s.
fn opened() -> Breaker {
    let breaker = Breaker::new();
    (0..10).for_each(|_| settle(&breaker, false, T));
    assert_eq!(breaker.state_at(T), BreakerState::Open);
    breaker
}

#[test]
fn it_opens_at_half_of_at_least_ten_outcomes() {
    let breaker = Breaker::new();
    (0..9).for_each(|_| settle(&breaker, false, T));
    assert_eq!(breaker.state_at(T), BreakerState::Closed, "nine are too few");
    settle(&breaker, false, T);
    assert_eq!(breaker.state_at(T), BreakerState::Open);

    let breaker = Breaker::new();
    (0..100).for_each(|_| settle(&breaker, true, T));
    (0..99).for_each(|_| settle(&breaker, false, T));
    assert_eq!(breaker.state_at(T), BreakerState::Closed, "99 of 199");
    settle(&breaker, false, T);
    assert_eq!(breaker.state_at(T), BreakerState::Open);
}

#[test]
fn a_decimal_share_is_taken_at_its_word() {
    for (share, all, failures) in [(0.07, 100, 7), (0.3, 10, 3), (1.0 / 3.0, 30, 10), (1.0, 20, 20), (0.29, 100, 29)] {
        for (count, state) in [(failures - 1, BreakerState::Closed), (failures, BreakerState::Open)] {
            let breaker = Breaker::new().failure_rate(share).min_outcomes(all);
            (0..all - count).for_each(|_| settle(&breaker, true, T));
            (0..count).for_each(|_| settle(&breaker, false, T));
            assert_eq!(breaker.state_at(T), state, "{count} of {all} at {share}");
        }
    }
}

#[test]
fn outcomes_count_for_the_window_only() {
    let breaker = Breaker::new();
    (0..9).for_each(|_| settle(&breaker, false, T));
    settle(&breaker, false, T + secs(10));
    assert_eq!(breaker.state_at(T + secs(10)), BreakerState::Closed);
    (0..8).for_each(|_| settle(&breaker, false, T + secs(10)));
    settle(&breaker, false, T + secs(19));
    assert_eq!(breaker.state_at(T + secs(19)), BreakerState::Open);
}

#[test]
fn open_it_lets_nothing_through_for_the_pause() {
    let breaker = opened();
    for (later, left) in [(0, 5000), (1, 4999), (2500, 2500), (4999, 1)] {
        let rejected = breaker.admit(T + millis(later)).unwrap_err();
        assert_eq!(rejected.retry_in(), Some(millis(left)));
        assert_eq!(breaker.state_at(T + millis(later)), BreakerState::Open);
    }
    assert_eq!(breaker.state_at(T + secs(5)), BreakerState::HalfOpen);
    assert!(breaker.admit(T + secs(5)).is_ok());
}

/// failsafe and recloser admit all of them.
#[test]
fn half_open_admits_exactly_one_of_many_threads() {
    for _ in 0..100 {
        let breaker = opened();
        let admitted = AtomicU32::new(0);
        let permits: Vec<_> = thread::scope(|scope| {
            let ask = || {
                let permit = breaker.admit(T + secs(6));
                admitted.fetch_add(u32::from(permit.is_ok()), Ordering::Relaxed);
                permit
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(admitted.into_inner(), 1);
        let rejected: Vec<_> = permits.iter().filter_map(|permit| permit.as_ref().err()).collect();
        assert!(rejected.iter().all(|rejected| rejected.retry_in().is_none()));
        assert_eq!(breaker.state_at(T + secs(6)), BreakerState::HalfOpen);
        // However long the probe takes.
        assert!(breaker.admit(T + secs(1_000_000)).is_err());
    }
}

#[test]
fn the_probe_decides() {
    let breaker = opened();
    let probe = breaker.admit(T + secs(5)).unwrap();
    assert!(probe.is_probe());
    probe.failed(T + secs(6));
    assert_eq!(breaker.admit(T + secs(6)).unwrap_err().retry_in(), Some(secs(5)));
    breaker.admit(T + secs(11)).unwrap().succeeded(T + secs(12));
    assert_eq!(breaker.state_at(T + secs(12)), BreakerState::Closed);
    assert!(!breaker.admit(T + secs(12)).unwrap().is_probe());
    // The failures of before are forgotten.
    (0..9).for_each(|_| settle(&breaker, false, T + secs(12)));
    assert_eq!(breaker.state_at(T + secs(12)), BreakerState::Closed);
}

#[test]
fn a_probe_that_is_dropped_frees_its_place() {
    let breaker = opened();
    let now = T + secs(5);
    drop(breaker.admit(now).unwrap());
    let panicked = std::panic::catch_unwind(|| {
        let _probe = breaker.admit(now).unwrap();
        panic!("the operation did");
    });
    assert!(panicked.is_err());
    assert_eq!(breaker.state_at(now), BreakerState::HalfOpen);
    breaker.admit(now).unwrap().succeeded(now);
    assert_eq!(breaker.state_at(now), BreakerState::Closed);
    drop(breaker.admit(now).unwrap());
    assert_eq!(breaker.state_at(now), BreakerState::Closed);
}

#[test]
fn a_straggler_neither_opens_nor_closes() {
    let breaker = Breaker::new();
    let early: Vec<_> = (0..40).map(|_| breaker.admit(T).unwrap()).collect();
    let mut early = early.into_iter();
    (0..10).for_each(|_| settle(&breaker, false, T));

    early.by_ref().take(10).for_each(|permit| permit.succeeded(T + secs(1)));
    assert_eq!(breaker.state_at(T + secs(1)), BreakerState::Open, "closed by a straggler");
    early.by_ref().take(5).for_each(|permit| permit.failed(T + secs(4)));
    assert_eq!(breaker.state_at(T + secs(5)), BreakerState::HalfOpen, "its pause was made longer by a straggler");

    let probe = breaker.admit(T + secs(5)).unwrap();
    early.by_ref().take(5).for_each(|permit| permit.succeeded(T + secs(5)));
    assert_eq!(breaker.state_at(T + secs(5)), BreakerState::HalfOpen);
    early.by_ref().take(5).for_each(drop);
    assert!(breaker.admit(T + secs(5)).is_err(), "a straggler freed the probe's place");
    probe.succeeded(T + secs(5));

    early.for_each(|permit| permit.failed(T + secs(5)));
    assert_eq!(breaker.state_at(T + secs(5)), BreakerState::Closed, "opened by stragglers");
}

/// What a call counts for must not come back after many changes.
#[test]
fn a_probe_of_long_ago_decides_nothing() {
    let breaker = Breaker::new().min_outcomes(1).open_for(millis(1));
    let straggler = breaker.admit(T).unwrap();
    let mut now = T;
    for _ in 0..1000 {
        settle(&breaker, false, now);
        now += millis(1);
        settle(&breaker, true, now);
    }
    straggler.failed(now);
    assert_eq!(breaker.state_at(now), BreakerState::Closed);
}

#[test]
fn a_clock_that_steps_does_not_stall_it() {
    // A little back, as another thread's earlier look at the clock is: it is open, and no longer than two pauses.
    let breaker = opened();
    assert_eq!(breaker.admit(millis(999_999)).unwrap_err().retry_in(), Some(secs(5)));
    // Far back or far ahead: a probe.
    for later in [Duration::ZERO, secs(1), secs(900), secs(10_000), secs(3_000_000_000), Duration::MAX] {
        let breaker = opened();
        assert_eq!(breaker.state_at(later), BreakerState::HalfOpen, "{later:?}");
        settle(&breaker, true, later);
        assert_eq!(breaker.state_at(later), BreakerState::Closed, "{later:?}");
        (0..10).for_each(|_| settle(&breaker, false, later));
        assert_eq!(breaker.state_at(later), BreakerState::Open, "{later:?}");
    }
    // Nine failures, and a tenth after a long gap.
    for later in [secs(10), secs(1_000_000), secs(10_485_760), secs(3_000_000_000), Duration::MAX] {
        let breaker = Breaker::new();
        (0..9).for_each(|_| settle(&breaker, false, secs(1)));
        settle(&breaker, false, secs(1).saturating_add(later));
        assert_eq!(breaker.state_at(secs(1).saturating_add(later)), BreakerState::Closed, "{later:?}");
    }
}

#[test]
fn what_contradicts_itself_is_named() {
    for (breaker, message) in [
        (Breaker::new().failure_rate(0.0), "failure_rate is 0: it must be more than 0 and at most 1"),
        (Breaker::new().failure_rate(1.1), "failure_rate is 1.1: it must be more than 0 and at most 1"),
        (Breaker::new().failure_rate(f64::NAN), "failure_rate is NaN: it must be more than 0 and at most 1"),
        (Breaker::new().min_outcomes(0), "min_outcomes is 0: it must be 1 or more"),
        (Breaker::new().window(Duration::ZERO), "window is 0 s: it must be longer than zero"),
        (Breaker::new().open_for(Duration::ZERO), "open_for is 0 s: it must be longer than zero"),
    ] {
        let error = breaker.check().unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(message.starts_with(error.field()));
        assert!(std::panic::catch_unwind(|| breaker.valid()).is_err(), "{message}");
    }
    assert_eq!(Breaker::default().check(), Ok(()));
    assert_eq!(Breaker::new().open_for(Duration::MAX).window(Duration::MAX).min_outcomes(u32::MAX).check(), Ok(()));
}

#[test]
fn it_is_printed_with_its_settings_and_mode() {
    let shown = format!("{:?}", opened());
    assert_eq!(shown, "Breaker { share: 0.5, least: 10, window: 10s, pause: 5s, mode: Open, .. }");
}

#[test]
fn a_rejection_is_a_throttle_that_reached_nobody() {
    fn is_one(error: &(impl Retryable + ?Sized), hint: Option<Duration>) {
        let verdict = error.verdict();
        assert!(verdict.is_transient());
        assert_eq!((verdict.fault(), verdict.reached(), verdict.hint()), (Fault::Throttle, Reached::No, hint));
    }
    let breaker = opened();
    let open = breaker.admit(T + secs(2)).unwrap_err();
    assert_eq!(open.to_string(), "not attempted: the breaker is open for another 3 s");
    let _probe = breaker.admit(T + secs(5)).unwrap();
    let probing = breaker.admit(T + secs(5)).unwrap_err();
    assert_eq!(probing.to_string(), "not attempted: the breaker waits for its probe");
    for (rejected, hint) in [(open, Some(secs(3))), (probing, None)] {
        is_one(&rejected, hint);
        let error = io::Error::from(rejected);
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        is_one(&error, hint);
        let boxed: Box<dyn Error + Send + Sync> = rejected.into();
        is_one(&boxed, hint);
        let boxed: Box<dyn Error> = Box::new(error);
        is_one(&boxed, hint);
        is_one(&io::Error::other(boxed_again(rejected)), hint);
    }
    let busy = io::Error::from(io::ErrorKind::ResourceBusy).verdict();
    assert_eq!((busy.fault(), busy.reached()), (Fault::Other, Reached::Maybe));
}

fn boxed_again(rejected: Rejected) -> Box<dyn Error + Send + Sync> {
    Box::new(io::Error::from(rejected))
}

/// Outcomes by the tenth of the window that they fell into, kept in a plain list.
struct Model {
    step: u64,
    outcomes: Vec<(u64, bool)>,
    open_since: Option<u64>,
}

impl Model {
    fn settle(&mut self, breaker: &Breaker, succeeded: bool, now: Duration) -> Result<(), TestCaseError> {
        let nanos = now.as_nanos() as u64;
        let pause = 5_000_000_000;
        let probe = self.open_since.is_some();
        match (breaker.admit(now), self.open_since) {
            (Ok(_), Some(since)) if nanos < since + pause => prop_assert!(false, "admitted while open"),
            (Ok(permit), _) if succeeded => permit.succeeded(now),
            (Ok(permit), _) => permit.failed(now),
            (Err(rejected), Some(since)) => {
                prop_assert_eq!(rejected.retry_in(), Some(Duration::from_nanos(since + pause - nanos)));
                return Ok(());
            }
            (Err(_), None) => prop_assert!(false, "rejected while closed"),
        }
        if probe {
            self.outcomes.clear();
            self.open_since = (!succeeded).then_some(nanos);
            return Ok(());
        }
        self.outcomes.push((nanos / self.step, succeeded));
        self.outcomes.retain(|(index, _)| index + 10 > nanos / self.step);
        let failures = self.outcomes.iter().filter(|(_, succeeded)| !succeeded).count();
        if self.outcomes.len() >= 10 && failures * 2 >= self.outcomes.len() {
            self.open_since = Some(nanos);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn it_does_as_a_plain_model_does(calls in proptest::collection::vec((0_u64..2000, proptest::bool::weighted(0.5)), 0..400)) {
        let breaker = Breaker::new();
        let mut model = Model { step: 1_000_000_000, outcomes: Vec::new(), open_since: None };
        let mut now = Duration::ZERO;
        for (step, succeeded) in calls {
            now += millis(step);
            model.settle(&breaker, succeeded, now)?;
        }
    }

    #[test]
    fn no_clock_and_no_setting_makes_it_panic_or_stall(
        settings in (any::<f64>(), any::<u32>(), any_time(), any_time()),
        calls in proptest::collection::vec((any_time(), 0..3), 0..100),
    ) {
        let (share, least, window, pause) = settings;
        let breaker = Breaker::new().failure_rate(share).min_outcomes(least).window(window).open_for(pause);
        for (now, outcome) in calls {
            match (breaker.admit(now), outcome) {
                (Ok(permit), 0) => permit.succeeded(now),
                (Ok(permit), 1) => permit.failed(now),
                (Ok(permit), _) => drop(permit),
                (Err(rejected), _) => {
                    let left = rejected.retry_in().unwrap();
                    prop_assert!(left <= pause.max(Duration::from_micros(1)) + Duration::from_micros(1));
                    // Two pauses at most, however the clock was set.
                    let later = now.saturating_add(left);
                    prop_assert!(later.as_nanos() > u128::from(u64::MAX) || breaker.admit(later).is_ok());
                }
            }
            let _ = breaker.state_at(now);
        }
    }
}

/// Many threads call something that fails for a while: it opens, recovers, and no two probes run at once.
#[test]
fn no_two_probes_run_at_once_on_real_threads() {
    let breaker = Breaker::new().min_outcomes(4).open_for(Duration::from_micros(1));
    let (clock, probing, probes) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for thread in 0..4 {
            let (breaker, clock, probing, probes) = (&breaker, &clock, &probing, &probes);
            scope.spawn(move || {
                for call in 0..20_000 {
                    let now = || Duration::from_micros(clock.fetch_add(1, Ordering::Relaxed).into());
                    let Ok(permit) = breaker.admit(now()) else { continue };
                    let probe = permit.is_probe();
                    if probe {
                        assert_eq!(probing.fetch_add(1, Ordering::SeqCst), 0, "two probes");
                        probes.fetch_add(1, Ordering::Relaxed);
                        probing.fetch_sub(1, Ordering::SeqCst);
                    }
                    match (call + thread) % 5 {
                        0 => permit.succeeded(now()),
                        1 => drop(permit),
                        _ => permit.failed(now()),
                    }
                }
            });
        }
    });
    assert!(probes.into_inner() > 100);
}
