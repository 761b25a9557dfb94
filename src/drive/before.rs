//! The hook between a wait and the attempt after it.

use core::fmt;
use core::future::Future;

use crate::observe::event::{Attempt, Event};

/// What a run does before a retry: [`NoHook`], or a pair of what it did already and one hook more.
#[doc(hidden)]
pub trait Before {
    /// Whether there is a hook to call.
    const HOOKED: bool;
    /// What is kept over the wait: nothing where there is no hook.
    type Note: Copy + Send;
    const NOTHING: Self::Note;

    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note;
}

/// The note of a pair's first part.
#[inline]
pub(crate) fn of_first<A: Before>(note: Option<Event<'static>>) -> A::Note {
    note.map_or(A::NOTHING, |event| A::note(|| event))
}

/// Hooks that a blocking entry point can call.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this `before_retry` hook is not for a blocking run",
    note = "in a blocking run the closure takes an `Event` and returns `()`"
)]
pub trait BeforeBlocking: Before {
    fn call(&mut self, note: Self::Note);
}

/// Hooks that an async entry point can await.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this `before_retry` hook is not for an async run",
    note = "in an async run the closure takes an `Event` and returns a future of `()`"
)]
pub trait BeforeAsync: Before {
    /// Awaits the hooks, each made when the one before has ended, then makes the attempt.
    fn lead<M: Make>(&mut self, note: Self::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output>;
}

/// What makes an attempt: a closure.
///
/// The future is named by the closure's own type. As a parameter beside it, the compiler would have to prove anew that
/// the two belong together wherever it asks whether a task that holds them is `Send`, and there it can't: it has
/// forgotten the lifetimes of what the closure borrows.
#[doc(hidden)]
pub trait Make {
    type Future: Future;

    fn make(self) -> Self::Future;
}

impl<M: FnOnce() -> F, F: Future> Make for M {
    type Future = F;

    #[inline(always)]
    fn make(self) -> F {
        self()
    }
}

/// As [`Make`], for a closure that is told of its attempt.
pub(crate) trait MakeTold {
    type Future: Future;

    fn make_told(self, attempt: Attempt) -> Self::Future;
}

impl<M: FnOnce(Attempt) -> F, F: Future> MakeTold for M {
    type Future = F;

    #[inline(always)]
    fn make_told(self, attempt: Attempt) -> F {
        self(attempt)
    }
}

/// No hook.
#[derive(Clone, Copy, Debug)]
pub struct NoHook;

impl Before for NoHook {
    const HOOKED: bool = false;
    type Note = ();
    const NOTHING: () = ();

    #[inline]
    fn note(_: impl FnOnce() -> Event<'static>) {}
}

impl BeforeBlocking for NoHook {
    #[inline]
    fn call(&mut self, (): ()) {}
}

impl BeforeAsync for NoHook {
    #[inline]
    fn lead<M: Make>(&mut self, (): (), attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        attempt.make()
    }
}

/// No hook to call, but the event is kept over the wait, for one that stands in place.
#[derive(Clone, Copy, Debug)]
pub struct Keep;

impl<A: Before> Before for (A, Keep) {
    const HOOKED: bool = A::HOOKED;
    type Note = Option<Event<'static>>;
    const NOTHING: Self::Note = None;

    #[inline]
    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note {
        Some(event())
    }
}

impl<A: BeforeBlocking> BeforeBlocking for (A, Keep) {
    #[inline]
    fn call(&mut self, note: Self::Note) {
        self.0.call(of_first::<A>(note));
    }
}

impl<A: BeforeAsync> BeforeAsync for (A, Keep) {
    #[inline]
    fn lead<M: Make>(&mut self, note: Self::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        self.0.lead(of_first::<A>(note), attempt)
    }
}

/// The closure of [`Retry::before_retry`](crate::Retry::before_retry).
#[derive(Clone, Copy)]
pub struct Hook<F>(pub(crate) F);

impl<F> fmt::Debug for Hook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl<A: Before, F> Before for (A, Hook<F>) {
    const HOOKED: bool = true;
    type Note = Option<Event<'static>>;
    const NOTHING: Self::Note = None;

    #[inline]
    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note {
        Some(event())
    }
}

impl<A: BeforeBlocking, F: FnMut(Event<'static>)> BeforeBlocking for (A, Hook<F>) {
    fn call(&mut self, note: Self::Note) {
        self.0.call(of_first::<A>(note));
        if let Some(event) = note {
            self.1.0(event);
        }
    }
}

impl<A, F, R> BeforeAsync for (A, Hook<F>)
where
    A: BeforeAsync,
    F: FnMut(Event<'static>) -> R,
    R: Future<Output = ()>,
{
    fn lead<M: Make>(&mut self, note: Self::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        let (first, Hook(hook)) = self;
        first.lead(of_first::<A>(note), move || async move {
            if let Some(event) = note {
                hook(event).await;
            }
            attempt.make().await
        })
    }
}
