use std::io;
use std::string::ToString as _;

use ureq::{Error, Timeout};

use super::{boxed, texts::ureq as texts};
use crate::http::Statuses;
use crate::verdict::{Fault, Reached, Retryable, Verdict};

/// Decides by what went wrong and by whether the request can have reached the server. The table is in
/// [`http`](crate::http#which-faults-are-retried).
///
/// A body that is cut is transient, with or without compression. A gzip body that came whole and is malformed is
/// permanent, as malformed JSON is. ureq's brotli decoder says the same of both, so both are transient.
///
/// The error does not name the request's method, nor whether a redirect was followed before a connection failed. A
/// connect fault counts as never reached. So where a policy says `idempotent(false)`, let the agent follow no redirects
/// (`max_redirects(0)`), or use [`RetryAgent`](crate::http::RetryAgent). These count as maybe reached, because the error
/// does not prove more:
///
/// - a TLS handshake that is cut, which looks like a response that is cut;
/// - a host that is unreachable, because it can become so after the request;
/// - a refusal by a SOCKS proxy, which ureq reports in a text alone.
impl Retryable for ureq::Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::StatusCode(status) => Statuses::TRANSIENT.verdict(*status),
            Error::Timeout(Timeout::Resolve | Timeout::Connect) | Error::HostNotFound | Error::ConnectionFailed => {
                UNREACHED
            }
            Error::Timeout(_) => TIMEOUT,
            Error::Io(error) => match error.kind() {
                // A request's body may fail with the same words, so they prove nothing.
                io::ErrorKind::Other if is_socks(error) => UNREACHED.with_reached(Reached::Maybe),
                _ => error.verdict(),
            },
            // The proxy's status is told in a text: `proxy server responded 502/502`.
            Error::ConnectProxyFailed(text) => match text.rsplit('/').next().and_then(|status| status.parse().ok()) {
                Some(status) if !Statuses::TRANSIENT.contains(status) => {
                    Verdict::permanent().with_fault(Fault::Connect)
                }
                _ => UNREACHED,
            },
            Error::Protocol(error) => protocol(&error.to_string()),
            Error::BodyStalled => BROKEN,
            Error::Json(error) => match error.io_error_kind() {
                None => Verdict::permanent(),
                // ureq's own errors stand in an error of this kind, and of them the text alone can be seen.
                Some(io::ErrorKind::Other) => of_text(&error.to_string()).unwrap_or(BROKEN),
                Some(kind) => in_body(kind),
            },
            Error::RedirectFailed | Error::TooManyRedirects => Verdict::permanent().with_fault(Fault::Redirect),
            Error::Other(error) => boxed::walk(&**error),
            // Among the variants that depend on ureq's features one may pass: a body that can't be decompressed.
            error => of_text(&error.to_string()).unwrap_or(Verdict::permanent()),
        }
    }
}

const UNREACHED: Verdict = Verdict::transient().with_fault(Fault::Connect).with_reached(Reached::No);
const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);
const TIMEOUT: Verdict = Verdict::transient().with_fault(Fault::Timeout);

/// The verdict on an error that is known by its text alone. A body that was cut may come whole the next time; one that
/// came whole and is malformed will not. brotli's decoder says the same of both.
fn of_text(text: &str) -> Option<Verdict> {
    if let Some(cause) = text.strip_prefix(texts::GZIP) {
        return Some(if begins(cause, &texts::MALFORMED_GZIP) { Verdict::permanent() } else { BROKEN });
    }
    if let Some(cause) = text.strip_prefix(texts::PROTOCOL) {
        return Some(protocol(cause));
    }
    let verdicts = [(texts::BROTLI, BROKEN), (texts::TIMEOUT, TIMEOUT), (texts::TOO_LONG, Verdict::permanent())];
    verdicts.into_iter().find_map(|(start, verdict)| text.starts_with(start).then_some(verdict))
}

/// What the server sent can't be read, or the request is wrong.
fn protocol(text: &str) -> Verdict {
    if begins(text, &texts::LOCATION) {
        return Verdict::permanent().with_fault(Fault::Redirect);
    }
    if begins(text, &texts::GARBLED) { BROKEN } else { Verdict::permanent() }
}

/// A fault while a body was read: the connection stood, whatever the kind says.
fn in_body(kind: io::ErrorKind) -> Verdict {
    let verdict = io::Error::from(kind).verdict();
    if verdict.fault() == Fault::Connect { BROKEN } else { verdict }
}

fn is_socks(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| texts::SOCKS.contains(&&*inner.to_string()))
}

fn begins(text: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| text.starts_with(start))
}
