use std::error::Error as StdError;
use std::{format, io};

use redis::{ErrorKind, RedisError, ServerError};

use super::boxed::{self, found};
use super::texts;
use crate::tables;
use crate::verdict::{Fault, Reached, Rejected, Retryable, TimedOut, Verdict};

/// Decides by what failed.
///
/// | error | verdict |
/// |---|---|
/// | an error reply | as [`tables::redis`](crate::tables::redis) says |
/// | error replies in a pipeline | the same, but the other commands were done: maybe reached; permanent if one of them is |
/// | a transaction that was refused before `EXEC` | as the replies that refused it, never reached |
/// | an I/O error | as its `io::Error`; a socket that does not exist is transient, connect, never reached |
/// | an answer that was cut | transient, read |
/// | a cluster's node without a connection | transient, connect |
/// | no replica known to a sentinel | transient, connect, never reached |
/// | everything else, a wrong password included | permanent |
///
/// A script may write first and reply any word afterwards, so a reply to `EVAL` proves nothing: there add
/// [`with_reached(Reached::Maybe)`](Verdict::with_reached). A response timeout (0.5 s by default) may have taken effect.
impl Retryable for RedisError {
    fn verdict(&self) -> Verdict {
        if let Ok(error) = ServerError::try_from(self.clone()) {
            return error.verdict();
        }
        if let Some(errors) = self.clone().into_server_errors() {
            let refused = self.kind() == ErrorKind::Server(redis::ServerErrorKind::ExecAbort);
            return several(errors.iter().map(|(_, error)| error.verdict()), refused);
        }
        match self.kind() {
            ErrorKind::Io if self.is_connection_refusal() => Verdict::transient().connecting(),
            ErrorKind::Io => match self.source() {
                Some(source) => boxed::walk(source),
                None => BROKEN,
            },
            ErrorKind::Parse if self.detail().is_some_and(|detail| detail.contains(texts::REDIS_CUT)) => BROKEN,
            ErrorKind::ClusterConnectionNotFound => Verdict::transient().with_fault(Fault::Connect),
            ErrorKind::NoValidReplicasFoundBySentinel => Verdict::transient().connecting(),
            _ => Verdict::permanent(),
        }
    }
}

const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);

/// The verdict on several commands: the first one's, unless another will not go away.
fn several(mut verdicts: impl Iterator<Item = Verdict>, refused: bool) -> Verdict {
    let first = verdicts.next().unwrap_or(Verdict::permanent());
    if first.is_transient() && verdicts.all(|verdict| verdict.is_transient()) {
        first.with_reached(if refused { Reached::No } else { Reached::Maybe })
    } else {
        Verdict::permanent()
    }
}

/// Decides by the reply, as [`tables::redis`](crate::tables::redis) says.
impl Retryable for ServerError {
    fn verdict(&self) -> Verdict {
        tables::redis(&format!("{} {}", self.code(), self.details().unwrap_or_default()))
    }
}

pub(super) fn known(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    let verdict = found::<RedisError>(error).map(Retryable::verdict);
    verdict.or_else(|| found::<ServerError>(error).map(Retryable::verdict))
}

/// An I/O error that holds the timeout.
impl From<TimedOut> for RedisError {
    fn from(timed_out: TimedOut) -> Self {
        io::Error::from(timed_out).into()
    }
}

/// An I/O error that holds the refusal.
impl From<Rejected> for RedisError {
    fn from(rejected: Rejected) -> Self {
        io::Error::from(rejected).into()
    }
}
