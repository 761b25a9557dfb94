//! The hook between a wait and the attempt after it.

use core::fmt;
use core::future::{Future, Ready};

use crate::observe::event::{Attempt, Event};

/// What a hook keeps over the wait: nothing where there is no hook.
#[doc(hidden)]
pub trait Before {
    type Note: Copy;
    const NOTHING: Self::Note;

    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note;
}

/// A hook that a blocking door can call.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this `before_retry` hook is not for a blocking run",
    note = "in a blocking run the closure takes an `Event` and returns `()`"
)]
pub trait BeforeBlocking: Before {
    fn call(&mut self, note: Self::Note);
}

/// A hook that an async door can await.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this `before_retry` hook is not for an async run",
    note = "in an async run the closure takes an `Event` and returns a future of `()`"
)]
pub trait BeforeAsync: Before {
    type Lead: Future<Output = ()>;

    /// Calls the hook, if there is one to call.
    fn begin(&mut self, note: Self::Note) -> Option<Self::Lead>;

    /// Makes the attempt, after the hook has ended.
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
    type Lead = Ready<()>;

    #[inline]
    fn begin(&mut self, (): ()) -> Option<Ready<()>> {
        None
    }

    #[inline]
    fn lead<M: Make>(&mut self, (): (), attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        attempt.make()
    }
}

/// No hook to call, but the event is kept over the wait, for one that stands in place.
#[derive(Clone, Copy, Debug)]
pub struct Keep;

impl Before for Keep {
    type Note = Option<Event<'static>>;
    const NOTHING: Self::Note = None;

    #[inline]
    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note {
        Some(event())
    }
}

impl BeforeBlocking for Keep {
    #[inline]
    fn call(&mut self, _: Self::Note) {}
}

impl BeforeAsync for Keep {
    type Lead = Ready<()>;

    #[inline]
    fn begin(&mut self, _: Self::Note) -> Option<Ready<()>> {
        None
    }

    #[inline]
    fn lead<M: Make>(&mut self, _: Self::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        attempt.make()
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

impl<F> Before for Hook<F> {
    type Note = Option<Event<'static>>;
    const NOTHING: Self::Note = None;

    #[inline]
    fn note(event: impl FnOnce() -> Event<'static>) -> Self::Note {
        Some(event())
    }
}

impl<F: FnMut(Event<'static>)> BeforeBlocking for Hook<F> {
    fn call(&mut self, note: Self::Note) {
        if let Some(event) = note {
            (self.0)(event);
        }
    }
}

impl<F, R> BeforeAsync for Hook<F>
where
    F: FnMut(Event<'static>) -> R,
    R: Future<Output = ()>,
{
    type Lead = R;

    #[inline]
    fn begin(&mut self, note: Self::Note) -> Option<R> {
        note.map(&mut self.0)
    }

    fn lead<M: Make>(&mut self, note: Self::Note, attempt: M) -> impl Future<Output = <M::Future as Future>::Output> {
        lead(self, note, attempt)
    }
}

/// Awaits the hook, then the attempt.
pub(crate) fn lead<B: BeforeAsync, M: Make>(
    before: &mut B,
    note: B::Note,
    attempt: M,
) -> impl Future<Output = <M::Future as Future>::Output> {
    async move {
        if let Some(hook) = before.begin(note) {
            hook.await;
        }
        attempt.make().await
    }
}
