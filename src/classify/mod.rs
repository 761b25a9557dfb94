//! What the error types of others mean. Nothing imports this folder: it only implements `Retryable`.

#[cfg(feature = "std")]
mod any_of;
#[cfg(feature = "anyhow")]
mod anyhow;
#[cfg(feature = "async-nats-0_51")]
mod async_nats;
#[cfg(feature = "bb8-0_9")]
mod bb8;
#[cfg(feature = "std")]
mod boxed;
#[cfg(any(feature = "async-nats-0_51", feature = "hyper-util-0_1", feature = "reqwest", feature = "tonic-0_14"))]
mod connect;
#[cfg(feature = "std")]
mod cut;
#[cfg(feature = "deadpool-0_13")]
mod deadpool;
#[cfg(feature = "either")]
mod either;
#[cfg(feature = "eyre-0_6")]
mod eyre;
#[cfg(feature = "h2-0_4")]
mod h2;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "hyper-util-0_1")]
mod hyper_util;
#[cfg(feature = "std")]
mod io;
#[cfg(any(feature = "tokio-postgres-0_7", feature = "sqlx-0_9", feature = "sqlx-0_8"))]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "rusqlite-0_43")]
mod rusqlite;
#[cfg(any(feature = "sqlx-0_9", feature = "sqlx-0_8"))]
mod sqlx;
#[cfg(feature = "std")]
mod texts;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tokio-postgres-0_7")]
mod tokio_postgres;
#[cfg(feature = "tonic-0_14")]
mod tonic;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "tokio-tungstenite-0_30")]
mod tungstenite;
#[cfg(feature = "ureq")]
mod ureq;

#[cfg(feature = "std")]
pub use self::any_of::AnyOf;
