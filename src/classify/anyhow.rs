use std::boxed::Box;
use std::error::Error;

use super::any_of::{self, Erased};
use crate::verdict::{self, Retryable, Verdict};

/// Walks the chain to the first error whose type this crate knows, as boxed errors do.
impl Retryable for anyhow::Error {
    fn verdict(&self) -> Verdict {
        any_of::known(self)
    }

    fn erased(&self) -> Option<verdict::Erased<'_>> {
        Some(any_of::inside(self))
    }
}

impl Erased for anyhow::Error {
    fn outermost(&self) -> &(dyn Error + 'static) {
        self.as_ref()
    }

    fn boxed(&self) -> Option<&(dyn Error + 'static)> {
        self.downcast_ref::<Box<dyn Error + Send + Sync>>().map(|error| &**error as &(dyn Error + 'static))
    }

    fn find<T: Error + Send + Sync + 'static>(&self) -> Option<&T> {
        self.downcast_ref()
    }
}
