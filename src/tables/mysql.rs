use super::{unknown, unsent};
use crate::verdict::{Fault, Verdict};

/// Returns what an error number of MySQL or MariaDB means.
///
/// The number decides and not the SQLSTATE, because MySQL's SQLSTATEs are too coarse: a lock wait timeout and a
/// read-only server are both `HY000`.
///
/// "Never reached" holds for InnoDB, which rolls back what it refuses. Statements that other engines did in part, and
/// statements that define tables, stay done. After 1205 only the *statement* is rolled back and the transaction is still
/// open: roll back before the next attempt.
///
/// | number | what happened | verdict | reason |
/// |---|---|---|---|
/// | `1213`, `1614`, `3058` | deadlock | status, never reached | rolled back |
/// | `1205`, `3572` | lock wait timeout, `NOWAIT` | status, never reached | the statement is rolled back |
/// | `1613` | a distributed transaction took too long | timeout, never reached | rolled back |
/// | `1020` | the row has changed since it was read | status, never reached | rolled back |
/// | `1637` | too many concurrent transactions | status, never reached | not begun |
/// | `3101` | group replication found a conflict | status, never reached | rolled back instead of committed |
/// | `1047` | the node is not ready (Galera) | status, never reached | not begun |
/// | `1290`, `1836`, `3100` | read-only server, or a replication hook refuses | status, never reached | helps if the next attempt finds the primary |
/// | `1040`, `1203`, `1226` | too many connections, of all, of this user; a limit of this user | throttle, never reached | refused |
/// | `1037`, `1041` | out of memory | throttle, never reached | refused |
/// | `1317`, `1969`, `3024` | killed query, `max_statement_time`, `max_execution_time` | timeout, never reached | the statement is rolled back |
/// | `1129`, `2002`, `2003`, `2005` | host blocked, no server, no such host | connect, never reached | no connection |
/// | `1053`, `1077`, `1079` | shutdown | read, maybe reached | the commit may be done already |
/// | `1927`, `3169`, `4031` | killed connection, idle for too long | read, maybe reached | the same |
/// | `1152`, `1158`, `1159`, `1160`, `1161`, `1184`, `2006`, `2013`, `2055` | connection lost | read, maybe reached | the answer is lost, not necessarily the statement |
/// | `1180`, `1181` | error during `COMMIT` or `ROLLBACK` | status, maybe reached | nothing is known of what was written |
/// | `1044`, `1045`, `1049`, `1062`, `1064` | no right, wrong password, no such database, duplicate key, syntax | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::{Reached, tables};
///
/// let deadlock = tables::mysql(1213);
/// assert!(deadlock.is_transient());
/// assert_eq!(deadlock.reached(), Reached::No);
/// assert!(!tables::mysql(1062).is_transient());
/// ```
pub const fn mysql(number: u16) -> Verdict {
    match number {
        1213 | 1614 | 3058 | 1205 | 3572 | 1020 | 1637 | 3101 | 1047 | 1290 | 1836 | 3100 => unsent(Fault::Status),
        1040 | 1203 | 1226 | 1037 | 1041 => unsent(Fault::Throttle),
        1317 | 1613 | 1969 | 3024 => unsent(Fault::Timeout),
        1129 | 2002 | 2003 | 2005 => unsent(Fault::Connect),
        1053 | 1077 | 1079 | 1927 | 3169 | 4031 | 1152 | 1158..=1161 | 1184 | 2006 | 2013 | 2055 => {
            unknown(Fault::Read)
        }
        1180 | 1181 => unknown(Fault::Status),
        _ => Verdict::permanent(),
    }
}
