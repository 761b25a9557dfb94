//! Requests against a server that misbehaves on purpose.

mod doors;
mod faults;
#[cfg(feature = "reqwest-http2")]
mod http2;
mod server;
mod soak;
mod ureq;
