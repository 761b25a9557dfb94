//! What each feature adds, used with no other feature.

#![deny(warnings)]

use persevere::{Policy, Retryable, Verdict};

/// Plain data needs no feature.
pub const POLICY: Policy = Policy::new().total(5).valid();

/// An error of the user's own.
#[derive(Debug)]
pub struct Busy;

impl Retryable for Busy {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

/// A default timer for blocking runs, and a verdict on `io::Error`.
#[cfg(feature = "std")]
pub fn std() -> Result<u8, std::io::Error> {
    persevere::retry(Policy::new(), || Ok(1))
}

/// The derive.
#[cfg(feature = "macros")]
#[derive(persevere::Retryable, Debug)]
pub enum Derived {
    #[retry(transient)]
    Busy,
    #[retry(permanent)]
    Gone,
}

/// Unseeded jitter needs no more than this.
#[cfg(feature = "jitter")]
pub fn jitter() -> Result<u8, Busy> {
    persevere::retry(Policy::new(), || Ok(1))
}

/// A default timer for async runs.
#[cfg(feature = "tokio")]
pub async fn tokio() -> Result<u8, Busy> {
    persevere::retry_async(Policy::new().timer(persevere::time::TokioTimer), || async { Ok::<u8, Busy>(1) }).await?;
    persevere::retry_async(Policy::new(), || async { Ok(1) }).await
}

/// A timer for any executor.
#[cfg(feature = "futures-timer")]
pub async fn futures_timer() -> Result<u8, Busy> {
    persevere::retry_async(Policy::new().timer(persevere::time::FuturesTimer), || async { Ok(1) }).await
}

/// A timer for the browser.
#[cfg(feature = "wasm")]
pub async fn wasm() -> Result<u8, Busy> {
    persevere::retry_async(Policy::new().timer(persevere::time::WasmTimer), || async { Ok(1) }).await
}

/// Policies in files.
#[cfg(feature = "serde")]
pub fn serde<'de, D: ::serde::Deserializer<'de>>(from: D) -> Result<Policy, D::Error> {
    ::serde::Deserialize::deserialize(from)
}

/// A verdict on foreign errors.
#[cfg(feature = "anyhow")]
pub fn anyhow(error: &anyhow::Error) -> Verdict {
    error.verdict()
}

/// A verdict on either of two errors.
#[cfg(feature = "either")]
pub fn either(error: &either::Either<Busy, Busy>) -> Verdict {
    error.verdict()
}

/// Virtual time.
#[cfg(feature = "testing")]
pub fn testing() -> Result<u8, Busy> {
    persevere::retry(Policy::new().timer(persevere::testing::VirtualTimer::new()), || Ok(1))
}

/// What HTTP says, without a client.
#[cfg(feature = "http")]
pub fn http() -> persevere::http::HttpPolicy {
    persevere::http::HttpPolicy::default()
}

/// A client's errors, async and blocking, and a session around the client.
#[cfg(feature = "reqwest")]
pub type Session<C> = persevere::http::RetryClient<C>;

/// The same for ureq.
#[cfg(feature = "ureq")]
pub type Agent = persevere::http::RetryAgent;

/// hyper's errors are classified in the boxes of a stack, too, which needs no name of hyper's here.
#[cfg(feature = "hyper")]
pub fn boxed(error: Box<dyn std::error::Error + Send + Sync>) -> bool {
    persevere::Retryable::verdict(&error).is_transient()
}

/// A layer for services.
#[cfg(feature = "tower")]
pub fn layer() -> persevere::tower::RetryLayer<persevere::Retry<persevere::Policy>> {
    persevere::tower::RetryLayer::new(persevere::Policy::new())
}

/// A report's verdict.
#[cfg(any(feature = "eyre", feature = "eyre-0_6"))]
pub fn eyre(error: &eyre::Report) -> Verdict {
    error.verdict()
}

/// A verdict on a stream of HTTP/2, and an error that only h2 makes.
#[cfg(any(feature = "h2", feature = "h2-0_4"))]
pub fn h2(error: h2::Error) -> persevere::Cut<h2::Error> {
    if error.verdict().is_transient() { error.into() } else { persevere::Cut::Failed(error) }
}

/// The same for the client.
#[cfg(any(feature = "hyper-util", feature = "hyper-util-0_1"))]
pub fn hyper_util(error: hyper_util::client::legacy::Error) -> persevere::Cut<hyper_util::client::legacy::Error> {
    if error.verdict().is_transient() { error.into() } else { persevere::Cut::Failed(error) }
}

/// An attempt that is cut has tonic's own error.
#[cfg(any(feature = "tonic", feature = "tonic-0_14"))]
pub fn tonic(timed_out: persevere::TimedOut) -> Verdict {
    tonic::Status::from(timed_out).verdict()
}

/// The same for WebSockets.
#[cfg(any(feature = "tokio-tungstenite", feature = "tokio-tungstenite-0_30"))]
pub fn tungstenite(timed_out: persevere::TimedOut) -> Verdict {
    tungstenite::Error::from(timed_out).verdict()
}

/// The same for NATS.
#[cfg(any(feature = "async-nats", feature = "async-nats-0_51"))]
pub fn async_nats(timed_out: persevere::TimedOut) -> Verdict {
    async_nats::RequestError::from(timed_out).verdict()
}

/// The verdicts on the errors of a database's client.
macro_rules! verdicts {
    ($($on:meta => $name:ident: $error:ty;)*) => {$(
        #[cfg($on)]
        pub fn $name(error: &$error) -> Verdict {
            error.verdict()
        }
    )*};
}

verdicts! {
    any(feature = "bb8", feature = "bb8-0_9") => bb8: bb8_0_9::RunError<Busy>;
    any(feature = "deadpool", feature = "deadpool-0_13") => deadpool: deadpool_0_13::managed::PoolError<Busy>;
    feature = "redis" => redis: redis::RedisError;
    any(feature = "rusqlite", feature = "rusqlite-0_43") => rusqlite: rusqlite_0_43::Error;
    any(feature = "sqlx", feature = "sqlx-0_9") => sqlx_0_9: sqlx_0_9::Error;
    feature = "sqlx-0_8" => sqlx_0_8: sqlx_0_8::Error;
    any(feature = "tokio-postgres", feature = "tokio-postgres-0_7") => tokio_postgres: tokio_postgres_0_7::Error;
}

/// A policy for streams; a timer is another feature's.
#[cfg(feature = "stream")]
pub const STREAM: Policy = persevere::stream::POLICY;
