use super::boxed;
use crate::verdict::{Retryable, Verdict};

/// Walks the chain to the first error whose type this crate knows, as boxed errors do.
impl Retryable for anyhow::Error {
    fn verdict(&self) -> Verdict {
        boxed::walk(self.as_ref())
    }
}
