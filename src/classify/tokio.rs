use tokio::time::error::Elapsed;

use crate::verdict::{Fault, Retryable, Verdict};

/// A timeout: transient, and the operation may have taken effect.
impl Retryable for Elapsed {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Timeout)
    }
}
