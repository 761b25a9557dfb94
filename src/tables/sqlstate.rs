use super::{unknown, unsent};
use crate::verdict::{Fault, Verdict};

/// Returns what a SQLSTATE of PostgreSQL means.
///
/// PostgreSQL rolls back what an `ERROR` interrupts before it sends the error, so an `ERROR` never took effect. A
/// `FATAL` of a server that goes away may cross a commit that is already done.
///
/// | code | name | verdict | reason |
/// |---|---|---|---|
/// | `40001` | serialization failure | status, never reached | rolled back: a concurrent update, or a standby's conflict with recovery |
/// | `40P01` | deadlock detected | status, never reached | rolled back, so that the other transaction could go on |
/// | `55P03` | lock not available | status, never reached | `NOWAIT` or `lock_timeout` |
/// | `55006` | object in use | status, never reached | for example a database that somebody still uses |
/// | `57014` | query canceled | timeout, never reached | `statement_timeout` and a cancel request have the same code |
/// | `25006` | read-only transaction | status, never reached | a standby; helps if the next attempt finds the primary |
/// | `57P03` | cannot connect now | connect, never reached | the server starts up, shuts down or recovers |
/// | `08001`, `08004` | connection not established | connect, never reached | there was no connection to send over |
/// | `53300` | too many connections | throttle, never reached | refused at the connect |
/// | `53000`, `53100`, `53200`, `53400` | out of disk, of memory, or over a limit | throttle, never reached | rolled back |
/// | `25P03`, `57P05` | idle for too long | read, never reached | the server left before it read the statement |
/// | `57P01`, `57P02` | shutdown, terminated, crash | read, maybe reached | the commit may be done already |
/// | `25P04` | transaction timeout | read, maybe reached | the same |
/// | `40003`, `08007` | completion unknown | status, maybe reached | the code says so |
/// | `58000`, `58030` | system error, I/O error | status, maybe reached | nothing is known of what was written |
/// | `08000`, `08003`, `08006` | connection lost | read, maybe reached | the answer is lost, not necessarily the statement |
/// | all other codes of class 08 | connection | read, maybe reached | the same |
/// | `08P01` | protocol violation | permanent | the client's own mistake; without a `routine` field it is PgBouncer's: see [`pgbouncer`](super::pgbouncer) |
/// | `25P02` | in failed transaction | permanent | the first error decides, and it was swallowed |
/// | `23505`, `42601`, `28P01`, `0A000` | unique violation, syntax, password, cached plan | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::{Fault, Reached, tables};
///
/// let deadlock = tables::sqlstate("40P01");
/// assert!(deadlock.is_transient());
/// assert_eq!(deadlock.reached(), Reached::No);
/// assert_eq!(tables::sqlstate("53300").fault(), Fault::Throttle);
/// assert!(!tables::sqlstate("23505").is_transient());
/// ```
pub const fn sqlstate(code: &str) -> Verdict {
    match code.as_bytes() {
        b"40001" | b"40P01" | b"55P03" | b"55006" | b"25006" => unsent(Fault::Status),
        b"57014" => unsent(Fault::Timeout),
        b"57P03" | b"08001" | b"08004" => unsent(Fault::Connect),
        b"53300" | b"53000" | b"53100" | b"53200" | b"53400" => unsent(Fault::Throttle),
        b"25P03" | b"57P05" => unsent(Fault::Read),
        b"40003" | b"08007" | b"58000" | b"58030" => unknown(Fault::Status),
        b"08P01" => Verdict::permanent(),
        b"57P01" | b"57P02" | b"25P04" | [b'0', b'8', _, _, _] => unknown(Fault::Read),
        _ => Verdict::permanent(),
    }
}
