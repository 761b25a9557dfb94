use std::io;
use std::io::ErrorKind as Kind;

use super::{boxed, texts};
use crate::verdict::{Erased, Fault, Reached, Rejected, Retryable, Verdict};

/// Decides by [`ErrorKind`](std::io::ErrorKind).
///
/// | kinds | verdict |
/// |---|---|
/// | `ConnectionRefused` | transient, connect, never reached |
/// | none that can be named, where the standard library could not look up an address | transient, connect, never reached |
/// | `HostUnreachable`, `NetworkUnreachable`, `NetworkDown`, `AddrNotAvailable` | transient, connect, maybe reached: a standing connection ends with these, too |
/// | `ConnectionReset`, `ConnectionAborted`, `BrokenPipe`, `NotConnected`, `UnexpectedEof` | transient, read |
/// | `TimedOut`, `WouldBlock` (what a blocking socket's own timeout gives on Unix) | transient, timeout |
/// | `ResourceBusy` around a [`Rejected`](crate::Rejected) | as that says |
/// | `Interrupted`, `ResourceBusy`, `ExecutableFileBusy`, `Deadlock`, `StaleNetworkFileHandle`, `AddrInUse` | transient, other |
/// | `Other` | as the error inside it says, if the crate knows its type; else permanent |
/// | `NotFound`, `PermissionDenied`, `AlreadyExists`, `NotADirectory`, `IsADirectory`, `DirectoryNotEmpty`, `ReadOnlyFilesystem`, `InvalidInput`, `InvalidData`, `WriteZero`, `StorageFull`, `NotSeekable`, `QuotaExceeded`, `FileTooLarge`, `CrossesDevices`, `TooManyLinks`, `InvalidFilename`, `ArgumentListTooLong`, `Unsupported`, `OutOfMemory` | permanent |
///
/// Kinds that the standard library adds later are permanent until they are decided here.
impl Retryable for io::Error {
    fn verdict(&self) -> Verdict {
        by_kind(self).unwrap_or_else(|| match self.get_ref() {
            // Not `walk(self)`: making `self` a `dyn Error` would keep all of its `Debug` in every program.
            Some(inner) => boxed::walk(inner),
            None => Verdict::permanent(),
        })
    }

    fn erased(&self) -> Option<Erased<'_>> {
        self.get_ref().map(|inner| Erased { chain: inner, known: boxed::KNOWN, own: None })
    }
}

pub(super) const UNREACHED: Verdict = Verdict::transient().with_fault(Fault::Connect).with_reached(Reached::No);
#[cfg(any(feature = "h2-0_4", feature = "hyper"))]
pub(super) const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);

/// An error of a connection that stood: a host can become unreachable after the request was sent.
#[cfg(any(feature = "h2-0_4", feature = "hyper"))]
pub(super) fn settled(error: &io::Error) -> Verdict {
    let verdict = error.verdict();
    if verdict.fault() == Fault::Connect { BROKEN } else { verdict.with_reached(Reached::Maybe) }
}

/// The verdict on this error's own kind; `None` if that says to look at the error inside.
pub(super) fn by_kind(error: &io::Error) -> Option<Verdict> {
    Some(match error.kind() {
        Kind::ConnectionRefused => UNREACHED,
        // A connection that stood ends with these, too, where its route or its address is lost after the request.
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
            Verdict::transient().with_fault(Fault::Connect)
        }
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => Verdict::transient().with_fault(Fault::Read),
        Kind::TimedOut | Kind::WouldBlock => Verdict::transient().with_fault(Fault::Timeout),
        Kind::ResourceBusy => {
            let rejected = error.get_ref().and_then(|inner| inner.downcast_ref::<Rejected>());
            rejected.map_or(Verdict::transient(), Retryable::verdict)
        }
        Kind::Interrupted
        | Kind::ExecutableFileBusy
        | Kind::Deadlock
        | Kind::StaleNetworkFileHandle
        | Kind::AddrInUse => Verdict::transient(),
        Kind::Other => return None,
        _ if is_lookup(error) => UNREACHED,
        _ => Verdict::permanent(),
    })
}

/// Whether a name could not be looked up: the standard library gives that a kind that can't be named.
fn is_lookup(error: &io::Error) -> bool {
    let inner = if error.raw_os_error().is_none() { error.get_ref() } else { None };
    inner.is_some_and(|inner| texts::begins(format_args!("{inner}"), texts::LOOKUP))
}
