use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::boxed::chain;
use super::texts;
use crate::http::Statuses;
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// Decides by what went wrong and by whether the request can have reached the server. The table is in
/// [`http`](crate::http#which-faults-are-retried).
///
/// The error does not say what came before it: a redirect that was followed, or an HTTP/2 request that reqwest sent again
/// by itself. Only the address of a failed TCP connection shows something: if it can't be that of the request's URL,
/// there was a redirect or there is a proxy, and the request may have reached the first server. Any other connect fault
/// counts as never reached, and so does HTTP/2's `REFUSED_STREAM`. So where a policy says `idempotent(false)`, build the
/// client with `redirect(redirect::Policy::none())` and `retry(reqwest::retry::never())`. Or use
/// [`RetryClient::build`](crate::http::RetryClient::build), which counts the redirects and turns reqwest's own retries
/// off.
impl Retryable for reqwest::Error {
    fn verdict(&self) -> Verdict {
        if let Some(status) = self.status() {
            return Statuses::TRANSIENT.verdict(status.as_u16());
        }
        if self.is_redirect() {
            return Verdict::permanent().with_fault(Fault::Redirect);
        }
        if self.is_builder() || self.is_upgrade() {
            return Verdict::permanent();
        }
        if self.is_connect() {
            return connect(self);
        }
        if self.is_timeout() {
            return Verdict::transient().with_fault(Fault::Timeout);
        }
        let in_response = self.is_body() || self.is_decode();
        chain(self).find_map(|error| judge(error, in_response)).unwrap_or(Verdict::permanent())
    }
}

/// No connection stood: nothing of the request was sent. A certificate that does not hold will not hold the next time,
/// a handshake that was cut may succeed.
fn connect(error: &reqwest::Error) -> Verdict {
    let transient = error.is_timeout() || error.is_dns() || error.source().is_some_and(super::connect::passes);
    let verdict = if transient { Verdict::transient() } else { Verdict::permanent() };
    verdict.with_fault(Fault::Connect).with_reached(if is_elsewhere(error) { Reached::Maybe } else { Reached::No })
}

/// Whether the connection that failed was not to the request's own host.
fn is_elsewhere(error: &reqwest::Error) -> bool {
    let Some((url, address)) = error.url().zip(chain(error).find_map(address)) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    url.port_or_known_default() != Some(address.port()) || host.parse().is_ok_and(|host: IpAddr| host != address.ip())
}

/// The address that a connector failed to connect to. Only its `Debug` has it.
fn address(error: &(dyn Error + 'static)) -> Option<SocketAddr> {
    let text = std::format!("{error:?}");
    text.strip_prefix(texts::ADDRESS)?.split(", ").find_map(|part| part.parse().ok())
}

fn judge(error: &(dyn Error + 'static), in_response: bool) -> Option<Verdict> {
    #[cfg(feature = "h2-0_4")]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return Some(super::h2::judge(error, in_response));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        let verdict = super::hyper::judge(error, in_response);
        // There may have been a redirect: only the last request was not sent.
        return Some(if super::hyper::is_unsent(error) { verdict.with_reached(Reached::Maybe) } else { verdict });
    }
    error.downcast_ref::<io::Error>().map(super::io::settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As when the route breaks after the request was sent.
    #[test]
    fn a_connection_that_stood_has_reached_the_server() {
        for kind in
            [io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable, io::ErrorKind::ConnectionRefused]
        {
            let verdict = judge(&io::Error::from(kind), false).unwrap();
            assert_eq!((verdict.fault(), verdict.reached()), (Fault::Read, Reached::Maybe));
            assert!(verdict.is_transient());
        }
    }
}
