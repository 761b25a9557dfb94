use std::error::Error;

use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use super::boxed::found;
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// A timeout: transient, and the request may have been executed.
impl Retryable for Elapsed {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Timeout)
    }
}

/// A throttle fault that reached nobody.
impl Retryable for Overloaded {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No)
    }
}

pub(super) fn known(error: &(dyn Error + 'static)) -> Option<Verdict> {
    let elapsed = found::<Elapsed>(error).map(Retryable::verdict);
    elapsed.or_else(|| found::<Overloaded>(error).map(Retryable::verdict))
}
