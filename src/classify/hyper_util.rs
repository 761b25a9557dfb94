use std::error::Error as _;

use hyper_util::client::legacy::Error;

use super::{boxed, connect};
use crate::verdict::{Retryable, Verdict};

/// Decides by whether the connection was made, and then by the error below.
///
/// | error | verdict |
/// |---|---|
/// | the connect failed: refused, no such host, timed out, the handshake was cut | transient, connect, never reached |
/// | another request was making the same connection, and it failed | transient, connect, never reached |
/// | the connect failed otherwise: a certificate, `https` without TLS | permanent, connect |
/// | what stands below is known, such as a [`hyper::Error`](::hyper::Error) or an `io::Error` | as that says |
/// | any other, such as a URI without a scheme | permanent |
///
/// The client sends a request again by itself only if it never left the client, so what it returns can be trusted.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        match self.source() {
            Some(cause) if self.is_connect() => connect::verdict(cause),
            Some(cause) => boxed::walk(cause),
            None => Verdict::permanent(),
        }
    }
}
