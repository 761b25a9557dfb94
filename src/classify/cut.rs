//! `?` from a client's own error into `Cut`, and the verdict on that in a box.

use std::error::Error;

use crate::verdict::Verdict;

/// Each row has its features, the client's error, and the errors that `?` makes one of by itself.
macro_rules! clients {
    ($($on:meta => $error:ty $(, $inner:ty)*;)*) => {
        $(
            #[cfg($on)]
            impl From<$error> for crate::verdict::Cut<$error> {
                fn from(error: $error) -> Self {
                    Self::Failed(error)
                }
            }

            $(
                #[cfg($on)]
                impl From<$inner> for crate::verdict::Cut<$error> {
                    fn from(error: $inner) -> Self {
                        Self::Failed(error.into())
                    }
                }
            )*
        )*

        /// In a box `Cut` and a transaction's `Failed` hide the error inside, because their source is that error's.
        pub(super) fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict> {
            $(
                #[cfg($on)]
                if let Some(error) = super::boxed::found::<crate::verdict::Cut<$error>>(error) {
                    return Some(crate::verdict::Retryable::verdict(error));
                }
                #[cfg($on)]
                if let Some(error) = super::boxed::found::<crate::entry::transaction::Failed<$error>>(error) {
                    return Some(crate::verdict::Retryable::verdict(error));
                }
            )*
            let _ = error;
            None
        }
    };
}

clients! {
    all(feature = "bb8-0_9", feature = "tokio-postgres-0_7") => bb8_0_9::RunError<tokio_postgres_0_7::Error>, tokio_postgres_0_7::Error;
    all(feature = "deadpool-0_13", feature = "tokio-postgres-0_7") => deadpool_0_13::managed::PoolError<tokio_postgres_0_7::Error>, tokio_postgres_0_7::Error;
    feature = "h2-0_4" => h2::Error;
    feature = "hyper" => hyper::Error;
    feature = "hyper-util-0_1" => hyper_util::client::legacy::Error;
    feature = "redis" => redis::RedisError;
    feature = "reqwest" => reqwest::Error;
    feature = "rusqlite-0_43" => rusqlite_0_43::Error;
    feature = "sqlx-0_8" => sqlx_0_8::Error;
    feature = "sqlx-0_9" => sqlx_0_9::Error;
    feature = "tokio-postgres-0_7" => tokio_postgres_0_7::Error;
    feature = "tonic-0_14" => tonic::transport::Error;
}
