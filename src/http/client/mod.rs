//! Clients that retry: what the entry points for HTTP share, and one file for each client.

mod attempt;
mod door;
mod hint;
#[cfg(feature = "reqwest")]
mod hops;
#[cfg(feature = "reqwest")]
mod reqwest;
mod session;
#[cfg(feature = "reqwest")]
mod template;
#[cfg(feature = "ureq")]
mod ureq;

pub use self::attempt::{Prepared, RequestAttempt};
pub(super) use self::hint::HintFrom;
#[cfg(feature = "reqwest")]
pub(super) use self::reqwest::{Anew, hinted, hinted_blocking};
#[cfg(feature = "reqwest")]
pub use self::reqwest::{CheckedRequest, Client, ClientBuilder, RequestBuilder, RetryClient, RetryExt, RetryRequest};
#[cfg(feature = "reqwest")]
pub(super) use self::template::{again, drain, shorten};
#[cfg(feature = "ureq")]
pub use self::ureq::{AgentRequest, CheckedAgentRequest, RetryAgent};
#[cfg(feature = "ureq")]
pub(super) use self::ureq::{Making, hinted as hinted_by_ureq, send};
