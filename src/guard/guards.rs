//! The guards of a session in one plain value, which has no type parameter.

use std::string::String;
use std::sync::Arc;

use crate::guard::beside::{Breaking, Spending, Throttling};
use crate::guard::breaker::Breaker;
use crate::guard::budget::Budget;
use crate::guard::gate::Gate;
use crate::guard::keyed::{Breakers, Budgets, Gates, Throttles};
use crate::guard::shared::Shared;
use crate::guard::throttle::AdaptiveThrottle;
use crate::observe::around::Plain;
use crate::observe::refusal::Never;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer, Retrying};
use crate::policy::jitter;
use crate::run::StopReason;
use crate::time::{entropy, nanos};
use crate::verdict::Rejected;

/// At most one guard of each kind. A clone shares them, and has charged nothing yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    budget: Option<Spending<Shared<Budget>>>,
    breaker: Option<Breaking<Shared<Breaker>>>,
    throttle: Option<Throttling<Shared<AdaptiveThrottle>>>,
    gate: Option<Holding>,
    /// Whether the run has begun an attempt.
    begun: bool,
}

/// A gate, and how long it has held the run back.
#[derive(Clone, Debug)]
struct Holding {
    gate: Arc<Gate>,
    held: u64,
    refused: Option<(StopReason, u64)>,
}

impl Holding {
    fn hold(&mut self, now: u64, left: u64) -> u64 {
        let closed = self.gate.closed_nanos(now);
        if closed == 0 {
            return 0;
        }
        if self.held.saturating_add(closed) > self.gate.longest_nanos() {
            self.refused = Some((StopReason::HintTooLong { hint: nanos::duration(closed) }, closed));
            return 0;
        }
        if closed >= left {
            self.refused = Some((StopReason::DeadlineExceeded, closed));
            return 0;
        }
        // Not all at once when it opens.
        let room = (left - closed - 1).min(closed / 5);
        let hold = closed.saturating_add(jitter::within(room, entropy::fresh()));
        self.held = self.held.saturating_add(hold);
        hold
    }
}

impl Guards {
    pub(crate) fn set_budget(&mut self, budget: Shared<Budget>) {
        self.budget = Some(Spending::new(budget));
    }

    pub(crate) fn set_breaker(&mut self, breaker: Shared<Breaker>) {
        self.breaker = Some(Breaking::new(breaker));
    }

    pub(crate) fn set_throttle(&mut self, throttle: Shared<AdaptiveThrottle>) {
        self.throttle = Some(Throttling::new(throttle));
    }
}

/// Guards by host.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(any(feature = "reqwest", feature = "ureq")), allow(dead_code))]
pub(crate) struct ByHost {
    pub(crate) budgets: Option<Shared<Budgets<String>>>,
    pub(crate) breakers: Option<Shared<Breakers<String>>>,
    pub(crate) throttles: Option<Shared<Throttles<String>>>,
    pub(crate) gates: Option<Shared<Gates<String>>>,
}

#[cfg_attr(not(any(feature = "reqwest", feature = "ureq")), allow(dead_code))]
impl ByHost {
    /// Puts the guards of the host in place of those for all.
    pub(crate) fn find(&self, guards: &mut Guards, host: impl FnOnce() -> String) {
        let Self { budgets, breakers, throttles, gates } = self;
        if budgets.is_none() && breakers.is_none() && throttles.is_none() && gates.is_none() {
            return;
        }
        let host = host();
        if let Some(budgets) = budgets {
            guards.set_budget(budgets.get(&*host).into());
        }
        if let Some(breakers) = breakers {
            guards.set_breaker(breakers.get(&*host).into());
        }
        if let Some(throttles) = throttles {
            guards.set_throttle(throttles.get(&*host).into());
        }
        if let Some(gates) = gates {
            guards.gate = Some(Holding { gate: gates.get(&*host), held: 0, refused: None });
        }
    }
}

/// Asks each guard that is there.
macro_rules! each {
    ($guards:ident, |$guard:ident| $asked:expr) => {
        if let Some($guard) = &mut $guards.breaker {
            $asked;
        }
        if let Some($guard) = &mut $guards.throttle {
            $asked;
        }
        // The budget comes last, so that it charges nothing that another guard refuses.
        if let Some($guard) = &mut $guards.budget {
            $asked;
        }
    };
}

impl Observer for Guards {
    const CLOCK: bool = true;
    const GATED: bool = true;
    type Around = Plain;
    type Refusal = Never;
    no_word!();

    fn hold(&mut self, now: u64, left: u64) -> u64 {
        self.gate.as_mut().map_or(0, |gate| gate.hold(now, left))
    }

    fn admit(&mut self, now: u64) -> Result<(), Rejected> {
        if let Some((_, closed)) = self.gate.as_ref().and_then(|gate| gate.refused) {
            let rejected = Rejected::held(closed);
            return Err(if self.begun { rejected.after_an_attempt() } else { rejected });
        }
        each!(self, |guard| guard.admit(now)?);
        Ok(())
    }

    fn refusal(&self) -> Option<StopReason> {
        let breaker = self.breaker.as_ref().and_then(Observer::refusal);
        let gate = || self.gate.as_ref()?.refused.map(|(reason, _)| reason);
        breaker.or_else(gate).or_else(|| self.throttle.as_ref().and_then(Observer::refusal))
    }

    fn begins(&mut self) {
        self.begun = true;
        each!(self, |guard| guard.begins());
    }

    fn answered(&mut self, failed: bool, now: u64) {
        each!(self, |guard| guard.answered(failed, now));
    }

    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        each!(self, |guard| guard.permit(retry)?);
        Ok(())
    }

    fn ended(&mut self, reason: StopReason, attempts: u32, now: u64) {
        each!(self, |guard| guard.ended(reason, attempts, now));
    }
}

impl<E> Observe<E> for Guards {
    fn failed(&mut self, failure: &Failed<'_, E>) {
        if let (Some(gate), Some(hint)) = (&self.gate, failure.verdict.hint()) {
            gate.gate.close_for(nanos::duration(failure.now), hint);
        }
    }
}
