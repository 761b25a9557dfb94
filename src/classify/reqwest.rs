use std::error::Error;
use std::io;

use super::boxed::chain;
use crate::http::Statuses;
use crate::retryable::{Fault, Reached, Retryable, Verdict};

/// Decides by what went wrong and by whether the request can have reached the server; the table stands in
/// [`http`](crate::http#which-faults-are-retried).
///
/// The error does not tell whether a redirect was followed before a connection failed, nor the request's method. A
/// connect fault counts as never reached, so for a method that is not idempotent let the client follow no redirects
/// (`redirect::Policy::none()`).
impl Retryable for reqwest::Error {
    fn verdict(&self) -> Verdict {
        if let Some(status) = self.status() {
            return Statuses::TRANSIENT.verdict(status.as_u16());
        }
        if self.is_redirect() {
            return Verdict::permanent().fault(Fault::Redirect);
        }
        if self.is_builder() || self.is_upgrade() {
            return Verdict::permanent();
        }
        if self.is_connect() {
            return connect(self);
        }
        if self.is_timeout() {
            return Verdict::transient().fault(Fault::Timeout);
        }
        let in_response = self.is_body() || self.is_decode();
        chain(self).find_map(|error| judge(error, in_response)).unwrap_or(Verdict::permanent())
    }
}

/// No connection stood: nothing of the request was sent. A certificate that does not hold will not hold the next time,
/// a handshake that was cut may succeed.
fn connect(error: &reqwest::Error) -> Verdict {
    let passing = || {
        let mut causes = chain(error).filter_map(|error| error.downcast_ref::<io::Error>());
        causes.next().is_some_and(|error| error.verdict().is_transient())
    };
    let verdict =
        if error.is_timeout() || error.is_dns() || passing() { Verdict::transient() } else { Verdict::permanent() };
    verdict.fault(Fault::Connect).reached(Reached::No)
}

fn judge(error: &(dyn Error + 'static), in_response: bool) -> Option<Verdict> {
    const BROKEN: Verdict = Verdict::transient().fault(Fault::Read);
    #[cfg(feature = "reqwest-http2")]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        // Both mean that the request was not processed, unless the response had begun.
        let refused = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let unprocessed = refused && error.is_remote() && !in_response;
        return Some(if unprocessed { BROKEN.reached(Reached::No) } else { BROKEN });
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // In a response's body every fault is the connection's; a request's own has a cause further down.
        #[cfg(feature = "reqwest-http2")]
        let in_response = in_response && error.source().is_none_or(|source| !source.is::<h2::Error>());
        return super::hyper::judge(error).or(in_response.then_some(BROKEN));
    }
    error.downcast_ref::<io::Error>().map(Retryable::verdict)
}
