use std::error::Error;

use tonic::transport;
use tonic::{Code, ConnectError, Status, TimeoutExpired};

use super::boxed::{chain, found, known};
use super::{connect, texts};
use crate::http::retry_after;
use crate::tables;
use crate::verdict::{Fault, Reached, Rejected, Retryable, TimedOut, Verdict};

/// Decides by the error below the status if there is one; only what the server sent is decided by its code.
///
/// tonic makes statuses of its own for connections that broke and for its timeouts, and their codes are misleading: a
/// reset is `Unknown`, a timeout and a request that was never sent are `Cancelled`. Those have a
/// [`source`](std::error::Error::source). A status that the server sent has none.
///
/// | status | verdict |
/// |---|---|
/// | with a source: the connect failed ([`ConnectError`]) | as for [`ConnectError`] |
/// | with a source: a client's timeout ([`TimeoutExpired`], also of `Request::set_timeout`) | transient, timeout |
/// | with a source: a connection or a stream broke | as for [`hyper::Error`](::hyper::Error) and [`h2::Error`](::h2::Error) |
/// | with a source: another error that the crate knows, such as a [`TimedOut`] or a [`Rejected`] | as that says |
/// | `Cancelled`, "Timeout expired": the server's own timeout | transient, timeout |
/// | `Unknown`, "missing grpc-status trailer": the answer was cut, by a proxy for example | transient, read |
/// | `Unknown`, "Service was not ready": a layer refused the call, so it was not sent | transient, never reached |
/// | any other | [`tables::grpc`](crate::tables::grpc) |
///
/// The wait that the server asked for is taken from `grpc-retry-pushback-ms`, else from a `google.rpc.RetryInfo` in the
/// details, else from `retry-after`, which a proxy sends with a 503. A negative pushback makes the verdict permanent.
///
/// Two statuses look as if the server had sent them: one that an interceptor returns, and `ResourceExhausted` of a load
/// shed layer in the client.
impl Retryable for Status {
    fn verdict(&self) -> Verdict {
        let below = self.source().and_then(|source| chain(source).find_map(known));
        below.unwrap_or_else(|| answered(self))
    }
}

/// Returns the verdict on a status that the server sent.
fn answered(status: &Status) -> Verdict {
    let text = status.message();
    let verdict = match status.code() {
        Code::Cancelled if text == texts::TIMEOUT_EXPIRED => Verdict::transient().with_fault(Fault::Timeout),
        Code::Unknown if text.starts_with(texts::NO_TRAILERS) => Verdict::transient().with_fault(Fault::Read),
        Code::Unknown if text.starts_with(texts::NOT_READY) => {
            // A server can pass on the status of a call of its own. Then headers came with it.
            let reached = if status.metadata().is_empty() { Reached::No } else { Reached::Maybe };
            Verdict::transient().with_reached(reached)
        }
        code => tables::grpc(code.into()),
    };
    if !verdict.is_transient() {
        return verdict;
    }
    if let Some(pushback) = status.metadata().get("grpc-retry-pushback-ms") {
        // What is no text is no number.
        return tables::grpc_pushback(verdict, pushback.to_str().unwrap_or_default());
    }
    let hint = tables::grpc_retry_info(status.details()).or_else(|| retry_after(status.metadata().as_ref()));
    hint.map_or(verdict, |hint| verdict.with_hint(hint))
}

/// A connection that was not made: connect, never reached, whatever the error below. Transient if that is.
impl Retryable for ConnectError {
    fn verdict(&self) -> Verdict {
        connect::verdict(&*self.0)
    }
}

/// A timeout: transient, and the call may have been executed.
impl Retryable for TimeoutExpired {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Timeout)
    }
}

/// Decides by the error below, mostly a [`ConnectError`]; without one the endpoint is wrong, and the error permanent.
impl Retryable for transport::Error {
    fn verdict(&self) -> Verdict {
        self.source().and_then(|source| chain(source).find_map(known)).unwrap_or(Verdict::permanent())
    }
}

pub(super) fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict> {
    let status = found::<Status>(error).map(Retryable::verdict);
    let connect = || found::<ConnectError>(error).map(Retryable::verdict);
    let timeout = || found::<TimeoutExpired>(error).map(Retryable::verdict);
    let transport = || found::<transport::Error>(error).map(Retryable::verdict);
    status.or_else(connect).or_else(timeout).or_else(transport)
}

/// The status is `DeadlineExceeded`, and its source is the [`TimedOut`].
impl From<TimedOut> for Status {
    fn from(timed_out: TimedOut) -> Self {
        with_source(Status::deadline_exceeded(std::format!("{timed_out}")), timed_out)
    }
}

/// The status is `Unavailable`, and its source is the [`Rejected`].
impl From<Rejected> for Status {
    fn from(rejected: Rejected) -> Self {
        with_source(Status::unavailable(std::format!("{rejected}")), rejected)
    }
}

fn with_source(mut status: Status, source: impl Error + Send + Sync + 'static) -> Status {
    status.set_source(std::sync::Arc::new(source));
    status
}
