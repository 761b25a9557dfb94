use either::Either;

use crate::verdict::{Retryable, Verdict};

/// The side that it holds decides.
impl<L: Retryable, R: Retryable> Retryable for Either<L, R> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Left(error) => error.verdict(),
            Self::Right(error) => error.verdict(),
        }
    }
}
