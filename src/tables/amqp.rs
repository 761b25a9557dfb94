use super::{unknown, unsent};
use crate::verdict::{Fault, Verdict};

/// Returns what a reply code of AMQP 0-9-1 means.
///
/// The code closes the channel or the connection: another attempt needs a new one.
///
/// | code | name | verdict | reason |
/// |---|---|---|---|
/// | `320` | connection forced | read, maybe reached | the operator closed it, or the broker stops |
/// | `504`, `541` | channel error, internal error | read, maybe reached | nothing is known of what was done |
/// | `405` | resource locked | status, never reached | another connection has the queue for itself |
/// | `506` | resource error | throttle, maybe reached | the broker lacks memory or disk |
/// | `311`, `312`, `313` | too large, no route, no consumers | permanent | would fail again |
/// | `402`, `403`, `404`, `406` | no such host, no right, not found, other settings | permanent | would fail again |
/// | `501`, `502`, `503`, `505`, `530`, `540` | a mistake of the client | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::tables;
///
/// assert!(tables::amqp(320).is_transient());
/// assert!(!tables::amqp(404).is_transient());
/// ```
pub const fn amqp(code: u16) -> Verdict {
    match code {
        320 | 504 | 541 => unknown(Fault::Read),
        405 => unsent(Fault::Status),
        506 => unknown(Fault::Throttle),
        _ => Verdict::permanent(),
    }
}
