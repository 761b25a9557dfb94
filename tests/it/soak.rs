//! A great many calls: what is right once in a thousand times shows.

use std::cell::Cell;
use std::future::ready;
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::{Fault, Policy, Report, StopReason, Verdict, guard::Budget, retry_async};

use crate::support::{Failed, millis, secs};

/// Numbers that look like chance, the same in each run.
fn chance(state: &Cell<u64>) -> u64 {
    let mut number = state.get();
    number ^= number << 13;
    number ^= number >> 7;
    number ^= number << 17;
    state.set(number);
    number >> 11
}

/// A server of which three answers in ten are faults, a tenth of those for good, and each takes a while.
struct Server {
    timer: VirtualTimer,
    state: Cell<u64>,
    calls: Cell<u64>,
    faults: Cell<u64>,
    last: Cell<bool>,
}

impl Server {
    fn new(timer: VirtualTimer) -> Self {
        Self { timer, state: Cell::new(0x9e37_79b9), calls: Cell::new(0), faults: Cell::new(0), last: Cell::new(false) }
    }

    fn call(&self) -> Result<u64, Failed> {
        self.calls.set(self.calls.get() + 1);
        self.timer.advance(millis(chance(&self.state) % 20));
        let fails = chance(&self.state) % 10 < 3;
        self.last.set(fails);
        if !fails {
            return Ok(self.calls.get());
        }
        self.faults.set(self.faults.get() + 1);
        let faults = [Fault::Connect, Fault::Timeout, Fault::Read, Fault::Status, Fault::Throttle];
        let fault = faults[(chance(&self.state) % 5) as usize];
        let verdict = match chance(&self.state) % 20 {
            0 | 1 => Verdict::permanent(),
            2 => Verdict::transient().with_hint(millis(chance(&self.state) % 5_000)),
            _ => Verdict::transient(),
        };
        Err(Failed::new(0, verdict.with_fault(fault)))
    }
}

/// All sums of what the reports told are those of what the server saw.
fn soak(calls: u64) {
    // Its waits are not kept: they would be hundreds of thousands.
    let timer = VirtualTimer::new();
    let server = Server::new(timer.clone());
    let budget = Budget::new().ratio(1.0).size(1_000);
    let policy = Policy::new().total(4).backoff(millis(100)).max_wait(secs(2)).within(secs(30));
    let (mut attempts, mut failures, mut ended) = (0_u64, 0_u64, [0_u64; 3]);
    for call in 0..calls {
        let mut report = Report::new();
        let started = timer.elapsed();
        let outcome = if call % 2 == 0 {
            policy.timer(&timer).budget(&budget).report(&mut report).run(|| server.call())
        } else {
            block_on(retry_async(policy.timer(&timer).budget(&budget).report(&mut report), || ready(server.call())))
        };
        attempts += u64::from(report.attempts());
        failures += report.failures().count() as u64;
        assert_eq!(outcome.is_ok(), !server.last.get(), "the last answer is the caller's");
        assert_eq!(outcome.is_ok(), report.stop_reason() == Some(StopReason::Succeeded));
        assert!(report.elapsed() <= secs(30) + millis(20) && started + report.elapsed() == timer.elapsed());
        assert!((1..=5).contains(&report.attempts()) && report.waited() <= report.elapsed());
        ended[match report.stop_reason().unwrap() {
            StopReason::Succeeded => 0,
            StopReason::Permanent => 1,
            _ => 2,
        }] += 1;
    }
    assert_eq!((attempts, failures), (server.calls.get(), server.faults.get()));
    // By far most calls succeed in the end: a tenth of 30 % is permanent at each attempt, and five in a row are rare.
    let [succeeded, permanent, given_up] = ended.map(|count| count as f64 / calls as f64);
    assert!((0.955..0.975).contains(&succeeded), "{succeeded}");
    assert!((0.03..0.045).contains(&permanent) && given_up < 0.005, "{permanent}, {given_up}");
    assert!(budget.tokens() > 900.0, "it is full again and again: {}", budget.tokens());
    assert_eq!(timer.pending(), 0);
    assert!(timer.elapsed() > Duration::from_millis(calls));
}

#[test]
fn a_million_calls_with_three_faults_in_ten() {
    soak(1_000_000);
}
