use std::io;

use ureq::{Error, Timeout};

use super::boxed;
use crate::http::Statuses;
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// Decides by what went wrong and by whether the request can have reached the server; the table stands in
/// [`http`](crate::http#which-faults-are-retried).
///
/// The error tells neither the request's method nor whether a redirect was followed before a connection failed. A
/// connect fault counts as never reached, so where a policy says `idempotent(false)`, let the agent follow no redirects
/// (`max_redirects(0)`), or use [`RetryAgent`](crate::http::RetryAgent). A TLS handshake that is cut looks like a
/// response that is, and a host that is unreachable like one that became so after the request: both count as maybe
/// reached.
impl Retryable for ureq::Error {
    fn verdict(&self) -> Verdict {
        const UNREACHED: Verdict = Verdict::transient().fault(Fault::Connect).reached(Reached::No);
        const BROKEN: Verdict = Verdict::transient().fault(Fault::Read);
        match self {
            Error::StatusCode(status) => Statuses::TRANSIENT.verdict(*status),
            Error::Timeout(Timeout::Resolve | Timeout::Connect) | Error::HostNotFound | Error::ConnectionFailed => {
                UNREACHED
            }
            Error::Timeout(_) => Verdict::transient().fault(Fault::Timeout),
            Error::Io(error) => match error.kind() {
                // A connection that stands can report these, too.
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => UNREACHED.reached(Reached::Maybe),
                _ => error.verdict(),
            },
            // The proxy's status is told in a text: `proxy server responded 502/502`.
            Error::ConnectProxyFailed(text) => match text.rsplit('/').next().and_then(|status| status.parse().ok()) {
                Some(status) if !Statuses::TRANSIENT.contains(status) => Verdict::permanent().fault(Fault::Connect),
                _ => UNREACHED,
            },
            // What the server sent can't be read. Other protocol errors are the request's own.
            Error::Protocol(error) if is_garbled(&error.to_string()) => BROKEN,
            Error::BodyStalled => BROKEN,
            Error::Json(error) => error.io_error_kind().map_or(Verdict::permanent(), |kind| match kind {
                // ureq's own errors stand in an error of this kind: a chunk that can't be read.
                io::ErrorKind::Other => BROKEN,
                kind => io::Error::from(kind).verdict(),
            }),
            Error::RedirectFailed | Error::TooManyRedirects => Verdict::permanent().fault(Fault::Redirect),
            Error::Other(error) => boxed::walk(&**error),
            _ => Verdict::permanent(),
        }
    }
}

fn is_garbled(text: &str) -> bool {
    let too_many = text.contains("too many headers");
    !too_many
        && ["http parse", "chunk ", "content-length header not a number"].iter().any(|start| text.starts_with(start))
}
