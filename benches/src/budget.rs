//! Retry budgets, shared by threads that run at the same time.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use persevere::Fault;
use tower::retry::budget::{Budget, TpsBudget};

/// What the threads do.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Operations succeed: each deposits.
    Calm,
    /// Operations fail: each withdraws, and one in ten deposits.
    Storm,
}

/// The mean time that an operation's use of the budget takes a thread, times `iterations`.
fn contend(
    load: Load,
    threads: usize,
    iterations: u64,
    deposit: impl Fn() + Sync,
    withdraw: impl Fn() -> bool + Sync,
) -> Duration {
    let start = Barrier::new(threads);
    let run = || {
        start.wait();
        let begun = Instant::now();
        for turn in 0..iterations {
            if matches!(load, Load::Calm) || turn % 10 == 0 {
                deposit();
            }
            if matches!(load, Load::Storm) {
                std::hint::black_box(withdraw());
            }
        }
        begun.elapsed()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let count = threads.len() as u32;
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<Duration>() / count
    })
}

/// Uses persevere's budget, with its defaults.
#[must_use]
pub fn persevere(load: Load, threads: usize, iterations: u64) -> Duration {
    let budget = persevere::guard::Budget::new();
    contend(load, threads, iterations, || budget.deposit(), || budget.withdraw(Fault::Other))
}

/// Uses tower's budget, with its defaults. It is a new one each time, as deposits of a calm count for ten seconds.
#[must_use]
pub fn tower(load: Load, threads: usize, iterations: u64) -> Duration {
    let budget = TpsBudget::default();
    contend(load, threads, iterations, || budget.deposit(), || budget.withdraw())
}
