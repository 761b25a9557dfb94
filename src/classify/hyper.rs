use std::io;

use hyper::Error;

use super::boxed::{self, chain};
use crate::verdict::{Fault, Retryable, Verdict};

/// A connection that broke, or a response that can't be read: transient, and the request may have been executed. What
/// the caller did wrong is permanent. Where the cause is an `io::Error`, that decides, but for what was reached: there
/// was a connection, whatever its kind says. With the feature `reqwest-http2`, HTTP/2's `REFUSED_STREAM` proves that the
/// request was not executed.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        boxed::walk(self)
    }
}

const BROKEN: Verdict = Verdict::transient().fault(Fault::Read);

/// The verdict on the error and its causes, and whether the response had begun.
pub(super) fn judge(error: &Error, in_response: bool) -> Verdict {
    if error.is_user() || (error.is_parse() && error.to_string().contains("too large")) {
        return Verdict::permanent();
    }
    #[cfg(feature = "reqwest-http2")]
    if let Some(error) = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) {
        return of_http2(error, in_response);
    }
    // An incomplete message does not prove that the request was not executed, nor does one that can't be read.
    // In a response's body every fault is the connection's.
    if in_response || error.is_incomplete_message() || error.is_parse() || error.is_closed() || error.is_canceled() {
        return BROKEN;
    }
    chain(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map_or(BROKEN, settled)
}

/// An error of a connection that stood: a host can become unreachable after the request was sent.
pub(super) fn settled(error: &io::Error) -> Verdict {
    let verdict = error.verdict();
    if verdict.kind() == Fault::Connect { BROKEN } else { verdict }
}

/// Of HTTP/2's own errors only `REFUSED_STREAM` tells that the request was not processed. `GOAWAY` would, for streams above
/// the one that it names; but which that is the error does not tell.
#[cfg(feature = "reqwest-http2")]
pub(super) fn of_http2(error: &h2::Error, in_response: bool) -> Verdict {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM) && !error.is_go_away();
    let unprocessed = refused && error.is_remote() && !in_response;
    if unprocessed { BROKEN.reached(crate::verdict::Reached::No) } else { BROKEN }
}
