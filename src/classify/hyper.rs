use std::error::Error as _;
use std::io;

use hyper::Error;

use super::boxed::{self, chain};
use super::texts;
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// A connection that broke, or a response that can't be read: transient, and the request may have been executed. What
/// the caller did wrong is permanent.
///
/// A request that was canceled before any of it was sent is never reached. If there is an `io::Error` in the chain, its
/// kind decides, but for what was reached: a connection stood, even if the kind says otherwise. With the feature
/// `reqwest-http2`, HTTP/2's `REFUSED_STREAM` proves that the request was not executed.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        boxed::walk(self)
    }
}

const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);

/// The verdict on the error and its causes, and whether the response had begun.
pub(super) fn judge(error: &Error, in_response: bool) -> Verdict {
    let is_gone = texts::is(format_args!("{error}"), texts::DISPATCH_GONE);
    let is_too_large = error.is_parse() && texts::is(format_args!("{error}"), texts::TOO_LARGE);
    if error.is_user() && !is_gone || is_too_large {
        return Verdict::permanent();
    }
    #[cfg(feature = "reqwest-http2")]
    if let Some(error) = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) {
        return of_http2(error, in_response);
    }
    // In a response's body every fault is the connection's.
    if in_response {
        return BROKEN;
    }
    let cause = chain(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(settled);
    if is_unsent(error) {
        // Unless it can't be sent at all: a server that demands a certificate says so after the handshake.
        let hopeless = cause.filter(|cause| !cause.is_transient() && !cause.is_unclassified());
        return hopeless.unwrap_or(BROKEN).with_reached(Reached::No);
    }
    // Neither an incomplete message nor one that can't be read proves that the request was not executed.
    cause.unwrap_or(BROKEN)
}

/// Whether the request was given back before any of it was sent. A connection that is to be upgraded says the same after
/// the answer.
pub(super) fn is_unsent(error: &Error) -> bool {
    let is_upgrade = || error.source().is_some_and(|cause| texts::is(format_args!("{cause}"), texts::NO_UPGRADE));
    (error.is_canceled() || error.is_closed()) && !is_upgrade()
}

/// An error of a connection that stood: a host can become unreachable after the request was sent.
pub(super) fn settled(error: &io::Error) -> Verdict {
    let verdict = error.verdict();
    if verdict.fault() == Fault::Connect { BROKEN } else { verdict.with_reached(Reached::Maybe) }
}

/// Only `REFUSED_STREAM` proves that a request was not processed.
///
/// A `GOAWAY` does not. RFC 9113 says that the streams above the one that it names were not processed. But hyper gives the
/// error of a `GOAWAY` that came before to a request that it has just queued, and then sends the head of that request.
/// Without a body that is the whole request.
#[cfg(feature = "reqwest-http2")]
pub(super) fn of_http2(error: &h2::Error, in_response: bool) -> Verdict {
    if in_response {
        return BROKEN;
    }
    if error.is_reset() && !error.is_remote() && !error.is_library() {
        // Reset by the caller's own side: its body failed, or is too large.
        return Verdict::permanent();
    }
    if let Some(error) = error.get_io() {
        let verdict = settled(error);
        return if verdict.is_unclassified() { BROKEN } else { verdict };
    }
    let is_refused = error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if is_refused { BROKEN.with_reached(Reached::No) } else { BROKEN }
}
