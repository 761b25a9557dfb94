//! Hooks whose futures have a type that can be named, for an entry point that polls them itself.

use core::fmt;
use core::future::{Future, Ready};
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::drive::before::{BeforeAsync, Hook, Keep, NoHook, of_first};
use crate::drive::shared::{SharedAsyncHook, SharedLead};
use crate::observe::event::Event;

/// Hooks that are called one after the other: each when the future of the one before has ended.
#[doc(hidden)]
pub trait Staged: BeforeAsync {
    type Lead: Future<Output = ()>;

    /// How many hooks there are.
    fn stages(&self) -> usize;

    /// Calls a hook, the first of them by 0. `None` if there is none, or if the attempt is no retry.
    fn begin(&mut self, note: Self::Note, stage: usize) -> Option<Self::Lead>;
}

impl Staged for NoHook {
    type Lead = Ready<()>;

    fn stages(&self) -> usize {
        0
    }

    fn begin(&mut self, (): (), _: usize) -> Option<Ready<()>> {
        None
    }
}

impl<A: Staged> Staged for (A, Keep) {
    type Lead = A::Lead;

    fn stages(&self) -> usize {
        self.0.stages()
    }

    fn begin(&mut self, note: Option<Event<'static>>, stage: usize) -> Option<A::Lead> {
        self.0.begin(of_first::<A>(note), stage)
    }
}

impl<A, F, R> Staged for (A, Hook<F>)
where
    A: Staged,
    F: FnMut(Event<'static>) -> R,
    R: Future<Output = ()>,
{
    type Lead = OneOf<A::Lead, R>;

    fn stages(&self) -> usize {
        self.0.stages() + 1
    }

    fn begin(&mut self, note: Option<Event<'static>>, stage: usize) -> Option<OneOf<A::Lead, R>> {
        let own = self.0.stages();
        match stage {
            _ if stage < own => self.0.begin(of_first::<A>(note), stage).map(|lead| OneOf::First { lead }),
            _ if stage == own => note.map(&mut self.1.0).map(|lead| OneOf::Second { lead }),
            _ => None,
        }
    }
}

impl Staged for SharedAsyncHook {
    type Lead = SharedLead;

    fn stages(&self) -> usize {
        self.hooks()
    }

    fn begin(&mut self, note: Option<Event<'static>>, stage: usize) -> Option<SharedLead> {
        self.call(stage, note?)
    }
}

pin_project! {
    /// The future of one hook of two.
    #[project = Polled]
    pub enum OneOf<A, B> {
        First { #[pin] lead: A },
        Second { #[pin] lead: B },
    }
}

impl<A, B> fmt::Debug for OneOf<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneOf")
    }
}

impl<A: Future<Output = ()>, B: Future<Output = ()>> Future for OneOf<A, B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            Polled::First { lead } => lead.poll(context),
            Polled::Second { lead } => lead.poll(context),
        }
    }
}
