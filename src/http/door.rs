//! What the clients' doors share: the request's own policy, what is known of its fate, and when a response is accepted.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::classify::{Accept, Classify};
use crate::plan::{Plan, Whole};
use crate::policy::Policy;
use crate::retry::Retry;
use crate::retryable::{Reached, Verdict};
use crate::run::Listed;

/// A plan with the policy of one request. Attempts are cut by the client's own timeout, which makes its own error.
#[derive(Debug)]
pub(super) struct ForRequest<P> {
    plan: P,
    policy: Policy,
}

impl<P: Plan> Plan for ForRequest<P> {
    type Timing = Whole;
    type Held = Policy;

    fn policy(&self) -> Policy {
        self.policy
    }

    fn within(&self) -> u64 {
        self.policy.within
    }

    fn seed(&self) -> Option<u64> {
        self.plan.seed()
    }

    fn listed(&mut self) -> Listed {
        self.plan.listed()
    }

    fn limit(&self) -> u64 {
        self.plan.limit()
    }
}

/// What became of the attempts so far.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// A connection that failed proves nothing: a redirect may have led to it.
    pub(super) redirected: AtomicBool,
    /// The body is gone.
    pub(super) spent: AtomicBool,
}

impl Fate {
    fn adjust(&self, verdict: Verdict) -> Verdict {
        let reached = if self.redirected.load(Relaxed) { Reached::Maybe } else { verdict.reached };
        let mut verdict = verdict.reached(reached);
        verdict.repeatable = !self.spent.load(Relaxed);
        verdict
    }
}

/// Classifies with what is known beside the error.
#[derive(Debug)]
pub(super) struct Knowing<'a, C> {
    classify: C,
    fate: &'a Fate,
}

impl<E, C: Classify<E>> Classify<E> for Knowing<'_, C> {
    fn verdict(&mut self, error: &E) -> Verdict {
        self.fate.adjust(self.classify.verdict(error))
    }
}

/// An answer with its verdict; `None` if it is accepted.
pub(super) struct Answer<V>(pub(super) V, pub(super) Option<Verdict>);

/// Accepts what the verdict beside it does.
#[derive(Debug)]
pub(super) struct ByVerdict<'a>(&'a Fate);

impl<V> Accept<Answer<V>> for ByVerdict<'_> {
    fn verdict(&mut self, answer: &Answer<V>) -> Option<Verdict> {
        answer.1.map(|verdict| self.0.adjust(verdict))
    }
}

/// Prepares the run of one request.
#[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
pub(super) fn prepare<P, C, K, O, B, T>(
    retry: Retry<P, C, K, O, B, T>,
    policy: Policy,
    fate: &Fate,
) -> Retry<ForRequest<P>, Knowing<'_, C>, ByVerdict<'_>, O, B, T> {
    let Retry { plan, classify, observe, before, timer, .. } = retry;
    Retry {
        plan: ForRequest { plan, policy },
        classify: Knowing { classify, fate },
        accept: ByVerdict(fate),
        observe,
        before,
        timer,
    }
}

/// No more than this is read of a response that is not wanted; a connection that has more left is not used again.
pub(super) const DRAINED: usize = 64 * 1024;
