//! Every row does the same work, or nothing is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::operation::{Failure, Outcome};
use crate::{blocking, delays, future};

/// An operation's calls, and what they come to.
struct Calls {
    made: AtomicU64,
    failures: u64,
    failure: Failure,
}

impl Calls {
    fn new(failures: u64, failure: Failure) -> Self {
        Self { made: AtomicU64::new(0), failures, failure }
    }

    fn call(&self) -> Outcome {
        let call = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        if call > self.failures { Ok(call) } else { Err(self.failure) }
    }

    #[track_caller]
    fn assert(&self, name: &str, outcome: Outcome, expected: Outcome, calls: u64) {
        assert_eq!(outcome, expected, "{name}, {} failures", self.failures);
        assert_eq!(self.made.load(Ordering::Relaxed), calls, "{name}, {} failures: calls", self.failures);
    }
}

/// What a run must come to: how many failures of which kind, the outcome, the calls.
const CASES: [(u64, Failure, Outcome, u64); 4] = [
    (0, Failure::Busy, Ok(1), 1),
    (3, Failure::Busy, Ok(4), 4),
    (9, Failure::Busy, Err(Failure::Busy), 4),
    (9, Failure::Gone, Err(Failure::Gone), 1),
];

fn cases(limited: bool) -> impl Iterator<Item = (Calls, Outcome, u64)> {
    CASES
        .into_iter()
        .filter(move |(failures, failure, ..)| limited || *failures <= 3 || *failure == Failure::Gone)
        .map(|(failures, failure, outcome, calls)| (Calls::new(failures, failure), outcome, calls))
}

/// Checks a blocking row.
///
/// # Panics
///
/// If it does not do the work that it is measured for.
pub fn blocking<R: blocking::Row>() {
    for (script, outcome, calls) in cases(R::LIMITED) {
        script.assert(R::NAME, R::run(|| script.call()), outcome, calls);
    }
}

/// Checks an async row, with and without waits.
///
/// # Panics
///
/// If it does not do the work that it is measured for.
pub async fn future<R: future::Row>() {
    for (script, outcome, calls) in cases(R::LIMITED) {
        script.assert(R::NAME, R::at_once(|| async { script.call() }).await, outcome, calls);
    }
    let begun = std::time::Instant::now();
    let (script, virtual_start) = (Calls::new(3, Failure::Busy), tokio::time::Instant::now());
    script.assert(R::NAME, R::with_waits(|| async { script.call() }).await, Ok(4), 4);
    // One crate brings a timer of its own, which takes real time where tokio's clock is paused.
    let waited = begun.elapsed().max(virtual_start.elapsed());
    assert!(waited >= Duration::from_millis(70), "{}: waited {waited:?} in place of 10, 20 and 40 ms", R::NAME);
}

/// Checks the iterators of waits.
///
/// # Panics
///
/// If they do not yield the waits that they are measured for.
pub fn delays() {
    // 100 ms to 6.4 s, then 10 s nine times.
    let capped = Duration::from_millis(12_700 + 90_000);
    for row in delays::PLAIN {
        let sum = (row.sum)();
        let expected = if row.name == "retry" { Duration::from_millis(6_553_500) } else { capped };
        assert!(sum.abs_diff(expected) < Duration::from_micros(1), "{}: {sum:?}", row.name);
    }
    for row in delays::JITTERED {
        let sums = [(row.sum)(), (row.sum)()];
        assert_ne!(sums[0], sums[1], "{}: no jitter", row.name);
    }
}

/// Checks all rows.
///
/// # Panics
///
/// If one does not do the work that it is measured for.
pub fn all() {
    macro_rules! check_blocking {
        ($($row:ty),* $(,)?) => { $(blocking::<$row>();)* };
    }
    macro_rules! check_future {
        ($($row:ty),* $(,)?) => { $(future::<$row>().await;)* };
    }
    crate::blocking_rows!(check_blocking);
    crate::measure::paused().block_on(async {
        crate::future_rows!(check_future);
        let script = Calls::new(3, Failure::Busy);
        let outcome = future::backon_without_timer(|| async { script.call() }).await;
        script.assert("backon with a sleeper that is ready at once", outcome, Ok(4), 4);
    });
    delays();
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_does_the_same_work() {
        super::all();
    }
}
