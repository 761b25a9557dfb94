//! Requests against a server that misbehaves on purpose.

mod doors;
mod faults;
mod guards;
mod hints;
mod hostile;
#[cfg(feature = "reqwest-http2")]
mod http2;
mod recipe;
mod redirects;
mod server;
mod soak;
#[cfg(feature = "tower")]
mod tower;
mod ureq;
