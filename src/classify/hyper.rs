use std::error::Error as _;
use std::io;

use hyper::Error;

use super::boxed::{self, chain};
use super::io::{BROKEN, settled};
use super::texts;
use crate::verdict::{Reached, Retryable, Verdict};

/// A connection that broke, or a response that can't be read: transient, and the request may have been executed. What
/// the caller did wrong is permanent.
///
/// A request that was canceled before any of it was sent is never reached. If there is an `io::Error` in the chain, its
/// kind decides, but for what was reached: a connection stood, even if the kind says otherwise. With the feature
/// `h2-0_4`, HTTP/2's `REFUSED_STREAM` proves that the request was not executed.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        boxed::walk(self)
    }
}

/// The verdict on the error and its causes, and whether the response had begun.
pub(super) fn judge(error: &Error, in_response: bool) -> Verdict {
    let in_response = in_response || texts::is(format_args!("{error}"), texts::BODY);
    let is_gone = texts::is(format_args!("{error}"), texts::DISPATCH_GONE);
    let is_too_large = error.is_parse() && texts::is(format_args!("{error}"), texts::TOO_LARGE);
    if error.is_user() && !is_gone || is_too_large {
        return Verdict::permanent();
    }
    #[cfg(feature = "h2-0_4")]
    if let Some(error) = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) {
        return super::h2::judge(error, in_response);
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
