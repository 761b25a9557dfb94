use std::io;

use tungstenite::Error;
use tungstenite::error::{ProtocolError, UrlError};

use super::texts;
use crate::http::{Statuses, retry_after};
use crate::verdict::{Fault, Reached, Rejected, Retryable, TimedOut, Verdict};

/// Decides as for a connection that stands; add [`connecting`](Verdict::connecting) to what the connect and its handshake
/// return.
///
/// The type is that of `tungstenite`, which `tokio-tungstenite` and `async-tungstenite` return.
///
/// | error | verdict |
/// |---|---|
/// | `Http`: 503 or 429 to the handshake | transient, throttle, never reached, with the wait of `Retry-After` |
/// | `Http`: 408, 425, 500, 502 or 504 to the handshake | transient, never reached |
/// | `Http`: any other status; a redirect is not followed | permanent |
/// | the handshake was cut (`HandshakeIncomplete`) | transient, read, never reached |
/// | no address of the host answered (`UnableToConnect`) | transient, connect, never reached |
/// | the connection broke (`ResetWithoutClosingHandshake`) or was closed (`ConnectionClosed`) | transient, read |
/// | the message came too late for the connection (`AlreadyClosed`, `SendAfterClosing`) | transient, read, never reached |
/// | `WriteBufferFull` | transient, throttle, never reached; a message larger than the whole buffer never fits |
/// | `Io` | as the `io::Error` says |
/// | any other: the protocol is violated, a message is too large, TLS, the URL | permanent |
///
/// Two things are no errors. A close frame is a message, after which the stream ends: ask
/// [`tables::websocket_close`](crate::tables::websocket_close) for its code. And nothing is returned while the other side
/// is silent: give each wait a timeout.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);
        match self {
            Self::Io(error) if is_certificate(error) => Verdict::permanent().with_fault(Fault::Connect),
            Self::Io(error) => error.verdict(),
            Self::Http(response) => {
                let verdict = Statuses::TRANSIENT.verdict(response.status().as_u16()).with_reached(Reached::No);
                retry_after(response.headers()).map_or(verdict, |wait| verdict.with_hint(wait))
            }
            Self::ConnectionClosed | Self::Protocol(ProtocolError::ResetWithoutClosingHandshake) => BROKEN,
            Self::AlreadyClosed
            | Self::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::SendAfterClosing) => {
                BROKEN.with_reached(Reached::No)
            }
            Self::Url(UrlError::UnableToConnect(_)) => Verdict::transient().connecting(),
            Self::WriteBufferFull(_) => Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No),
            Self::Tls(_) => Verdict::permanent().with_fault(Fault::Connect),
            _ => Verdict::permanent(),
        }
    }
}

/// Whether TLS did not accept the certificate, which it says in the handshake alone.
fn is_certificate(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| texts::begins(format_args!("{inner}"), texts::BAD_CERTIFICATE))
}

/// The error is `Io`, of kind `TimedOut`.
impl From<TimedOut> for Error {
    fn from(timed_out: TimedOut) -> Self {
        Self::Io(timed_out.into())
    }
}

/// The error is `Io`, of kind `ResourceBusy`.
impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Io(rejected.into())
    }
}
