use h2::{Error, Reason};

use super::io::{BROKEN, settled};
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// Decides by who ended the stream or the connection, and by the reason.
///
/// | error | verdict |
/// |---|---|
/// | the server reset the stream with `REFUSED_STREAM` | transient, read, never reached |
/// | the server reset the stream or closed the connection with `ENHANCE_YOUR_CALM` | transient, throttle |
/// | the program's own side reset the stream | permanent |
/// | an `io::Error` | as that says; an established connection can report every kind, so nothing proves that nothing was sent |
/// | any other | transient, read |
///
/// A `GOAWAY` does not prove that the request was not executed, because the error does not say which streams it is about.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        judge(self, false)
    }
}

/// Returns the verdict on an error of HTTP/2. A server that already answered cannot prove that it did nothing.
///
/// `GOAWAY` proves nothing. RFC 9113 says that the streams above the one that it names were not processed. But hyper gives
/// the error of a `GOAWAY` that came before to a request that it has just queued, and then sends the head of that request.
/// Without a body that is the whole request.
pub(super) fn judge(error: &Error, in_response: bool) -> Verdict {
    if error.is_remote() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
        return BROKEN.with_fault(Fault::Throttle);
    }
    // In a response's body every other fault is the connection's.
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
    let is_refused = error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
    if is_refused { BROKEN.with_reached(Reached::No) } else { BROKEN }
}
