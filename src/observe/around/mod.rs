//! Nesting: how a run learns that another one, inside its attempt, has given up.

use core::future::Future;

#[cfg(feature = "std")]
mod scoped;

#[cfg(feature = "std")]
pub(crate) use self::scoped::{Scoped, gave_up};

/// Without threads there is no place for a mark.
#[cfg(not(feature = "std"))]
pub(crate) const fn gave_up(_: crate::run::StopReason, _: u32, _: u32) {}

/// What stands around an attempt.
#[doc(hidden)]
pub trait Around {
    type And<A: Around>: Around;
    /// Whether a run inside the attempt gave up.
    type Mark: Copy + Send + Into<Marked>;
    const UNMARKED: Self::Mark;

    /// Runs a blocking attempt, or what makes an attempt's future.
    fn block<V>(mark: &mut Self::Mark, attempt: impl FnOnce() -> V) -> V;

    /// Runs one turn of an attempt that is polled: goes on with the mark that the turns before it left.
    fn turn<V>(mark: &mut Self::Mark, poll: impl FnOnce() -> V) -> V;

    /// Goes on with what `block` began, for a future. Where there is nothing around it, it is the future itself.
    fn wrap<F: Future>(mark: &mut Self::Mark, attempt: F) -> impl Future<Output = F::Output>;
}

/// A mark, read.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
#[allow(unreachable_pub)] // The trait that names it is public to the doors.
pub struct Marked(pub(crate) bool);

impl From<()> for Marked {
    #[inline(always)]
    fn from((): ()) -> Self {
        Self(false)
    }
}

impl From<bool> for Marked {
    #[inline(always)]
    fn from(marked: bool) -> Self {
        Self(marked)
    }
}

/// Nothing.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Plain;

impl Around for Plain {
    type And<A: Around> = A;
    type Mark = ();
    const UNMARKED: () = ();

    #[inline(always)]
    fn block<V>((): &mut (), attempt: impl FnOnce() -> V) -> V {
        attempt()
    }

    #[inline(always)]
    fn turn<V>((): &mut (), poll: impl FnOnce() -> V) -> V {
        poll()
    }

    #[inline(always)]
    fn wrap<F: Future>((): &mut (), attempt: F) -> impl Future<Output = F::Output> {
        attempt
    }
}
