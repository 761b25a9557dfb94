use std::error::Error as StdError;
use std::io;

use tokio_postgres_0_7::Error;
use tokio_postgres_0_7::error::DbError;

use super::boxed::found;
use super::{postgres, texts};
use crate::verdict::{Fault, Retryable, Verdict};

/// Decides by what failed.
///
/// | error | verdict |
/// |---|---|
/// | an answer of the server | as [`tables::sqlstate`](crate::tables::sqlstate) and [`tables::pgbouncer`](crate::tables::pgbouncer) say |
/// | the connect: refused, no such host, `connect_timeout`, no host with the right `target_session_attrs` | transient, connect, never reached |
/// | the login: reset or cut before the connection stood | transient, connect, never reached |
/// | the connection is closed | transient, read: the reason is known only to the connection's own task |
/// | everything else | permanent |
///
/// A server that closes the connection during the login looks the same as one that closes it later. Add
/// [`connecting`](Verdict::connecting) where the call was a connect. `connect_timeout` covers TCP alone, so put a
/// timeout around the connect.
///
/// Nobody else can make this error, so there is no `From<TimedOut>`: return [`Cut`](crate::Cut) where a run cuts or refuses.
impl Retryable for Error {
    fn verdict(&self) -> Verdict {
        if let Some(error) = self.as_db_error() {
            return error.verdict();
        }
        if self.is_closed() {
            return BROKEN;
        }
        let is = |kind| texts::begins(format_args!("{self}"), kind);
        let cause = self.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause {
            Some(error) if is(texts::tokio_postgres::CONNECT) => connect(error),
            // The client hands the errors of a standing connection to the connection's own task, and says `Closed`.
            Some(error) if is(texts::tokio_postgres::IO) => login(error),
            Some(error) if is(texts::tokio_postgres::TLS) => login(error),
            _ if is(texts::tokio_postgres::TIMEOUT) => Verdict::transient().with_fault(Fault::Timeout),
            _ => Verdict::permanent(),
        }
    }
}

const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);
const REFUSED: Verdict = Verdict::transient().connecting();

fn connect(error: &io::Error) -> Verdict {
    match error.kind() {
        // A socket's file, or a host that does not allow writes.
        io::ErrorKind::NotFound => REFUSED,
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => REFUSED,
        _ => error.verdict().connecting(),
    }
}

fn login(error: &io::Error) -> Verdict {
    let cut = error.get_ref().is_some_and(|inner| texts::begins(format_args!("{inner}"), texts::tokio_postgres::CUT));
    if cut { REFUSED } else { error.verdict().connecting() }
}

/// Decides by the code, as [`tables::sqlstate`](crate::tables::sqlstate) and
/// [`tables::pgbouncer`](crate::tables::pgbouncer) say.
impl Retryable for DbError {
    fn verdict(&self) -> Verdict {
        postgres::answered(self.code().code(), self.message(), || self.routine().is_some())
    }
}

pub(super) fn known(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    let verdict = found::<Error>(error).map(Retryable::verdict);
    verdict.or_else(|| found::<DbError>(error).map(Retryable::verdict))
}
