//! Requests against a server that misbehaves on purpose.

mod body_hints;
mod by_host;
mod certificates;
mod connecting;
mod doors;
mod download;
mod faults;
mod guards;
mod headers;
mod hints;
mod hostile;
mod http2;
mod message;
mod prepared;
mod recipe;
mod redirects;
mod server;
mod soak;
mod stalls;
mod statuses;
mod timeouts;
mod tower;
mod unsent;
mod ureq;
mod ureq_errors;
mod words;
