//! Requests against a server that misbehaves on purpose.

mod doors;
mod faults;
mod server;
