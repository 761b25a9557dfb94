//! The run of an async download.

use core::future::Future;
use core::pin::{Pin, pin};
use core::time::Duration;
use std::boxed::Box;

use super::content::Content;
use super::course::{Going, Known, Next, Outcome, drive, next};
use crate::drive::before::{Before, BeforeAsync, Hook, Keep, Make, NoHook, of_first};
use crate::drive::judge::Classify;
use crate::drive::plan::Plan;
use crate::drive::rest::rest;
use crate::drive::retry::Retry;
use crate::guard::Guards;
use crate::observe::Observe;
use crate::observe::event::Event;
use crate::time::Timer;
use crate::verdict::Rejected;

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An async run.
pub(crate) trait Course<E>: Send {
    /// Lets the attempt that is due begin, calls its hook, and returns how long the attempt may take.
    fn begin(&mut self) -> Boxed<'_, Result<Option<Duration>, Rejected>>;

    fn settle(&mut self, outcome: Outcome<E>, content: &Content) -> Next<E>;

    /// Waits, and returns whether the run ends there: the deadline passed, or it was told to stop.
    fn rest(&mut self, wait: u64) -> Boxed<'_, bool>;
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
            if !self.driver.passes_gate_async(&self.memory).await {
                return Err(Rejected::held(0));
            }
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
