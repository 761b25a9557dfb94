use core::fmt::{self, Write as _};
use std::io;
use std::io::ErrorKind as Kind;

use super::boxed;
use crate::verdict::{Fault, Reached, Rejected, Retryable, Verdict};

/// Decides by [`ErrorKind`](std::io::ErrorKind).
///
/// | kinds | verdict |
/// |---|---|
/// | `ConnectionRefused`, `HostUnreachable`, `NetworkUnreachable`, `AddrNotAvailable` | transient, connect, never reached |
/// | none that can be named, where the standard library could not look up an address | transient, connect, never reached |
/// | `NetworkDown` | transient, connect |
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
}

/// The verdict on this error's own kind; `None` if that says to look at the error inside.
pub(super) fn by_kind(error: &io::Error) -> Option<Verdict> {
    Some(match error.kind() {
        Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            Verdict::transient().fault(Fault::Connect).reached(Reached::No)
        }
        Kind::NetworkDown => Verdict::transient().fault(Fault::Connect),
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => Verdict::transient().fault(Fault::Read),
        Kind::TimedOut | Kind::WouldBlock => Verdict::transient().fault(Fault::Timeout),
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
        _ if is_lookup(error) => Verdict::transient().fault(Fault::Connect).reached(Reached::No),
        _ => Verdict::permanent(),
    })
}

/// Whether a name could not be looked up: the standard library gives that a kind that can't be named.
fn is_lookup(error: &io::Error) -> bool {
    let mut expected = Expected(b"failed to lookup address");
    error.raw_os_error().is_none()
        && error.get_ref().is_some_and(|inner| {
            // It ends with an error as soon as it is known.
            let _ = write!(expected, "{inner}");
            expected.0.is_empty()
        })
}

/// What a text has yet to say to begin as expected. It takes no `String`, whose code would be in every program.
struct Expected(&'static [u8]);

impl fmt::Write for Expected {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shared = text.len().min(self.0.len());
        if self.0.get(..shared) != text.as_bytes().get(..shared) {
            return Err(fmt::Error);
        }
        self.0 = self.0.get(shared..).unwrap_or_default();
        if self.0.is_empty() { Err(fmt::Error) } else { Ok(()) }
    }
}
