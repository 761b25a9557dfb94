use super::unsent;
use crate::verdict::{Fault, Verdict};

/// Returns what an extended result code of SQLite means.
///
/// Turn extended codes on, or ask for them: the primary code does not show whose lock it is.
///
/// | code | name | verdict | reason |
/// |---|---|---|---|
/// | `5`, `261`, `773` | `BUSY`, also while recovering, also after its timeout | status, never reached | nothing was written |
/// | `517` | `BUSY_SNAPSHOT` | status, never reached | begin the transaction again: the same statement in the same transaction fails for ever |
/// | `262`, `518` | `LOCKED_SHAREDCACHE`, `LOCKED_VTAB` | status, never reached | another connection's lock |
/// | `15` | `PROTOCOL` | status, never reached | a race for the lock |
/// | `6` | `LOCKED` | permanent | a statement that this connection itself has open |
/// | `1`, `8`, `9`, `13`, `14`, `26`, `1555` | error, read-only, interrupted, full, cannot open, not a database, unique | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::tables;
///
/// assert!(tables::sqlite(5).is_transient());
/// assert!(!tables::sqlite(6).is_transient());
/// ```
pub const fn sqlite(code: i32) -> Verdict {
    match code {
        5 | 261 | 517 | 773 | 262 | 518 | 15 => unsent(Fault::Status),
        _ => Verdict::permanent(),
    }
}
