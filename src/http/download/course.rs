//! The run of a download, behind a pointer: so that a download has a type that can be written, whatever its policy has.

use core::future::Future;
use core::pin::{Pin, pin};
use core::time::Duration;
use std::boxed::Box;

use super::content::Content;
use super::error::{Cause, DownloadError};
use crate::drive::before::{Before, BeforeAsync, Hook, Keep, Make, NoHook, of_first};
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{ForRequest, Plan, Whole};
use crate::drive::rest::rest;
use crate::drive::retry::Retry;
use crate::drive::{Driver, Memory, Step};
use crate::guard::Guards;
use crate::observe::event::Event;
use crate::observe::{Observe, Observer};
use crate::policy::Policy;
use crate::time::Timer;
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

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An async run.
pub(crate) trait Course<E>: Send {
    /// Lets the attempt that is due begin, calls its hook, and returns how long the attempt may take.
    fn begin(&mut self) -> Boxed<'_, Result<Option<Duration>, Rejected>>;

    fn settle(&mut self, outcome: Outcome<E>, content: &Content) -> Next<E>;

    /// Waits, and returns whether the run ends there: the deadline passed, or it was told to stop.
    fn rest(&mut self, wait: u64) -> Boxed<'_, bool>;
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

/// Hooks whose futures can be sent. The compiler can't see that of a future that only a bound names, so it is boxed.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this `before_retry` hook is not for a download",
    note = "for a download the closure takes an `Event` and returns a future of `()`, and both are `Send`"
)]
pub trait SendHook: Before {
    fn call_boxed(&mut self, note: Self::Note) -> Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>>;
}

impl SendHook for NoHook {
    fn call_boxed(&mut self, (): ()) -> Option<Boxed<'_, ()>> {
        None
    }
}

impl<A: SendHook> SendHook for (A, Keep) {
    fn call_boxed(&mut self, note: Self::Note) -> Option<Boxed<'_, ()>> {
        self.0.call_boxed(of_first::<A>(note))
    }
}

impl<A, F, R> SendHook for (A, Hook<F>)
where
    A: SendHook,
    F: FnMut(Event<'static>) -> R + Send,
    R: Future<Output = ()> + Send,
{
    fn call_boxed(&mut self, note: Self::Note) -> Option<Boxed<'_, ()>> {
        let (first, Hook(hook)) = self;
        let (first, event) = (first.call_boxed(of_first::<A>(note)), note?);
        Some(Box::pin(async move {
            if let Some(first) = first {
                first.await;
            }
            hook(event).await;
        }))
    }
}

/// A hook behind a pointer.
#[derive(Debug)]
struct Sent<B>(B);

impl<B: Before> Before for Sent<B> {
    const HOOKED: bool = B::HOOKED;
    type Note = B::Note;
    const NOTHING: B::Note = B::NOTHING;

    fn note(event: impl FnOnce() -> Event<'static>) -> B::Note {
        B::note(event)
    }
}

impl<B: SendHook> BeforeAsync for Sent<B> {
    fn lead<M: Make>(&mut self, note: B::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        let hook = self.0.call_boxed(note);
        async move {
            if let Some(hook) = hook {
                hook.await;
            }
            attempt.make().await
        }
    }
}

/// What drives the run, and what the run remembers.
struct Going<P: Plan, C, O: Observer, B: Before, T> {
    driver: Driving<P, C, O, B, T>,
    memory: Memory,
}

type Driving<P, C, O, B, T> = Driver<ForRequest<P, Whole>, Judge<C>, Ends, (Guards, O), B, T>;

/// What is known of the request before its run begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) policy: Policy,
    pub(crate) once: bool,
}

fn drive<P: Plan, C, K, O: Observer, B, H: Before, T>(
    retry: Retry<P, C, K, O, B, T>,
    guards: Guards,
    known: Known,
    hook: impl FnOnce(B) -> H,
) -> Driving<P, C, O, H, T> {
    let Retry { plan, classify, observe, before, timer, .. } = retry;
    let Known { policy, once } = known;
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

/// Begins an async run.
pub(crate) fn course<'a, E, P, C, K, O, B, T>(
    retry: Retry<P, C, K, O, B, T>,
    guards: Guards,
    known: Known,
) -> Box<dyn Course<E> + 'a>
where
    E: core::error::Error + Send + Sync + 'static,
    P: Plan<Signal: Send> + Send + 'a,
    C: Classify<E> + Send + 'a,
    O: Observe<E, Word: Send> + Send + 'a,
    B: SendHook + Send + 'a,
    T: Timer<Sleep: Send> + Send + 'a,
{
    let mut driver = drive(retry, guards, known, Sent);
    let memory = driver.start();
    Box::new(Going { driver, memory })
}

impl<P: Plan, C, O: Observer, B: Before, T> Going<P, C, O, B, T> {
    /// Adds to the outcome what the content says of it.
    fn judged<E>(&mut self, outcome: Outcome<E>, content: &Content) -> Outcome<E> {
        let judge = &mut self.driver.retry.classify;
        judge.known = content.judge(Verdict::transient());
        match outcome {
            Ok(End::Failed(verdict, cause)) => Ok(End::Failed(judge.judged(verdict), cause)),
            outcome => outcome,
        }
    }
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

fn next<E>(step: Step<End, E>) -> Next<E>
where
    E: core::error::Error + Send + Sync + 'static,
{
    match step {
        Step::Done(outcome) => Next::Done(finished(outcome)),
        Step::Wait(wait, outcome) => Next::Wait(wait, outcome),
    }
}

impl<E, P, C, O, B, T> Course<E> for Going<P, C, O, Sent<B>, T>
where
    E: core::error::Error + Send + Sync + 'static,
    P: Plan<Signal: Send> + Send,
    C: Classify<E> + Send,
    O: Observe<E, Word: Send> + Send,
    B: SendHook + Send,
    T: Timer<Sleep: Send> + Send,
{
    fn begin(&mut self) -> Boxed<'_, Result<Option<Duration>, Rejected>> {
        Box::pin(async {
            self.driver.admit()?;
            Ok(self.driver.lead(&self.memory).await)
        })
    }

    fn settle(&mut self, outcome: Outcome<E>, content: &Content) -> Next<E> {
        let outcome = self.judged(outcome, content);
        next(self.driver.settle(&mut self.memory, outcome))
    }

    fn rest(&mut self, wait: u64) -> Boxed<'_, bool> {
        let (sleep, word, signal) = (self.driver.sleep(wait), self.driver.word(), self.driver.signal());
        Box::pin(async move {
            rest(pin!(sleep), word, signal).await;
            self.driver.is_late(&mut self.memory)
        })
    }
}
