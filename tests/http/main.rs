//! Requests against a server that misbehaves on purpose.

mod faults;
mod server;
