//! Models of the budget and the breaker: each assertion holds in every order of events that the memory model allows.
//!
//! ```text
//! cargo test --release --manifest-path tests/loom/Cargo.toml
//! ```

#![cfg(persevere_loom)]

use std::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread::{self, JoinHandle};
use persevere::{guard::{Breaker, BreakerState, Budget, Permit}, Fault};

fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn sum(threads: impl IntoIterator<Item = JoinHandle<u32>>) -> u32 {
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

fn withdraw(budget: &'static Budget) -> JoinHandle<u32> {
    thread::spawn(|| budget.withdraw(Fault::Other).into())
}

fn deposit(budget: &'static Budget) -> JoinHandle<u32> {
    thread::spawn(|| {
        budget.deposit();
        0
    })
}

#[test]
fn the_last_token_goes_to_one_of_two() {
    loom::model(|| {
        let budget = forever(Budget::new().size(1));
        assert_eq!(sum([withdraw(budget), withdraw(budget)]), 1);
        assert_eq!(budget.tokens(), 0.0);
    });
}

#[test]
fn two_tokens_go_to_two_of_three() {
    loom::model(|| {
        let budget = forever(Budget::new().size(2));
        assert_eq!(sum([withdraw(budget), withdraw(budget), withdraw(budget)]), 2);
        assert_eq!(budget.tokens(), 0.0);
    });
}

#[test]
fn no_deposit_is_lost_and_none_counts_twice() {
    loom::model(|| {
        let budget = forever(Budget::new().ratio(0.5).size(2));
        assert!(budget.withdraw(Fault::Other) && budget.withdraw(Fault::Other));
        sum([deposit(budget), deposit(budget)]);
        assert_eq!(budget.tokens(), 1.0);
    });
}

#[test]
fn what_two_withdraw_while_one_deposits_is_what_was_there() {
    loom::model(|| {
        let budget = forever(Budget::new().ratio(1.0).size(2));
        assert!(budget.withdraw(Fault::Other));
        let granted = sum([withdraw(budget), deposit(budget), withdraw(budget)]);
        assert!(granted >= 1);
        assert_eq!(budget.tokens(), 2.0 - f64::from(granted));
    });
}

#[test]
fn a_deposit_into_a_bucket_that_is_being_drained_makes_no_more_than_its_size() {
    loom::model(|| {
        let budget = forever(Budget::new().ratio(1.0).size(1));
        let granted = sum([withdraw(budget), deposit(budget), withdraw(budget)]);
        // The deposit came before all, where it was lost in the full bucket, or between, or after.
        assert!((1..=2).contains(&granted));
        let left = budget.tokens();
        assert!(left == 0.0 || left == 1.0 && granted == 1, "{left} after {granted}");
    });
}

#[test]
fn what_is_given_back_is_there_again() {
    loom::model(|| {
        let budget = forever(Budget::quota(5, 3, 2));
        let dropped = |fault| {
            thread::spawn(move || {
                let charged = budget.withdraw(fault);
                if charged {
                    budget.refund(fault);
                }
                charged.into()
            })
        };
        assert_eq!(sum([dropped(Fault::Other), dropped(Fault::Throttle)]), 2);
        assert_eq!(budget.tokens(), 5.0 / 3.0);
    });
}

const T: Duration = Duration::from_secs(100);
/// When the pause is over.
const LATER: Duration = Duration::from_secs(105);

/// A breaker that opened at `T`.
fn opened() -> &'static Breaker {
    let breaker = forever(Breaker::new().min_outcomes(1));
    breaker.admit(T).unwrap().failed(T);
    breaker
}

/// Asks for the probe's place; where it is had, no other has it until `done`.
fn probe(breaker: &'static Breaker, probing: &'static AtomicU32, done: fn(Permit<'static>)) -> JoinHandle<u32> {
    thread::spawn(move || {
        let Ok(permit) = breaker.admit(LATER) else { return 0 };
        assert!(permit.is_probe());
        assert_eq!(probing.fetch_add(1, SeqCst), 0, "two probes at once");
        probing.fetch_sub(1, SeqCst);
        done(permit);
        1
    })
}

#[test]
fn one_of_two_is_the_probe() {
    loom::model(|| {
        let breaker = opened();
        let ask = || thread::spawn(|| u32::from(breaker.admit(LATER).map(std::mem::forget).is_ok()));
        assert_eq!(sum([ask(), ask()]), 1);
        assert_eq!(breaker.state_at(LATER), BreakerState::HalfOpen);
    });
}

#[test]
fn one_of_three_is_the_probe() {
    loom::model(|| {
        let breaker = opened();
        let ask = || thread::spawn(|| u32::from(breaker.admit(LATER).map(std::mem::forget).is_ok()));
        assert_eq!(sum([ask(), ask(), ask()]), 1);
    });
}

#[test]
fn a_probe_that_is_cancelled_frees_its_place_once() {
    loom::model(|| {
        let (breaker, probing) = (opened(), forever(AtomicU32::new(0)));
        let asked = [probe(breaker, probing, drop), probe(breaker, probing, drop)];
        assert!(sum(asked) >= 1);
        let probe = breaker.admit(LATER).expect("the place is free");
        assert!(breaker.admit(LATER).is_err());
        probe.succeeded(LATER);
        assert_eq!(breaker.state_at(LATER), BreakerState::Closed);
    });
}

#[test]
fn of_three_that_cancel_and_fail_no_two_probe_at_once() {
    loom::model(|| {
        let (breaker, probing) = (opened(), forever(AtomicU32::new(0)));
        let fail = |permit: Permit<'static>| permit.failed(LATER);
        let asked = [probe(breaker, probing, drop), probe(breaker, probing, fail), probe(breaker, probing, drop)];
        assert!(sum(asked) >= 1);
        assert_ne!(breaker.state_at(LATER), BreakerState::Closed);
    });
}

#[test]
fn no_outcome_is_lost() {
    loom::model(|| {
        let breaker = forever(Breaker::new().min_outcomes(2));
        let fail = || {
            thread::spawn(|| {
                breaker.admit(T).unwrap().failed(T);
                0
            })
        };
        sum([fail(), fail()]);
        assert_eq!(breaker.state_at(T), BreakerState::Open);
    });
}

#[test]
fn a_straggler_s_success_does_not_close_what_the_probe_leaves_open() {
    loom::model(|| {
        let breaker = forever(Breaker::new().min_outcomes(1));
        let straggler = breaker.admit(T).unwrap();
        breaker.admit(T).unwrap().failed(T);
        let late = thread::spawn(move || {
            straggler.succeeded(LATER);
            0
        });
        let probe = thread::spawn(|| {
            breaker.admit(LATER).unwrap().failed(LATER);
            0
        });
        sum([late, probe]);
        assert_eq!(breaker.state_at(LATER), BreakerState::Open);
    });
}

#[test]
fn a_straggler_s_failure_does_not_open_what_the_probe_closes() {
    loom::model(|| {
        let breaker = forever(Breaker::new().min_outcomes(1));
        let straggler = breaker.admit(T).unwrap();
        breaker.admit(T).unwrap().failed(T);
        let late = thread::spawn(move || {
            straggler.failed(LATER);
            0
        });
        let probe = thread::spawn(|| {
            breaker.admit(LATER).unwrap().succeeded(LATER);
            0
        });
        sum([late, probe]);
        assert_eq!(breaker.state_at(LATER), BreakerState::Closed);
    });
}

/// A failure that is counted while another one opens the breaker, which opens, recovers and counts anew meanwhile.
#[test]
fn a_straggler_neither_adds_to_nor_wipes_out_what_is_counted_after_it() {
    loom::model(|| {
        let breaker = forever(Breaker::new().min_outcomes(2));
        breaker.admit(T).unwrap().failed(T);
        let (straggler, other) = (breaker.admit(T).unwrap(), breaker.admit(T).unwrap());
        let late = thread::spawn(move || {
            straggler.failed(LATER);
            0
        });
        other.failed(LATER);
        let after = LATER + Duration::from_secs(5);
        breaker.admit(after).expect("the pause is over").succeeded(after);
        breaker.admit(after).unwrap().failed(after);
        assert_eq!(breaker.state_at(after), BreakerState::Closed, "one is too few");
        sum([late]);
        assert_eq!(breaker.state_at(after), BreakerState::Closed, "a straggler opened it");
        breaker.admit(after).unwrap().failed(after);
        assert_eq!(breaker.state_at(after), BreakerState::Open, "a count was lost");
    });
}
