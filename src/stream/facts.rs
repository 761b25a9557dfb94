//! What is known of a break beside its error.

use crate::drive::judge::Classify;
use crate::observe::around::Plain;
use crate::observe::refusal::Never;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer};
use crate::run::StopReason;
use crate::verdict::{Erased, Fault, Reached, Verdict};

/// What the stream was when it broke.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // Four facts that do not depend on each other.
pub(super) struct Facts {
    pub(super) opened: bool,
    /// An item came, or it stood for long enough.
    pub(super) progressed: bool,
    /// It ended cleanly, which its consumer takes for a break.
    pub(super) ended: bool,
    pub(super) stalled: bool,
}

impl Facts {
    pub(super) const FRESH: Self = Self { opened: false, progressed: false, ended: false, stalled: false };
}

/// Classifies errors with what is known beside them.
#[derive(Debug)]
pub(super) struct Knowing<C> {
    pub(super) classify: C,
    pub(super) facts: Facts,
}

impl<E, C: Classify<E>> Classify<E> for Knowing<C> {
    fn verdict(&mut self, error: &E) -> Verdict {
        let Facts { opened, progressed, ended, stalled } = self.facts;
        let verdict = match (ended, stalled) {
            (true, _) => Verdict::transient().with_fault(Fault::Read),
            (_, true) => Verdict::transient().with_fault(Fault::Timeout),
            _ => self.classify.verdict(error),
        };
        // To read on does nothing on the other side, so a break leaves nothing in doubt.
        let verdict = if opened { verdict.with_reached(Reached::No) } else { verdict };
        if progressed { verdict.progressed() } else { verdict }
    }

    fn erased<'e>(&self, error: &'e E) -> Option<Erased<'e>> {
        self.classify.erased(error)
    }
}

/// Keeps why the stream is over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended(pub(super) Option<StopReason>);

impl Observer for Ended {
    no_word!();
    type Around = Plain;
    type Refusal = Never;

    #[inline]
    fn ended(&mut self, reason: StopReason, _: u32, _: u64) {
        self.0 = Some(reason);
    }
}

impl<E> Observe<E> for Ended {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}
