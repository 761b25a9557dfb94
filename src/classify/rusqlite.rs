use std::boxed::Box;

use rusqlite_0_43::Error;

use super::boxed;
use crate::tables;
use crate::verdict::{Rejected, Retryable, TimedOut, Verdict};

/// Decides by SQLite's extended code, as [`tables::sqlite`](crate::tables::sqlite) says. Everything that is not an answer
/// of SQLite is permanent.
///
/// A `BUSY` inside a transaction that has read already may fail for ever: begin the transaction again in each attempt.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Self::SqliteFailure(error, _) => tables::sqlite(error.extended_code),
            // What the conversions below make. A conversion's own error is not retried.
            Self::ToSqlConversionFailure(error) if error.is::<TimedOut>() || error.is::<Rejected>() => {
                boxed::walk(&**error)
            }
            _ => Verdict::permanent(),
        }
    }
}

/// A `ToSqlConversionFailure` that holds the timeout, because rusqlite has no variant for the errors of others.
impl From<TimedOut> for Error {
    fn from(timed_out: TimedOut) -> Self {
        Self::ToSqlConversionFailure(Box::new(timed_out))
    }
}

/// A `ToSqlConversionFailure` that holds the refusal, because rusqlite has no variant for the errors of others.
impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::ToSqlConversionFailure(Box::new(rejected))
    }
}
