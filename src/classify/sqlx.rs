//! sqlx's errors. What is used here of 0.8 and of 0.9 has the same names, so both are decided by one text.

/// Classifies the errors of one version of sqlx.
macro_rules! classified {
    ($($feature:literal: $sqlx:ident),*) => {$(
        #[cfg(feature = $feature)]
        pub(super) mod $sqlx {
            use std::error::Error as StdError;
            use std::string::ToString as _;
            use std::{format, io};

            use $sqlx::Error;
            use $sqlx::error::DatabaseError;

            use crate::classify::{boxed, postgres, texts};
            use crate::tables;
            use crate::verdict::{Fault, Reached, Rejected, Retryable, TimedOut, Verdict};

            /// Decides by what failed.
            ///
            /// | error | verdict |
            /// |---|---|
            /// | `Database` | as [`tables::sqlstate`], [`tables::pgbouncer`], [`tables::mysql`] or [`tables::sqlite`] says |
            /// | `Io` | as its `io::Error` |
            /// | `PoolTimedOut` | transient, throttle, never reached |
            /// | `Tls` around an `io::Error` that is transient | transient, connect, never reached |
            /// | everything else | permanent |
            ///
            /// A pool tries to connect again by itself, so a server that is down is `PoolTimedOut`, too. A connect that is
            /// cut looks the same as an answer that is cut: add [`connecting`](Verdict::connecting) where the call was a
            /// connect. In a transaction whose `COMMIT` was not sent, add [`with_reached(Reached::No)`](Verdict::with_reached).
            impl Retryable for Error {
                fn verdict(&self) -> Verdict {
                    match self {
                        Self::Io(error) => error.verdict(),
                        Self::Database(error) => error.verdict(),
                        Self::PoolTimedOut => Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No),
                        Self::Tls(error) => boxed::walk(&**error).connecting(),
                        Self::AnyDriverError(error) => boxed::walk(&**error),
                        _ => Verdict::permanent(),
                    }
                }
            }

            /// Decides by the database's own code, as the [tables](crate::tables) say. A database that they do not know is
            /// unclassified.
            impl Retryable for dyn DatabaseError {
                fn verdict(&self) -> Verdict {
                    let is = |name| texts::begins(format_args!("{self:?}"), name);
                    let code = self.code().unwrap_or_default();
                    if is(texts::sqlx::POSTGRES) {
                        let names_routine = || !format!("{self:?}").ends_with(texts::sqlx::NO_ROUTINE);
                        return postgres::answered(&code, self.message(), names_routine);
                    }
                    if is(texts::sqlx::MYSQL) {
                        // The number begins the text. The code is the SQLSTATE.
                        let text = self.to_string();
                        let number = text.split([' ', ':']).next().and_then(|number| number.parse().ok());
                        return number.map_or(Verdict::permanent(), tables::mysql);
                    }
                    if is(texts::sqlx::SQLITE) {
                        return code.parse().map_or(Verdict::permanent(), tables::sqlite);
                    }
                    Verdict::unclassified()
                }
            }

            pub(crate) fn known(error: &(dyn StdError + 'static)) -> Option<Verdict> {
                let verdict = boxed::found::<Error>(error).map(Retryable::verdict);
                // What `#[error(transparent)]` leaves of an error.
                verdict.or_else(|| error.downcast_ref::<std::boxed::Box<dyn DatabaseError>>().map(Retryable::verdict))
            }

            /// An `Io` error that holds the timeout.
            impl From<TimedOut> for Error {
                fn from(timed_out: TimedOut) -> Self {
                    Self::Io(io::Error::from(timed_out))
                }
            }

            /// An `Io` error that holds the refusal.
            impl From<Rejected> for Error {
                fn from(rejected: Rejected) -> Self {
                    Self::Io(io::Error::from(rejected))
                }
            }
        }
    )*};
}

classified!("sqlx-0_9": sqlx_0_9, "sqlx-0_8": sqlx_0_8);
