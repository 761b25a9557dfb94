//! The run of a download. It is behind a pointer, so that the type of a download does not depend on its policy's.

use core::time::Duration;
use std::boxed::Box;

use ::http::header::{ACCEPT, ACCEPT_LANGUAGE};
use ::http::{HeaderMap, Method};

use super::content::Content;
use super::error::{Cause, DownloadError};
use crate::drive::before::{Before, BeforeBlocking};
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{ForRequest, Plan, Whole};
use crate::drive::retry::Retry;
use crate::drive::signal::BlockingSignal;
use crate::drive::{Driver, Memory, Step};
use crate::guard::Guards;
use crate::http::HttpPolicy;
use crate::observe::{Observe, Observer};
use crate::policy::Policy;
use crate::time::BlockingTimer;
use crate::verdict::{Erased, Reached, Rejected, Verdict};

/// How an attempt ended without an error of the client's.
#[derive(Debug)]
pub(crate) enum End {
    Whole,
    Failed(Verdict, Cause),
}

/// What the client's answer came to.
pub(crate) type Outcome<E> = Result<End, E>;

/// What comes after an attempt.
#[derive(Debug)]
pub(crate) enum Next<E> {
    Done(Result<(), DownloadError>),
    /// Wait this long. The outcome counts if the deadline passes meanwhile.
    Wait(u64, Outcome<E>),
}

/// Adds to each verdict what the content says of the failure.
#[derive(Debug)]
pub(crate) struct Judge<C> {
    classify: C,
    known: Verdict,
    /// Whether it is not known what became of a request that may not be repeated.
    blind: bool,
    /// Whether the request has a body that can be sent only once.
    once: bool,
}

impl<C> Judge<C> {
    fn judged(&self, mut verdict: Verdict) -> Verdict {
        if self.known.has_progressed() {
            verdict.progress = self.known.progress;
        }
        verdict.transient &= self.known.transient;
        verdict.repeatable &= !self.once;
        if self.blind { verdict.with_reached(Reached::Maybe) } else { verdict }
    }
}

impl<E, C: Classify<E>> Classify<E> for Judge<C> {
    fn verdict(&mut self, error: &E) -> Verdict {
        let verdict = self.classify.verdict(error);
        self.judged(verdict)
    }

    fn erased<'e>(&self, error: &'e E) -> Option<Erased<'e>> {
        self.classify.erased(error)
    }
}

/// Accepts the whole.
#[derive(Debug)]
pub(crate) struct Ends;

impl Accept<End> for Ends {
    fn verdict(&mut self, end: &End) -> Option<Verdict> {
        match end {
            End::Whole => None,
            End::Failed(verdict, _) => Some(*verdict),
        }
    }
}

/// What drives the run, and what the run remembers.
pub(super) struct Going<P: Plan, C, O: Observer, B: Before, T> {
    pub(super) driver: Driving<P, C, O, B, T>,
    pub(super) memory: Memory,
}

pub(super) type Driving<P, C, O, B, T> = Driver<ForRequest<P, Whole>, Judge<C>, Ends, (Guards, O), B, T>;

/// What is known of the request before its run begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    policy: Policy,
    pub(crate) rules: HttpPolicy,
    once: bool,
    /// Whether it may ask for a part: only a GET may, and only one that can be sent again.
    pub(crate) parts: bool,
    /// What selects the content.
    pub(crate) key: u64,
}

impl Known {
    /// Of a request that could not be built.
    pub(crate) fn unbuilt(policy: Policy) -> Self {
        Self { policy, rules: HttpPolicy::new(policy), once: false, parts: false, key: 0 }
    }

    pub(crate) fn of(
        (policy, rules, _): (Policy, HttpPolicy, bool),
        once: bool,
        (method, url, headers): (&Method, &str, &HeaderMap),
    ) -> Self {
        Self { policy, rules, once, parts: !once && method == Method::GET, key: key(url, headers) }
    }
}

/// What selects the content: the URL, and the headers that ask for a form of it. A number, because a URL may be a secret.
fn key(url: &str, headers: &HeaderMap) -> u64 {
    let accepted = [ACCEPT, ACCEPT_LANGUAGE].map(|name| headers.get_all(name).iter());
    let accepted = accepted.into_iter().flatten().flat_map(|value| b"\n".iter().chain(value.as_bytes()).copied());
    // FNV-1a: the same for ever, which the standard library's hash is not.
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    url.bytes().chain(accepted).fold(0xcbf2_9ce4_8422_2325, hash)
}

pub(super) fn drive<P: Plan, C, K, O: Observer, B, H: Before, T>(
    retry: Retry<P, C, K, O, B, T>,
    guards: Guards,
    known: Known,
    hook: impl FnOnce(B) -> H,
) -> Driving<P, C, O, H, T> {
    let Retry { plan, classify, observe, before, timer, .. } = retry;
    let Known { policy, once, .. } = known;
    Driver::new(Retry {
        // Attempts are cut by the client's own timeout.
        plan: ForRequest::new(plan, policy),
        classify: Judge { classify, known: Verdict::transient(), blind: !policy.idempotent, once },
        accept: Ends,
        observe: (guards, observe),
        before: hook(before),
        timer,
    })
}

impl<P: Plan, C, O: Observer, B: Before, T> Going<P, C, O, B, T> {
    /// Adds to the outcome what the content says of it.
    pub(super) fn judged<E>(&mut self, outcome: Outcome<E>, content: &Content) -> Outcome<E> {
        let judge = &mut self.driver.retry.classify;
        judge.known = content.judge(Verdict::transient());
        match outcome {
            Ok(End::Failed(verdict, cause)) => Ok(End::Failed(judge.judged(verdict), cause)),
            outcome => outcome,
        }
    }
}

/// The end of a request that could not be built.
pub(super) fn unbuilt<E>(error: &mut Option<E>, content: &mut Content) -> Outcome<E> {
    content.hopeless = true;
    error.take().map_or(Ok(End::Failed(Verdict::permanent(), Cause::Over)), Err)
}

/// What the caller of a run gets that ended with this.
pub(crate) fn finished<E>(outcome: Outcome<E>) -> Result<(), DownloadError>
where
    E: core::error::Error + Send + Sync + 'static,
{
    match outcome {
        Ok(End::Whole) => Ok(()),
        Ok(End::Failed(_, cause)) => Err(DownloadError(cause)),
        Err(error) => Err(DownloadError::client(error)),
    }
}

pub(super) fn next<E>(step: Step<End, E>) -> Next<E>
where
    E: core::error::Error + Send + Sync + 'static,
{
    match step {
        Step::Done(outcome) => Next::Done(finished(outcome)),
        Step::Wait(wait, outcome) => Next::Wait(wait, outcome),
    }
}

/// A blocking run.
pub(crate) trait BlockingCourse<E>: Send {
    /// Lets the attempt that is due begin, calls its hook, and returns how long the attempt may take.
    fn begin(&mut self) -> Result<Option<Duration>, Rejected>;

    fn settle(&mut self, outcome: Outcome<E>, content: &Content) -> Next<E>;

    /// Waits, and returns whether the run ends there: the deadline passed, or it was told to stop.
    fn rest(&mut self, wait: u64) -> bool;
}

/// Begins a blocking run.
pub(crate) fn blocking_course<'a, E, P, C, K, O, B, T>(
    retry: Retry<P, C, K, O, B, T>,
    guards: Guards,
    known: Known,
) -> Box<dyn BlockingCourse<E> + 'a>
where
    E: core::error::Error + Send + Sync + 'static,
    P: Plan<Signal: BlockingSignal> + Send + 'a,
    C: Classify<E> + Send + 'a,
    O: Observe<E> + Send + 'a,
    B: BeforeBlocking + Send + 'a,
    T: BlockingTimer + Send + 'a,
{
    let mut driver = drive(retry, guards, known, |hook| hook);
    let memory = driver.start_blocking();
    Box::new(Going { driver, memory })
}

impl<E, P, C, O, B, T> BlockingCourse<E> for Going<P, C, O, B, T>
where
    E: core::error::Error + Send + Sync + 'static,
    P: Plan<Signal: BlockingSignal> + Send,
    C: Classify<E> + Send,
    O: Observe<E> + Send,
    B: BeforeBlocking + Send,
    T: BlockingTimer + Send,
{
    fn begin(&mut self) -> Result<Option<Duration>, Rejected> {
        if !self.driver.passes_gate(&self.memory) {
            return Err(Rejected::held(0));
        }
        self.driver.admit_blocking()?;
        Ok(self.driver.scoped(&self.memory, |limit| limit))
    }

    fn settle(&mut self, outcome: Outcome<E>, content: &Content) -> Next<E> {
        let outcome = self.judged(outcome, content);
        next(self.driver.settle_blocking(&mut self.memory, outcome))
    }

    fn rest(&mut self, wait: u64) -> bool {
        self.driver.wait_blocking(wait);
        self.driver.is_late_blocking(&mut self.memory)
    }
}
