//! Clients that retry: what the entry points for HTTP share, and one file for each client.

mod door;
#[cfg(feature = "reqwest")]
mod hops;
#[cfg(feature = "reqwest")]
mod reqwest;
mod session;
#[cfg(feature = "reqwest")]
mod template;
#[cfg(feature = "ureq")]
mod ureq;

#[cfg(feature = "reqwest")]
pub use self::reqwest::{CheckedRequest, Client, ClientBuilder, RequestBuilder, RetryClient, RetryExt, RetryRequest};
#[cfg(feature = "reqwest")]
pub(super) use self::template::{again, drain, shorten};
#[cfg(feature = "ureq")]
pub(super) use self::ureq::send;
#[cfg(feature = "ureq")]
pub use self::ureq::{AgentRequest, RetryAgent};
