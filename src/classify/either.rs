use either::Either;

use crate::verdict::{Erased, Retryable, Verdict};

/// The side that it holds decides.
impl<L: Retryable, R: Retryable> Retryable for Either<L, R> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Left(error) => error.verdict(),
            Self::Right(error) => error.verdict(),
        }
    }

    fn erased(&self) -> Option<Erased<'_>> {
        match self {
            Self::Left(error) => error.erased(),
            Self::Right(error) => error.erased(),
        }
    }
}
