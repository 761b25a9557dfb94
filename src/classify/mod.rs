//! What the error types of others mean. Nothing imports this folder: it only implements `Retryable`.

#[cfg(feature = "std")]
mod any_of;
#[cfg(feature = "anyhow")]
mod anyhow;
#[cfg(feature = "std")]
mod boxed;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod cut;
#[cfg(feature = "either")]
mod either;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "std")]
mod io;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "std")]
mod texts;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "ureq")]
mod ureq;

#[cfg(feature = "std")]
pub use self::any_of::AnyOf;
