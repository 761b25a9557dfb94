//! The hook between a wait and the attempt after it.

use core::fmt;
use core::future::{Future, Ready};

use crate::event::Event;

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
    fn lead<F: Future>(&mut self, note: Self::Note, attempt: impl FnOnce() -> F) -> impl Future<Output = F::Output>;
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
    fn lead<F: Future>(&mut self, (): (), attempt: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        attempt()
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
    fn lead<F: Future>(&mut self, _: Self::Note, attempt: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        attempt()
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

    fn lead<A: Future>(&mut self, note: Self::Note, attempt: impl FnOnce() -> A) -> impl Future<Output = A::Output> {
        async move {
            if let Some(lead) = self.begin(note) {
                lead.await;
            }
            attempt().await
        }
    }
}
