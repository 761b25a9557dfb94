//! A chain three deep: a client, two services behind one another, and a store. Each but the store retries.

use std::time::Duration;

use persevere::{
    Fault, Policy, Verdict,
    guard::Budget,
    run::{Decision, Run},
};

use crate::random::Random;

/// Who retries: the client, the first service, the second service.
const LAYERS: usize = 3;
/// As many as come in the 20 s of the brown-out.
pub(crate) const REQUESTS: u32 = 8_000;

/// What each layer does against the multiplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Nothing,
    /// A failure after which a layer gave up is marked, and no layer above it retries that. Between processes the mark
    /// is in the answer; within one, `nested` sees it by itself.
    Mark,
    Budget,
}

pub(crate) const GUARDS: [(&str, Guard); 3] =
    [("no guard", Guard::Nothing), ("nesting guard", Guard::Mark), ("a budget a layer", Guard::Budget)];

/// What all requests together came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Calls that the store got for each request.
    pub(crate) calls: f64,
    /// The share of the requests that succeeded.
    pub(crate) success: f64,
}

struct Chain {
    guard: Guard,
    /// Of a call to the store, to fail.
    failing: f64,
    budgets: [Budget; LAYERS],
    random: Random,
    now: Duration,
    calls: u32,
}

/// Whether some layer has given up on it.
struct Failed {
    marked: bool,
}

impl Chain {
    fn call(&mut self, layer: usize) -> Result<(), Failed> {
        if layer == LAYERS {
            self.calls += 1;
            return if self.random.chance(self.failing) { Err(Failed { marked: false }) } else { Ok(()) };
        }
        let mut run = Run::new(Policy::new(), self.now);
        loop {
            let Err(failed) = self.call(layer + 1) else {
                self.budgets[layer].deposit();
                return Ok(());
            };
            let verdict = Verdict::from(!(self.guard == Guard::Mark && failed.marked)).with_fault(Fault::Status);
            match run.failed(verdict, self.now, self.random.next()) {
                Decision::Wait(wait) if self.guard != Guard::Budget || self.budgets[layer].withdraw(Fault::Status) => {
                    self.now += wait;
                }
                _ => return Err(Failed { marked: true }),
            }
        }
    }
}

/// Sends the requests through a chain whose store fails this share of its calls.
pub(crate) fn run(guard: Guard, failing: f64, seed: u64) -> Outcome {
    let budgets = [const { Budget::new() }; LAYERS];
    let mut chain = Chain { guard, failing, budgets, random: Random::new(seed), now: Duration::ZERO, calls: 0 };
    let succeeded = (0..REQUESTS).filter(|_| chain.call(0).is_ok()).count();
    Outcome { calls: f64::from(chain.calls) / f64::from(REQUESTS), success: succeeded as f64 / f64::from(REQUESTS) }
}
