//! The mark that a run leaves where it gives up, and the scope that finds it.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::pin;

use super::Around;
use crate::run::StopReason;

/// A scope, in which a run that gives up leaves its mark.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Scoped;

impl Around for Scoped {
    type And<A: Around> = Self;
    type Mark = bool;
    const UNMARKED: bool = false;

    fn block<V>(marked: &mut bool, attempt: impl FnOnce() -> V) -> V {
        *marked = false;
        Self::turn(marked, attempt)
    }

    fn turn<V>(marked: &mut bool, poll: impl FnOnce() -> V) -> V {
        // Entered anew at each poll: in between other tasks run on this thread, and this one on others.
        let scope = Scope::enter(*marked);
        let value = poll();
        *marked = scope.is_marked();
        value
    }

    fn wrap<F: Future>(marked: &mut bool, attempt: F) -> impl Future<Output = F::Output> {
        async move {
            let mut attempt = pin!(attempt);
            poll_fn(|context| Self::turn(marked, || attempt.as_mut().poll(context))).await
        }
    }
}

std::thread_local! {
    /// The scope that is open on this thread, if one is: whether there is a mark in it.
    static OPEN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A scope that is open as long as this lives.
struct Scope {
    outer: Option<bool>,
}

impl Scope {
    fn enter(marked: bool) -> Self {
        Self { outer: OPEN.replace(Some(marked)) }
    }

    // Of this scope, since scopes are left in the order that stacks are.
    #[allow(clippy::unused_self)]
    fn is_marked(&self) -> bool {
        OPEN.get() == Some(true)
    }
}

/// Also when the attempt panics.
impl Drop for Scope {
    fn drop(&mut self) {
        OPEN.set(self.outer);
    }
}

/// Leaves a mark in the scope that is open here.
fn mark() {
    if OPEN.get().is_some() {
        OPEN.set(Some(true));
    }
}

/// Leaves a mark, if this is how a run gives up that has retried, or refused to.
pub(crate) fn gave_up(reason: StopReason, attempts: u32, total: u32) {
    let marks = match reason {
        StopReason::Succeeded | StopReason::Permanent | StopReason::Unclassified => false,
        // Its only attempt multiplies nothing, whatever else would have ended the run.
        _ => attempts != 1 || total != 0 && reason != StopReason::Exhausted,
    };
    if marks {
        mark();
    }
}
