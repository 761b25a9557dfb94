use hyper::Error;

use super::boxed;
use crate::retryable::{Fault, Retryable, Verdict};

/// A connection that broke, or a response that can't be read: transient, and the request may have been executed. What
/// the caller did wrong is permanent. Where the cause is an `io::Error`, that decides.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        boxed::walk(self)
    }
}

/// The verdict on the error itself; `None` if its cause decides.
pub(super) fn judge(error: &Error) -> Option<Verdict> {
    if error.is_user() || (error.is_parse() && error.to_string().contains("too large")) {
        return Some(Verdict::permanent());
    }
    // An incomplete message does not prove that the request was not executed, nor does one that can't be read.
    let broken = error.is_incomplete_message() || error.is_parse() || error.is_closed() || error.is_canceled();
    broken.then_some(Verdict::transient().fault(Fault::Read))
}
