//! The guards of a session in one plain value, which has no type parameter.

use crate::guard::beside::{Breaking, Spending, Throttling};
use crate::guard::breaker::Breaker;
use crate::guard::budget::Budget;
use crate::guard::shared::Shared;
use crate::guard::throttle::AdaptiveThrottle;
use crate::observe::around::Plain;
use crate::observe::refusal::Never;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer, Retrying};
use crate::run::StopReason;
use crate::verdict::Rejected;

/// At most one guard of each kind. A clone shares them, and has charged nothing yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    budget: Option<Spending<Shared<Budget>>>,
    breaker: Option<Breaking<Shared<Breaker>>>,
    throttle: Option<Throttling<Shared<AdaptiveThrottle>>>,
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

    fn admit(&mut self, now: u64) -> Result<(), Rejected> {
        each!(self, |guard| guard.admit(now)?);
        Ok(())
    }

    fn refusal(&self) -> Option<StopReason> {
        let breaker = self.breaker.as_ref().and_then(Observer::refusal);
        breaker.or_else(|| self.throttle.as_ref().and_then(Observer::refusal))
    }

    fn begins(&mut self) {
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
    fn failed(&mut self, _: &Failed<'_, E>) {}
}
