//! A run's side of what it shares with others: its charge in a budget, its leave of a breaker, its word to a throttle.

use core::fmt;
use core::ops::Deref;

use crate::guard::breaker::{Breaker, BreakerState, Ticket};
use crate::guard::budget::Budget;
use crate::guard::throttle::AdaptiveThrottle;
use crate::observe::around::Plain;
use crate::observe::refusal::{ByFrom, Never};
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer, Retrying};
use crate::run::StopReason;
use crate::time::entropy;
use crate::time::nanos;
use crate::verdict::{Fault, Rejected};

/// The budget of [`Retry::budget`](crate::Retry::budget).
pub struct Spending<D: Deref<Target = Budget>> {
    budget: D,
    /// For a retry that has not begun.
    charged: Option<Fault>,
    /// For the last retry that began.
    spent: Option<Fault>,
}

impl<D: Deref<Target = Budget>> Spending<D> {
    #[cfg(feature = "std")]
    pub(crate) const fn budget(&self) -> &D {
        &self.budget
    }

    pub(crate) const fn new(budget: D) -> Self {
        Self { budget, charged: None, spent: None }
    }

    fn give_back(&mut self) {
        if let Some(fault) = self.charged.take() {
            self.budget.refund(fault);
        }
    }
}

/// Without the charge: that is the other run's.
impl<D: Deref<Target = Budget> + Clone> Clone for Spending<D> {
    fn clone(&self) -> Self {
        Self::new(self.budget.clone())
    }
}

impl<D: Deref<Target = Budget>> fmt::Debug for Spending<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending").field("budget", &*self.budget).finish_non_exhaustive()
    }
}

/// A run that is dropped while it waits.
impl<D: Deref<Target = Budget>> Drop for Spending<D> {
    #[inline]
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<D: Deref<Target = Budget>> Observer for Spending<D> {
    type Around = Plain;
    type Refusal = Never;
    no_word!();

    #[inline]
    fn begins(&mut self) {
        if let Some(fault) = self.charged.take() {
            self.spent = Some(fault);
        }
    }

    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        let fault = retry.verdict.fault();
        // A door that waits for its turn before it begins an attempt may have been cut there.
        self.give_back();
        // A download that came further goes on with new work: that is no load beside the first request's.
        if retry.verdict.has_earned() {
            return Ok(());
        }
        if !self.budget.withdraw(fault) {
            return Err(StopReason::BudgetExhausted);
        }
        self.charged = Some(fault);
        Ok(())
    }

    #[inline]
    fn ended(&mut self, reason: StopReason, _: u32, _: u64) {
        if reason != StopReason::Succeeded {
            // Another observer refused the retry that was charged.
            self.give_back();
            return;
        }
        match self.spent {
            None => self.budget.deposit(),
            Some(fault) => self.budget.deposit_after(fault),
        }
    }
}

impl<E, D: Deref<Target = Budget>> Observe<E> for Spending<D> {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}

/// The breaker of [`Retry::breaker`](crate::Retry::breaker).
pub struct Breaking<D: Deref<Target = Breaker>> {
    breaker: D,
    ticket: Option<Ticket>,
    /// Whether the run has begun an attempt.
    begun: bool,
    refused: bool,
}

impl<D: Deref<Target = Breaker>> Breaking<D> {
    #[cfg(feature = "std")]
    pub(crate) const fn breaker(&self) -> &D {
        &self.breaker
    }

    pub(crate) const fn new(breaker: D) -> Self {
        Self { breaker, ticket: None, begun: false, refused: false }
    }

    fn give_back(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.release(ticket);
        }
    }
}

/// Without the leave: that is the other run's.
impl<D: Deref<Target = Breaker> + Clone> Clone for Breaking<D> {
    fn clone(&self) -> Self {
        Self::new(self.breaker.clone())
    }
}

impl<D: Deref<Target = Breaker>> fmt::Debug for Breaking<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaking").field("breaker", &*self.breaker).finish_non_exhaustive()
    }
}

/// An attempt that was dropped or panicked: another one may be the probe.
impl<D: Deref<Target = Breaker>> Drop for Breaking<D> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<D: Deref<Target = Breaker>> Observer for Breaking<D> {
    const CLOCK: bool = true;
    const GATED: bool = true;
    type Around = Plain;
    type Refusal = ByFrom;
    no_word!();

    fn admit(&mut self, now: u64) -> Result<(), Rejected> {
        let admitted = self.breaker.admit_ticket(nanos::duration(now));
        self.refused = admitted.is_err();
        self.ticket =
            Some(admitted.map_err(|rejected| if self.begun { rejected.after_an_attempt() } else { rejected })?);
        Ok(())
    }

    #[inline]
    fn begins(&mut self) {
        self.begun = true;
    }

    fn refusal(&self) -> Option<StopReason> {
        self.refused.then_some(StopReason::BreakerOpen)
    }

    fn answered(&mut self, failed: bool, now: u64) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.settle(ticket, !failed, nanos::duration(now));
        }
    }

    /// A run may end with leave that it did not use: another guard refused. Its future may live on for long.
    fn ended(&mut self, _: StopReason, _: u32, _: u64) {
        self.give_back();
    }

    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        // When the wait is over it may be time for a probe.
        let due = nanos::duration(retry.now.saturating_add(retry.wait));
        if self.breaker.state_at(due) == BreakerState::Open { Err(StopReason::BreakerOpen) } else { Ok(()) }
    }
}

impl<E, D: Deref<Target = Breaker>> Observe<E> for Breaking<D> {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}

/// The throttle of [`Retry::throttle`](crate::Retry::throttle).
pub struct Throttling<D> {
    throttle: D,
    /// Whether the first attempt was let through: only that can be held back, but every one is counted.
    begun: bool,
    refused: bool,
}

impl<D> Throttling<D> {
    #[cfg(feature = "std")]
    pub(crate) const fn throttle(&self) -> &D {
        &self.throttle
    }

    pub(crate) const fn new(throttle: D) -> Self {
        Self { throttle, begun: false, refused: false }
    }
}

impl<D: Clone> Clone for Throttling<D> {
    fn clone(&self) -> Self {
        Self::new(self.throttle.clone())
    }
}

impl<D: Deref<Target = AdaptiveThrottle>> fmt::Debug for Throttling<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttling").field("throttle", &*self.throttle).finish_non_exhaustive()
    }
}

impl<D: Deref<Target = AdaptiveThrottle>> Observer for Throttling<D> {
    const CLOCK: bool = true;
    const GATED: bool = true;
    type Around = Plain;
    type Refusal = ByFrom;
    no_word!();

    fn admit(&mut self, now: u64) -> Result<(), Rejected> {
        if !self.begun {
            let admitted = self.throttle.admit(nanos::duration(now), entropy::lot());
            self.refused = admitted.is_err();
            admitted?;
            self.begun = true;
        }
        Ok(())
    }

    fn refusal(&self) -> Option<StopReason> {
        self.refused.then_some(StopReason::Throttled)
    }

    fn answered(&mut self, failed: bool, now: u64) {
        self.throttle.record(!failed, nanos::duration(now));
    }
}

impl<E, D: Deref<Target = AdaptiveThrottle>> Observe<E> for Throttling<D> {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}
