//! What the clients' doors share: the request's own policy, what is known of its fate, and when a response is accepted.

use core::borrow::Borrow;
use core::convert::Infallible;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU8};

use crate::drive::before::BeforeBlocking;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{ForRequest, Plan, Whole};
use crate::drive::retry::Retry;
use crate::drive::{Driver, Step};
use crate::guard::Guards;
use crate::observe::{Observe, Observer as _};
use crate::policy::Policy;
use crate::time::BlockingTimer;
use crate::verdict::{Erased, Reached, Verdict};

/// What is known of an attempt beside its error.
#[derive(Debug, Default)]
pub(super) struct Fate {
    sent: AtomicU8,
    /// The body is gone.
    pub(super) spent: AtomicBool,
    /// No attempt can help, whatever the error says.
    pub(super) hopeless: AtomicBool,
}

/// How much of the request was sent in the attempt that failed, to any server: it may have been redirected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    /// No more is known than the error tells.
    AsJudged,
    Nothing,
    Perhaps,
}

impl Fate {
    pub(super) fn sent(&self, sent: Sent) {
        self.sent.store(sent as u8, Relaxed);
    }

    fn of_error(&self, mut verdict: Verdict) -> Verdict {
        const NOTHING: u8 = Sent::Nothing as u8;
        const PERHAPS: u8 = Sent::Perhaps as u8;
        verdict = match self.sent.load(Relaxed) {
            NOTHING => verdict.with_reached(Reached::No),
            PERHAPS => verdict.with_reached(Reached::Maybe),
            _ => verdict,
        };
        verdict.transient &= !self.hopeless.load(Relaxed);
        self.of_answer(verdict)
    }

    fn of_answer(&self, mut verdict: Verdict) -> Verdict {
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
        self.fate.of_error(self.classify.verdict(error))
    }

    fn erased<'e>(&self, error: &'e E) -> Option<Erased<'e>> {
        self.classify.erased(error)
    }
}

/// What a response came to: its body, read in the attempt; or the response itself, if its status is to be retried.
#[derive(Debug)]
pub(super) enum Answer<V, R> {
    Read(V),
    Refused(R, Verdict),
}

impl<V, R> Answer<V, R> {
    /// Returns the status that was refused.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Read(_) => None,
            Self::Refused(_, verdict) => verdict.status(),
        }
    }

    /// Notes that the request was not applied, if a 401 says so. `direct` says that no redirect led there, from a server
    /// that may have applied it.
    ///
    /// RFC 9110, 15.5.2: with a 401 "the request has not been applied".
    pub(super) fn if_unauthorized(self, direct: bool) -> Self {
        match self {
            Self::Refused(response, verdict) if direct && verdict.status() == Some(401) => {
                Self::Refused(response, verdict.with_reached(Reached::No))
            }
            answer => answer,
        }
    }
}

/// Accepts what the status and the caller's own `when_ok` do.
#[derive(Debug)]
pub(super) struct Accepting<'a, K> {
    accept: K,
    fate: &'a Fate,
}

impl<V, R, K: Accept<V>> Accept<Answer<V, R>> for Accepting<'_, K> {
    fn verdict(&mut self, answer: &Answer<V, R>) -> Option<Verdict> {
        let verdict = match answer {
            Answer::Read(value) => self.accept.verdict(value)?,
            Answer::Refused(_, verdict) => *verdict,
        };
        Some(self.fate.of_answer(verdict))
    }
}

impl<K> Accept<Infallible> for Accepting<'_, K> {
    fn verdict(&mut self, never: &Infallible) -> Option<Verdict> {
        match *never {}
    }
}

/// Ends the run of a request that could not be built, so that its report has the one failure.
pub(super) fn unbuilt_blocking<P, C, K, O, B, T, E>(retry: Retry<P, C, K, O, B, T>, guards: Guards, error: E) -> E
where
    P: Plan,
    C: Classify<E>,
    O: Observe<E>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    let (policy, fate) = (*retry.plan.policy().borrow(), Fate::default());
    fate.hopeless.store(true, Relaxed);
    let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
    let mut memory = driver.start_blocking();
    driver.retry.observe.begins();
    last(driver.settle_blocking(&mut memory, Err::<Infallible, _>(error)))
}

/// The error that ended a run with no hope of another attempt.
pub(super) fn last<E>(step: Step<Infallible, E>) -> E {
    match step {
        Step::Done(Err(error)) => error,
        Step::Done(Ok(never)) => match never {},
        Step::Wait(..) => unreachable!("a permanent failure is not retried"),
    }
}

/// Prepares the run of one request.
#[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
pub(super) fn prepare<P, C, K, O, B, T>(
    retry: Retry<P, C, K, O, B, T>,
    guards: Guards,
    policy: Policy,
    fate: &Fate,
) -> Retry<ForRequest<P, Whole>, Knowing<'_, C>, Accepting<'_, K>, (Guards, O), B, T> {
    let Retry { plan, classify, accept, observe, before, timer } = retry;
    Retry {
        // Attempts are cut by the client's own timeout, which makes its own error.
        plan: ForRequest::new(plan, policy),
        classify: Knowing { classify, fate },
        accept: Accepting { accept, fate },
        observe: (guards, observe),
        before,
        timer,
    }
}
