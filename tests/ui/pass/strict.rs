//! Expansions fire no lint, and need no `unsafe` and no name but the crate's.
#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms, single_use_lifetimes, unreachable_pub)]
#![forbid(unsafe_code, clippy::all, clippy::pedantic)]

use persevere::{Retryable, retry};

mod core {}
mod std {}

/// An error.
#[derive(Debug, Retryable)]
pub enum Error<T> {
    /// Slow.
    #[retry(throttle, after = *wait)]
    Slow {
        /// How long.
        wait: ::std::time::Duration,
    },
    /// Two that are the same.
    #[retry(transient)]
    One,
    #[retry(transient)]
    #[allow(missing_docs)]
    Other,
    /// Forwarded.
    #[retry(forward)]
    Inner(T),
}

/// Blocking.
///
/// # Errors
///
/// Always.
#[retry(
    total = 1, backoff = 0.0, factor = 2, jitter = equal, attempt = number, clone(text), report = &mut report,
    before_retry = |event| { let _ = event.attempt(); }, when = |error| matches!(error, Error::One), when_ok = |_| false,
    on_retry = |event| { let _ = event.error(); }
)]
pub fn blocking(text: &str, mut report: persevere::Report) -> Result<u32, Error<::std::io::Error>> {
    if text.len() > number.number() as usize {
        return Ok(1);
    }
    Err(Error::One)
}

impl ::std::fmt::Display for Error<::std::io::Error> {
    fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
        f.write_str("error")
    }
}

/// Async.
///
/// # Errors
///
/// Never.
#[retry(backoff = 1, before_retry = { ::std::future::ready(()).await; })]
pub async fn waiting(text: &str) -> Result<impl Sized + use<>, ::std::io::Error> {
    ::std::future::ready(()).await;
    if text.is_empty() { Err(::std::io::ErrorKind::InvalidInput.into()) } else { Ok(text.len()) }
}

/// In place, with braces round a single expression.
///
/// # Errors
///
/// Never.
pub async fn in_place(text: &str) -> Result<usize, ::std::io::Error> {
    let policy = persevere::Policy::new();
    let length = persevere::prelude::retry!(&policy, |attempt| { told(text, attempt) })?;
    let again = persevere::retry_async!(policy, |attempt| { ::std::future::ready(told(text, attempt)).await })?;
    Ok(length + again)
}

/// In place, with an operation that never comes back.
///
/// # Errors
///
/// Always.
pub async fn diverging() -> Result<usize, ::std::io::Error> {
    persevere::retry_async!(persevere::Policy::new(), { return Err(::std::io::ErrorKind::Other.into()) })
}

struct Pool;
struct Transaction;

impl Pool {
    async fn begin(&self) -> Result<Transaction, ::std::io::Error> {
        ::std::future::ready(Ok(Transaction)).await
    }
}

impl Transaction {
    async fn execute(&mut self, text: &str) -> Result<usize, ::std::io::Error> {
        ::std::future::ready(Ok(text.len())).await
    }

    async fn commit(self) -> Result<(), ::std::io::Error> {
        ::std::future::ready(Ok(())).await
    }

    async fn rollback(self) -> Result<(), ::std::io::Error> {
        ::std::future::ready(Ok(())).await
    }
}

/// A transaction, in every form.
///
/// # Errors
///
/// Never.
pub async fn stored(text: &str) -> Result<usize, persevere::transaction::Failed<::std::io::Error>> {
    let policy = persevere::Policy::new();
    let pool = Pool;
    let one = persevere::transaction!(policy, pool.begin(), -> Result<usize, ::std::io::Error> |tx| {
        tx.execute(text).await
    })?;
    let kept = persevere::transaction!(
        policy, pool.begin(), once = |tx| tx.execute(text).await.map(|rows| rows > 0),
        -> Result<usize, ::std::io::Error> |tx| { tx.execute(text).await },
    )?;
    let lent = persevere::transaction!(
        &policy, let mut tx = pool.begin(), async { tx.execute(text).await?; Pool.begin().await },
        -> Result<usize, ::std::io::Error> |tx| { tx.execute(text).await }
    )?;
    Ok(one + kept + lent)
}

fn told(text: &str, _: persevere::Attempt) -> Result<usize, ::std::io::Error> {
    if text.is_empty() { Err(::std::io::ErrorKind::InvalidInput.into()) } else { Ok(text.len()) }
}

fn main() {
    drop((waiting("x"), in_place("x"), diverging(), stored("x")));
    let _ = blocking("abc", persevere::Report::new());
}
