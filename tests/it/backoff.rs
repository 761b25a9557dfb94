//! The waits of a backoff: their formulas, their cap and their far end.

use std::time::Duration;

use persevere::{Backoff, Jitter};
use proptest::prelude::*;

use crate::support::{any_backoff, any_time, millis, secs};

fn seconds(backoff: &Backoff, count: usize) -> Vec<f64> {
    backoff.clone().take(count).map(|wait| wait.as_secs_f64()).collect()
}

fn each_growth(base: Duration) -> [Backoff; 4] {
    [Backoff::new(base), Backoff::constant(base), Backoff::linear(base), Backoff::fibonacci(base)]
}

#[test]
fn exponential_waits_are_those_of_the_recipe() {
    let recipe = Backoff::new(millis(300));
    assert_eq!(seconds(&recipe, 12), [0.0, 0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 76.8, 120.0, 120.0, 120.0]);
    assert_eq!(seconds(&Backoff::new(millis(100)), 4), [0.0, 0.2, 0.4, 0.8]);
}

#[test]
fn each_growth_follows_its_formula() {
    let [_, constant, linear, fibonacci] = each_growth(millis(300));
    assert_eq!(seconds(&constant, 4), [0.3, 0.3, 0.3, 0.3]);
    assert_eq!(seconds(&linear, 4), [0.3, 0.6, 0.9, 1.2]);
    assert_eq!(seconds(&fibonacci, 7), [0.3, 0.3, 0.6, 0.9, 1.5, 2.4, 3.9]);
    let thirds = Backoff::new(millis(100)).factor(3.0);
    assert_eq!(seconds(&thirds, 4), [0.0, 0.3, 0.9, 2.7]);
}

#[test]
fn a_backoff_can_be_a_constant_of_the_program() {
    const ALL: [Backoff; 4] = [
        Backoff::new(Duration::from_millis(300))
            .factor(3.0)
            .max_wait(Duration::from_secs(9))
            .jitter(Jitter::Equal)
            .seed(1),
        Backoff::constant(Duration::from_secs(1)).immediate_first(true),
        Backoff::linear(Duration::from_secs(1)),
        Backoff::fibonacci(Duration::from_secs(1)),
    ];
    assert_eq!(seconds(&ALL[1], 3), [0.0, 1.0, 1.0]);
}

#[test]
fn the_cap_is_120_s_unless_set_and_constant_waits_have_none() {
    let long = secs(300);
    let firsts = each_growth(long).map(|backoff| backoff.immediate_first(false).next().unwrap());
    assert_eq!(firsts, [secs(120), long, secs(120), secs(120)]);
    assert_eq!(Backoff::constant(long).max_wait(secs(7)).next(), Some(secs(7)));
}

#[test]
fn infinite_growth_is_at_the_cap_from_the_second_wait_on() {
    for factor in [f64::INFINITY, 1e300] {
        let jump = Backoff::new(millis(300)).factor(factor).immediate_first(false);
        assert_eq!(seconds(&jump, 4), [0.3, 120.0, 120.0, 120.0], "factor {factor}");
    }
    let nothing = Backoff::new(Duration::ZERO).factor(f64::INFINITY);
    assert_eq!(seconds(&nothing, 3), [0.0; 3]);
}

#[test]
fn a_factor_that_is_no_number_keeps_the_wait_as_it_is() {
    assert_eq!(seconds(&Backoff::new(secs(3)).factor(f64::NAN), 4), [0.0, 3.0, 3.0, 3.0]);
}

#[test]
fn a_factor_below_1_is_followed_literally() {
    assert_eq!(seconds(&Backoff::new(secs(8)).factor(0.5), 5), [0.0, 4.0, 2.0, 1.0, 0.5]);
    assert_eq!(seconds(&Backoff::new(secs(8)).factor(-1.0), 3)[1], 0.0);
}

#[test]
fn the_longest_time_saturates() {
    for backoff in each_growth(Duration::MAX) {
        let backoff = backoff.max_wait(Duration::MAX).immediate_first(false);
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(Duration::MAX)]
        {
            let mut waits = backoff.clone().jitter(jitter).seed(1).take(200);
            assert!(waits.all(|wait| jitter != Jitter::None || wait == Duration::MAX), "{backoff:?} {jitter:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_backoff_never_ends((backoff, _) in any_backoff()) {
        prop_assert_eq!(backoff.size_hint(), (usize::MAX, None));
        prop_assert_eq!(backoff.take(5_000).count(), 5_000);
    }

    #[test]
    fn waits_grow_monotonically_without_jitter(
        base in any_time(),
        max in any_time(),
        factor in 1.0..1e3,
        immediate in any::<bool>(),
        growth in 0_usize..4,
    ) {
        let backoff = each_growth(base)[growth].clone().factor(factor).max_wait(max).immediate_first(immediate);
        let waits: Vec<_> = backoff.take(300).collect();
        prop_assert!(waits.is_sorted(), "{:?}", waits);
    }

    #[test]
    fn an_immediate_first_retry_changes_no_later_wait((backoff, _) in any_backoff()) {
        // A decorrelated wait depends on the one before it.
        prop_assume!(!format!("{backoff:?}").contains("Decorrelated"));
        let waits = |immediate| backoff.clone().immediate_first(immediate).take(20).collect::<Vec<_>>();
        let (at_once, waited) = (waits(true), waits(false));
        prop_assert_eq!(at_once[0], Duration::ZERO);
        prop_assert_eq!(&at_once[1..], &waited[1..]);
    }

    #[test]
    fn a_decimal_factor_means_that_decimal(thousandths in 1_000_u64..10_000, n in 1_u32..6) {
        // To the nanosecond while the product is exact in 64 bits.
        let wait = Backoff::new(secs(1)).factor(thousandths as f64 / 1e3).max_wait(Duration::MAX).nth(n as usize).unwrap();
        let exact = u128::from(thousandths).pow(n) * 1_000_000_000 / 1_000_u128.pow(n);
        prop_assert!(wait.as_nanos().abs_diff(exact) <= 1 + exact / (1 << 50), "{:?} for {} ns", wait, exact);
    }
}
