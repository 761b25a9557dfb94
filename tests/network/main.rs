//! What the errors of network clients mean, against servers in this process that fail on purpose.

mod eyre;
mod grpc;
mod http2;
mod hyper_util;
mod proxy;
mod sse;
mod support;
mod websocket;
