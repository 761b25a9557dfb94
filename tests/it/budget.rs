//! Budgets: exact ratios, bounds, and what many threads and made-up keys do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use persevere::{
    Fault,
    guard::{Budget, Budgets},
};
use proptest::prelude::*;

use crate::support::any_fault;

fn drain(budget: &Budget) -> u32 {
    let mut retries = 0;
    while budget.withdraw(Fault::Connect) {
        retries += 1;
    }
    retries
}

/// Empties it, has so many calls succeed one after another, and counts the retries that they allow in between.
fn retries_for(budget: &Budget, successes: u32) -> u32 {
    drain(budget);
    (0..successes).map(|_| (budget.deposit(), drain(budget)).1).sum()
}

/// tower's allows 100 % where 60 % were asked for.
#[test]
fn sixty_per_cent_means_sixty_per_cent() {
    for (ratio, successes, retries) in [
        (0.6, 1000, 600),
        (0.1, 1000, 100),
        (0.2, 1000, 200),
        (0.01, 1000, 10),
        (0.07, 100_000, 7_000),
        (1.0 / 3.0, 3000, 1000),
        (2.0 / 3.0, 3000, 2000),
        (1.0 / 3.0, 2, 0),
        (1.0, 1000, 1000),
        (2.5, 1000, 2500),
        (0.000_001, 1_000_000, 1),
        (0.000_001, 999_999, 0),
        (1e-12, 100_000, 0),
        (0.0, 1000, 0),
        (1e300, 10, 100),
        (f64::INFINITY, 10, 100),
        (f64::NAN, 10, 0),
        (-1.0, 10, 0),
    ] {
        assert_eq!(retries_for(&Budget::new().ratio(ratio), successes), retries, "{ratio}");
    }
}

#[test]
fn it_starts_full_and_holds_no_more_than_its_size() {
    assert_eq!(drain(&Budget::new()), 10);
    assert_eq!(drain(&Budget::default()), 10);
    let budget = Budget::new().size(3);
    (0..1000).for_each(|_| budget.deposit());
    assert_eq!(budget.tokens(), 3.0);
    assert_eq!(drain(&budget), 3);
    assert_eq!(drain(&Budget::new().size(0)), 0);
    assert_eq!(drain(&Budget::new().ratio(1e-9).size(7)), 7);
}

#[test]
fn setters_commute() {
    for budget in [Budget::new().ratio(0.3).size(2), Budget::new().size(2).ratio(0.3)] {
        assert_eq!(budget.tokens(), 2.0);
        assert_eq!(retries_for(&budget, 10), 3);
    }
}

#[test]
fn the_largest_budget_neither_overflows_nor_refuses() {
    for ratio in [0.1, 1e-9, 0.123_456_789, std::f64::consts::PI, f64::INFINITY] {
        let budget = Budget::new().ratio(ratio).size(u32::MAX);
        assert_eq!(budget.tokens(), f64::from(u32::MAX), "{ratio}");
        assert!((0..1000).all(|_| budget.withdraw(Fault::Throttle)));
        assert_eq!(budget.tokens(), f64::from(u32::MAX - 1000), "{ratio}");
        (0..1000).for_each(|_| budget.refund(Fault::Throttle));
        assert_eq!(budget.tokens(), f64::from(u32::MAX), "{ratio}");
    }
    let largest = Budget::quota(u32::MAX, u32::MAX, u32::MAX);
    assert!(largest.withdraw(Fault::Read) && !largest.withdraw(Fault::Read));
    largest.deposit_after(Fault::Read);
    assert_eq!(largest.tokens(), 1.0);
}

#[test]
fn a_retry_that_never_began_costs_nothing() {
    let budget = Budget::new().size(1);
    assert!(budget.withdraw(Fault::Read));
    budget.refund(Fault::Read);
    assert_eq!(budget.tokens(), 1.0);
    budget.refund(Fault::Read);
    assert_eq!(budget.tokens(), 1.0, "more than its size");
}

#[test]
fn a_quota_charges_by_fault_and_gives_back_what_the_last_retry_cost() {
    let budget = Budget::quota(500, 14, 5);
    assert_eq!(drain(&budget), 35);
    // 10 are left: two throttled retries.
    assert_eq!((0..10).filter(|_| budget.withdraw(Fault::Throttle)).count(), 2);
    budget.deposit_after(Fault::Throttle);
    assert!(!budget.withdraw(Fault::Connect) && budget.withdraw(Fault::Throttle));
    budget.deposit_after(Fault::Connect);
    assert!(budget.withdraw(Fault::Connect));
    (0..13).for_each(|_| budget.deposit());
    assert!(!budget.withdraw(Fault::Connect));
    budget.deposit();
    assert!(budget.withdraw(Fault::Connect));
    assert_eq!(drain(&Budget::quota(500, 14, 5).size(28)), 2);
    assert_eq!(drain(&Budget::quota(500, 14, 5).ratio(0.5)), 10);
}

#[test]
fn what_contradicts_itself_is_named() {
    for (budget, field, message) in [
        (Budget::new().ratio(f64::NAN), "ratio", "ratio is NaN: it must be 0 or more"),
        (Budget::new().ratio(-0.5), "ratio", "ratio is -0.5: it must be 0 or more"),
        (Budget::quota(500, 0, 5), "retry", "retry is 0: it must be 1 or more"),
        (Budget::quota(500, 14, 0), "throttled", "throttled is 0: it must be 1 or more"),
    ] {
        let error = budget.check().unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, message));
        assert!(std::panic::catch_unwind(|| budget.valid()).is_err(), "{message}");
    }
    for sound in [Budget::new(), Budget::new().ratio(0.0).size(0), Budget::quota(500, 14, 5), Budget::quota(0, 1, 1)] {
        assert_eq!(sound.check(), Ok(()));
    }
}

/// A contradictory one is followed literally.
#[test]
fn an_unchecked_budget_never_panics() {
    let free = Budget::quota(0, 0, 0);
    assert!(free.withdraw(Fault::Other) && free.tokens().is_infinite());
    free.refund(Fault::Other);
    free.deposit();
}

#[test]
fn it_is_printed_with_its_settings_and_what_is_left() {
    let budget = Budget::new().ratio(0.5).size(4);
    assert!(budget.withdraw(Fault::Other));
    assert_eq!(format!("{budget:?}"), "Budget { ratio: 0.5, size: 4, tokens: 3.0, .. }");
    let quota = format!("{:?}", Budget::quota(28, 14, 5));
    assert_eq!(quota, "Budget { size: 28, retry: 14, throttled: 5, tokens: 2.0, .. }");
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Deposit,
    DepositAfter(Fault),
    Withdraw(Fault),
    GiveBack(Fault),
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => Just(Operation::Deposit),
        2 => any_fault().prop_map(Operation::DepositAfter),
        4 => any_fault().prop_map(Operation::Withdraw),
        1 => any_fault().prop_map(Operation::GiveBack),
    ]
}

/// The plain way to keep the same account, in parts of a token of which a retry costs `retry`.
struct Model {
    parts: u128,
    size: u128,
    deposit: u128,
    retry: u128,
    throttled: u128,
    quota: bool,
}

impl Model {
    fn price(&self, fault: Fault) -> u128 {
        if fault == Fault::Throttle { self.throttled } else { self.retry }
    }

    fn add(&mut self, parts: u128) {
        self.parts = (self.parts + parts).min(self.size);
    }

    fn tokens(&self) -> f64 {
        if self.parts < 1 << 53 {
            return self.parts as f64 / self.retry as f64;
        }
        (self.parts / self.retry) as f64 + (self.parts % self.retry) as f64 / self.retry as f64
    }

    /// What `withdraw` returns.
    fn apply(&mut self, operation: Operation) -> bool {
        match operation {
            Operation::Deposit => self.add(self.deposit),
            Operation::DepositAfter(fault) => self.add(if self.quota { self.price(fault) } else { self.deposit }),
            Operation::GiveBack(fault) => self.add(self.price(fault)),
            Operation::Withdraw(fault) => {
                let enough = self.parts >= self.price(fault);
                self.parts -= if enough { self.price(fault) } else { 0 };
                return enough;
            }
        }
        false
    }
}

fn apply(budget: &Budget, operation: Operation) -> bool {
    match operation {
        Operation::Deposit => budget.deposit(),
        Operation::DepositAfter(fault) => budget.deposit_after(fault),
        Operation::GiveBack(fault) => budget.refund(fault),
        Operation::Withdraw(fault) => return budget.withdraw(fault),
    }
    false
}

fn any_size() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..20, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

proptest! {
    #[test]
    fn a_ratio_keeps_the_account_of_a_plain_model(
        size in any_size(),
        (parts, whole) in (0_u32..30, 1_u32..30),
        operations in proptest::collection::vec(any_operation(), 0..400),
    ) {
        let budget = Budget::new().ratio(f64::from(parts) / f64::from(whole)).size(size);
        let (size, deposit, retry) = (u128::from(size) * u128::from(whole), parts.into(), whole.into());
        let mut model = Model { parts: size, size, deposit, retry, throttled: retry, quota: false };
        for operation in operations {
            prop_assert_eq!(apply(&budget, operation), model.apply(operation), "{:?}", operation);
            prop_assert_eq!(budget.tokens(), model.tokens());
        }
    }

    #[test]
    fn a_quota_keeps_the_account_of_a_plain_model(
        size in any_size(),
        (retry, throttled) in (1_u32..30, 1_u32..30),
        operations in proptest::collection::vec(any_operation(), 0..400),
    ) {
        let budget = Budget::quota(size, retry, throttled);
        let full = u128::from(size);
        let (dear, cheap) = (retry.into(), throttled.into());
        let mut model = Model { parts: full, size: full, deposit: 1, retry: dear, throttled: cheap, quota: true };
        for operation in operations {
            prop_assert_eq!(apply(&budget, operation), model.apply(operation), "{:?}", operation);
            prop_assert_eq!(budget.tokens(), model.tokens());
        }
    }

    #[test]
    fn tokens_stay_between_zero_and_the_size_whatever_the_settings(
        size in any_size(),
        ratio in prop_oneof![any::<f64>(), 0.0..2.0, Just(1e-300), Just(f64::INFINITY)],
        operations in proptest::collection::vec(any_operation(), 0..400),
    ) {
        let budget = Budget::new().ratio(ratio).size(size);
        for operation in operations {
            apply(&budget, operation);
            prop_assert!((0.0..=f64::from(size)).contains(&budget.tokens()), "{:?}", budget);
        }
    }
}

/// Every token that was there or came in is withdrawn or left; none is withdrawn twice.
#[test]
fn threads_neither_lose_nor_make_nor_overdraw_tokens() {
    const THREADS: u64 = 4;
    const CALLS: u64 = 50_000;
    // So large that no deposit meets a full bucket, where it would be lost on purpose.
    let budget = Budget::new().ratio(0.6).size(1_000_000);
    assert!((0..900_000).all(|_| budget.withdraw(Fault::Other)));
    let (granted, returned) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (budget, granted, returned) = (&budget, &granted, &returned);
            scope.spawn(move || {
                for call in 0..CALLS {
                    budget.deposit();
                    for _ in 0..=(call + thread) % 2 {
                        if budget.withdraw(Fault::Other) {
                            granted.fetch_add(1, Ordering::Relaxed);
                            if call % 7 == 0 {
                                budget.refund(Fault::Other);
                                returned.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    let taken = granted.into_inner() - returned.into_inner();
    let came = 100_000 * 5 + THREADS * CALLS * 3;
    assert_eq!((budget.tokens() * 5.0).round() as u64, came - taken * 5);
}

#[test]
fn threads_that_race_for_the_last_tokens_get_exactly_those() {
    for round in 0..200 {
        let budget = Budget::new().size(round % 7);
        let granted: u32 = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| drain(&budget))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((granted, budget.tokens()), (round % 7, 0.0));
    }
}

fn two() -> Budget {
    Budget::new().size(2)
}

#[test]
fn each_key_has_a_budget_of_its_own() {
    let budgets: Budgets<String> = Budgets::new(10, two);
    assert!(budgets.is_empty());
    drain(&budgets.get("a"));
    assert_eq!((budgets.get("a").tokens(), budgets.get("b").tokens()), (0.0, 2.0));
    assert_eq!(budgets.len(), 2);
    let numbers: Budgets<u32> = Budgets::new(10, two);
    assert!(Arc::ptr_eq(&numbers.get(&1), &numbers.get(&1)));
}

#[test]
fn a_key_gives_way_only_where_nothing_is_lost_with_it() {
    let budgets: Budgets<u32> = Budgets::new(2, two);
    drain(&budgets.get(&1));
    let held = budgets.get(&2);
    // Key 1 is drained and key 2 in use: the newcomers share one.
    let newcomer = budgets.get(&3);
    assert!(Arc::ptr_eq(&newcomer, &budgets.get(&4)));
    assert_eq!(drain(&newcomer), 2);
    assert_eq!(drain(&budgets.get(&5)), 0);
    assert_eq!(budgets.get(&1).tokens(), 0.0);

    drop(held);
    drain(&budgets.get(&6));
    assert!(!Arc::ptr_eq(&budgets.get(&6), &newcomer), "key 2 has given way to key 6");
    assert_eq!((budgets.len(), budgets.get(&1).tokens(), budgets.get(&6).tokens()), (2, 0.0, 0.0));

    (0..20).for_each(|_| budgets.get(&1).deposit());
    assert_eq!(drain(&budgets.get(&7)), 2);
    assert_eq!(budgets.get(&6).tokens(), 0.0);
}

#[test]
fn made_up_keys_get_neither_memory_nor_fresh_tokens() {
    let budgets: Budgets<u64> = Budgets::new(100, two);
    let mut granted = 0;
    for round in 0..3 {
        for key in 0..10_000 {
            granted += drain(&budgets.get(&(round * 10_000 + key)));
        }
    }
    assert_eq!((granted, budgets.len()), (100 * 2 + 2, 100));
    assert_eq!(drain(&Budgets::new(0, two).get(&"a".to_owned())), 2);
}

/// However many keys there are, one that may go is found in the end.
#[test]
fn the_search_for_a_key_that_may_go_goes_round() {
    let budgets: Budgets<u32> = Budgets::new(1000, two);
    for key in 0..1000 {
        drain(&budgets.get(&key));
    }
    (0..20).for_each(|_| budgets.get(&777).deposit());
    let overflow = budgets.get(&2000);
    let found = (2001..2030).find(|key| !Arc::ptr_eq(&overflow, &budgets.get(key)));
    assert!(found.is_some());
    assert_eq!(budgets.len(), 1000);
}

#[test]
fn a_key_whose_hash_panics_leaves_the_others_usable() {
    #[derive(Clone, PartialEq, Eq)]
    struct Key(u32);
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            assert!(self.0 != 13, "an unlucky key");
            self.0.hash(state);
        }
    }
    let budgets: Budgets<Key> = Budgets::new(2, two);
    drain(&budgets.get(&Key(1)));
    assert!(std::panic::catch_unwind(|| budgets.get(&Key(13))).is_err());
    assert_eq!((budgets.get(&Key(1)).tokens(), budgets.get(&Key(2)).tokens(), budgets.len()), (0.0, 2.0, 2));
}

#[test]
fn keyed_budgets_print_no_key() {
    let budgets: Budgets<String> = Budgets::new(4, two);
    let _ = budgets.get("user:password@host");
    let shown = format!("{budgets:?}");
    assert!(shown.starts_with("Keyed { len: 1, capacity: 4") && !shown.contains("password"), "{shown}");
}
