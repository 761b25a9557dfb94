//! Requests against a server that misbehaves on purpose.

mod doors;
mod faults;
mod hints;
#[cfg(feature = "reqwest-http2")]
mod http2;
mod server;
mod ureq;
