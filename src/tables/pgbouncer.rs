use super::{starts_with, unknown, unsent};
use crate::verdict::{Fault, Verdict};

/// Returns what the message of a PgBouncer error means.
///
/// PgBouncer reports most of its own errors with SQLSTATE `08P01`, and names no `routine` as PostgreSQL does. Only the
/// text differs. It is English and fixed. Errors of the server behind PgBouncer keep their own SQLSTATE: ask
/// [`sqlstate`](super::sqlstate) about those.
///
/// | message | what happened | verdict | reason |
/// |---|---|---|---|
/// | `query_wait_timeout` | waited in the queue, for example while the server is down | throttle, never reached | no server was given the statement |
/// | `no more connections allowed (max_client_conn)` | too many clients | throttle, never reached | refused at the connect |
/// | `query_timeout` | waited in the queue for longer than a query may take | timeout, never reached | no server was given the statement |
/// | `server login has been failing, try again later (server_login_retry)` | the server refuses PgBouncer | connect, never reached | no server was given the statement |
/// | `pgbouncer cannot connect to server`, `connect failed` | the server is away | connect, never reached | the same |
/// | `client_login_timeout`, `client_login_timeout (server down)` | no login in time | connect, never reached | nothing was sent but the login |
/// | `server shutting down`, `pgbouncer is shutting down` | a waiting client is sent away | connect, never reached | no server was given the statement |
/// | `client_idle_timeout` | idle for too long | read, never reached | PgBouncer left before it read the statement |
/// | `query timeout`, `transaction timeout` | the server's connection was cut | timeout, maybe reached | the statement was running |
/// | `idle transaction timeout` | the same, inside a transaction | read, maybe reached | a commit may be under way |
/// | `server conn crashed?`, `server closed the connection` | the server went away | read, maybe reached | the statement was running |
/// | `suspend_timeout`, `database configuration changed` | PgBouncer cut the connection | read, maybe reached | the same |
/// | `no such database: orders`, `unsupported startup parameter: x` | a mistake of the client | permanent | would fail again |
/// | all else | | permanent | |
///
/// Each message may have more text after it.
///
/// ```
/// use persevere::{Fault, tables};
///
/// assert_eq!(tables::pgbouncer("query_wait_timeout").fault(), Fault::Throttle);
/// assert!(!tables::pgbouncer("no such database: orders").is_transient());
/// ```
pub const fn pgbouncer(message: &str) -> Verdict {
    let mut row = 0;
    while row < ROWS.len() {
        if starts_with(message, ROWS[row].0) {
            return ROWS[row].1;
        }
        row += 1;
    }
    Verdict::permanent()
}

const ROWS: [(&str, Verdict); 17] = [
    ("query_wait_timeout", unsent(Fault::Throttle)),
    ("no more connections allowed", unsent(Fault::Throttle)),
    ("query_timeout", unsent(Fault::Timeout)),
    ("server login has been failing", unsent(Fault::Connect)),
    ("pgbouncer cannot connect to server", unsent(Fault::Connect)),
    ("connect failed", unsent(Fault::Connect)),
    ("client_login_timeout", unsent(Fault::Connect)),
    ("server shutting down", unsent(Fault::Connect)),
    ("pgbouncer is shutting down", unsent(Fault::Connect)),
    ("client_idle_timeout", unsent(Fault::Read)),
    ("query timeout", unknown(Fault::Timeout)),
    ("transaction timeout", unknown(Fault::Timeout)),
    ("idle transaction timeout", unknown(Fault::Read)),
    ("server conn crashed", unknown(Fault::Read)),
    ("server closed", unknown(Fault::Read)),
    ("suspend_timeout", unknown(Fault::Read)),
    ("database configuration changed", unknown(Fault::Read)),
];
